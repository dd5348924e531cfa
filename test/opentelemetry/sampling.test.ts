/** What is sampled out has no spans, and neither has what belongs to it. */
import { trace } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
} from '@opentelemetry/sdk-trace';
import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { expect, it } from 'vitest';
import { codeOf, range } from '../kit/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { linksOf, TracedProcess, useContextManager } from './traced-process.ts';

useContextManager();

const order = { id: 'o-1', userId: 'u', amount: 1 };

/** Records no root of this name. */
const without = (unwanted: string): Sampler =>
  new ParentBasedSampler({
    root: {
      shouldSample: (_context, _traceId, name) => ({
        decision: name.startsWith(unwanted)
          ? SamplingDecision.NOT_RECORD
          : SamplingDecision.RECORD_AND_SAMPLED,
      }),
      toString: () => unwanted,
    },
  });

/** What a failing order with a retry leaves, and what its steps saw as their span. */
async function processed(sampler: Sampler) {
  const process = new TracedProcess(sampler);
  const isSampled: (boolean | undefined)[] = [];
  const step: Step = {
    name: 'charge',
    retry: { attempts: 2, delayMs: 1 },
    async run(_, { attempt }) {
      await process.within('call', async () => {
        isSampled.push(((trace.getActiveSpan()?.spanContext().traceFlags ?? 0) & 1) === 1);
      });
      if (attempt === 1) throw new OrderError('busy', 'Busy');
      throw new OrderError('declined', 'Declined', { retryable: false });
    },
  };
  const storage = new KeptStorage();
  const processor = new OrderProcessor({ storage, steps: [step] });
  using _ = instrument(processor, { tracerProvider: process.provider });
  const code = await codeOf(processor.submit(order));
  const contexts = await keptContexts(storage);
  await processor.shutdown();
  return {
    code,
    isSampled,
    contexts,
    process,
    names: process.spans.map(({ name }) => name).sort(),
  };
}

async function keptContexts({ disk }: KeptStorage) {
  const { traceContext } = (await disk.find('o-1')) ?? {};
  return traceContext?.traceparent.slice(-2);
}

it('without a decision against it, the order, its attempts and its settlement are there', async () => {
  const { code, names, isSampled, contexts } = await processed(without('nothing'));
  const all = [
    'call',
    'call',
    'charge',
    'charge',
    'process orders',
    'send orders',
    'settle orders',
  ];
  expect([code, names, isSampled, contexts]).toEqual(['declined', all, [true, true], '01']);
});

it('an order whose `process` is sampled out has no attempts and no `settle`, and what its steps begin is sampled out', async () => {
  const { code, names, isSampled, contexts } = await processed(without('process'));
  expect([code, names, isSampled]).toEqual(['declined', ['send orders'], [false, false]]);
  expect(contexts).toBe('01');
});

it('an order keeps the context of a `send` that is sampled out, with that flag', async () => {
  const { names, contexts, process } = await processed(without('send'));
  expect(names).not.toContain('send orders');
  expect(contexts).toBe('00');
  expect(linksOf(process.one('process orders'))).toHaveLength(1);
});

it('invariant 11: with all sampled out nothing is recorded, and orders go as without', async () => {
  const { code, names, isSampled } = await processed(new AlwaysOffSampler());
  expect([code, names, isSampled]).toEqual(['declined', [], [false, false]]);
});

it('a call that settles a batch has links to those of its orders that are sampled', async () => {
  let count = 0;
  const process = new TracedProcess({
    shouldSample: (_context, _traceId, name) => {
      const isEven = name !== 'process orders' || count++ % 2 === 0;
      return {
        decision: isEven ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD,
      };
    },
    toString: () => 'every other',
  });
  const processor = new OrderProcessor({ storage: new KeptStorage() });
  using _ = instrument(processor, { tracerProvider: process.provider });
  await processor.submitMany(range(6).map((at) => ({ userId: `u-${at}`, amount: 1 })));
  await processor.shutdown();
  const orders = process.named('process orders').map((span) => span.spanContext().spanId);
  const calls = process.named('settle orders');
  const sizes = calls.map(({ attributes }) =>
    Number(attributes['messaging.batch.message_count'] ?? 1),
  );
  expect(orders).toHaveLength(3);
  expect(calls.flatMap(linksOf).sort()).toEqual(orders.sort());
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(6);
});
