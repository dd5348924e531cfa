/** Random runs of traced processors: what may become of orders, restarts included. */
import { context, propagation } from '@opentelemetry/api';
import fc from 'fast-check';
import {
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type OrderStorage,
  refuse,
  type Step,
} from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { KeptStorage } from '../kit/kept-storage.ts';
import { activeSpanId, TracedProcess } from './traced-process.ts';

/** What becomes of an order at each of its steps. */
type Fate = 'ok' | 'again' | 'fails' | 'slow' | 'late';

export interface Plan {
  readonly parent: boolean;
  readonly isSequence: boolean;
  readonly isHeld: boolean;
  readonly comesAgain: boolean;
  readonly concurrency: number;
  /** Where orders are kept: the process ends after so many turns of the event loop, and another one goes on. */
  readonly restart: { readonly turns: number; readonly isKilled: boolean } | undefined;
  readonly orders: readonly {
    readonly user: number;
    readonly fates: readonly Fate[];
    readonly isRefused: boolean;
    readonly isAgain: boolean;
    readonly way: 'submit' | 'enqueue' | 'submitMany' | 'submitStream';
    readonly cancels: boolean;
  }[];
}

/** True once in so many plans. */
const seldom = (times: number) => fc.nat({ max: times - 1 }).map((number) => number === 0);

const turns = fc.nat({ max: 12 });

