import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import {
  OrderError,
  OrderProcessor,
  refuse,
  type Step,
  type TracingMessages,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
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

/** All that can be seen of a few orders that go in every way: outcomes, calls, events, and what is written. */
async function played(): Promise<unknown> {
  const storage = new KeptStorage();
  const calls: string[] = [];
  const events: string[] = [];
  let settles = 0;
  storage.fate = (method) => {
    if (method !== 'settle') return 'works';
    settles += 1;
    return settles === 3 ? 'throws' : 'works';
  };
  const charge: Step = {
    name: 'charge',
    retry: { attempts: 2, delayMs: 1, jitter: false },
    async run({ id }, { attempt }) {
      calls.push(`${id} charge ${attempt}`);
      if (id === 'o-1' && attempt === 1) throw new OrderError('busy', 'Busy');
    },
    compensate: ({ id }) => void calls.push(`${id} refund`),
  };
  const ship: Step = {
    name: 'ship',
    after: 'charge',
    run({ id }) {
      calls.push(`${id} ship`);
      if (id === 'o-2') throw new OrderError('lost', 'Lost', { retryable: false });
      return id;
    },
  };
  const processor = new OrderProcessor({
    storage,
    steps: [charge, ship],
    rules: [({ amount }) => amount === 13 && refuse('unlucky', 'Unlucky')],
  });
  for (const event of ['accepted', 'started', 'stepped', 'retried', 'refused'] as const) {
    processor.on(event, (payload: { id?: string; orderId?: string | undefined }) => {
      events.push(`${event} ${payload.id ?? payload.orderId}`);
    });
  }
  for (const event of ['completed', 'failed', 'canceled'] as const) {
    processor.on(event, ({ orderId }) => events.push(`${event} ${orderId}`));
  }
  processor.on('error', ({ code }) => events.push(`error ${code}`));
  const outcomes: unknown[] = [];
  for (const at of [0, 1, 3, 2]) {
    const order = { id: `o-${at}`, userId: 'u', amount: at === 3 ? 13 : 1 };
    outcomes.push(
      await processor.submit(order).then(
        ({ balance, steps }) => [balance, steps.map(({ status, attempts }) => [status, attempts])],
        ({ code, outcome }) => [code, outcome],
      ),
    );
  }
  outcomes.push(await codeOf(processor.submit({ userId: '', amount: 1 })));
  await processor.shutdown();
  const stats = processor.stats();
  const counts = [stats.accepted, stats.completed, stats.failed, stats.duplicates];
  return { calls, events, outcomes, counts, log: storage.log, offences: storage.offences };
}

describe('subscribers of diagnostics channels', () => {
  const fails = (): never => {
    throw new Error('A subscriber');
  };

  it('invariants 8 and 11: what they throw, at any event of any channel, changes nothing', async () => {
    const without = await played();
    const thrown = new Map<string, number>();
    const unsubscribe = names.flatMap((name) =>
      events.map((event) => {
        const subscriber = (): never => {
          thrown.set(`${name} ${event}`, (thrown.get(`${name} ${event}`) ?? 0) + 1);
          return fails();
        };
        const channel = tracingChannel(name)[event];
        channel.subscribe(subscriber);
        return () => channel.unsubscribe(subscriber);
      }),
    );
    let seen: unknown;
    const uncaught = await uncaughtIn(async () => {
      seen = await played();
    });
    for (const each of unsubscribe) each();
    expect(seen).toEqual(without);
    // Node.js reports each, and nothing else is reported.
    const all = names.flatMap((name) => events.map((event) => `${name} ${event}`));
    expect([...thrown.keys()].sort()).toEqual(all.sort());
    const count = [...thrown.values()].reduce((sum, each) => sum + each, 0);
    expect(uncaught).toEqual(Array(count).fill(new Error('A subscriber')));
  });

  it('invariants 8 and 11: what they throw where they bind a context changes nothing', async () => {
    const without = await played();
    const store = new AsyncLocalStorage<unknown>();
    for (const name of names) tracingChannel(name).start.bindStore(store, fails);
    let seen: unknown;
    const uncaught = await uncaughtIn(async () => {
      seen = await played();
    });
    for (const name of names) tracingChannel(name).start.unbindStore(store);
    expect(seen).toEqual(without);
    expect(uncaught.length).toBeGreaterThan(10);
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
