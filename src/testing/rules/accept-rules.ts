import assert from 'node:assert/strict';
import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { awkwardNames } from '../awkward-ids.ts';
import { assertBalance, range } from '../balances.ts';
import {
  accept,
  acceptNew,
  assertOrder,
  assertStored,
  knownBy,
  listed,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
  start,
} from '../orders.ts';
import type { Declare } from '../suite.ts';
import { declarePayloadRules } from './payload-rules.ts';

/** Declares what holds for `accept`, and for `find` of what was accepted. */
export function declareAcceptRules(declare: Declare<OrderStorage>): void {
  declare('order rule 1', 'an accepted order is found as it was handed over', async (storage) => {
    const orders = [
      newOrder('o-1'),
      newOrder('o-2', { userId: 'someone else', amount: 0, priority: 'high' }),
      newOrder('o-3', { amount: Number.MIN_SAFE_INTEGER, priority: 'low', labels: ['one'] }),
      newOrder('o-4', { amount: Number.MAX_SAFE_INTEGER, labels: ['1', 'two "2"', ''] }),
      newOrder('o-5', { acceptedAt: start - 1 }),
      newOrder('o-7', { expiresAt: start + 3_600_000 }),
    ];
    await acceptNew(storage, orders);
    for (const order of orders) await assertStored(storage, pendingOrder(order));
    assert.equal(await storage.find('o-6'), undefined);
    assert.equal((await storage.find('o-1'))?.attempt, 1);
  });

  declare('order rule 1', 'an accepted order changes no balance', async (storage) => {
    await acceptNew(storage, [newOrder('o-1', { userId: 'u', amount: 100 })]);
    await assertBalance(storage, 'u', undefined);
  });

  declare('order rule 1', 'one call accepts 10 000 orders', async (storage) => {
    const orders = range(10_000).map((at) => newOrder(`o-${at}`, { amount: at }));
    await acceptNew(storage, orders);
    for (const at of [0, 1, 4_999, 9_999]) assertAmount(await storage.find(`o-${at}`), at);
    const settlements = orders.map((order) => settlementOf(order));
    const results = await settle(storage, settlements);
    const last = (9_999 * 10_000) / 2;
    assert.deepEqual(results.at(-1), { status: 'settled', balance: last });
    await assertBalance(storage, 'u', last);
    for (const at of [0, 1, 4_999, 9_999]) {
      const balance = (at * (at + 1)) / 2;
      assert.deepEqual(results[at], { status: 'settled', balance });
      assert.equal((await storage.find(`o-${at}`))?.balance, balance);
    }
  });

  declare('order rule 2', 'a taken id answers the order that has it', async (storage) => {
    const first = newOrder('o-1', { amount: 1, payload: 'first' });
    await acceptNew(storage, [first]);
    const again = newOrder('o-1', { userId: 'other', amount: 2, payload: 'second', labels: ['2'] });
    const [one, known, two] = await accept(storage, [newOrder('o-0'), again, newOrder('o-2')]);
    assert.deepEqual([one?.status, two?.status], ['accepted', 'accepted']);
    assertOrder(knownBy(known), pendingOrder(first));
    await assertStored(storage, pendingOrder(first));
  });

  declare('order rule 2', 'an id is taken by the first of a call', async (storage) => {
    const [first, second] = [newOrder('o-1', { amount: 1 }), newOrder('o-1', { amount: 2 })];
    const other = newOrder('o-2');
    const answers = await accept(storage, [first, second, other, first]);
    assert.deepEqual([answers[0]?.status, answers[2]?.status], ['accepted', 'accepted']);
    assertOrder(knownBy(answers[1]), pendingOrder(first));
    assertOrder(knownBy(answers[3]), pendingOrder(first));
    await assertStored(storage, pendingOrder(first));
  });

  declare('order rule 2', 'a settled order keeps its id', async (storage) => {
    const orders = ['completed', 'failed', 'canceled'].map((id) => newOrder(id));
    await acceptNew(storage, orders);
    const settlements = orders.map((order) =>
      settlementOf(order, { outcome: order.id as 'completed' | 'failed' | 'canceled' }),
    );
    const results = await settle(storage, settlements);
    const answers = await accept(storage, orders);
    for (const [at, settlement] of settlements.entries()) {
      assertOrder(knownBy(answers[at]), settledOrder(settlement, results[at]));
    }
  });

  declare('order rule 2', 'ids that look alike are not the same', async (storage) => {
    const orders = awkwardNames.map((name, at) => newOrder(name, { userId: name, amount: at }));
    for (const name of awkwardNames) assert.equal(await storage.find(name), undefined);
    await acceptNew(storage, orders);
    for (const order of orders) await assertStored(storage, pendingOrder(order));
    for (const answer of await accept(storage, orders)) knownBy(answer);
    const results = await settle(
      storage,
      orders.map((order) => settlementOf(order)),
    );
    for (const [at, result] of results.entries()) {
      assert.deepEqual(result, { status: 'settled', balance: at });
    }
  });

  declare(
    'order rule 7',
    'a call without orders answers whether any can be kept',
    async (storage) => {
      assert.deepEqual(await accept(storage, []), []);
      await acceptNew(storage, [newOrder('o-1')]);
      assert.deepEqual(await accept(storage, []), []);
      assert.equal((await listed(storage, { limit: 10 })).length, 1);
    },
  );

  declarePayloadRules(declare);
}

function assertAmount(order: StoredOrder | undefined, amount: number): void {
  assert.equal(order?.amount, amount);
}
