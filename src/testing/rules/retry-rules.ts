import assert from 'node:assert/strict';
import type { NewOrder } from '../../core/order/stored-order.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { awkwardNames } from '../awkward-ids.ts';
import {
  accept,
  acceptNew,
  assertStored,
  type ExpectedOrder,
  knownBy,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import type { Declare } from '../suite.ts';

/** Declares what holds for orders that come again under another id. */
export function declareRetryRules(declare: Declare<OrderStorage>): void {
  const rule = 'order rule 17';

  declare(
    rule,
    'an accepted order and the one that it comes again for name each other',
    async (storage) => {
      const old = await failedOne(storage, 'o-1');
      const next = newOrder('o-1~2', { retryOf: 'o-1' });
      await acceptNew(storage, [next]);
      await assertStored(storage, { ...old, retriedAs: 'o-1~2' });
      await assertStored(storage, pendingOrder(next));
      const settlement = settlementOf(next);
      const [result] = await settle(storage, [settlement]);
      await assertStored(storage, settledOrder(settlement, result));
      await assertStored(storage, { ...old, retriedAs: 'o-1~2' });
    },
  );

  declare(rule, 'so do orders that are accepted by their settlement', async (storage) => {
    const old = await failedOne(storage, 'o-1');
    for (const outcome of ['completed', 'failed', 'canceled'] as const) {
      const other = await failedOne(storage, `old-${outcome}`);
      const next = newOrder(`new-${outcome}`, { retryOf: other.id });
      const settlement = settlementOf(next, { outcome, isAccepted: false });
      const [result] = await settle(storage, [settlement]);
      await assertStored(storage, settledOrder(settlement, result));
      await assertStored(storage, { ...other, retriedAs: next.id });
    }
    await assertStored(storage, old);
  });

  declare(rule, 'one that comes again twice names both, whatever its ids', async (storage) => {
    const [olds, middles, lasts] = [[], [], []] as [NewOrder[], NewOrder[], NewOrder[]];
    for (const [at, id] of awkwardNames.entries()) {
      olds.push(newOrder(`a-${at}`));
      middles.push(newOrder(id, { retryOf: `a-${at}` }));
      lasts.push(newOrder(`b-${at}`, { retryOf: id }));
    }
    const [first, second] = [await failed(storage, ...olds), await failed(storage, ...middles)];
    await acceptNew(storage, lasts);
    for (const [at, last] of lasts.entries()) {
      const [old, middle] = [first[at], second[at]] as [ExpectedOrder, ExpectedOrder];
      await assertStored(storage, { ...old, retriedAs: middle.id });
      await assertStored(storage, { ...middle, retriedAs: last.id });
      await assertStored(storage, pendingOrder(last));
    }
  });

  declare(rule, 'an id that is taken changes nothing', async (storage) => {
    const old = await failedOne(storage, 'o-1');
    const taken = newOrder('taken');
    await acceptNew(storage, [taken]);
    const next = newOrder('taken', { retryOf: 'o-1' });
    assert.equal(knownBy((await accept(storage, [next]))[0]).retryOf, undefined);
    const [known] = await settle(storage, [settlementOf(next, { isAccepted: false })]);
    assert.equal(knownBy(known).retryOf, undefined);
    await assertStored(storage, old);
    await assertStored(storage, pendingOrder(taken));
  });

  declare(rule, 'an order is kept even if the old one is not there', async (storage) => {
    const next = newOrder('o-1~2', { retryOf: 'o-1' });
    await acceptNew(storage, [next]);
    await assertStored(storage, pendingOrder(next));
    assert.equal(await storage.find('o-1'), undefined);
  });
}

/** Declares the same of a storage that is opened again. */
export function declareDurableRetryRules(declare: Declare<OrderStorage>): void {
  declare('order rule 17', 'the names outlive the storage', async (storage, trial) => {
    const old = await failedOne(storage, 'o-1');
    const next = newOrder('o-1~2', { retryOf: 'o-1' });
    await acceptNew(storage, [next]);
    const again = await trial.reopen();
    await assertStored(again, { ...old, retriedAs: 'o-1~2' });
    await assertStored(again, pendingOrder(next));
  });
}

/** Has orders fail. */
async function failed(
  storage: OrderStorage,
  ...orders: readonly NewOrder[]
): Promise<readonly ExpectedOrder[]> {
  await acceptNew(storage, orders);
  const settlements = orders.map((order) => settlementOf(order, { outcome: 'failed' }));
  const results = await settle(storage, settlements);
  return settlements.map((settlement, at) => settledOrder(settlement, results[at]));
}

async function failedOne(storage: OrderStorage, id: string): Promise<ExpectedOrder> {
  const [order] = await failed(storage, newOrder(id));
  return order as ExpectedOrder;
}
