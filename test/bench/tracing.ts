import { context, type TracerProvider } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AlwaysOffSampler,
  NoopSpanProcessor,
  TracerProvider as SdkTracerProvider,
} from '@opentelemetry/sdk-trace';
import { OrderProcessor, type OrderStorage, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { SqliteStorage } from 'order-processor/sqlite';
import { asyncWorks, type BenchOrder } from './contenders.ts';
import { onFile } from './durable.ts';
import { closedLoop } from './loops.ts';
import type { Round } from './workload.ts';

/** What makes the spans, of the real SDK; none without the adapter. */
const providers: Readonly<Record<string, (() => TracerProvider) | undefined>> = {
  untraced: undefined,
  sampledOut: () => new SdkTracerProvider({ sampler: new AlwaysOffSampler() }),
  recorded: () => new SdkTracerProvider({ spanProcessors: [new NoopSpanProcessor()] }),
};

const steps: Step[] = ['reserve', 'charge', 'send'].map((name) => ({
  name,
  run: asyncWorks.immediate as Step['run'],
}));

/** Orders per second of processor time: other programs on the machine take none of it. */
async function perCpuSecond(orders: readonly BenchOrder[], work: () => Promise<unknown>) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (orders.length / (user + system)) * 1e6;
}

async function throughProcessor(
  orders: readonly BenchOrder[],
  contender: string,
  storage?: OrderStorage,
): Promise<number> {
  const provider = providers[contender];
  const processor = new OrderProcessor({ steps, ...(storage && { storage }) });
  await processor.ready;
  const instrumentation =
    provider && instrument(processor, { tracerProvider: provider(), metrics: false });
  if (provider !== undefined) {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }
  const rate = await perCpuSecond(orders, () =>
    closedLoop((order) => processor.submit(order), orders, 1_000),
  );
  instrumentation?.stop();
  context.disable();
  await processor.shutdown();
  return rate;
}

const roundsOf = (round: (contender: string) => Round): Record<string, Round> =>
  Object.fromEntries(Object.keys(providers).map((contender) => [contender, round(contender)]));

export const inMemory = roundsOf((contender) => (orders) => throughProcessor(orders, contender));

export const onDisk = roundsOf(
  (contender) => (orders) =>
    onFile(async (file) => throughProcessor(orders, contender, await SqliteStorage.open(file))),
);
