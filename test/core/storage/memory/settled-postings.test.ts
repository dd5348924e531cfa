import fc from 'fast-check';
import { OrderError } from 'order-processor';
import { expect, it } from 'vitest';
import { noResults } from '../../../../src/core/order/step-result.ts';
import type { Remembered } from '../../../../src/core/storage/memory/settled-columns.ts';
import { SettledOrders } from '../../../../src/core/storage/memory/settled-orders.ts';
import { range } from '../../../kit/helpers.ts';

const mostBytes = 100_000;

/** Credits to so many users, all settled with one less than ordered. */
function transfer(id: string, count: number, payload?: string): Remembered {
  const postings = range(count).map((at) => ({
    userId: `u-${at}`,
    amount: at,
    orderedAmount: at + 1,
  }));
  return {
    ...{ id, userId: 'payer', amount: 1, orderedAmount: 1, priority: 'medium', postings },
    ...{ payload, content: payload, labels: [], steps: [], results: noResults },
    ...{ acceptedAt: 1, startedAt: 1, settledAt: 1 },
  };
}

const declined = new OrderError('declined', 'No');

function remember(
  orders: SettledOrders,
  order: Remembered,
  isCompleted: boolean,
  at: number,
): void {
  const balances = order.postings.map(({ amount }) => amount + at);
  if (isCompleted) orders.remember(order, 1, undefined, at, 'completed', balances);
  else orders.remember(order, undefined, declined, at);
}

it('invariants 5 and 6: orders give back their postings through rounds, pages and forgetting, as a model says', () => {
  const entry = fc.record({
    count: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(100)),
    payload: fc.option(fc.constant('x'.repeat(30_000)), { nil: undefined, freq: 8 }),
    isCompleted: fc.boolean(),
    isForgotten: fc.boolean(),
  });
  const property = fc.property(fc.array(entry, { minLength: 60, maxLength: 200 }), (entries) => {
    const orders = new SettledOrders(40, mostBytes);
    for (const [at, { count, payload, isCompleted, isForgotten }] of entries.entries()) {
      remember(orders, transfer(`o-${at}`, count, payload), isCompleted, at);
      if (isForgotten && at % 5 === 0) orders.forget(`o-${at}`);
    }
    let found = 0;
    for (const [at, { count, isCompleted }] of entries.entries()) {
      const stored = orders.find(`o-${at}`);
      if (stored === undefined) continue;
      found += 1;
      const expected = range(count).map((of) => ({
        userId: `u-${of}`,
        amount: isCompleted ? of : of + 1,
        orderedAmount: of + 1,
        balance: isCompleted ? of + at : undefined,
      }));
      expect(stored.postings).toStrictEqual(expected);
    }
    expect(found).toBeGreaterThan(0);
  });
  fc.assert(property, { numRuns: 30 });
});

it('invariant 6: postings are forgotten with their orders, by number and by bytes', () => {
  for (const orders of [new SettledOrders(10, 10_000_000), new SettledOrders(100_000, mostBytes)]) {
    const before = process.memoryUsage().arrayBuffers;
    for (const at of range(2_000)) remember(orders, transfer(`o-${at}`, 100), true, at);
    expect(orders.find('o-1999')?.postings).toHaveLength(100);
    expect(orders.find('o-1900')).toBe(undefined);
    // All of them together would be 10 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000);
  }
});
