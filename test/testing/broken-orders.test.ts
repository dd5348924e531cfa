/** The suite is worth something if an order storage that breaks a rule does not pass it. */
import { describe, expect, it } from 'vitest';
import { orderedPostings } from '../../src/core/order/receipt.ts';
import type { StoredOrder } from '../../src/core/order/stored-order.ts';
import type { Settlement } from '../../src/core/storage/order-storage.ts';
import { range } from '../kit/helpers.ts';
import { expectBroken, failuresOf, orderTests } from './failures-of.ts';
import { change, lying, type Part } from './lying.ts';

/** Changes a stored order in every answer of the storage. */
function telling(change: (order: StoredOrder) => Partial<StoredOrder>): Part {
  const tell = (order: StoredOrder): StoredOrder => ({ ...order, ...change(order) });
  return (inner) => ({
    find: (id) => {
      const order = inner.find(id);
      return order && tell(order);
    },
    list: (query) => {
      const { orders, next } = inner.list(query);
      return { orders: orders.map(tell), next };
    },
  });
}

/** Changes what settlements are taken for. */
function settling(change: (settlement: Settlement) => Partial<Settlement>): Part {
  return (inner) => ({
    settle: (settlements) =>
      inner.settle(settlements.map((settlement) => ({ ...settlement, ...change(settlement) }))),
  });
}

