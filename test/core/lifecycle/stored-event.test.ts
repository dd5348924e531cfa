import {
  type BalanceChange,
  type BalanceResult,
  type BalanceStorage,
  MemoryStorage,
  OrderProcessor,
  type StoredBatch,
} from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf, logOf, range } from '../../kit/helpers.ts';
import { fatesOf, keepFirst, open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

function apply(changes: readonly BalanceChange[]): BalanceResult[] {
  return changes.map(({ amount }) => ({ balance: amount }));
}

/** Answers after so many milliseconds. */
function later(ms: number): BalanceStorage {
  return {
    get: () => 0,
    apply: (changes) => clock.sleep(ms).then(() => apply(changes)),
  };
}

function heard(processor: OrderProcessor): StoredBatch[] {
  const calls: StoredBatch[] = [];
  processor.on('stored', (call) => calls.push(call));
  return calls;
}

it('says of each call how many orders were in it and how long it took', async () => {
  const processor = new OrderProcessor({ storage: later(7) });
  const calls = heard(processor);
  const submitted = processor.submitMany(range(3).map((index) => order(`o-${index}`)));
  await clock.runAll();
  await submitted;
  const size = calls.reduce((sum, call) => sum + call.size, 0);
  expect(size).toBe(3);
  for (const call of calls) {
    expect(call).toEqual({ operation: 'settle', size: call.size, durationMs: 7, isFailed: false });
  }
});

it('comes before the outcomes of the orders in the call, also of a storage that answers at once', async () => {
  for (const storage of [later(1), { get: () => 0, apply }]) {
    const processor = new OrderProcessor({ storage });
    const log = logOf(processor);
    processor.on('stored', ({ operation, size }) => log.push(`${operation}:${size}`));
    await processor.enqueue(order('a'));
    await clock.runAll();
    expect(log).toEqual(['accepted:a', 'started:a', 'settle:1', 'completed:a', 'idle']);
  }
});

it('says when a call failed, whether it threw, rejected or answered nonsense', async () => {
  const failing: BalanceStorage['apply'][] = [
    () => {
      throw new Error('disk full');
    },
    () => Promise.reject(new Error('disk full')),
    () => [],
    async () => [],
  ];
  for (const fails of failing) {
    const storage: BalanceStorage = {
      get: () => 0,
      apply: (changes) => (calls.length === 0 ? fails(changes) : [{ balance: 1 }]),
    };
    const processor = new OrderProcessor({ storage });
    const calls = heard(processor);
    const submitted = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await submitted).toBe('storage_failed');
    expect(calls).toMatchObject([
      { operation: 'settle', size: 1, isFailed: true },
      { operation: 'settle', size: 1, isFailed: false },
    ]);
  }
});

it('reports the calls that keep orders, too', async () => {
  const storage = new KeptStorage();
  storage.fate = fatesOf('accept', 'rejects');
  const processor = await open(storage);
  const calls = heard(processor);
  const refused = codeOf(keepFirst(processor, order('a')));
  await clock.runAll();
  expect(await refused).toBe('storage_failed');
  const kept = keepFirst(processor, order('b'));
  await clock.runAll();
  await kept;
  // The question whether the storage works is none.
  expect(calls.map(({ operation, size, isFailed }) => [operation, size, isFailed])).toEqual([
    ['accept', 1, true],
    ['accept', 1, false],
    ['settle', 1, false],
  ]);
});

it('is never raised for a plain MemoryStorage, which has no calls', async () => {
  const processor = new OrderProcessor({ storage: new MemoryStorage() });
  const calls = heard(processor);
  await processor.submit(order('a'));
  await processor.enqueue(order('b'));
  await processor.onIdle();
  expect(calls).toEqual([]);
});

it('invariant 1: a listener that cancels and submits from it overtakes nothing', async () => {
  for (const storage of [later(1), { get: () => 0, apply }]) {
    const processor = new OrderProcessor({ storage });
    const settled: string[] = [];
    processor.on('completed', ({ orderId }) => settled.push(orderId));
    processor.on('canceled', ({ orderId }) => settled.push(`${orderId}`));
    processor.once('stored', () => {
      void processor.cancel('held');
      void processor.submit(order('late'));
    });
    processor.pause('v');
    await processor.enqueue(order('held', 'v'));
    const orders = range(6).map((index) => order(`o-${index}`));
    const submitted = processor.submitMany(orders);
    await clock.runAll();
    await submitted;
    const ids = [...orders.map(({ id }) => id), 'late'];
    expect(settled.filter((id) => id !== 'held')).toEqual(ids);
    expect(settled).toHaveLength(8);
  }
});
