/** The suite finds a storage whose feed, statements or past balances are wrong (order rules 14 to 18). */
import type { MemoryStorage } from 'order-processor';
import { describe, expect, it } from 'vitest';
import type { StoredOrder } from '../../src/core/order/stored-order.ts';
import type { Movement, StoredBalance } from '../../src/core/storage/history/history-storage.ts';
import { expectBroken, failuresOf, orderTests } from './failures-of.ts';
import { lying, type Part } from './lying.ts';

const most = Number.MAX_SAFE_INTEGER;

/** All settled orders are others than they are, or in another order; pages are cut out of them honestly. */
function feeding(
  change: (orders: readonly StoredOrder[], inner: MemoryStorage) => StoredOrder[],
): Part {
  return (inner) => ({
    settled: ({ after, limit }) => {
      const all = change(inner.settled({ after: 0, limit: most }).orders, inner);
      const orders = all.filter(({ settlement = 0 }) => settlement > after).slice(0, limit);
      const last = all.at(-1)?.settlement ?? 0;
      return {
        orders,
        next: orders.at(-1)?.settlement ?? Math.max(after, last),
        last,
        forgotten: 0,
      };
    },
  });
}

/** The orders with the numbers of a feed, told by `find` as well. */
function numbering(orders: readonly StoredOrder[]): StoredOrder[] {
  return orders.map((order, at) => ({ ...order, settlement: at + 1 }));
}

function movementsOf(inner: MemoryStorage, userId: string): readonly Movement[] {
  return inner.movements({ userId, after: 0, limit: most }).movements;
}

/** All movements of a user are others than they are; pages are cut out of them honestly. */
function stating(
  change: (movements: readonly Movement[], inner: MemoryStorage, userId: string) => Movement[],
): Part {
  return (inner) => ({
    movements: (query) => {
      const { userId, after, limit } = query;
      const real = inner.movements({ ...query, after: 0, limit: most }).movements;
      const all = change(real, inner, userId).filter(({ sequence }) => sequence > after);
      const movements = all.slice(0, limit);
      const next = all.length > limit ? movements.at(-1)?.sequence : undefined;
      return { movements, next, forgotten: 0 };
    },
  });
}

/** Lists other balances, or in another order; pages are cut out of them honestly. */
function listingBalances(
  change: (balances: readonly StoredBalance[]) => readonly StoredBalance[],
): Part {
  return (inner) => ({
    balances: ({ after, limit }) => {
      const all = change(inner.balances({ limit: most }));
      const from = 1 + all.findLastIndex(({ userId }) => userId === after);
      return all.slice(from, from + limit);
    },
  });
}

/** Movements are selected by the times of their own, which may go back. */
const byOwnTimes: Part = (inner) => ({
  movements: ({ from = 0, before = most, ...query }) => {
    const page = inner.movements(query);
    const isWanted = ({ settledAt }: Movement) => settledAt >= from && settledAt < before;
    return { ...page, movements: page.movements.filter(isWanted) };
  },
});

