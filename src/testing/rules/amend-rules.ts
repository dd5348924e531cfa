import assert from 'node:assert/strict';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { apply, assertBalance, change } from '../balances.ts';
import {
  acceptNew,
  assertStored,
  knownBy,
  newOrder,
  pendingOrder,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import { someSteps } from '../samples.ts';
import type { Declare } from '../suite.ts';

/** Declares what holds for `amend`, and for `apply` beside orders. */
export function declareAmendRules(declare: Declare<OrderStorage>): void {
  declare('amend', 'replaces the results of the steps of a settled order', async (storage) => {
    for (const [at, outcome] of (['completed', 'failed', 'canceled'] as const).entries()) {
      const order = newOrder(`o-${at}`);
      await acceptNew(storage, [order]);
      const settlement = settlementOf(order, { outcome });
      const [result] = await settle(storage, [settlement]);
      await storage.amend(order.id, someSteps);
      const expected = settledOrder(settlement, result);
      await assertStored(storage, { ...expected, steps: someSteps });
      await storage.amend(order.id, someSteps.slice(1));
      await assertStored(storage, { ...expected, steps: someSteps.slice(1) });
    }
  });

  declare('amend', 'leaves an unsettled order alone, and makes none', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    await storage.amend('o-1', someSteps);
    await storage.amend('o-2', someSteps);
    await assertStored(storage, pendingOrder(order));
    assert.equal(await storage.find('o-2'), undefined);
  });

  declare('order rule 11', 'an applied change is a completed order', async (storage) => {
    const changes = [change('o-1', 'u', 5), change('o-2', 'u', -9, 0), change('o-1', 'u', 5)];
    assert.deepEqual(await apply(storage, changes), [5, 'insufficient_funds', 5]);
    const found = await storage.find('o-1');
    assert.ok(found);
    const { userId, amount, status, balance, steps } = found;
    assert.deepEqual(
      { userId, amount, status, balance, steps: [...steps] },
      { userId: 'u', amount: 5, status: 'completed', balance: 5, steps: [] },
    );
    const [known] = await settle(storage, [settlementOf(newOrder('o-1'), { isAccepted: false })]);
    assert.equal(knownBy(known).balance, 5);
    assert.deepEqual((await readUnsettled(storage)).orders, []);
  });

  declare('order rule 11', 'a completed order is not applied again', async (storage) => {
    const order = newOrder('o-1', { amount: 5 });
    await acceptNew(storage, [order]);
    await settle(storage, [
      settlementOf(order),
      settlementOf(newOrder('o-2'), { isAccepted: false }),
    ]);
    assert.deepEqual(
      await apply(storage, [change('o-1', 'u', 5), change('o-2', 'u', 100)]),
      [5, 105],
    );
    await assertBalance(storage, 'u', 105);
  });
}
