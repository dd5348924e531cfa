/** The suite finds what only shows when a storage fails, is closed or is opened again. */
import { MemoryStorage } from 'order-processor';
import type { StorageFaults } from 'order-processor/testing';
import { describe, expect, it } from 'vitest';
import type { StoredOrder } from '../../src/core/order/stored-order.ts';
import type { OrderStorage } from '../../src/core/storage/order-storage.ts';
import { failing } from './failing.ts';
import { expectBroken, failuresOf, orderTests } from './failures-of.ts';
import { change } from './lying.ts';

/** A storage that keeps its orders when it is closed, in memory that outlives it. */
class Reopenable implements OrderStorage {
  readonly kept: MemoryStorage;
  /** By id, the opening after which it was accepted. */
  readonly births: Map<string, number>;
  readonly opening: number;
  isClosed = false;

  constructor(before?: Reopenable) {
    this.kept = before?.kept ?? new MemoryStorage();
    this.births = before?.births ?? new Map();
    this.opening = (before?.opening ?? 0) + 1;
  }

  get memory(): MemoryStorage {
    if (this.isClosed) throw new Error('The storage is closed');
    return this.kept;
  }

  get: OrderStorage['get'] = (userId) => this.memory.get(userId);
  apply: OrderStorage['apply'] = (changes) => this.memory.apply(changes);
  settle: OrderStorage['settle'] = (settlements) => this.memory.settle(settlements);
  remember: OrderStorage['remember'] = (orders) => this.memory.remember(orders);
  amend: OrderStorage['amend'] = (id, steps) => this.memory.amend(id, steps);
  list: OrderStorage['list'] = (query) => this.memory.list(query);
  hold: OrderStorage['hold'] = (hold) => this.memory.hold(hold);
  release: OrderStorage['release'] = (userId, retried) => this.memory.release(userId, retried);
  holds: OrderStorage['holds'] = (query) => this.memory.holds(query);
  settled: OrderStorage['settled'] = (query) => this.memory.settled(query);
  movements: OrderStorage['movements'] = (query) => this.memory.movements(query);
  balanceAt: OrderStorage['balanceAt'] = (userId, time) => this.memory.balanceAt(userId, time);

  get id(): string {
    return this.kept.id;
  }

  accept: OrderStorage['accept'] = (orders) => {
    const results = this.memory.accept(orders);
    for (const [at, { id }] of orders.entries()) {
      if (results[at]?.status === 'accepted') this.births.set(id, this.opening);
    }
    return results;
  };

  find: OrderStorage['find'] = (id) => {
    const order = this.memory.find(id);
    return order && this.counted(order);
  };

  delayed: OrderStorage['delayed'] = (after) => this.memory.delayed(after);

  due: OrderStorage['due'] = (query) => {
    const { orders, next } = this.memory.due(query);
    return { orders: orders.map((order) => this.counted(order)), next };
  };

  async *unsettled(upTo?: number): AsyncGenerator<readonly StoredOrder[]> {
    for await (const page of this.memory.unsettled(upTo)) {
      yield page.map((order) => this.counted(order));
    }
  }

  counted(order: StoredOrder): StoredOrder {
    const birth = this.births.get(order.id) ?? this.opening;
    return { ...order, attempt: this.opening - birth + 1 };
  }

  close(): void {
    this.isClosed = true;
  }
}

/** The tests of a storage that opens again as `reopen` says. */
function reopening(reopen: (closed: Reopenable) => Reopenable) {
  return orderTests(() => new Reopenable(), {
    reopen: (closed) => reopen(closed as Reopenable),
  });
}

describe('a durable storage that', () => {
  it('keeps all rules passes the suite', async () => {
    expect(await failuresOf(reopening((closed) => new Reopenable(closed)))).toEqual([]);
  });

  it.each<[rule: string, lie: string, reopen: (closed: Reopenable) => Reopenable]>([
    ['order rule 1', 'is empty when it is opened again', () => new Reopenable()],
    [
      'order rule 1',
      'loses unsettled orders',
      (closed) =>
        Object.assign(new Reopenable(closed), {
          async *unsettled() {},
        }),
    ],
    [
      'order rule 1',
      'loses balances',
      (closed) => Object.assign(new Reopenable(closed), { get: () => undefined }),
    ],
    [
      'order rules 2, 3',
      'forgets ids',
      (closed) => {
        const opened = new Reopenable(closed);
        opened.accept = (orders) => orders.map(() => ({ status: 'accepted', sequence: 1 }));
        return opened;
      },
    ],
    [
      'order rules 14 to 17',
      'takes itself for another storage',
      (closed) => Object.defineProperty(new Reopenable(closed), 'id', { value: 'another' }),
    ],
    [
      'order rules 14 to 17',
      'numbers settlements anew',
      (closed) => {
        const opened = new Reopenable(closed);
        const { last } = opened.memory.settled({ after: 0, limit: 1 });
        const tell = (order: StoredOrder): StoredOrder => {
          const { settlement = 0 } = order;
          return settlement > last ? { ...order, settlement: settlement - last } : order;
        };
        opened.settled = (query) => {
          const page = opened.memory.settled(query);
          return { ...page, orders: page.orders.map(tell) };
        };
        return opened;
      },
    ],
    [
      'order rules 14 to 17',
      'loses the statement of before',
      (closed) => {
        const opened = new Reopenable(closed);
        const { last } = opened.memory.settled({ after: 0, limit: 1 });
        opened.movements = (query) =>
          opened.memory.movements({ ...query, after: Math.max(last, query.after) });
        return opened;
      },
    ],
    [
      'order rule 13',
      'counts orders anew',
      (closed) => {
        const opened = new Reopenable(closed);
        const find = opened.find.bind(opened);
        const known = opened.memory.list({ limit: 4_000 }).orders.map(({ id }) => id);
        return Object.assign(opened, {
          find: (id: string) => {
            const order = find(id);
            return order && known.includes(id) ? order : order && { ...order, sequence: 1 };
          },
        });
      },
    ],
    [
      'hold rule 5',
      'loses holds',
      (closed) => Object.assign(new Reopenable(closed), { holds: () => [] }),
    ],
    [
      'hold rule 5',
      'holds what was released',
      (closed) => Object.assign(new Reopenable(closed), { release: () => {} }),
    ],
    [
      'order rule 9',
      'takes each attempt for the first',
      (closed) => Object.assign(new Reopenable(closed), { opening: 1 }),
    ],
    [
      'order rule 9',
      'counts attempts for orders that are new',
      (closed) => Object.assign(new Reopenable(closed), { births: new Map([['o-2', 0]]) }),
    ],
  ])('breaks %s: it %s', async (rule, _, reopen) => {
    await expectBroken(rule, reopening(reopen));
  });

  it.each([
    ...(['accept', 'settle', 'amend', 'apply', 'get', 'find', 'list', 'unsettled'] as const),
    ...(['hold', 'release', 'holds'] as const),
  ])('breaks order rule 12: its `%s` goes on after `close`', async (name) => {
    const create = (): OrderStorage => {
      const storage = new Reopenable();
      const { kept } = storage;
      return Object.assign(storage, { [name]: kept[name].bind(kept) });
    };
    await expectBroken('order rule 12', orderTests(create));
  });
});

