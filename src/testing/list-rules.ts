import assert from 'node:assert/strict';
import type { OrderStorage, Settlement, StoredOrderQuery } from '../storage/order-storage.ts';
import { apply, change, range } from './balances.ts';
import { byPosition } from './model.ts';
import {
  acceptNew,
  assertOrders,
  type ExpectedOrder,
  failure,
  idsOf,
  newOrder,
  pendingOrder,
  readList,
  settle,
  settledOrder,
  settlementOf,
  start,
  statuses,
} from './orders.ts';
import type { Declare } from './suite.ts';

/** Declares what holds for `list`. */
export function declareListRules(declare: Declare<OrderStorage>): void {
  declareSequenceRules(declare);
  declareFilterRules(declare);
  declarePageRules(declare);
}

function declareSequenceRules(declare: Declare<OrderStorage>): void {
  declare('order rule 10', 'orders are listed from the latest to the earliest', async (storage) => {
    const times = [3, 1, 4, 0, 5, 9, 2, 6];
    const orders = times.map((time) => newOrder(`o-${time}`, { acceptedAt: start + time }));
    await acceptNew(storage, orders.slice(0, 5));
    const settlements = orders
      .slice(3)
      .map((order, at) => settlementOf(order, { isAccepted: at < 2 }));
    await settle(storage, settlements);
    const sorted = times.toSorted((one, other) => other - one);
    assert.deepEqual(
      idsOf(await storage.list({ limit: 100 })),
      sorted.map((time) => `o-${time}`),
    );
  });

  declare('order rule 10', 'of one time from the greatest id to the least', async (storage) => {
    // In this order by UTF-8 and by UTF-16, and in another by the rules of any language.
    const ids = ['', '-', '1', '10', '2', 'B', '_', 'a', 'b', 'z', 'É', 'é', 'ÿ', '日'].map(
      (id) => `o${id}`,
    );
    await acceptNew(
      storage,
      ids.toSorted((one, other) => one.length - other.length || 1).map((id) => newOrder(id)),
    );
    assert.deepEqual(idsOf(await storage.list({ limit: 100 })), ids.toReversed());
    for (const limit of [1, 2, 5, 13]) {
      assert.deepEqual(idsOf(await readList(storage, limit)), ids.toReversed());
    }
  });

  declare('order rule 10', 'orders are listed as they are', async (storage) => {
    const expected = await fill(storage);
    assertOrders(await storage.list({ limit: expected.length }), expected);
  });

  declare('order rule 10', 'an applied change is listed', async (storage) => {
    await apply(storage, [change('o-1', 'u', 5)]);
    assert.deepEqual(idsOf(await storage.list({ userId: 'u', limit: 2 })), ['o-1']);
    assert.deepEqual(idsOf(await storage.list({ status: 'completed', limit: 2 })), ['o-1']);
  });
}

function declareFilterRules(declare: Declare<OrderStorage>): void {
  declare('order rule 10', 'nothing is listed but what is asked for', async (storage) => {
    const expected = await fill(storage);
    const times = [undefined, start, start + 1, start + 3, start + 99];
    for (const userId of [undefined, 'u-0', 'u-2', 'U-0', 'nobody']) {
      for (const status of [undefined, ...statuses]) {
        for (const acceptedFrom of times) {
          for (const acceptedBefore of times) {
            const query = { userId, status, acceptedFrom, acceptedBefore };
            const orders = await storage.list({ ...query, limit: 1_000 });
            const wanted = expected.filter((order) => fits(order, query));
            assert.deepEqual(idsOf(orders), idsOf(wanted), `With ${JSON.stringify(query)}`);
          }
        }
      }
    }
  });

  declare('order rule 10', 'what is undefined or left out does not matter', async (storage) => {
    const expected = await fill(storage);
    const nothing = {
      userId: undefined,
      status: undefined,
      acceptedFrom: undefined,
      acceptedBefore: undefined,
      after: undefined,
    };
    assertOrders(await storage.list({ ...nothing, limit: 1_000 }), expected);
    assert.deepEqual(await storage.list({ userId: 'nobody', limit: 1 }), []);
  });

  declare('order rule 10', 'an order that is decided is pending still', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const error = failure('timeout', 'Too late');
    await settle(storage, [settlementOf(order, { outcome: 'failed', error, isProvisional: true })]);
    assert.deepEqual(idsOf(await storage.list({ status: 'pending', limit: 2 })), ['o-1']);
    assert.deepEqual(await storage.list({ status: 'failed', limit: 2 }), []);
  });
}

