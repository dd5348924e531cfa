import { MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

describe('stats', () => {
  it('tell every moment of an order', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 1 });
    const none = {
      state: 'running',
      storage: 'ready',
      recovered: 0,
      isPaused: false,
      capacity: 10_000,
      concurrency: 1,
      accepted: 0,
      refused: 0,
      duplicates: 0,
      completed: 0,
      failed: 0,
      canceled: 0,
      queueLength: 0,
      waitingCallers: 0,
      unsettled: 0,
      activeWorkers: 0,
      stalled: 0,
      waitMs: { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 },
      durationMs: { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 },
      oldestWaitMs: 0,
      uptimeMs: 0,
    };
    expect(processor.stats()).toEqual(none);
    void processor.submit(order('a'));
    void processor.submit(order('b'));
    const at0 = { ...none, accepted: 2, unsettled: 2, queueLength: 1, activeWorkers: 1 };
    expect(processor.stats()).toEqual(at0);
    await clock.advance(4);
    expect(processor.stats()).toEqual({ ...at0, oldestWaitMs: 4, uptimeMs: 4 });
    await clock.advance(8);
    expect(processor.stats()).toMatchObject({
      completed: 1,
      unsettled: 1,
      queueLength: 0,
      activeWorkers: 1,
      oldestWaitMs: 0,
      durationMs: { p50: 10, p95: 10, p99: 10, max: 10, mean: 10 },
    });
    await clock.runAll();
    expect(processor.stats()).toMatchObject({
      completed: 2,
      unsettled: 0,
      activeWorkers: 0,
      waitMs: { p50: 0, p95: 10, max: 10, mean: 5 },
    });
  });

  it('forget percentiles after two minutes, and keep the counts', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    await Promise.all([processor.submit(order('a')), clock.advance(10)]);
    await clock.advance(59_000);
    expect(processor.stats().durationMs.max).toBe(10);
    await clock.advance(130_000);
    expect(processor.stats()).toMatchObject({ completed: 1, durationMs: { max: 0, mean: 0 } });
  });

  it('add up over a mix', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 50, minBalance: 0 });
    processor.pause();
    const codes = range(80).map((index) =>
      codeOf(
        processor.submit({
          ...order(`o-${index}`, `u-${index % 9}`),
          amount: index % 4 === 0 ? -50 : 1,
        }),
      ),
    );
    for (const index of range(10)) void processor.cancel(`o-${index * 3}`);
    processor.resume();
    await clock.runAll();
    const heard = await Promise.all(codes);
    const count = (code: string): number => heard.filter((each) => each === code).length;
    expect(processor.stats()).toMatchObject({
      accepted: 50,
      refused: 30,
      completed: count('completed'),
      failed: count('insufficient_funds'),
      canceled: 10,
      unsettled: 0,
    });
    expect(count('completed') + count('insufficient_funds')).toBe(40);
  });
});

