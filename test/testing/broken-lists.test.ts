/** The suite finds an order storage that lists orders, or gives unsettled ones, in a wrong way. */
import { describe, it } from 'vitest';
import type { StoredOrder } from '../../src/core/order/stored-order.ts';
import type {
  StoredOrderPage,
  StoredOrderQuery,
} from '../../src/core/storage/lists/stored-order-page.ts';
import { expectBroken, orderTests } from './failures-of.ts';
import { lying, type Part } from './lying.ts';

/** Changes which orders are listed. */
function listing(
  change: (orders: (query: StoredOrderQuery) => StoredOrder[], query: StoredOrderQuery) => unknown,
): Part {
  return (inner) => ({
    list: (query) => {
      const orders = change((asked) => [...inner.list(asked).orders], query) as StoredOrder[];
      const isFull = orders.length >= query.limit;
      return { orders, next: isFull ? orders.at(-1)?.sequence : undefined };
    },
  });
}

/** Changes where pages go on. */
function goingOn(change: (page: StoredOrderPage, query: StoredOrderQuery) => unknown): Part {
  return (inner) => ({
    list: (query) => change(inner.list(query), query) as StoredOrderPage,
  });
}

/** Changes how unsettled orders come. */
function reading(change: (orders: StoredOrder[]) => Iterable<readonly StoredOrder[]>): Part {
  return (inner) => ({
    async *unsettled() {
      const orders: StoredOrder[] = [];
      for await (const page of inner.unsettled()) orders.push(...page);
      yield* change(orders);
    },
  });
}

function* pagesOf(orders: readonly StoredOrder[], size = 500): Generator<readonly StoredOrder[]> {
  for (let at = 0; at < orders.length; at += size) yield orders.slice(at, at + size);
}

const all = { limit: 4_000 };