const lies: [rule: string, lie: string, part: Part][] = [
  [
    'order rules 14, 15',
    'numbers settlements by the acceptance of their orders',
    feeding((orders) => numbering(orders.toSorted((one, other) => one.sequence - other.sequence))),
  ],
  [
    'order rules 14, 15',
    'numbers calls of `settle` alone',
    feeding((orders) => orders.filter(({ userId, id }) => userId !== 'u-1' || id !== 'b')),
  ],
  [
    'order rules 14, 15',
    'numbers completed orders alone',
    feeding((orders) => orders.filter(({ status }) => status === 'completed')),
  ],
  [
    'order rules 14, 15',
    'gives all of a call the same number',
    feeding((orders) => {
      const calls = orders.map(({ settlement = 0 }) => Math.ceil(settlement / 2));
      return orders.map((order, at) => ({ ...order, settlement: calls[at] }));
    }),
  ],
  [
    'order rules 14, 15',
    'gives other numbers in the feed than of an order',
    feeding((orders) =>
      orders.map((order) => ({ ...order, settlement: 2 * (order.settlement ?? 0) })),
    ),
  ],
  [
    'order rules 14, 15',
    'numbers unsettled orders too',
    (inner) => ({
      find: (id) => {
        const order = inner.find(id);
        return order && { ...order, settlement: order.settlement ?? 9_999 };
      },
    }),
  ],
  [
    'order rule 14',
    'numbers what is provisional',
    (inner) => ({
      settle: (settlements) =>
        inner.settle(settlements.map((settlement) => ({ ...settlement, isProvisional: false }))),
    }),
  ],
  [
    'order rule 14',
    'numbers what was refused and is to be compensated',
    (inner) => ({
      settle: (settlements) =>
        inner.settle(settlements.map((settlement) => ({ ...settlement, isCompensable: false }))),
    }),
  ],
  [
    'order rule 14',
    'numbers an order again that was settled before',
    (inner) => {
      const again: StoredOrder[] = [];
      return {
        settle: (settlements) => {
          const results = inner.settle(settlements);
          for (const result of results) {
            if (result.status !== 'known') continue;
            const { last } = inner.settled({ after: 0, limit: 1 });
            again.push({ ...result.order, settlement: last + again.length + 1 });
          }
          return results;
        },
        ...feedingLater(inner, again),
      };
    },
  ],
  [
    'order rules 14, 15',
    'gives the last settlement first',
    (inner) => ({
      settled: (query) => {
        const page = inner.settled(query);
        return { ...page, orders: page.orders.toReversed() };
      },
    }),
  ],
  [
    'order rules 14, 15',
    'gives more than are asked for',
    (inner) => ({ settled: ({ after, limit }) => inner.settled({ after, limit: limit + 1 }) }),
  ],
  [
    'order rule 15',
    'gives the settlement again behind which it goes on',
    (inner) => ({
      settled: ({ after, limit }) => inner.settled({ after: Math.max(0, after - 1), limit }),
    }),
  ],
  [
    'order rule 15',
    'leaves the first one out behind any settlement',
    (inner) => ({
      settled: ({ after, limit }) => inner.settled({ after: after === 0 ? 0 : after + 1, limit }),
    }),
  ],
  [
    'order rule 15',
    'takes the end of a page for the last settlement',
    (inner) => ({
      settled: (query) => {
        const page = inner.settled(query);
        return { ...page, last: page.next };
      },
    }),
  ],
  [
    'order rules 14, 15',
    'says of a page that it goes on further than it does',
    (inner) => ({
      settled: (query) => {
        const page = inner.settled(query);
        return { ...page, next: Math.min(page.last, page.next + 1) };
      },
    }),
  ],
  [
    'order rules 14, 15',
    'says of a page that it ends where it began',
    (inner) => ({ settled: (query) => ({ ...inner.settled(query), next: query.after }) }),
  ],
  ['order rules 14, 15', 'forgets the oldest', feedingForgotten()],
  [
    'order rule 16',
    'leaves out what others post',
    stating((movements, inner, userId) =>
      movements.filter(({ orderId }) => inner.find(orderId)?.userId === userId),
    ),
  ],
  [
    'order rule 16',
    'leaves out the orders of users that were credited',
    stating((movements, inner, userId) =>
      movements.filter(({ orderId }) => inner.find(orderId)?.userId !== userId),
    ),
  ],
  [
    'order rule 16',
    'leaves out amounts of 0',
    stating((all) => all.filter(({ amount }) => amount !== 0)),
  ],
  [
    'order rule 16',
    'gives orders that failed',
    stating((movements, inner, userId) => {
      const failed = inner.list({ userId, status: 'failed', limit: most }).orders;
      const wrong = failed.map(({ id, amount, settlement = 0, settledAt = 0 }) => {
        const balance = movements.findLast(({ sequence }) => sequence < settlement)?.balance ?? 0;
        return { orderId: id, userId, amount, balance, settledAt, sequence: settlement };
      });
      return [...movements, ...wrong].toSorted((one, other) => one.sequence - other.sequence);
    }),
  ],
  [
    'order rule 16',
    'gives movements in the order of acceptance',
    stating((movements, inner) => {
      const place = ({ orderId }: Movement): number => inner.find(orderId)?.sequence ?? 0;
      const sorted = movements.toSorted((one, other) => place(one) - place(other));
      let balance = 0;
      return sorted.map((movement, at) => {
        balance += movement.amount;
        return { ...movement, balance, sequence: movements[at]?.sequence ?? 0 };
      });
    }),
  ],
  [
    'order rule 16',
    'gives the balance of now',
    stating((all, inner, userId) =>
      all.map((each) => ({ ...each, balance: inner.get(userId) ?? 0 })),
    ),
  ],
  [
    'order rule 16',
    'gives the balance before',
    stating((all) => all.map((each) => ({ ...each, balance: each.balance - each.amount }))),
  ],
  [
    'order rule 16',
    'gives the amount of the order for that of its posting',
    stating((all, inner) =>
      all.map((each) => ({ ...each, amount: inner.find(each.orderId)?.amount ?? 0 })),
    ),
  ],
  [
    'order rule 16',
    'gives movements of the one who posts',
    stating((all, inner) =>
      all.map((each) => ({ ...each, userId: inner.find(each.orderId)?.userId ?? '' })),
    ),
  ],
  [
    'order rule 16',
    'gives the time of acceptance',
    stating((all, inner) =>
      all.map((each) => ({ ...each, settledAt: inner.find(each.orderId)?.acceptedAt ?? 0 })),
    ),
  ],
  [
    'order rule 16',
    'counts the movements of each user',
    stating((all) => all.map((each, at) => ({ ...each, sequence: at + 1 }))),
  ],
  [
    'order rule 16',
    'says that a page is the last one',
    (inner) => ({ movements: (query) => ({ ...inner.movements(query), next: undefined }) }),
  ],
  [
    'order rule 16',
    'begins each page with the first movement',
    (inner) => ({ movements: (query) => inner.movements({ ...query, after: 0 }) }),
  ],
  [
    'order rule 16',
    'gives more than are asked for',
    (inner) => ({ movements: (query) => inner.movements({ ...query, limit: query.limit + 1 }) }),
  ],
  [
    'order rule 16',
    'answers for any user with the one that has movements',
    (inner) => ({
      movements: (query) =>
        inner.movements(
          movementsOf(inner, query.userId).length > 0 ? query : { ...query, userId: 'u' },
        ),
    }),
  ],
  [
    'order rule 16',
    'has forgotten what it has',
    (inner) => ({ movements: (query) => ({ ...inner.movements(query), forgotten: 1 }) }),
  ],
  ['order rule 17', 'selects by own times, which go back', byOwnTimes],
  [
    'order rule 17',
    'does not look at times',
    (inner) => ({
      movements: ({ userId, after, limit }) => inner.movements({ userId, after, limit }),
    }),
  ],
  [
    'order rule 17',
    'gives what was settled at the end of a span',
    (inner) => ({
      movements: ({ before, ...query }) =>
        inner.movements(before === undefined ? query : { ...query, before: before + 1 }),
    }),
  ],
  [
    'order rule 17',
    'leaves out what was settled at the beginning of a span',
    (inner) => ({
      movements: ({ from, ...query }) =>
        inner.movements(from === undefined ? query : { ...query, from: from + 1 }),
    }),
  ],
  [
    'order rule 17',
    'answers the balance of now',
    (inner) => ({
      balanceAt: (userId) => ({ balance: inner.get(userId), isForgotten: false }),
    }),
  ],
  [
    'order rule 17',
    'answers the balance before the time',
    (inner) => ({ balanceAt: (userId, time) => inner.balanceAt(userId, time - 1) }),
  ],
  [
    'order rule 17',
    'answers the balance by own times, which go back',
    (inner) => ({
      balanceAt: (userId, time) => {
        const last = movementsOf(inner, userId).findLast(({ settledAt }) => settledAt <= time);
        return { balance: last?.balance, isForgotten: false };
      },
    }),
  ],
  [
    'order rule 17',
    'answers 0 for a user who had no balance yet',
    (inner) => ({
      balanceAt: (userId, time) => {
        const { balance = 0, isForgotten } = inner.balanceAt(userId, time);
        return { balance, isForgotten };
      },
    }),
  ],
  [
    'order rule 17',
    'has forgotten what it has',
    (inner) => ({
      balanceAt: (userId, time) => ({ ...inner.balanceAt(userId, time), isForgotten: true }),
    }),
  ],
  [
    'order rule 18',
    'lists a balance twice',
    listingBalances((all) => [...all, ...all.slice(0, 1)]),
  ],
  [
    'order rule 18',
    'lists no balance of 0',
    listingBalances((all) => all.filter(({ balance }) => balance !== 0)),
  ],
  [
    'order rule 18',
    'lists balances from the greatest to the least',
    listingBalances((all) => all.toSorted((one, other) => other.balance - one.balance)),
  ],
  [
    'order rule 18',
    'says that it has forgotten what it has not',
    listingBalances((all) => all.map((balance) => ({ ...balance, knownFrom: 1 }))),
  ],
];

