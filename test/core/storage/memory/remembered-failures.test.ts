import {
  type BalanceStorage,
  MemoryStorage,
  type Order,
  type OrderError,
  OrderProcessor,
  prioritize,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, throwing } from '../../../kit/helpers.ts';
import { useVirtualClock } from '../../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order: Order = { id: 'a', userId: 'u', amount: 1 };

/** Answers later, and remembers nothing. */
const later: BalanceStorage = {
  get: () => 0,
  apply: async (changes) => changes.map(({ amount }) => ({ balance: amount })),
};

describe('a failure that is remembered', () => {
  const rules = [() => prioritize('high', 'first'), () => prioritize('low', 'second')];
  const storages: [string, () => BalanceStorage][] = [
    ['a MemoryStorage', () => new MemoryStorage()],
    ["the host's own storage", () => later],
  ];

  it.each(storages)('invariant 5: comes again as it was, with %s', async (_, makeStorage) => {
    for (const [thrown, retryable] of [
      [{ code: 'declined', message: 'Card declined', retryable: false }, false],
      [{ code: 'declined', message: 'Card declined' }, true],
      [new Error('unknown'), false],
    ] as const) {
      const storage = makeStorage();
      const steps = [
        { name: 'ok', run() {} },
        { ...throwing(thrown), after: 'ok' },
      ];
      const processor = new OrderProcessor({ storage, rules, steps });
      const failed: OrderError[] = [];
      processor.on('failed', (error) => failed.push(error));
      const first = await errorOf(processor.submit(order));
      expect(first.retryable).toBe(retryable);
      expect(first.labels).toEqual(['first', 'second']);
      expect(first.steps.map(({ name, status, attempts }) => [name, status, attempts])).toEqual([
        ['ok', 'ok', 1],
        ['work', 'error', 1],
      ]);
      await processor.onIdle();
      const [outcome] = await processor.submitMany([order]);
      if (outcome?.status !== 'failed')
        throw new Error(`Expected a failure, got ${outcome?.status}`);
      const { signal } = new AbortController();
      const again = [
        ...failed,
        outcome.error,
        await errorOf(processor.submit(order)),
        await errorOf(processor.submit(order, { signal })),
      ];
      expect(again).toHaveLength(4);
      for (const error of again) expect(error.toJSON()).toEqual(first.toJSON());
      const { code, message, labels, steps: results } = first;
      const fields = { status: 'failed', code, message, labels, steps: results, retryable };
      expect(await processor.order('a')).toMatchObject(fields);
      expect(await processor.enqueue(order)).toMatchObject(fields);
      expect(processor.stats()).toMatchObject({ accepted: 1, failed: 1, duplicates: 4 });
    }
  });

  it.each(storages)('invariant 5: and so does a cancellation, with %s', async (_, makeStorage) => {
    const processor = new OrderProcessor({
      storage: makeStorage(),
      rules,
      steps: [{ name: 'work', run: (_order, { signal }) => clock.sleep(1_000, signal) }],
    });
    const failed = errorOf(processor.submit(order));
    await clock.advance(10);
    expect(await processor.cancel('a')).toBe(true);
    const first = await failed;
    expect(first).toMatchObject({
      code: 'canceled',
      retryable: true,
      labels: ['first', 'second'],
      steps: [{ name: 'work', status: 'canceled', attempts: 1, durationMs: 10 }],
    });
    expect((await errorOf(processor.submit(order))).toJSON()).toEqual(first.toJSON());
    expect(await processor.order('a')).toMatchObject({ status: 'canceled', retryable: true });
  });

  it('of the balance comes again as final', async () => {
    const processor = new OrderProcessor({ minBalance: 0, rules });
    const debit = { ...order, amount: -1 };
    const first = await errorOf(processor.submit(debit));
    expect(first).toMatchObject({ retryable: false, labels: ['first', 'second'] });
    // What was lacking is there now, and it stays what it was.
    await processor.submit({ id: 'b', userId: 'u', amount: 100 });
    expect((await errorOf(processor.submit(debit))).toJSON()).toEqual(first.toJSON());
    expect(await processor.order('a')).toMatchObject({ retryable: false, code: first.code });
  });
});