describe('a storage that fails and', () => {
  /** Passes the suite, as test/core/storage/conformance.test.ts shows. */
  const sound = failing(() => new MemoryStorage());

  /** The tests of one that does this before it fails. */
  function breaking(part: (inner: MemoryStorage) => Partial<OrderStorage>) {
    const inner = new WeakMap<OrderStorage, MemoryStorage>();
    const create = (): OrderStorage => {
      const memory = new MemoryStorage();
      const storage = Object.assign(new Reopenable(), { kept: memory });
      inner.set(storage, memory);
      return storage;
    };
    const faults: StorageFaults<OrderStorage> = {
      before: (storage) => {
        const { accept, settle, apply } = storage;
        const fail = (): never => {
          throw new Error('Broken');
        };
        const broken = part(inner.get(storage) as MemoryStorage);
        Object.assign(storage, {
          ...{ accept: fail, settle: fail, apply: fail },
          ...Object.fromEntries(
            Object.entries(broken).map(([name, act]) => [
              name,
              (given: never) => {
                (act as (given: never) => unknown)(given);
                fail();
              },
            ]),
          ),
        });
        return () => void Object.assign(storage, { accept, settle, apply });
      },
    };
    return orderTests(create, { faults });
  }

  it('keeps all rules passes the suite', async () => {
    expect(await failuresOf(breaking(() => ({})))).toEqual([]);
  });

  it.each<[rule: string, lie: string, part: (inner: MemoryStorage) => Partial<OrderStorage>]>([
    [
      'balance rule 4',
      'applies a part',
      (inner) => ({ apply: (changes) => inner.apply(changes.slice(0, 1)) }),
    ],
    [
      'order rule 6',
      'accepts a part',
      (inner) => ({ accept: (orders) => inner.accept(orders.slice(0, 1)) }),
    ],
    [
      'order rule 6',
      'settles a part',
      (inner) => ({ settle: (settlements) => inner.settle(settlements.slice(0, 1)) }),
    ],
    [
      'order rule 6',
      'applies amounts without outcomes',
      (inner) => ({
        settle: (settlements) => {
          for (const { userId, amount } of settlements) change(inner, userId, amount);
          return [];
        },
      }),
    ],
  ])('breaks %s: it %s', async (rule, _, part) => {
    await expectBroken(rule, breaking(part));
  });

  it('breaks order rule 7: it does not say so when it is asked', async () => {
    const faults = { full: () => () => undefined };
    await expectBroken(
      'order rule 7',
      orderTests(() => new MemoryStorage(), { faults }),
    );
  });

  it('breaks order rule 6: it has kept nothing though it should', async () => {
    const { create, faults } = sound;
    await expectBroken('order rule 6', orderTests(create, { faults: { after: faults.before } }));
  });
});

describe('the suite', () => {
  it('closes and clears away each storage once, when its test has failed too', async () => {
    const log: string[] = [];
    let count = 0;
    const create = (): OrderStorage => {
      count += 1;
      const name = `${count}`;
      return Object.assign(new MemoryStorage(), {
        get: () => 7,
        close: () => void log.push(`close ${name}`),
        name,
      });
    };
    const destroy = (storage: OrderStorage): void => {
      log.push(`destroy ${(storage as OrderStorage & { name: string }).name}`);
    };
    const tests = orderTests(create, { destroy });
    const failures = await failuresOf(tests);
    expect(failures.length).toBeGreaterThan(0);
    expect(count).toBe(tests.length);
    expect(log).toEqual(tests.flatMap((_, at) => [`close ${at + 1}`, `destroy ${at + 1}`]));
  });

  it('names the rule of each test, and no two alike', () => {
    const names = orderTests(() => new MemoryStorage()).map(([name]) => name);
    for (const name of names) {
      expect(name).toMatch(/^((balance|order|hold) rules? \d+(( to|,) \d+)?|amend): \S/);
    }
    expect(new Set(names).size).toBe(names.length);
  });
});
