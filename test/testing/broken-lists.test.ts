/** The suite finds an order storage that lists orders, or gives unsettled ones, in a wrong way. */
import type { MemoryStorage } from 'order-processor';
import { describe, it } from 'vitest';
import type { StoredOrder, StoredOrderQuery } from '../../src/storage/order-storage.ts';
import { expectBroken, orderTests } from './failures-of.ts';
import { lying, type Part } from './lying.ts';

/** Changes which orders are listed. */
function listing(
  change: (inner: MemoryStorage, query: StoredOrderQuery) => readonly StoredOrder[],
): Part {
  return (inner) => ({ list: (query) => change(inner, query) });
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

const all = { limit: 100_000 };

const lies: [rule: string, lie: string, part: Part][] = [
  [
    'order rule 10',
    'lists the earliest first',
    listing((inner, query) =>
      inner
        .list({ ...query, ...all })
        .toReversed()
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'lists orders of one time as they came',
    listing((inner, query) =>
      inner
        .list({ ...query, ...all })
        .toSorted((one, other) => other.acceptedAt - one.acceptedAt || (one.id < other.id ? -1 : 1))
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'sorts ids by language',
    listing((inner, query) =>
      inner
        .list({ ...query, ...all })
        .toSorted(
          (one, other) => other.acceptedAt - one.acceptedAt || other.id.localeCompare(one.id),
        )
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'sorts ids that are numbers as such',
    listing((inner, query) =>
      inner
        .list({ ...query, ...all })
        .toSorted(
          (one, other) =>
            other.acceptedAt - one.acceptedAt ||
            other.id.localeCompare(one.id, 'en', { numeric: true, caseFirst: 'upper' }),
        )
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'skips orders of the time at which a page begins',
    listing((inner, { after, ...query }) =>
      inner.list({ ...query, ...(after && { after: { ...after, id: '' } }) }),
    ),
  ],
  [
    'order rule 10',
    'repeats orders of the time at which a page begins',
    listing((inner, { after, ...query }) =>
      inner.list({ ...query, ...(after && { after: { ...after, id: '\uffff' } }) }),
    ),
  ],
  [
    'order rule 10',
    'begins a page behind known orders only',
    listing((inner, query) =>
      query.after && inner.find(query.after.id) === undefined ? [] : inner.list(query),
    ),
  ],
  [
    'order rule 10',
    'counts pages and not positions',
    listing((inner, { after, ...query }) => {
      const orders = inner.list({ ...query, ...all });
      const begin = orders.findIndex(({ id }) => id === after?.id) + 1;
      return orders.slice(begin, begin + query.limit);
    }),
  ],
  [
    'order rule 10',
    'gives one too many',
    listing((inner, query) => inner.list({ ...query, limit: query.limit + 1 })),
  ],
  [
    'order rule 10',
    'gives 50 at most',
    listing((inner, query) => inner.list({ ...query, limit: Math.min(query.limit, 50) })),
  ],
  [
    'order rule 10',
    'filters a page when it is cut',
    listing((inner, { userId, status, ...query }) =>
      inner
        .list(query)
        .filter((order) => order.userId === (userId ?? order.userId))
        .filter((order) => order.status === (status ?? order.status)),
    ),
  ],
  [
    'order rule 10',
    'lists all users',
    listing((inner, query) => inner.list({ ...query, userId: undefined })),
  ],
  [
    'order rule 10',
    'ignores the case of users',
    listing((inner, { userId, ...query }) =>
      inner.list({ ...query, userId: userId?.toLowerCase() }),
    ),
  ],
  [
    'order rule 10',
    'lists all statuses',
    listing((inner, query) => inner.list({ ...query, status: undefined })),
  ],
  [
    'order rule 10',
    'filters by user or by status, and not by both',
    listing((inner, query) =>
      inner.list({ ...query, status: query.userId === undefined ? query.status : undefined }),
    ),
  ],
  [
    'order rule 10',
    'lists what is accepted at `acceptedBefore`',
    listing((inner, { acceptedBefore, ...query }) =>
      inner.list({ ...query, acceptedBefore: acceptedBefore && acceptedBefore + 1 }),
    ),
  ],
  [
    'order rule 10',
    'lists nothing of `acceptedFrom` itself',
    listing((inner, { acceptedFrom, ...query }) =>
      inner.list({ ...query, acceptedFrom: acceptedFrom && acceptedFrom + 1 }),
    ),
  ],
  [
    'order rule 10',
    'lists settled orders alone',
    listing((inner, query) => inner.list(query).filter(({ status }) => status !== 'pending')),
  ],
  [
    'order rule 10',
    'lists unsettled orders first',
    listing((inner, query) =>
      inner
        .list({ ...query, ...all })
        .toSorted(
          (one, other) => Number(other.status === 'pending') - Number(one.status === 'pending'),
        )
        .slice(0, query.limit),
    ),
  ],
  [
    'order rule 10',
    'lists decided orders as what they will be',
    listing((inner, query) =>
      query.status === 'pending'
        ? inner.list(query).filter(({ decided }) => decided === undefined)
        : inner.list(query),
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
