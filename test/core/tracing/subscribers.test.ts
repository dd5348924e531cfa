import { tracingChannel } from 'node:diagnostics_channel';
import { OrderProcessor, type Step, type TracingMessages } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { TraceWitness } from '../../kit/trace-witness.ts';

const names: readonly (keyof TracingMessages)[] = [
  'order-processor:submit',
  'order-processor:order',
  'order-processor:step',
  'order-processor:settle',
];
const events = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'] as const;
const step: Step = { name: 'work', run: async () => 1 };

/** What Node.js reports while something is done; it would end the process. */
async function uncaughtIn(work: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.removeAllListeners('uncaughtException');
    for (const listener of listeners) process.on('uncaughtException', listener);
  }
  return uncaught;
}

describe('subscribers of diagnostics channels', () => {
  it('invariants 8 and 11: what they throw changes no order', async () => {
    const fails = (): never => {
      throw new Error('A subscriber');
    };
    for (const name of names) {
      for (const event of events) tracingChannel(name)[event].subscribe(fails);
    }
    const uncaught = await uncaughtIn(async () => {
      const processor = new OrderProcessor({ steps: [step] });
      const balances: number[] = [];
      for (const at of range(3)) {
        const { balance } = await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1 });
        balances.push(balance);
      }
      expect(balances).toEqual([1, 2, 3]);
      await processor.shutdown();
    });
    for (const name of names) {
      for (const event of events) tracingChannel(name)[event].unsubscribe(fails);
    }
    // Of each order: submit, order and step, each without an error.
    expect(uncaught).toHaveLength(3 * 3 * 4);
  });

  it('invariant 11: those that come in the middle get no operation that has begun', async () => {
    const processor = new OrderProcessor({ steps: [step] });
    const first = processor.submit({ id: 'first', userId: 'u', amount: 1 });
    using late = new TraceWitness();
    await first;
    await processor.submit({ id: 'second', userId: 'u', amount: 1 });
    late[Symbol.dispose]();
    await processor.submit({ id: 'third', userId: 'u', amount: 1 });
    await processor.shutdown();
    expect(late.verdict()).toEqual([]);
    const handedIn = late.of('order-processor:submit').map(({ message }) => message.order?.id);
    expect(handedIn).toEqual(['second']);
    const processed = late.of('order-processor:order').map(({ message }) => message.order.id);
    expect(processed).toEqual(['first', 'second']);
  });

  it('invariants 1 and 3: they may cancel orders and hand in others at any time', async () => {
    const codes: Promise<string>[] = [];
    let count = 0;
    let processor: OrderProcessor;
    using witness = new TraceWitness((event, { name, message }) => {
      if (!('order' in message) || message.order === undefined || count >= 200) return;
      count += 1;
      const { id } = message.order;
      if (count % 7 === 0) void processor.cancel(id);
      if (count % 3 === 0) {
        codes.push(
          codeOf(processor.submit({ userId: 'u', amount: 1, id: `${name} ${event} ${count}` })),
        );
      }
    });
    processor = new OrderProcessor({ steps: witness.watch([step, { ...step, name: 'more' }]) });
    for (const at of range(20))
      codes.push(codeOf(processor.submit({ id: `o-${at}`, userId: 'u', amount: 1 })));
    await processor.onIdle();
    await processor.shutdown();
    expect(witness.verdict()).toEqual([]);
    const completed = (await Promise.all(codes)).filter((code) => code === 'completed');
    expect(await processor.stats().completed).toBe(completed.length);
  });
});
