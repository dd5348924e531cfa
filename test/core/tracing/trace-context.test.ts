import { tracingChannel } from 'node:diagnostics_channel';
import {
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type SubmitMessage,
  type TraceContext,
} from 'order-processor';
import { SqliteStorage } from 'order-processor/sqlite';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { TraceWitness } from '../../kit/trace-witness.ts';
import { useFolder } from '../../sqlite/helpers.ts';

const files = useFolder();
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const other = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
const given: TraceContext = { traceparent, tracestate: 'vendor=value' };
const fails = {
  name: 'fails',
  run: () => {
    throw new OrderError('no_stock', 'No');
  },
};

/** Sets the trace context of each order that is handed in. */
function setting(context: unknown): Disposable {
  const { start } = tracingChannel('order-processor:submit');
  const set = (message: unknown): void => {
    (message as SubmitMessage).traceContext = context as TraceContext;
  };
  start.subscribe(set);
  return { [Symbol.dispose]: () => start.unsubscribe(set) };
}

describe('the trace context of an order', () => {
  it('is the one that the caller gives, or a subscriber sets', async () => {
    using witness = new TraceWitness();
    const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => 1 }] });
    await processor.submit({ id: 'given', userId: 'u', amount: 1, traceContext: given });
    await processor.submitMany([{ id: 'listed', userId: 'u', amount: 1, traceContext: given }]);
    {
      using _ = setting({ traceparent: other });
      await processor.submit({ id: 'set', userId: 'u', amount: 1, traceContext: given });
    }
    await processor.submit({ id: 'none', userId: 'u', amount: 1 });
    await processor.shutdown();
    expect(
      witness
        .of('order-processor:order')
        .map(({ message: { order, traceContext } }) => [...[order.id, traceContext]]),
    ).toEqual([
      ['given', given],
      ['listed', given],
      ['set', { traceparent: other }],
      ['none', undefined],
    ]);
  });

  it.each([
    ['no object', 1],
    ['no traceparent', {}],
    ['one of another form', { traceparent: traceparent.toUpperCase() }],
    ['one that is too long', { traceparent: `${traceparent}-00` }],
    ['a trace id of zeros', { traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01` }],
    [
      'a parent id of zeros',
      { traceparent: `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01` },
    ],
    ['the version ff', { traceparent: `ff${traceparent.slice(2)}` }],
  ])('invariant 8: is dropped if it is not valid: %s', async (_, context) => {
    using witness = new TraceWitness();
    const processor = new OrderProcessor();
    const order = { userId: 'u', amount: 1 };
    await processor.submit({ ...order, traceContext: context as TraceContext });
    using _set = setting(context);
    await processor.submit({ ...order, traceContext: given });
    await processor.shutdown();
    const kept = witness.of('order-processor:order').map(({ message }) => message.traceContext);
    expect(kept).toEqual([undefined, undefined]);
  });

  it.each([
    ['too long', 'x'.repeat(513)],
    ['with a control', 'a=\n'],
    ['empty', ''],
    ['no text', 1],
  ])('is kept without a state that is not valid: %s', async (_, tracestate) => {
    using witness = new TraceWitness();
    const processor = new OrderProcessor();
    const traceContext = { traceparent, tracestate } as TraceContext;
    await processor.submit({ userId: 'u', amount: 1, traceContext });
    await processor.shutdown();
    const [order] = witness.of('order-processor:order');
    expect(order?.message.traceContext).toEqual({ traceparent });
  });

  it('invariant 5: is no part of the content, and a known order keeps its own', async () => {
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage });
    const order = { id: 'o-1', userId: 'u', amount: 1 };
    const { balance } = await processor.submit({ ...order, traceContext: given });
    expect(
      (await processor.submit({ ...order, traceContext: { traceparent: other } })).balance,
    ).toBe(balance);
    expect((await processor.submit(order)).balance).toBe(balance);
    expect((await storage.find('o-1'))?.traceContext).toEqual(given);
    expect(await processor.order('o-1')).not.toHaveProperty('traceContext');
    await processor.shutdown();
  });

  it.each([
    ['in memory', () => new MemoryStorage()],
    ['in a file', () => SqliteStorage.open(files.path('retried.db'))],
  ])(
    'goes on with an order that comes again %s, unless a subscriber sets another',
    async (_, open) => {
      using witness = new TraceWitness();
      const processor = new OrderProcessor({ storage: await open(), steps: [fails] });
      await codeOf(processor.submit({ id: 'o-1', userId: 'u', amount: 1, traceContext: given }));
      await processor.retry('o-1');
      await codeOf(processor.outcome('o-1~2') as Promise<unknown>);
      {
        using _set = setting({ traceparent: other });
        await processor.retry('o-1~2');
      }
      await processor.outcome('o-1~3');
      // What a caller of `retry` gives counts, unless it is not valid.
      await processor.retry('o-1~3', { traceContext: given });
      await processor.outcome('o-1~4');
      await processor.retry('o-1~4', { traceContext: { traceparent: 'x' } });
      await processor.outcome('o-1~5');
      await processor.shutdown();
      const submits = witness.of('order-processor:submit').map(({ message }) => message);
      expect(
        submits.map(({ method, retried, traceContext }) => [method, retried, traceContext]),
      ).toEqual([
        ['submit', undefined, given],
        ['retry', given, given],
        ['retry', given, { traceparent: other }],
        ['retry', { traceparent: other }, given],
        ['retry', given, given],
      ]);
      const orders = witness.of('order-processor:order').map(({ message }) => message.traceContext);
      expect(orders).toEqual([given, given, { traceparent: other }, given, given]);
    },
  );

  it('invariant 9: goes on over a restart, of a file', async () => {
    const path = files.path('restarted.db');
    const first = new OrderProcessor({ storage: await SqliteStorage.open(path), steps: [fails] });
    await first.hold('u');
    await first.enqueue({ id: 'o-1', userId: 'u', amount: 1, traceContext: given });
    await first.enqueue({ id: 'o-2', userId: 'u', amount: 1 });
    await first.shutdown();
    using witness = new TraceWitness();
    const second = new OrderProcessor({ storage: await SqliteStorage.open(path), steps: [fails] });
    await second.release('u');
    await second.onIdle();
    await second.shutdown();
    const orders = witness.of('order-processor:order').map(({ message }) => message);
    expect(
      orders.map(({ order, traceContext, submit }) => [order.id, traceContext, submit]),
    ).toEqual([
      ['o-1', given, undefined],
      ['o-2', undefined, undefined],
    ]);
  });

  it('goes on with an order that holds its lane and is tried again', async () => {
    using witness = new TraceWitness();
    const processor = new OrderProcessor({ onFailure: 'hold', steps: [fails] });
    const outcome = codeOf(processor.submit({ userId: 'u', amount: 1, traceContext: given }));
    await new Promise((resolve) => processor.once('held', resolve));
    await processor.release('u', 'retry');
    await new Promise((resolve) => processor.once('held', resolve));
    await processor.release('u', 'skip');
    await outcome;
    await processor.shutdown();
    const orders = witness.of('order-processor:order').map(({ message }) => message.traceContext);
    expect(orders).toEqual([given, given]);
  });
});
