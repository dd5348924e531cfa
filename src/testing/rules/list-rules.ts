import assert from 'node:assert/strict';
import type { StoredOrderQuery } from '../../core/storage/lists/stored-order-page.ts';
import type { OrderStorage, Settlement } from '../../core/storage/order-storage.ts';
import { apply, change, range } from '../balances.ts';
import { statuses } from '../model.ts';
import {
  accept,
  acceptNew,
  assertOrders,
  type ExpectedOrder,
  failure,
  idsOf,
  knownBy,
  listed,
  newOrder,
  pendingOrder,
  readList,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
  start,
} from '../orders.ts';
import type { Declare } from '../suite.ts';

/** Declares what holds for `list`. */
export function declareListRules(declare: Declare<OrderStorage>): void {
  declareSequenceRules(declare);
  declareFilterRules(declare);
  declarePageRules(declare);
}

function declareSequenceRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 10',
    'orders are listed from the last accepted to the first',
    async (storage) => {
      // Neither in the order of their times nor of their ids.
      const times = [3, 1, 4, 0, 5, 9, 2, 6];
      const orders = times.map((time) => newOrder(`o-${time}`, { acceptedAt: start + time }));
      await acceptNew(storage, orders.slice(0, 5));
      const settlements = orders
        .slice(3)
        .map((order, at) => settlementOf(order, { isAccepted: at < 2 }));
      await settle(storage, settlements);
      for (const limit of [1, 3, 100]) {
        assert.deepEqual(idsOf(await readList(storage, limit)), idsOf(orders.toReversed()));
      }
    },
  );

  declare(
    'order rule 10',
    'orders of one time and one call are listed from the last to the first',
    async (storage) => {
      const ids = ['b', '10', 'é', '2', 'B', '日', '_', 'a', 'É', '1', 'z', 'ÿ', '-'];
      await acceptNew(
        storage,
        ids.map((id) => newOrder(id)),
      );
      for (const limit of [1, 2, 5, 13]) {
        assert.deepEqual(idsOf(await readList(storage, limit)), ids.toReversed());
      }
    },
  );

  declare('order rule 13', 'the `sequence` of an order never changes', async (storage) => {
    const orders = range(4).map((at) => newOrder(`o-${at}`, { acceptedAt: start - at }));
    const sequences = new Map<string, number>();
    for (const order of orders) {
      const [answer] = await accept(storage, [order]);
      assert.ok(answer?.status === 'accepted');
      sequences.set(order.id, answer.sequence);
    }
    const check = async (): Promise<void> => {
      for (const { id, sequence } of await readList(storage, 3)) {
        assert.equal(sequence, sequences.get(id), `Order ${id} in the list`);
      }
      for (const { id, sequence } of (await readUnsettled(storage)).orders) {
        assert.equal(sequence, sequences.get(id), `Order ${id} among the unsettled`);
      }
      const answers = await accept(storage, orders);
      for (const [at, { id }] of orders.entries()) {
        assert.equal((await storage.find(id))?.sequence, sequences.get(id), `Order ${id} itself`);
        assert.equal(knownBy(answers[at]).sequence, sequences.get(id), `Order ${id} as known`);
      }
    };
    await check();
    await settle(
      storage,
      orders.slice(1, 3).map((order) => settlementOf(order)),
    );
    await check();
  });

  declare('order rule 13', 'each `sequence` is greater than those before', async (storage) => {
    await acceptNew(storage, [newOrder('a'), newOrder('b', { acceptedAt: start - 9 })]);
    await settle(storage, [settlementOf(newOrder('c'), { isAccepted: false })]);
    await apply(storage, [change('d', 'u', 5), change('e', 'u', 5)]);
    await settle(storage, [
      settlementOf(newOrder('b')),
      settlementOf(newOrder('f'), { isAccepted: false, outcome: 'failed' }),
    ]);
    await acceptNew(storage, [newOrder('g')]);
    let last = 0;
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      const { sequence = 0 } = (await storage.find(id)) ?? {};
      assert.ok(Number.isSafeInteger(sequence), `Order ${id} has an integer, got ${sequence}`);
      assert.ok(sequence > last, `Order ${id} comes after ${last}, got ${sequence}`);
      last = sequence;
    }
  });

  declare('order rule 10', 'orders are listed as they are', async (storage) => {
    const expected = await fill(storage);
    assertOrders(await listed(storage, { limit: expected.length }), expected);
  });

  declare('order rule 10', 'an applied change is listed', async (storage) => {
    await apply(storage, [change('o-1', 'u', 5)]);
    assert.deepEqual(idsOf(await listed(storage, { userId: 'u', limit: 2 })), ['o-1']);
    assert.deepEqual(idsOf(await listed(storage, { status: 'completed', limit: 2 })), ['o-1']);
  });
}