export const plans: fc.Arbitrary<Plan> = fc.record({
  parent: fc.boolean(),
  isSequence: fc.boolean(),
  isHeld: seldom(3),
  comesAgain: seldom(3),
  concurrency: fc.integer({ min: 1, max: 4 }),
  restart: fc.option(fc.record({ turns, isKilled: fc.constant(false) }), { nil: undefined }),
  orders: fc.array(
    fc.record({
      user: fc.nat({ max: 2 }),
      fates: fc.array(fc.constantFrom<Fate>('ok', 'ok', 'again', 'fails', 'slow', 'late'), {
        minLength: 2,
        maxLength: 2,
      }),
      isRefused: seldom(10),
      isAgain: seldom(6),
      way: fc.constantFrom('submit', 'enqueue', 'submitMany', 'submitStream'),
      cancels: seldom(8),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});

/** With `kill -9`: each takes seconds, since the processor waits for its storage. */
export const plansWithKill: fc.Arbitrary<Plan> = fc
  .tuple(plans, turns)
  .map(([plan, turns]) => ({ ...plan, restart: { turns, isKilled: true } }));

/** What a step saw as the active span, and for which attempt. */
interface Seen {
  readonly id: string;
  readonly step: string;
  readonly attempt: number;
  readonly spans: readonly (string | undefined)[];
  /** The order of the caller whose baggage it has. */
  readonly baggage: string | undefined;
}

/** What one run has left. */
export interface Run {
  readonly process: TracedProcess;
  readonly plan: Plan;
  readonly seen: Seen[];
  /** The active spans of each caller: before and after its call, and when it was answered. */
  readonly callers: (readonly (string | undefined)[])[];
  /** The active spans in calls of the storage that settle orders. */
  readonly settling: (string | undefined)[];
  /** How many orders came again by `retry`. */
  retries: number;
}

type Processor = OrderProcessor<readonly Fate[]>;

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** @param storage - `undefined` for a memory that makes no calls */
export async function play(plan: Plan, storage: KeptStorage | undefined): Promise<Run> {
  const process = new TracedProcess();
  const run: Run = { process, plan, seen: [], callers: [], settling: [], retries: 0 };
  const first = open(run, storage);
  const calls = Promise.all(plan.orders.map((_, at) => call(run, first.processor, at)));
  if (storage === undefined || plan.restart === undefined) {
    await ended(first.processor, calls);
    await comeAgain(run, first.processor);
    await first.close();
    return run;
  }
  for (let turn = 0; turn < plan.restart.turns; turn += 1) await tick();
  if (plan.restart.isKilled) storage.cut();
  await first.close();
  await calls;
  const second = open(run, new KeptStorage(storage.disk));
  await second.processor.ready;
  await ended(second.processor, Promise.resolve());
  await comeAgain(run, second.processor);
  await second.close();
  return run;
}

function open(run: Run, storage: KeptStorage | undefined) {
  const { plan, process } = run;
  if (storage !== undefined) {
    storage.fate = (method) => {
      if (method === 'settle') run.settling.push(activeSpanId());
      return 'works';
    };
  }
  const options: OrderProcessorOptions<readonly Fate[]> = {
    ...(storage && { storage: storage as OrderStorage }),
    concurrency: plan.concurrency,
    onFailure: plan.isHeld ? 'hold' : 'continue',
    rules: [({ amount }) => amount === 13 && refuse('unlucky', 'Unlucky')],
    steps: ['first', 'second'].map((name, at) => stepOf(name, at, run)),
  };
  const processor = new OrderProcessor(options);
  const { stop } = instrument(processor, { tracerProvider: process.provider, parent: plan.parent });
  const close = async (): Promise<void> => {
    await processor.shutdown({ timeoutMs: 1 });
    stop();
  };
  return { processor, close };
}

/** Hands in an order under a span of its caller. */
function call({ process, plan, callers }: Run, processor: Processor, at: number): Promise<void> {
  const { user, fates, isRefused, isAgain, way, cancels } = plan.orders[at] as Plan['orders'][0];
  return process.within(`caller ${at}`, async () => {
    const order = {
      id: `o-${isAgain && at > 0 ? at - 1 : at}`,
      userId: `u-${user}`,
      amount: isRefused ? 13 : 1,
      payload: fates,
    };
    const spans = [activeSpanId()];
    const done = withBaggage(order.id, () =>
      way === 'submitStream' ? streamed(processor, order) : handedIn(processor, way, order),
    );
    spans.push(activeSpanId());
    if (cancels) void processor.cancel(order.id).catch(() => {});
    await Promise.allSettled([done]);
    spans.push(activeSpanId());
    callers.push(spans);
  });
}

function withBaggage<T>(orderId: string, work: () => T): T {
  const baggage = propagation.createBaggage({ order: { value: orderId } });
  return context.with(propagation.setBaggage(context.active(), baggage), work);
}

type Handed = Parameters<Processor['submit']>[0];

function handedIn(
  processor: Processor,
  way: 'submit' | 'enqueue' | 'submitMany',
  order: Handed,
): Promise<unknown> {
  return way === 'submitMany' ? processor.submitMany([order]) : processor[way](order);
}

async function streamed(processor: Processor, order: Handed): Promise<void> {
  for await (const _ of processor.submitStream([order]));
}

/** All orders are settled: those that hold their lanes are run once more, and skipped then. */
async function ended(processor: Processor, calls: Promise<unknown>): Promise<void> {
  const retried = new Set<string | undefined>();
  const release = async (): Promise<number> => {
    const { holds } = await processor.holds();
    for (const { userId, orderId } of holds) {
      const action = retried.has(orderId) ? 'skip' : 'retry';
      retried.add(orderId);
      await processor.release(userId, action).catch(() => {});
    }
    return holds.length;
  };
  let isAnswered = false;
  void calls.finally(() => {
    isAnswered = true;
  });
  while (!isAnswered) {
    await release();
    await tick();
  }
  do await processor.onIdle();
  while ((await release()) > 0);
}

/** Hands in again what has failed. */
async function comeAgain(run: Run, processor: Processor): Promise<void> {
  if (!run.plan.comesAgain) return;
  const { orders } = await processor.orders({ limit: 100 });
  for (const { id, status } of orders) {
    if (status !== 'failed' && status !== 'canceled') continue;
    run.retries += 1;
    await run.process.within('caller of retry', async () => {
      await withBaggage(`${id}~2`, () => processor.retry(id));
    });
  }
  await ended(processor, Promise.resolve());
}

function stepOf(name: string, at: number, { plan, seen }: Run): Step<readonly Fate[]> {
  const look = async (id: string, step: string, attempt: number, fate: Fate): Promise<void> => {
    const first = activeSpanId();
    await tick();
    if (fate === 'slow') await tick();
    if (fate === 'late') await new Promise((resolve) => setTimeout(resolve, 8));
    const baggage = propagation.getActiveBaggage()?.getEntry('order')?.value;
    seen.push({ id, step, attempt, spans: [first, activeSpanId()], baggage });
  };
  return {
    name,
    timeoutMs: 4,
    ...(plan.isSequence && at > 0 && { after: 'first' }),
    retry: { attempts: 2, delayMs: 1, jitter: false },
    async run({ id, payload }, { attempt }) {
      const fate = payload[at] as Fate;
      await look(id, name, attempt, fate);
      if (fate === 'fails' || (fate === 'again' && attempt === 1)) {
        throw new OrderError('busy', 'Busy', { retryable: fate === 'again' });
      }
    },
    compensate: ({ id, payload }, { attempt }) =>
      look(id, `compensate ${name}`, attempt, payload[at] as Fate),
  };
}
