import { MemoryStorage } from 'order-processor';
import type { OrderStorage } from '../../src/core/storage/order-storage.ts';

/** What a lie changes of an honest storage, which it may ask. */
export type Part = (inner: MemoryStorage) => Partial<OrderStorage>;

/** An order storage that is honest but for a part. */
export function lying(part: Part): OrderStorage {
  const inner = new MemoryStorage();
  return {
    get: (userId) => inner.get(userId),
    apply: (changes) => inner.apply(changes),
    accept: (orders) => inner.accept(orders),
    settle: (settlements) => inner.settle(settlements),
    remember: (orders) => inner.remember(orders),
    amend: (id, steps) => inner.amend(id, steps),
    find: (id) => inner.find(id),
    list: (query) => inner.list(query),
    hold: (hold) => inner.hold(hold),
    release: (userId, retried) => inner.release(userId, retried),
    holds: (query) => inner.holds(query),
    unsettled: (upTo) => inner.unsettled(upTo),
    due: (query) => inner.due(query),
    delayed: (after) => inner.delayed(after),
    id: inner.id,
    settled: (query) => inner.settled(query),
    movements: (query) => inner.movements(query),
    balanceAt: (userId, time) => inner.balanceAt(userId, time),
    balances: (query) => inner.balances(query),
    ...part(inner),
  };
}

let changes = 0;

/** Changes a balance behind the rules; gives the balance after that. */
export function change(inner: MemoryStorage, userId: string, amount: number): number {
  changes += 1;
  const [result] = inner.apply([
    { orderId: `behind the rules ${changes}`, userId, amount, minBalance: undefined },
  ]);
  return (result as { balance: number }).balance;
}