const lies: [rule: string, lie: string, part: Part][] = [
  ['order rule 1', 'loses labels', telling(() => ({ labels: [] }))],
  ['order rule 1', 'loses priorities', telling(() => ({ priority: 'medium' }))],
  [
    'order rule 1',
    'takes the payload for the content',
    telling(({ payload }) => ({ content: payload })),
  ],
  ['order rule 1', 'gives null for undefined', telling(({ payload = null }) => ({ payload }))],
  [
    'order rule 1',
    'keeps any payload as JSON',
    telling(({ payload }) => ({ payload: isJson(payload) ? payload : String(payload) })),
  ],
  ['order rule 1', 'counts attempts from 0', telling(({ attempt }) => ({ attempt: attempt - 1 }))],
  ['order rule 1', 'invents the time', telling(() => ({ acceptedAt: 1 }))],
  [
    'order rule 1',
    'applies amounts that are accepted',
    (inner) => ({
      accept: (orders) => {
        for (const { userId, amount } of orders) change(inner, userId, amount);
        return inner.accept(orders);
      },
    }),
  ],
  [
    'order rule 1',
    'drops orders of a great call',
    (inner) => ({
      accept: (orders) => {
        inner.accept(orders.slice(0, 5_000));
        return orders.map(() => ({ status: 'accepted', sequence: 1 }));
      },
    }),
  ],
  [
    'order rule 2',
    'says that it accepted what it knew',
    (inner) => ({
      accept: (orders) => {
        inner.accept(orders);
        return orders.map(() => ({ status: 'accepted', sequence: 1 }));
      },
    }),
  ],
  [
    'order rule 2',
    'answers the order that came last',
    (inner) => ({
      accept: (orders) =>
        inner.accept(orders).map((result, at) => {
          if (result.status !== 'known') return result;
          const { userId, amount } = orders[at] as (typeof orders)[number];
          return { status: 'known', order: { ...result.order, userId, amount } };
        }),
    }),
  ],
  [
    'order rule 2',
    'answers all that it knew first',
    (inner) => ({
      accept: (orders) =>
        inner
          .accept(orders)
          .toSorted(
            (one, other) => Number(other.status === 'known') - Number(one.status === 'known'),
          ),
    }),
  ],
  [
    'order rule 2',
    'forgets settled ids',
    (inner) => ({
      accept: (orders) =>
        inner
          .accept(orders)
          .map((result) =>
            result.status === 'known' && result.order.status !== 'pending'
              ? { status: 'accepted', sequence: 1 }
              : result,
          ),
    }),
  ],
  [
    'order rule 7',
    'throws at no orders',
    (inner) => ({
      accept: (orders) => {
        if (orders.length === 0) throw new Error('Expected orders');
        return inner.accept(orders);
      },
    }),
  ],
  ['order rule 3', 'loses steps', settling(() => ({ steps: [] }))],
  ['order rule 16', 'remembers nothing', telling(() => ({ remembered: [] }))],
  [
    'order rule 16',
    'remembers the last step alone',
    telling(({ remembered }) => ({ remembered: remembered.slice(-1) })),
  ],
  ['order rule 17', 'loses what came again', telling(() => ({ retryOf: undefined }))],
  ['order rule 19', 'loses the traces of orders', telling(() => ({ traceContext: undefined }))],
  ['order rule 17', 'never says that it came again', telling(() => ({ retriedAs: undefined }))],
  [
    'order rule 17',
    'says that it came again as an order that has the id',
    (inner) => {
      const named = new Map<string, string>();
      const find: typeof inner.find = (id) => {
        const order = inner.find(id);
        return order && { ...order, retriedAs: named.get(id) };
      };
      return {
        find,
        accept: (orders) => {
          for (const { id, retryOf } of orders) if (retryOf !== undefined) named.set(retryOf, id);
          return inner.accept(orders);
        },
      };
    },
  ],
  ['order rule 3', 'loses results', settling(() => ({ results: {} }))],
  [
    'order rule 3',
    'keeps results of completed orders alone',
    telling(({ status }) => (status === 'completed' ? {} : { results: {} })),
  ],
  [
    'order rule 4',
    'applies what was ordered',
    settling(({ orderedAmount }) => ({ amount: orderedAmount })),
  ],
  [
    'order rule 4',
    'forgets what was ordered',
    telling(({ amount }) => ({ orderedAmount: amount })),
  ],
  [
    'order rule 4',
    'takes what was ordered for what was settled',
    telling(({ orderedAmount }) => ({ amount: orderedAmount })),
  ],
  [
    'order rule 4',
    'applies the postings that were ordered',
    settling(({ postings }) => ({ postings: orderedPostings(postings) })),
  ],
  [
    'order rule 4',
    'forgets what was ordered of postings',
    telling(({ postings }) => ({
      postings: postings.map((each) => ({ ...each, orderedAmount: each.amount })),
    })),
  ],
  ['order rule 3', 'loses when it began', settling(() => ({ startedAt: undefined }))],
  [
    'order rule 3',
    'says that all began',
    settling(({ acceptedAt }) => ({ startedAt: acceptedAt + 5 })),
  ],
  ['order rule 3', 'loses messages', telling(({ code }) => ({ message: code }))],
  [
    'order rule 3',
    'takes all for retryable',
    telling(({ code }) => ({ retryable: code ? true : undefined })),
  ],
  [
    'order rule 3',
    'takes canceled for failed',
    settling(({ outcome }) => ({ outcome: outcome === 'canceled' ? 'failed' : outcome })),
  ],
  [
    'order rule 3',
    'settles an order as often as it comes',
    (inner) => ({
      settle: (settlements) =>
        settlements.map((settlement) => {
          const [result] = inner.settle([settlement]);
          if (result?.status !== 'known') return result as typeof result & object;
          const { userId, amount } = settlement;
          return { status: 'settled', balance: change(inner, userId, amount) };
        }),
    }),
  ],
  [
    'order rule 3',
    'completes what had failed',
    (inner) => ({
      settle: (settlements) =>
        settlements.map((settlement) => {
          const { id, userId, amount, outcome } = settlement;
          const isFailed = inner.find(id)?.status === 'failed';
          const [result] = inner.settle([settlement]);
          if (isFailed && outcome === 'completed') change(inner, userId, amount);
          return result as typeof result & object;
        }),
    }),
  ],
  ['order rule 3', 'takes all orders for accepted ones', settling(() => ({ isAccepted: true }))],
  [
    'order rule 3',
    'answers by id',
    (inner) => ({
      settle: (settlements) =>
        inner.settle(settlements.toSorted((one, other) => (one.id < other.id ? -1 : 1))),
    }),
  ],
  ['order rule 4', 'lets debits go below minBalance', settling(() => ({ minBalance: undefined }))],
  ['order rule 4', 'leaves refused orders unsettled', settling(() => ({ isCompensable: true }))],
  ['order rule 4', 'settles compensable orders', settling(() => ({ isCompensable: false }))],
  [
    'order rule 4',
    'applies the amounts of orders that failed',
    (inner) => ({
      settle: (settlements) => {
        for (const { userId, amount, outcome } of settlements) {
          if (outcome === 'failed') change(inner, userId, amount);
        }
        return inner.settle(settlements);
      },
    }),
  ],
  ['order rule 5', 'settles what is provisional', settling(() => ({ isProvisional: false }))],
  ['order rule 5', 'forgets its notes', telling(() => ({ decided: undefined }))],
  [
    'order rule 5',
    'keeps the first note',
    (inner) => ({
      settle: (settlements) =>
        settlements.map((settlement) => {
          const isNoted = inner.find(settlement.id)?.decided !== undefined;
          if (isNoted && settlement.isProvisional) return { status: 'settled', balance: undefined };
          return inner.settle([settlement])[0] as ReturnType<typeof inner.settle>[number];
        }),
    }),
  ],
  [
    'order rule 5',
    'notes what is settled',
    (inner) => ({
      settle: (settlements) =>
        inner
          .settle(settlements)
          .map((result, at) =>
            settlements[at]?.isProvisional ? { status: 'settled', balance: undefined } : result,
          ),
    }),
  ],
  ['amend', 'amends nothing', () => ({ amend: () => undefined })],
  [
    'order rule 11',
    'keeps no orders of changes',
    (inner) => ({
      find: (id) => {
        const order = inner.find(id);
        return order && order.acceptedAt > 1_750_000_000_000 ? undefined : order;
      },
    }),
  ],
  [
    'order rule 11',
    'applies what is completed',
    (inner) => ({
      apply: (changes) =>
        changes.map(({ userId, amount }) => ({
          balance: change(inner, userId, amount),
        })),
    }),
  ],
  ['hold rule 1', 'keeps no holds', () => ({ hold: () => undefined })],
  [
    'hold rule 1',
    'keeps the first hold of a user',
    (inner) => ({
      hold: (hold) => {
        const [known] = inner.holds({ limit: 100 }).filter(({ userId }) => userId === hold.userId);
        if (known === undefined) inner.hold(hold);
      },
    }),
  ],
  [
    'hold rule 1',
    'loses the order of a hold',
    (inner) => ({ hold: ({ orderId: _, ...hold }) => inner.hold(hold) }),
  ],
  [
    'hold rule 1',
    'loses what the steps of a held order have returned',
    (inner) => ({
      hold: ({ failure, ...hold }) =>
        inner.hold({ ...hold, failure: failure && { ...failure, results: {} } }),
    }),
  ],
  ['hold rule 2', 'ends no hold', () => ({ release: () => undefined })],
  [
    'hold rule 2',
    'forgets that an order is tried again',
    (inner) => ({ release: (userId) => inner.release(userId) }),
  ],
  [
    'hold rule 2',
    'forgets that an order is to hold its lane',
    settling(() => ({ holds: undefined })),
  ],
  ['hold rule 6', 'keeps the hold of a settled order', settling(() => ({ endsHold: false }))],
  [
    'hold rule 6',
    'ends the hold of each settled order',
    settling(({ isProvisional }) => ({ endsHold: !isProvisional })),
  ],
  [
    'hold rule 6',
    'ends the hold that was made by hand with that of the order',
    (inner) => ({
      settle: (settlements) => {
        for (const { endsHold, userId } of settlements) if (endsHold) inner.release(userId);
        return inner.settle(settlements);
      },
    }),
  ],
  [
    'hold rule 3',
    'begins each page with the first hold',
    (inner) => ({ holds: ({ limit }) => inner.holds({ limit }) }),
  ],
  [
    'hold rule 3',
    'gives more than are asked for',
    (inner) => ({ holds: ({ after }) => inner.holds({ after, limit: 100 }) }),
  ],
  [
    'hold rule 4',
    'accepts nothing of held users',
    (inner) => ({
      accept: (orders) => {
        if (inner.holds({ limit: 1 }).length === 0) return inner.accept(orders);
        throw new Error('Held');
      },
    }),
  ],
];

describe('an order storage that', () => {
  it('keeps all rules passes the suite', async () => {
    expect(await failuresOf(orderTests(() => lying(() => ({}))))).toEqual([]);
  });

  it.each(lies)('breaks %s: it %s', async (rule, _, part) => {
    await expectBroken(
      rule,
      orderTests(() => lying(part)),
    );
  });

  it('is broken somewhere is found by random calls too, of most kinds', async () => {
    const kinds = lies.filter(([rule]) => /^order rule ([1-5]|9|10)$|^amend$/.test(rule));
    const seeds = range(3);
    const found = await Promise.all(
      kinds.map(async ([, , part]) => {
        const tests = seeds.flatMap((seed) => orderTests(() => lying(part), { seed }));
        const random = tests.filter(([name]) => name.startsWith('order rules 1 to 16'));
        return (await failuresOf(random)).length > 0;
      }),
    );
    expect(found.filter(Boolean).length).toBeGreaterThan(kinds.length / 2);
  });
});

function isJson(value: unknown): boolean {
  return ['object', 'string', 'number', 'boolean', 'undefined'].includes(typeof value);
}