const lies: [rule: string, lie: string, part: Part][] = [
  [
    'order rule 10',
    'lists the earliest first',
    listing((list, query) =>
      list({ ...query, ...all })
        .toReversed()
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'lists orders by time',
    listing((list, query) =>
      list({ ...query, ...all })
        .toSorted((one, other) => other.acceptedAt - one.acceptedAt)
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'lists orders by id',
    listing((list, query) =>
      list({ ...query, ...all })
        .toSorted((one, other) => (one.id < other.id ? 1 : -1))
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'skips an order where a page begins',
    listing((list, query) => list({ ...query, before: query.before && query.before - 1 })),
  ],
  [
    'order rule 10',
    'repeats the order behind which a page begins',
    listing((list, query) => list({ ...query, before: query.before && query.before + 1 })),
  ],
  [
    'order rule 10',
    'begins a page behind known orders only',
    listing((list, query) => {
      const { before = 0 } = query;
      const isKnown = list(all).some(({ sequence }) => sequence === before);
      return before > 0 && !isKnown ? [] : list(query);
    }),
  ],
  [
    'order rule 10',
    'goes on at the same place for ever',
    goingOn((page, { before }) => ({ ...page, next: page.next && (before ?? page.next) })),
  ],
  ['order rule 10', 'never says that there is more', goingOn(({ orders }) => ({ orders }))],
  [
    'order rule 10',
    'ends pages by size and forgets the rest',
    goingOn((page, { maxBytes = 1_000_000 }) =>
      maxBytes < 1_000_000 ? { orders: page.orders.slice(0, 1) } : page,
    ),
  ],
  [
    'order rule 10',
    'gives no order that is larger than a page',
    goingOn((page, { maxBytes }) => (maxBytes === 1 ? { ...page, orders: [] } : page)),
  ],
  [
    'order rule 13',
    'numbers orders anew when they are settled',
    (inner) => ({
      find: (id) => {
        const order = inner.find(id);
        return order?.settledAt === undefined ? order : { ...order, sequence: order.sequence + 90 };
      },
    }),
  ],
  [
    'order rule 13',
    'numbers orders by their time',
    (inner) => ({
      find: (id) => {
        const order = inner.find(id);
        return order && { ...order, sequence: order.acceptedAt };
      },
    }),
  ],
  [
    'order rule 13',
    'answers another number than it lists',
    (inner) => ({
      accept: (orders) =>
        inner
          .accept(orders)
          .map((result) =>
            result.status === 'accepted' ? { ...result, sequence: result.sequence + 1 } : result,
          ),
    }),
  ],
  [
    'order rule 10',
    'gives one too many',
    listing((list, query) => list({ ...query, limit: query.limit + 1 })),
  ],
  [
    'order rule 10',
    'gives 50 at most',
    listing((list, query) => list({ ...query, limit: Math.min(query.limit, 50) })),
  ],
  [
    'order rule 10',
    'filters a page when it is cut',
    listing((list, { userId, status, ...query }) =>
      list(query)
        .filter((order) => order.userId === (userId ?? order.userId))
        .filter((order) => order.status === (status ?? order.status)),
    ),
  ],
  [
    'order rule 10',
    'lists all users',
    listing((list, query) => list({ ...query, userId: undefined })),
  ],
  [
    'order rule 10',
    'ignores the case of users',
    listing((list, { userId, ...query }) => list({ ...query, userId: userId?.toLowerCase() })),
  ],
  [
    'order rule 10',
    'lists all statuses',
    listing((list, query) => list({ ...query, status: undefined })),
  ],
  [
    'order rule 10',
    'filters by user or by status, and not by both',
    listing((list, query) =>
      list({ ...query, status: query.userId === undefined ? query.status : undefined }),
    ),
  ],
  [
    'order rule 10',
    'lists what is accepted at `acceptedBefore`',
    listing((list, { acceptedBefore, ...query }) =>
      list({ ...query, acceptedBefore: acceptedBefore && acceptedBefore + 1 }),
    ),
  ],
  [
    'order rule 10',
    'lists nothing of `acceptedFrom` itself',
    listing((list, { acceptedFrom, ...query }) =>
      list({ ...query, acceptedFrom: acceptedFrom && acceptedFrom + 1 }),
    ),
  ],
  [
    'order rule 10',
    'lists settled orders alone',
    listing((list, query) => list(query).filter(({ status }) => status !== 'pending')),
  ],
  [
    'order rule 10',
    'lists unsettled orders first',
    listing((list, query) =>
      list({ ...query, ...all })
        .toSorted(
          (one, other) => Number(other.status === 'pending') - Number(one.status === 'pending'),
        )
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'lists decided orders as what they will be',
    listing((list, query) =>
      query.status === 'pending'
        ? list(query).filter(({ decided }) => decided === undefined)
        : list(query),
    ),
  ],
  [
    'order rule 9',
    'gives unsettled orders by id',
    reading((orders) => pagesOf(orders.toSorted((one, other) => (one.id < other.id ? -1 : 1)))),
  ],
  [
    'order rule 9',
    'gives unsettled orders by time',
    reading((orders) =>
      pagesOf(orders.toSorted((one, other) => one.acceptedAt - other.acceptedAt)),
    ),
  ],
  ['order rule 9', 'gives the newest first', reading((orders) => pagesOf(orders.toReversed()))],
  ['order rule 9', 'gives all unsettled orders in one page', reading((orders) => [orders])],
  ['order rule 9', 'gives one page', reading((orders) => [orders.slice(0, 500)])],
  [
    'order rule 9',
    'gives the last order of a page again',
    reading((orders) =>
      [...pagesOf(orders)].map((page, at) => [...orders.slice(at * 500 - 1, at * 500), ...page]),
    ),
  ],
  [
    'order rule 9',
    'counts pages by what is unsettled now',
    (inner) => ({
      async *unsettled() {
        for (let at = 0; ; at += 500) {
          const orders: StoredOrder[] = [];
          for await (const page of inner.unsettled()) orders.push(...page);
          if (at >= orders.length) return;
          yield orders.slice(at, at + 500);
        }
      },
    }),
  ],
  [
    'order rule 9',
    'never ends while orders come',
    (inner) => ({
      async *unsettled() {
        const seen = new Set<string>();
        for (;;) {
          const orders: StoredOrder[] = [];
          for await (const page of inner.unsettled()) {
            orders.push(...page.filter(({ id }) => !seen.has(id)));
          }
          for (const { id } of orders) seen.add(id);
          if (orders.length === 0) return;
          yield* pagesOf(orders);
        }
      },
    }),
  ],
  [
    'order rule 9',
    'is read once at a time',
    (inner) => {
      let isRead = false;
      return {
        async *unsettled() {
          if (isRead) return;
          isRead = true;
          yield* inner.unsettled();
          isRead = false;
        },
      };
    },
  ],
  [
    'order rule 8',
    'shows a settlement a turn later',
    (inner) => ({
      settle: async (settlements) => {
        // What the settlements will answer, before they are made.
        const later = structuredClone(settlements.map(({ error: _, ...rest }) => rest));
        setImmediate(() => inner.settle(later.map((rest) => ({ ...rest, error: undefined }))));
        return settlements.map(() => ({ status: 'settled', balance: 0 }));
      },
    }),
  ],
];

describe('an order storage that', () => {
  it.each(lies)('breaks %s: it %s', async (rule, _, part) => {
    await expectBroken(
      rule,
      orderTests(() => lying(part)),
    );
  });
});