function declarePageRules(declare: Declare<OrderStorage>): void {
  declare('order rule 10', 'pages of any size make up the list', async (storage) => {
    const expected = await fill(storage);
    for (const limit of [1, 2, 3, 7, expected.length - 1, expected.length, 1_000]) {
      assert.deepEqual(idsOf(await readList(storage, limit)), idsOf(expected), `Of ${limit}`);
    }
    const queries = [
      { userId: 'u-1' },
      { status: 'failed' as const },
      { userId: 'u-2', status: 'pending' as const },
      { acceptedFrom: start + 1, acceptedBefore: start + 3 },
      { userId: 'u-0', status: 'completed' as const, acceptedBefore: start + 4 },
    ];
    for (const query of queries) {
      const wanted = expected.filter((order) => fits(order, query));
      assert.ok(wanted.length > 2);
      for (const limit of [1, 2]) {
        const orders = await readList(storage, limit, query);
        assert.deepEqual(idsOf(orders), idsOf(wanted), `With ${JSON.stringify(query)}`);
      }
    }
  });

  declare('order rule 10', 'orders of one time come one page after another', async (storage) => {
    const orders = range(25).map((at) => newOrder(`o-${10 + at}`));
    await acceptNew(storage, orders);
    await settle(
      storage,
      orders.filter((_, at) => at % 3 === 0).map((order) => settlementOf(order)),
    );
    for (const limit of [1, 2, 5, 24, 25]) {
      assert.deepEqual(idsOf(await readList(storage, limit)), idsOf(orders.toReversed()));
    }
  });

  declare('order rule 10', 'a page begins behind any position', async (storage) => {
    const times = [0, 2, 2, 4];
    const orders = times.map((time, at) => newOrder(`o-${at}`, { acceptedAt: start + time }));
    await acceptNew(storage, orders);
    const behind: [time: number, id: string, ids: string[]][] = [
      [99, 'o', ['o-3', 'o-2', 'o-1', 'o-0']],
      [4, 'o-3', ['o-2', 'o-1', 'o-0']],
      [4, 'o-4', ['o-3', 'o-2', 'o-1', 'o-0']],
      [3, 'o-9', ['o-2', 'o-1', 'o-0']],
      [2, 'o-1a', ['o-1', 'o-0']],
      [2, 'o-1', ['o-0']],
      [2, 'a', ['o-0']],
      [0, 'o-0', []],
      [-1, 'z', []],
    ];
    for (const [time, id, ids] of behind) {
      const after = { acceptedAt: start + time, id };
      assert.deepEqual(idsOf(await storage.list({ after, limit: 10 })), ids, `After ${time} ${id}`);
    }
  });

  declare('order rule 10', 'what comes in between moves no page', async (storage) => {
    const orders = range(10).map((at) => newOrder(`o-${at}`, { acceptedAt: start + at }));
    await acceptNew(storage, orders);
    const first = await storage.list({ limit: 5 });
    await acceptNew(storage, [newOrder('new', { acceptedAt: start + 99 }), newOrder('o-9a')]);
    await settle(
      storage,
      orders.map((order) => settlementOf(order)),
    );
    const last = first.at(-1);
    assert.ok(last);
    const after = { acceptedAt: last.acceptedAt, id: last.id };
    const rest = await storage.list({ after, limit: 6 });
    assert.deepEqual(idsOf(first), ['o-9', 'o-8', 'o-7', 'o-6', 'o-5']);
    assert.deepEqual(idsOf(rest), ['o-4', 'o-3', 'o-2', 'o-1', 'o-9a', 'o-0']);
  });
}

/** Orders of three users, seven times and all statuses, and how they are listed. */
async function fill(storage: OrderStorage): Promise<ExpectedOrder[]> {
  const orders = range(84).map((at) =>
    newOrder(`o-${100 + ((at * 31) % 84)}`, {
      userId: `u-${at % 3}`,
      amount: at,
      acceptedAt: start + (at % 7),
      labels: at % 5 === 0 ? ['fifth'] : [],
      payload: at % 4 === 0 ? { at } : undefined,
    }),
  );
  const isAccepted = (at: number): boolean => at % 8 !== 0;
  await acceptNew(
    storage,
    orders.filter((_, at) => isAccepted(at)),
  );
  const settlements: Settlement[] = [];
  for (const [at, order] of orders.entries()) {
    const status = statuses[Math.floor(at / 3) % 4] ?? 'pending';
    if (status === 'pending' && isAccepted(at)) continue;
    const outcome = status === 'pending' ? 'completed' : status;
    settlements.push(settlementOf(order, { outcome, isAccepted: isAccepted(at) }));
  }
  const results = await settle(storage, settlements);
  const settled = settlements.map((settlement, at) => settledOrder(settlement, results[at]));
  const left = orders.filter(({ id }) => settled.every((order) => order.id !== id));
  const expected = [...settled, ...left.map((order) => pendingOrder(order))];
  return expected.sort(byPosition);
}

function fits(order: ExpectedOrder, query: Omit<StoredOrderQuery, 'limit'>): boolean {
  return (
    order.userId === (query.userId ?? order.userId) &&
    order.status === (query.status ?? order.status) &&
    order.acceptedAt >= (query.acceptedFrom ?? 0) &&
    order.acceptedAt < (query.acceptedBefore ?? Number.POSITIVE_INFINITY)
  );
}
