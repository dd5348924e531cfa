import assert from 'node:assert/strict';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import { apply, assertBalance, change } from '../../balances.ts';
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

const ordered = Object.freeze([
  Object.freeze({ userId: 'v', amount: 50 }),
  Object.freeze({ userId: 'w', amount: 40 }),
  Object.freeze({ userId: 'x', amount: 10 }),
]);

/** What is settled of them: less, all, nothing. */
const final = Object.freeze([
  Object.freeze({ userId: 'v', amount: 30, orderedAmount: 50 }),
  Object.freeze({ userId: 'w', amount: 40 }),
  Object.freeze({ userId: 'x', amount: 0, orderedAmount: 10 }),
]);

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

  for (const isAccepted of [true, false]) {
    const kind = isAccepted ? 'an accepted order' : 'an order that was not accepted';
    declare(
      'order rule 4',
      `what is settled of the postings of ${kind} may be less than was ordered, and both are kept`,
      async (storage) => {
        const order = newOrder('o-1', { amount: -100, postings: ordered });
        if (isAccepted) await acceptNew(storage, [order]);
        const settlement = settlementOf(order, { amount: -70, postings: final, isAccepted });
        const [result] = await settle(storage, [settlement]);
        assert.deepEqual(result, { status: 'settled', balance: -70, balances: [30, 40, 0] });
        const expected = settledOrder(settlement, result);
        await assertStored(storage, expected);
        const [known] = await settle(storage, [settlement]);
        assertOrder(knownBy(known), expected);
        await assertBalance(storage, 'v', 30);
        await assertBalance(storage, 'w', 40);
        const { movements } = await storage.movements({ userId: 'v', after: 0, limit: 9 });
        assert.deepEqual(
          movements.map(({ amount, balance }) => [amount, balance]),
          [[30, 30]],
        );
      },
    );

    declare(
      'order rule 4',
      `what is refused of ${kind} is recorded with the postings that were ordered`,
      async (storage) => {
        await apply(storage, [change('start', 'w', Number.MAX_SAFE_INTEGER)]);
        const order = newOrder('o-1', { amount: -100, postings: ordered });
        if (isAccepted) await acceptNew(storage, [order]);
        const settlement = settlementOf(order, { amount: -70, postings: final, isAccepted });
        const [result] = await settle(storage, [settlement]);
        assert.deepEqual(result, { status: 'refused', code: 'balance_overflow' });
        const expected = settledOrder(settlement, result);
        const amounts = expected.postings.map(({ amount }) => amount);
        assert.deepEqual(amounts, [50, 40, 10]);
        await assertStored(storage, expected);
      },
    );
  }

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
