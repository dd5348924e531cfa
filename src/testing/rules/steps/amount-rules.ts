import assert from 'node:assert/strict';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import { assertBalance } from '../../balances.ts';
import {
  acceptNew,
  assertOrder,
  assertStored,
  knownBy,
  newOrder,
  settle,
  settledOrder,
  settlementOf,
} from '../../orders.ts';
import type { Declare } from '../../suite.ts';

const insufficient = { status: 'refused', code: 'insufficient_funds' } as const;

/** Declares what holds where an order settles another amount than was ordered. */
export function declareAmountRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 4',
    'what is settled may be less than what was ordered, and both are kept',
    async (storage) => {
      const orders = [-100, 100, -100, 0].map((amount, at) => newOrder(`o-${at}`, { amount }));
      await acceptNew(storage, orders.slice(0, 2));
      const final = [-64, 30, 0, 0];
      const settlements = orders.map((order, at) =>
        settlementOf(order, { amount: final[at] as number, isAccepted: at < 2, minBalance: -64 }),
      );
      const results = await settle(storage, settlements);
      const balances = [-64, -34, -34, -34].map((balance) => ({ status: 'settled', balance }));
      assert.deepEqual(results, balances);
      for (const [at, settlement] of settlements.entries()) {
        const expected = settledOrder(settlement, results[at]);
        assert.deepEqual(
          [expected.amount, expected.orderedAmount],
          [final[at], orders[at]?.amount],
        );
        await assertStored(storage, expected);
        const [known] = await settle(storage, [settlement]);
        assertOrder(knownBy(known), expected);
      }
      await assertBalance(storage, 'u', -34);
    },
  );

  declare('order rule 4', 'what is refused is recorded with what was ordered', async (storage) => {
    const [one, two] = [newOrder('o-1', { amount: -100 }), newOrder('o-2', { amount: -100 })];
    await acceptNew(storage, [one]);
    const settlements = [one, two].map((order, at) =>
      settlementOf(order, { amount: -50, minBalance: 0, isAccepted: at === 0 }),
    );
    const results = await settle(storage, settlements);
    assert.deepEqual(results, [insufficient, insufficient]);
    for (const [at, settlement] of settlements.entries()) {
      const expected = settledOrder(settlement, results[at]);
      assert.deepEqual([expected.amount, expected.orderedAmount], [-100, -100]);
      await assertStored(storage, expected);
    }
  });
}