describe('order', () => {
  it('tells each status of an order, with its times', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 1 });
    const acceptedAt = Date.now();
    const submitted = ['a', 'b', 'c'].map((id) =>
      codeOf(processor.submit({ ...order(id), payload: id, priority: 'low' })),
    );
    await clock.advance(5);
    const pending = {
      id: 'b',
      userId: 'u',
      amount: 1,
      priority: 'low',
      payload: 'b',
      status: 'pending',
      acceptedAt,
      startedAt: undefined,
      settledAt: undefined,
      balance: undefined,
      code: undefined,
      message: undefined,
      retryable: undefined,
      labels: [],
      steps: [],
    };
    expect(await processor.order('b')).toEqual(pending);
    await clock.advance(10);
    const startedAt = acceptedAt + 10;
    expect(await processor.order('b')).toEqual({ ...pending, status: 'processing', startedAt });
    await processor.cancel('c');
    await clock.runAll();
    expect(await processor.order('b')).toEqual({
      ...pending,
      status: 'completed',
      startedAt,
      settledAt: acceptedAt + 20,
      balance: 2,
      steps: [{ name: 'sleeps', status: 'ok', durationMs: 10, attempts: 1 }],
    });
    expect(await processor.order('c')).toMatchObject({
      status: 'canceled',
      code: 'canceled',
      retryable: true,
      settledAt: acceptedAt + 15,
    });
    expect(await Promise.all(submitted)).toEqual(['completed', 'completed', 'canceled']);
  });

  it.each(['nobody', '', '__proto__', 'constructor', 7, null, undefined, {}])(
    'is undefined for %s, and so is `balance`',
    async (id) => {
      const processor = new OrderProcessor();
      await processor.submit(order('a'));
      expect(await processor.order(id as string)).toBeUndefined();
      expect(await processor.balance(id as string)).toBeUndefined();
    },
  );

  it.each(['submit', 'enqueue'] as const)(
    'tells of an order that begins by `%s` that it is processed by a worker, and since when',
    async (how) => {
      const seen: unknown[] = [];
      const processor: OrderProcessor = new OrderProcessor({
        steps: [
          {
            name: 'look',
            run: async ({ id }) => {
              seen.push(processor.stats().activeWorkers);
              const record = await processor.order(id);
              seen.push(record?.status, typeof record?.startedAt);
            },
          },
        ],
      });
      await processor[how]({ userId: 'u', amount: 1 });
      await processor.onIdle();
      expect(seen).toEqual([1, 'processing', 'number']);
    },
  );

  it('gives the record of an enqueued order that is settled at once, and not remembered', async () => {
    const steps = [{ name: 'nothing', run: () => {} }];
    const down = (): never => {
      throw new Error('down');
    };
    for (const storage of [
      new MemoryStorage({ retainSettled: 0 }),
      { get: () => 0, apply: down, retainSettled: 0 },
    ]) {
      for (const options of [{ steps }, {}]) {
        const processor = new OrderProcessor({ ...options, storage });
        processor.on('accepted', () => {});
        // As it was when it was accepted: `processing` would have its caller wait for ever.
        const record = await processor.enqueue({ userId: 'u', amount: 1 });
        expect(record).toMatchObject({ status: 'pending', settledAt: undefined });
        await processor.shutdown();
      }
    }
  });
});

describe('pause', () => {
  it('invariant 1: lets nothing begin, and what runs goes on; accepting too', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 4 });
    const submitted = [processor.submit(order('a'))];
    await clock.settle();
    processor.pause();
    processor.pause();
    submitted.push(processor.submit(order('b')), processor.submit(order('c', 'v')));
    await clock.advance(1_000);
    expect((await submitted[0])?.balance).toBe(1);
    expect(processor.stats()).toMatchObject({
      isPaused: true,
      queueLength: 2,
      completed: 1,
      activeWorkers: 0,
    });
    processor.resume();
    await clock.settle();
    expect(processor.stats()).toMatchObject({ isPaused: false, activeWorkers: 2, queueLength: 0 });
    await clock.runAll();
    await Promise.all(submitted);
  });

  it.each([[[]], [[sleeps]]])(
    'invariant 2: of one user holds nobody else, steps %j',
    async (steps) => {
      const processor = new OrderProcessor({ steps });
      processor.pause('u');
      const paused = codeOf(processor.submit(order('a')));
      const other = codeOf(processor.submit(order('b', 'v')));
      await clock.advance(1_000);
      expect(await other).toBe('completed');
      expect(await processor.order('a')).toMatchObject({ status: 'pending' });
      processor.resume('v');
      processor.resume();
      await clock.advance(1_000);
      expect(await processor.order('a')).toMatchObject({ status: 'pending' });
      processor.resume('u');
      await clock.runAll();
      expect(await paused).toBe('completed');
    },
  );

  it('invariant 1: while a batch without steps is under way stops the rest', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const submitted = processor.submitMany(range(100).map((index) => order(`o-${index}`)));
    await clock.settle();
    processor.once('completed', () => processor.pause());
    processor.resume();
    await clock.settle();
    expect(processor.stats()).toMatchObject({ completed: 1, queueLength: 99 });
    processor.resume();
    await clock.settle();
    expect(await submitted).toHaveLength(100);
    expect(processor.stats().completed).toBe(100);
  });
});