/** The feed of the storage, and then the orders that were added. */
function feedingLater(
  inner: MemoryStorage,
  added: readonly StoredOrder[],
): Pick<MemoryStorage, 'settled'> {
  return {
    settled: ({ after, limit }) => {
      const all = [...inner.settled({ after: 0, limit: most }).orders, ...added];
      const orders = all.filter(({ settlement = 0 }) => settlement > after).slice(0, limit);
      const last = all.at(-1)?.settlement ?? 0;
      return { orders, next: orders.at(-1)?.settlement ?? after, last, forgotten: 0 };
    },
  };
}

/** Says that the first settlement is gone, and gives the others. */
function feedingForgotten(): Part {
  return (inner) => ({
    settled: ({ after, limit }) => ({
      ...inner.settled({ after: Math.max(1, after), limit }),
      forgotten: 1,
    }),
  });
}

describe('an order storage that', () => {
  it.each(lies)('breaks %s: it %s', async (rule, _, part) => {
    await expectBroken(
      rule,
      orderTests(() => lying(part)),
    );
  });

  it('has its history in pages that end early passes the suite', async () => {
    const part: Part = (inner) => ({
      settled: ({ after, limit }) => inner.settled({ after, limit: Math.ceil(limit / 2) }),
      movements: (query) => inner.movements({ ...query, limit: Math.ceil(query.limit / 2) }),
    });
    const tests = orderTests(() => lying(part)).filter(([name]) =>
      /^order rules? 1[ 4-8]/.test(name),
    );
    expect(await failuresOf(tests)).toEqual([]);
  });
});