function declareFilterRules(declare: Declare<OrderStorage>): void {
  declare('order rule 10', 'only orders that meet all conditions are listed', async (storage) => {
    const expected = await fill(storage);
    const times = [undefined, start, start + 1, start + 3, start + 99];
    for (const userId of [undefined, 'u-0', 'u-2', 'U-0', 'unknown']) {
      for (const status of [undefined, ...statuses]) {
        for (const acceptedFrom of times) {
          for (const acceptedBefore of times) {
            const query = { userId, status, acceptedFrom, acceptedBefore };
            const orders = await listed(storage, { ...query, limit: 1_000 });
            const wanted = expected.filter((order) => fits(order, query));
            assert.deepEqual(idsOf(orders), idsOf(wanted), `With ${JSON.stringify(query)}`);
          }
        }
      }
    }
  });

  declare('order rule 10', 'a condition that is undefined counts as left out', async (storage) => {
    const expected = await fill(storage);
    const nothing = {
      userId: undefined,
      status: undefined,
      acceptedFrom: undefined,
      acceptedBefore: undefined,
      before: undefined,
      maxBytes: undefined,
    };
    assertOrders(await listed(storage, { ...nothing, limit: 1_000 }), expected);
    assert.deepEqual(await listed(storage, { userId: 'unknown', limit: 1 }), []);
  });

  declare(
    'order rule 10',
    'an order with a noted outcome is listed as pending',
    async (storage) => {
      const order = newOrder('o-1');
      await acceptNew(storage, [order]);
      const error = failure('timeout', 'Too late');
      await settle(storage, [
        settlementOf(order, { outcome: 'failed', error, isProvisional: true }),
      ]);
      assert.deepEqual(idsOf(await listed(storage, { status: 'pending', limit: 2 })), ['o-1']);
      assert.deepEqual(await listed(storage, { status: 'failed', limit: 2 }), []);
    },
  );
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

  declare('order rule 10', 'a page begins below any `sequence`', async (storage) => {
    const orders = range(4).map((at) => newOrder(`o-${at}`, { acceptedAt: start - at }));
    await acceptNew(storage, orders);
    const listedBefore = async (before: number): Promise<string[]> =>
      idsOf(await listed(storage, { before, limit: 10 }));
    const ids = idsOf(orders.toReversed());
    const all = await listed(storage, { limit: 10 });
    for (const [at, { sequence }] of all.entries()) {
      assert.deepEqual(await listedBefore(sequence), ids.slice(at + 1), `Before order ${at}`);
      assert.deepEqual(await listedBefore(sequence + 1), ids.slice(at), `From order ${at}`);
    }
    assert.deepEqual(await listedBefore(Number.MAX_SAFE_INTEGER), ids);
    assert.deepEqual(await listedBefore(1), []);
  });

  declare('order rule 10', 'orders accepted between two pages are in neither', async (storage) => {
    const orders = range(10).map((at) => newOrder(`o-${at}`, { acceptedAt: start + at }));
    await acceptNew(storage, orders);
    const first = await listed(storage, { limit: 5 });
    // Like after a step of the clock.
    await acceptNew(storage, [newOrder('new', { acceptedAt: start + 99 }), newOrder('o-1a')]);
    await settle(
      storage,
      orders.map((order) => settlementOf(order)),
    );
    const rest = await listed(storage, { before: first.at(-1)?.sequence, limit: 6 });
    assert.deepEqual(idsOf(first), ['o-9', 'o-8', 'o-7', 'o-6', 'o-5']);
    assert.deepEqual(idsOf(rest), ['o-4', 'o-3', 'o-2', 'o-1', 'o-0']);
  });

  declare('order rule 10', 'a page that ends by size says where to go on', async (storage) => {
    const payload = 'x'.repeat(2_000);
    const orders = range(20).map((at) => newOrder(`o-${at}`, { payload }));
    await acceptNew(storage, orders);
    for (const maxBytes of [1, 5_000, 1_000_000]) {
      const { orders: some } = await storage.list({ limit: 100, maxBytes });
      assert.ok(some.length > 0, 'One order is on a page in any case');
      assert.deepEqual(
        idsOf(await readList(storage, 100, { maxBytes })),
        idsOf(orders.toReversed()),
      );
    }
  });
}

/** Orders of three users, seven times and all statuses, in the order in which they are listed. */
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
  const byId = new Map(settled.map((order) => [order.id, order]));
  for (const order of left) byId.set(order.id, pendingOrder(order));
  // Accepted orders came before those that were settled without acceptance.
  const accepted = orders.filter((_, at) => isAccepted(at));
  const others = orders.filter((_, at) => !isAccepted(at));
  return idsOf([...accepted, ...others].reverse()).map((id) => byId.get(id) as ExpectedOrder);
}

function fits(order: ExpectedOrder, query: Omit<StoredOrderQuery, 'limit'>): boolean {
  return (
    order.userId === (query.userId ?? order.userId) &&
    order.status === (query.status ?? order.status) &&
    order.acceptedAt >= (query.acceptedFrom ?? 0) &&
    order.acceptedAt < (query.acceptedBefore ?? Number.POSITIVE_INFINITY)
  );
}
