import type { Awaitable } from 'order-processor';
import type { Fault, StorageFaults } from 'order-processor/testing';
import type { OrderStorage } from '../../src/core/storage/order-storage.ts';

type Weather = 'fair' | 'before' | 'after' | 'full';

/** Storages that answer with promises and can be made to fail, around ones that do neither. */
export function failing(inner: () => OrderStorage): {
  create: () => OrderStorage;
  faults: StorageFaults<OrderStorage>;
} {
  const weather = new WeakMap<OrderStorage, Weather>();
  const during =
    (kind: Weather): Fault<OrderStorage> =>
    (storage) => {
      weather.set(storage, kind);
      return () => void weather.set(storage, 'fair');
    };
  return {
    create: () => {
      const storage = later(inner(), () => weather.get(storage) ?? 'fair');
      return storage;
    },
    faults: { before: during('before'), after: during('after'), full: during('full') },
  };
}

/** Answers after a turn of the event loop; `ask` says what the weather is. */
export function later(inner: OrderStorage, ask: () => Weather = () => 'fair'): OrderStorage {
  async function write<T>(act: () => Awaitable<T>): Promise<T> {
    await new Promise(setImmediate);
    if (ask() === 'before' || ask() === 'full') throw new Error('The disk is full');
    const answer = await act();
    if (ask() === 'after') throw new Error('The answer got lost');
    return answer;
  }
  return {
    get: async (userId) => inner.get(userId),
    apply: (changes) => write(() => inner.apply(changes)),
    accept: (orders) => write(() => inner.accept(orders)),
    settle: (settlements) => write(() => inner.settle(settlements)),
    remember: (orders) => write(() => inner.remember(orders)),
    amend: (id, steps) => write(() => inner.amend(id, steps)),
    find: async (id) => inner.find(id),
    list: async (query) => inner.list(query),
    hold: (hold) => write(() => inner.hold(hold)),
    release: (userId, retried) => write(() => inner.release(userId, retried)),
    holds: async (query) => inner.holds(query),
    unsettled: (upTo) => inner.unsettled(upTo),
    due: async (query) => inner.due(query),
    delayed: async (after) => inner.delayed(after),
    id: inner.id,
    settled: async (query) => inner.settled(query),
    movements: async (query) => inner.movements(query),
    balanceAt: async (userId, time) => inner.balanceAt(userId, time),
  };
}
