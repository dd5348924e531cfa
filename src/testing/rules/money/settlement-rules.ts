import assert from 'node:assert/strict';
import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { Movement } from '../../../core/storage/history/history-storage.ts';
import type { OrderStorage, Settlement } from '../../../core/storage/order-storage.ts';
import { apply, change, range } from '../../balances.ts';
import { acceptNew, failure, idsOf, newOrder, settle, settlementOf, start } from '../../orders.ts';
import type { Declare } from '../../suite.ts';

/** All settled orders behind a settlement, read in pages of `limit`. */
export async function readSettled(
  storage: OrderStorage,
  limit: number,
  from = 0,
): Promise<StoredOrder[]> {
  const orders: StoredOrder[] = [];
  for (let after = from; ; ) {
    const page = await storage.settled({ after, limit });
    assert.ok(page.orders.length <= limit, `A page has at most ${limit} orders`);
    assert.equal(page.forgotten, 0, 'Nothing is forgotten');
    for (const order of page.orders) {
      const before = orders.at(-1)?.settlement ?? from;
      assert.ok((order.settlement ?? 0) > before, '`settlement` goes up');
      orders.push(order);
    }
    assert.ok(page.next <= Math.max(after, page.last), '`next` is not above `last`');
    if (page.next === after) {
      assert.ok(page.last <= page.next, `The pages end at ${page.last}, got ${page.next}`);
      return orders;
    }
    assert.ok(page.next > after, '`next` goes up');
    after = page.next;
  }
}

/** All movements of a user, read in pages of `limit`. */
export async function readMovements(
  storage: OrderStorage,
  userId: string,
  limit: number,
  times: { readonly from?: number; readonly before?: number } = {},
): Promise<Movement[]> {
  const movements: Movement[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = await storage.movements({ userId, after, limit, ...times });
    assert.ok(page.movements.length <= limit, `A page has at most ${limit} movements`);
    assert.equal(page.forgotten, 0, 'Nothing is forgotten');
    for (const movement of page.movements) {
      const { sequence = 0, balance } = movements.at(-1) ?? {};
      assert.ok(movement.sequence > sequence, '`sequence` goes up');
      if (balance !== undefined) assert.equal(movement.balance, balance + movement.amount);
      movements.push(movement);
    }
    assert.ok(page.next === undefined || page.next > after, '`next` goes up');
    after = page.next;
  }
  return movements;
}

/** Declares what holds for `settled`, `movements` and `balanceAt`. */
export function declareSettlementRules(declare: Declare<OrderStorage>): void {
  declareFeedRules(declare);
  declareStatementRules(declare);
}

/** What a storage that is opened again has kept of it. */
export function declareDurableSettlementRules(declare: Declare<OrderStorage>): void {
  declare('order rules 14 to 17', 'the history goes on after reopening', async (first, trial) => {
    const { id } = first;
    await apply(first, [change('o-1', 'u', 5), change('o-2', 'v', 7)]);
    const before = await readSettled(first, 10);
    const second = await trial.reopen();
    assert.equal(second.id, id, 'Its `id` is the same');
    await apply(second, [change('o-3', 'u', 1)]);
    const after = await readSettled(second, 10);
    const numbers = (orders: readonly StoredOrder[]) => orders.map((order) => order.settlement);
    assert.deepEqual(numbers(after.slice(0, 2)), numbers(before));
    assert.deepEqual(idsOf(after), ['o-1', 'o-2', 'o-3']);
    const movements = await readMovements(second, 'u', 10);
    assert.deepEqual(
      movements.map(({ balance }) => balance),
      [5, 6],
    );
  });
}

function declareFeedRules(declare: Declare<OrderStorage>): void {
  declare('order rules 14, 15', 'settlements come in the order applied', async (storage) => {
    const orders = range(6).map((at) => newOrder(`o-${at}`, { userId: `u-${at % 2}` }));
    await acceptNew(storage, orders);
    const of = (at: number, fields: Partial<Settlement> = {}) =>
      settlementOf(orders[at] as (typeof orders)[number], fields);
    const error = failure('declined', 'No');
    await settle(storage, [of(4), of(1, { outcome: 'failed', error })]);
    await apply(storage, [change('b', 'u-1', 1)]);
    await settle(storage, [
      of(3, { outcome: 'canceled', error }),
      settlementOf(newOrder('a'), { isAccepted: false }),
      of(0),
    ]);
    const expected = ['o-4', 'o-1', 'b', 'o-3', 'a', 'o-0'];
    for (const limit of [1, 4, 100]) {
      assert.deepEqual(idsOf(await readSettled(storage, limit)), expected);
    }
    for (const order of await readSettled(storage, 100)) {
      assert.equal((await storage.find(order.id))?.settlement, order.settlement);
    }
    assert.equal((await storage.find('o-2'))?.settlement, undefined);
  });

  declare('order rule 14', 'what is not settled by a settlement has no number', async (storage) => {
    const [one, two] = [newOrder('o-1', { amount: -1 }), newOrder('o-2')];
    await acceptNew(storage, [one, two]);
    const error = failure('timeout', 'Late');
    await settle(storage, [
      settlementOf(one, { minBalance: 0, isCompensable: true }),
      settlementOf(two, { outcome: 'failed', error, isProvisional: true }),
    ]);
    assert.deepEqual(await readSettled(storage, 10), []);
    await settle(storage, [settlementOf(two, { outcome: 'failed', error }), settlementOf(one)]);
    await settle(storage, [settlementOf(one)]);
    assert.deepEqual(idsOf(await readSettled(storage, 10)), ['o-2', 'o-1']);
  });

  declare('order rule 15', 'a page goes on behind any settlement', async (storage) => {
    await apply(
      storage,
      range(20).map((at) => change(`o-${at}`, 'u', 1)),
    );
    const all = await readSettled(storage, 100);
    for (const at of [0, 7, 18, 19]) {
      const { settlement = 0 } = all[at] ?? {};
      const rest = await readSettled(storage, 5, settlement);
      assert.deepEqual(idsOf(rest), idsOf(all.slice(at + 1)));
      const { last } = await storage.settled({ after: settlement, limit: 5 });
      assert.equal(last, all.at(-1)?.settlement);
    }
  });
}

function declareStatementRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 16',
    'movements are own orders and postings, in the order applied',
    async (storage) => {
      const orders = [
        newOrder('o-0', { userId: 'u', amount: 50 }),
        newOrder('o-1', { userId: 'v', amount: -8, postings: [{ userId: 'u', amount: 8 }] }),
        newOrder('o-2', { userId: 'u', amount: -20, postings: [{ userId: 'v', amount: 20 }] }),
        newOrder('o-3', { userId: 'u', amount: 7 }),
        newOrder('o-4', { userId: 'u', amount: 0 }),
      ];
      await acceptNew(storage, orders);
      const of = (at: number, fields: Partial<Settlement> = {}) =>
        settlementOf(orders[at] as (typeof orders)[number], fields);
      const error = failure('declined', 'No');
      // Not in the order of their acceptance.
      await settle(storage, [of(4), of(1)]);
      await settle(storage, [of(3, { outcome: 'failed', error }), of(2), of(0)]);
      const expected = {
        u: [
          ['o-4', 0, 0],
          ['o-1', 8, 8],
          ['o-2', -20, -12],
          ['o-0', 50, 38],
        ],
        v: [
          ['o-1', -8, -8],
          ['o-2', 20, 12],
        ],
        nobody: [],
      };
      for (const limit of [1, 2, 100]) {
        for (const [userId, wanted] of Object.entries(expected)) {
          const movements = await readMovements(storage, userId, limit);
          assert.deepEqual(
            movements.map(({ orderId, amount, balance }) => [orderId, amount, balance]),
            wanted,
          );
          for (const movement of movements) {
            const order = await storage.find(movement.orderId);
            assert.equal(movement.userId, userId);
            assert.equal(movement.settledAt, order?.settledAt);
            assert.equal(movement.sequence, order?.settlement);
          }
        }
      }
    },
  );

  declare(
    'order rule 17',
    'times select movements, though a clock was set back',
    async (storage) => {
      const times = [100, 200, 200, 50, 300, 250];
      for (const [at, ms] of times.entries()) {
        const order = newOrder(`o-${at}`, { userId: at === 2 ? 'v' : 'u', amount: 1 });
        await settle(storage, [settlementOf(order, { isAccepted: false, settledAt: start + ms })]);
      }
      const ids = async (from?: number, before?: number): Promise<string[]> => {
        const query = {
          ...(from !== undefined && { from: start + from }),
          ...(before !== undefined && { before: start + before }),
        };
        return (await readMovements(storage, 'u', 2, query)).map(({ orderId }) => orderId);
      };
      assert.deepEqual(await ids(), ['o-0', 'o-1', 'o-3', 'o-4', 'o-5']);
      assert.deepEqual(await ids(101), ['o-1', 'o-3', 'o-4', 'o-5']);
      assert.deepEqual(await ids(201), ['o-4', 'o-5']);
      assert.deepEqual(await ids(301), []);
      assert.deepEqual(await ids(undefined, 100), []);
      assert.deepEqual(await ids(undefined, 101), ['o-0']);
      assert.deepEqual(await ids(100, 300), ['o-0', 'o-1', 'o-3']);
      for (const [time, balance] of [
        [99, undefined],
        [100, 1],
        [199, 1],
        [200, 3],
        [299, 3],
        [300, 5],
        [9_999, 5],
      ] as const) {
        const past = await storage.balanceAt('u', start + time);
        assert.deepEqual(past, { balance, isForgotten: false }, `The balance at ${time}`);
      }
      const none = await storage.balanceAt('nobody', start + 500);
      assert.deepEqual(none, { balance: undefined, isForgotten: false });
    },
  );

  declare('order rule 17', 'times inside one call select movements', async (storage) => {
    const settlements = range(9).map((at) =>
      settlementOf(newOrder(`o-${at}`, { amount: 1 }), {
        isAccepted: false,
        settledAt: start + at * 10,
      }),
    );
    await settle(storage, settlements);
    const movements = await readMovements(storage, 'u', 3, {
      from: start + 25,
      before: start + 60,
    });
    assert.deepEqual(
      movements.map(({ balance }) => balance),
      [4, 5, 6],
    );
    assert.equal((await storage.balanceAt('u', start + 55)).balance, 6);
  });
}
