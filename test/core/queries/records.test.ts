import { MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

describe('order', () => {
  it('gives each status of an order, with its times', async () => {
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
      orderedAmount: 1,
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
      postings: [],
      steps: [],
      results: {},
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
    'gives the record of an order that begins by `%s` as processed by a worker, with the time',
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
      for (const options of [{ steps }, { steps: undefined }]) {
        const processor = new OrderProcessor({ ...options, storage });
        processor.on('accepted', () => {});
        const record = await processor.enqueue({ userId: 'u', amount: 1 });
        // What is not settled by then is as it was accepted: `processing` would have its caller wait for ever.
        const isSettled = storage instanceof MemoryStorage && options.steps === undefined;
        expect(record.status).toBe(isSettled ? 'completed' : 'pending');
        const closed = processor.shutdown();
        await clock.runAll();
        await closed;
      }
    }
  });
});
