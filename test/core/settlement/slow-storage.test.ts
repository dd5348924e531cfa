import { type BalanceStorage, type OrderError, OrderProcessor } from 'order-processor';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Answers after so long. */
function slowStorage(ms: number): BalanceStorage {
  return {
    get: () => undefined,
    apply: (changes) =>
      new Promise((resolve) => {
        setTimeout(() => resolve(changes.map(({ amount }) => ({ balance: amount }))), ms);
      }),
  };
}

it('counts the time that a storage takes into receipts, records and stats', async () => {
  // Durations are real ones, even with a fake clock.
  vi.useRealTimers();
  const processor = new OrderProcessor({ storage: slowStorage(100) });
  const receipt = await processor.submit({ id: 'a', userId: 'u', amount: 1 });
  // The order's beginning is read from the clock too, and a busy machine may come to it a little late.
  expect(receipt.durationMs).toBeGreaterThanOrEqual(50);
  expect(await processor.submit({ id: 'a', userId: 'u', amount: 1 })).toEqual(receipt);
  const record = await processor.order('a');
  expect((record?.settledAt ?? 0) - (record?.startedAt ?? 0)).toBe(receipt.durationMs);
  expect(processor.stats().durationMs.max).toBe(receipt.durationMs);
});

it('invariant 8: says so when a storage does not answer, once per call, and still waits', async () => {
  const processor = new OrderProcessor({ storage: slowStorage(500), stalledAfterMs: 100 });
  const errors: OrderError[] = [];
  processor.on('error', (error) => errors.push(error));
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  await vi.advanceTimersByTimeAsync(99);
  expect(errors).toEqual([]);
  await vi.advanceTimersByTimeAsync(401);
  expect(errors.map(({ code }) => code)).toEqual(['storage_failed']);
  expect((await submitted).balance).toBe(1);
});

it('invariant 4: gives up a balance that the storage never answers when the processor has closed', async () => {
  const storage = { ...slowStorage(1), get: () => new Promise<number>(() => {}) };
  const processor = new OrderProcessor({ storage });
  const before = processor.balance('u').catch((error) => error.code);
  await processor.shutdown();
  const after = processor.balance('u').catch((error) => error.code);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([await before, await after]).toEqual(['storage_failed', 'storage_failed']);
});
