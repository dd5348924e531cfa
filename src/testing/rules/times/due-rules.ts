import assert from 'node:assert/strict';
import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { DuePlace } from '../../../core/storage/due/due-orders.ts';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import { range } from '../../balances.ts';
import {
  acceptNew,
  assertOrders,
  assertStored,
  idsOf,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
  start,
} from '../../orders.ts';
import type { Declare } from '../../suite.ts';

const first: DuePlace = { notBefore: 0, sequence: 0 };

/** Declares that the times of orders are kept. */
export function declareTimeRules(declare: Declare<OrderStorage>): void {
  declare('order rule 1', 'the times of an order are kept', async (storage) => {
    const orders = [
      newOrder('o-1', { notBefore: start + 5 }),
      newOrder('o-2', { notBefore: 0, expiresAt: start + 3_155_760_000_000 }),
    ];
    await acceptNew(storage, orders);
    for (const order of orders) await assertStored(storage, pendingOrder(order));
    const settlements = orders.map((order) => settlementOf(order));
    const results = await settle(storage, settlements);
    for (const [at, settlement] of settlements.entries()) {
      await assertStored(storage, settledOrder(settlement, results[at]));
    }
  });
}

/** Declares what holds for orders with a `notBefore`, unless several processors share the storage. */
export function declareDueRules(declare: Declare<OrderStorage>, canReopen: boolean): void {
  declare('order rule 9', 'orders whose time has not come are left out', async (storage) => {
    const orders = range(40).map((at) =>
      newOrder(`o-${at}`, at % 2 === 0 ? {} : { notBefore: start + ((at * 7) % 40) }),
    );
    await acceptNew(storage, orders);
    for (const upTo of [start - 1, start + 7, start + 20, start + 100]) {
      const found = await unsettled(storage, upTo);
      const wanted = orders.filter(({ notBefore = upTo }) => notBefore <= upTo);
      assert.deepEqual(idsOf(found), idsOf(wanted));
    }
    assert.deepEqual(idsOf(await unsettled(storage)), idsOf(orders));
  });

  declare('order rule 15', 'due orders come by their times, then by sequence', async (storage) => {
    const orders = range(60).map((at) =>
      newOrder(`o-${at}`, {
        ...{ userId: `u-${at % 4}`, payload: { at } },
        ...(at % 3 > 0 && { notBefore: start + ((at * 11) % 13) }),
      }),
    );
    for (const at of range(6)) await acceptNew(storage, orders.slice(at * 10, at * 10 + 10));
    const delayed = orders.filter(({ notBefore }) => notBefore !== undefined);
    // The sort keeps the order of acceptance where times are the same.
    const wanted = delayed.sort((one, other) => timeOf(one) - timeOf(other));
    for (const limit of [1, 7, 500]) {
      const found = await readDue(storage, start + 100, limit);
      assertOrders(
        found,
        wanted.map((order) => pendingOrder(order)),
      );
    }
    const some = await readDue(storage, start + 6, 7);
    assert.deepEqual(idsOf(some), idsOf(wanted.filter((order) => timeOf(order) <= start + 6)));
  });

  declare('order rule 15', 'a page says when the next order is due', async (storage) => {
    const query = { after: first, upTo: start + 5, limit: 2 };
    assert.deepEqual(await storage.due(query), { orders: [], next: undefined });
    await acceptNew(storage, [newOrder('a', { notBefore: start + 9 }), newOrder('b')]);
    assert.deepEqual(await storage.due(query), { orders: [], next: start + 9 });
    const times = [5, 3, 4];
    await acceptNew(
      storage,
      times.map((at) => newOrder(`${at}`, { notBefore: start + at })),
    );
    const page = await storage.due(query);
    assert.deepEqual([idsOf(page.orders), page.next], [['3', '4'], start + 5]);
    const rest = await storage.due({ ...query, after: placeIn(page.orders) });
    assert.deepEqual([idsOf(rest.orders), rest.next], [['5'], start + 9]);
  });

  declare('order rule 15', 'settled orders are not due', async (storage) => {
    const orders = range(9).map((at) => newOrder(`o-${at}`, { notBefore: start + at }));
    await acceptNew(storage, orders);
    const ended = orders.filter((_, at) => at % 3 === 0).map((order) => settlementOf(order));
    await settle(storage, ended);
    const left = orders.filter((_, at) => at % 3 !== 0);
    assert.deepEqual(idsOf(await readDue(storage, start + 100, 4)), idsOf(left));
    const noted = settlementOf(orders[1] as (typeof orders)[0], {
      outcome: 'failed',
      isProvisional: true,
    });
    await settle(storage, [noted]);
    assert.deepEqual(idsOf(await readDue(storage, start + 100, 4)), idsOf(left));
  });

  declare('order rule 15', 'delayed orders are counted', async (storage) => {
    const orders = range(9).map((at) => newOrder(`o-${at}`, { notBefore: start + at }));
    await acceptNew(storage, [...orders, newOrder('plain')]);
    assert.equal(await storage.delayed(start - 1), 9);
    assert.equal(await storage.delayed(start + 3), 5);
    await settle(storage, [settlementOf(orders[8] as (typeof orders)[0])]);
    assert.equal(await storage.delayed(start + 3), 4);
  });

  if (!canReopen) return;
  declare('order rule 15', 'due orders are there after a reopening', async (storage, trial) => {
    const orders = [5, 3, 4].map((at) =>
      newOrder(`${at}`, { notBefore: start + at, expiresAt: start + 10 * at }),
    );
    await acceptNew(storage, orders);
    const again = await trial.reopen();
    const found = await readDue(again, start + 4, 1);
    assertOrders(
      found,
      [orders[1], orders[2]].map((order) => pendingOrder(order as (typeof orders)[0])),
    );
    assert.equal(await again.delayed(0), 3);
    assert.deepEqual(idsOf(await unsettled(again, start + 3)), ['3']);
  });
}

function timeOf({ notBefore }: { readonly notBefore?: number | undefined }): number {
  return notBefore as number;
}

function placeIn(orders: readonly StoredOrder[]): DuePlace {
  const last = orders.at(-1) as StoredOrder;
  return { notBefore: timeOf(last), sequence: last.sequence };
}

async function readDue(storage: OrderStorage, upTo: number, limit: number): Promise<StoredOrder[]> {
  const orders: StoredOrder[] = [];
  for (let after = first; ; after = placeIn(orders)) {
    const page = await storage.due({ after, upTo, limit });
    assert.ok(page.orders.length <= limit, `A page has at most ${limit} orders`);
    if (page.orders.length === 0) return orders;
    orders.push(...page.orders);
    assert.ok(orders.length <= 10_000, 'The pages end');
  }
}

async function unsettled(storage: OrderStorage, upTo?: number): Promise<StoredOrder[]> {
  const orders: StoredOrder[] = [];
  for await (const page of storage.unsettled(upTo)) orders.push(...page);
  return orders;
}
