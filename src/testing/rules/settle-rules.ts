import assert from 'node:assert/strict';
import type { DecidedOutcome } from '../../core/order/stored-order.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { apply, assertBalance, change } from '../balances.ts';
import {
  acceptNew,
  assertOrder,
  assertStored,
  failure,
  idsOf,
  knownBy,
  newOrder,
  pendingOrder,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import { someResults, someSteps } from '../samples.ts';
import type { Declare } from '../suite.ts';

const insufficient = { status: 'refused', code: 'insufficient_funds' } as const;

/** Declares what holds for `settle`. */
export function declareSettleRules(declare: Declare<OrderStorage>): void {
  declareOutcomeRules(declare);
  declareRefusalRules(declare);
  declareProvisionalRules(declare);
}

function declareOutcomeRules(declare: Declare<OrderStorage>): void {
  declare('order rule 3', 'outcomes are recorded with all that they have', async (storage) => {
    const orders = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => newOrder(id, { labels: [id] }));
    await acceptNew(storage, orders.slice(0, 3));
    const messages = ['', 'Grüße, "\u{1f600}"'].map((text, at) => failure('own', text, at === 0));
    const fields = [
      { steps: someSteps, results: someResults },
      {
        outcome: 'failed',
        error: messages[0],
        steps: someSteps,
        results: { payment: someResults.payment },
        cause: someCause,
      },
      { outcome: 'canceled', error: messages[1], startedAt: undefined },
    ] as const;
    const settlements = orders.map((order, at) =>
      settlementOf(order, { ...fields[at % 3], isAccepted: at < 3 }),
    );
    const results = await settle(storage, settlements);
    const none = { status: 'settled', balance: undefined };
    const balances = [100, 200].map((balance) => ({ status: 'settled', balance }));
    assert.deepEqual(results, [balances[0], none, none, balances[1], none, none]);
    for (const [at, settlement] of settlements.entries()) {
      await assertStored(storage, settledOrder(settlement, results[at]));
    }
    await assertBalance(storage, 'u', 200);
  });

  declare('order rule 3', 'an order is settled once', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const first = settlementOf(order, { steps: someSteps });
    const [result] = await settle(storage, [first]);
    const expected = settledOrder(first, result);
    for (const outcome of ['completed', 'failed', 'canceled'] as const) {
      const [known] = await settle(storage, [settlementOf(order, { outcome })]);
      assertOrder(knownBy(known), expected);
    }
    await assertStored(storage, expected);
    await assertBalance(storage, 'u', 100);
  });

  declare('order rule 3', 'an order that failed is not completed later', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const failed = settlementOf(order, { outcome: 'failed' });
    const [result] = await settle(storage, [failed]);
    const [known] = await settle(storage, [settlementOf(order)]);
    assertOrder(knownBy(known), settledOrder(failed, result));
    await assertBalance(storage, 'u', undefined);
  });

  declare('order rule 3', 'an order is settled once in one call', async (storage) => {
    const [one, two] = [newOrder('o-1'), newOrder('o-2')];
    await acceptNew(storage, [one]);
    const first = settlementOf(one);
    const fresh = settlementOf(two, { isAccepted: false });
    const results = await settle(storage, [first, first, fresh, fresh, first]);
    assert.deepEqual(results[0], { status: 'settled', balance: 100 });
    assert.deepEqual(results[2], { status: 'settled', balance: 200 });
    assertOrder(knownBy(results[1]), settledOrder(first, results[0]));
    assertOrder(knownBy(results[3]), settledOrder(fresh, results[2]));
    assertOrder(knownBy(results[4]), settledOrder(first, results[0]));
    await assertBalance(storage, 'u', 200);
  });

  declare(
    'order rule 3',
    'a settlement without acceptance does not take a taken id',
    async (storage) => {
      const [pending, done] = [newOrder('o-1'), newOrder('o-2', { amount: 7 })];
      await acceptNew(storage, [pending, done]);
      const earlier = settlementOf(done);
      const [result] = await settle(storage, [earlier]);
      const settlements = [pending, newOrder('o-3'), done].map(({ id }) =>
        settlementOf(newOrder(id, { userId: 'other', amount: 1 }), { isAccepted: false }),
      );
      const results = await settle(storage, settlements);
      assertOrder(knownBy(results[0]), pendingOrder(pending));
      assert.deepEqual(results[1], { status: 'settled', balance: 1 });
      assertOrder(knownBy(results[2]), settledOrder(earlier, result));
      await assertStored(storage, pendingOrder(pending));
      await assertBalance(storage, 'u', 7);
      await assertBalance(storage, 'other', 1);
    },
  );

  declare('order rule 3', 'each settlement has its result, in the order given', async (storage) => {
    const orders = [3, 1, 2].map((at) => newOrder(`o-${at}`, { userId: `u-${at}`, amount: at }));
    await acceptNew(storage, orders);
    const [two, three, one] = [orders[2], orders[0], orders[1]].map((order) =>
      settlementOf(order as typeof order & object),
    );
    assert.ok(one && two && three);
    const results = await settle(storage, [two, one, three]);
    const balances = results.map((result) => result.status === 'settled' && result.balance);
    assert.deepEqual(balances, [2, 1, 3]);
  });

  declare('order rule 3', 'a settled order is no longer among the unsettled', async (storage) => {
    const orders = ['o-1', 'o-2', 'o-3', 'o-4'].map((id) => newOrder(id));
    await acceptNew(storage, orders);
    const [one, two, , four] = orders;
    assert.ok(one && two && four);
    await settle(storage, [
      settlementOf(one),
      settlementOf(two, { outcome: 'failed' }),
      settlementOf(four, { outcome: 'canceled' }),
    ]);
    assert.deepEqual(idsOf((await readUnsettled(storage)).orders), ['o-3']);
  });
}

function declareRefusalRules(declare: Declare<OrderStorage>): void {
  declare('order rule 4', 'a refused order is recorded as failed', async (storage) => {
    const [debit, sum] = [newOrder('o-1', { amount: -1 }), newOrder('o-2', { userId: 'v' })];
    await apply(storage, [change('start', 'v', Number.MAX_SAFE_INTEGER)]);
    await acceptNew(storage, [debit]);
    const settlements = [
      settlementOf(debit, { minBalance: 0, steps: someSteps }),
      settlementOf(sum, { isAccepted: false }),
    ];
    const results = await settle(storage, settlements);
    assert.deepEqual(results, [insufficient, { status: 'refused', code: 'balance_overflow' }]);
    for (const [at, settlement] of settlements.entries()) {
      const expected = settledOrder(settlement, results[at]);
      await assertStored(storage, expected);
      const [known] = await settle(storage, [settlement]);
      assertOrder(knownBy(known), expected);
    }
    await assertBalance(storage, 'u', undefined);
    await assertBalance(storage, 'v', Number.MAX_SAFE_INTEGER);
    assert.deepEqual((await readUnsettled(storage)).orders, []);
  });

  declare(
    'order rule 4',
    'a compensable order that is refused stays as it was',
    async (storage) => {
      const order = newOrder('o-1', { amount: -1 });
      await acceptNew(storage, [order]);
      const compensable = settlementOf(order, { minBalance: 0, isCompensable: true });
      assert.deepEqual(await settle(storage, [compensable, compensable]), [
        insufficient,
        insufficient,
      ]);
      await assertStored(storage, pendingOrder(order));
      assert.deepEqual(idsOf((await readUnsettled(storage)).orders), ['o-1']);
      const error = failure('insufficient_funds', 'Too little');
      const final = settlementOf(order, { outcome: 'failed', error, steps: someSteps });
      const [result] = await settle(storage, [final]);
      assert.deepEqual(result, { status: 'settled', balance: undefined });
      await assertStored(storage, settledOrder(final, result));
      await assertBalance(storage, 'u', undefined);
    },
  );

  declare(
    'order rule 4',
    'a compensable order whose amount is applied is settled',
    async (storage) => {
      const order = newOrder('o-1', { amount: -1 });
      await acceptNew(storage, [order]);
      const settlement = settlementOf(order, { minBalance: -1, isCompensable: true });
      const [result] = await settle(storage, [settlement]);
      assert.deepEqual(result, { status: 'settled', balance: -1 });
      await assertStored(storage, settledOrder(settlement, result));
    },
  );

  declare('order rule 4', 'an order that did not complete changes no balance', async (storage) => {
    const orders = ['o-1', 'o-2', 'o-3', 'o-4'].map((id) => newOrder(id));
    await acceptNew(storage, orders.slice(0, 2));
    const settlements = orders.map((order, at) =>
      settlementOf(order, { outcome: at % 2 ? 'failed' : 'canceled', isAccepted: at < 2 }),
    );
    await settle(storage, settlements);
    await assertBalance(storage, 'u', undefined);
  });
}

/** The cause of an order's error, with characters that JSON escapes. */
const someCause = Object.freeze({ name: 'TypeError', message: 'Kein "Wert" für \u0000 \u{1f600}' });

function declareProvisionalRules(declare: Declare<OrderStorage>): void {
  const [early, late] = [
    failure('timeout', 'Too late', true),
    failure('canceled', 'By "cancel"', false),
  ] as const;
  const decidedBy = (outcome: 'failed' | 'canceled', error: typeof early): DecidedOutcome => {
    const { code, message, retryable } = error;
    return { outcome, code, message, retryable, cause: someCause };
  };

  declare(
    'order rule 5',
    'a provisional outcome is noted, and the latest note counts',
    async (storage) => {
      const [one, two] = [newOrder('o-1'), newOrder('o-2')];
      await acceptNew(storage, [one, two]);
      const noteOf = (outcome: 'failed' | 'canceled', error: typeof early) =>
        settlementOf(one, { outcome, error, cause: someCause, isProvisional: true });
      const [noted] = await settle(storage, [noteOf('failed', early)]);
      assert.equal(noted?.status, 'settled');
      await assertStored(storage, pendingOrder(one, decidedBy('failed', early)));
      await settle(storage, [noteOf('canceled', late)]);
      const expected = pendingOrder(one, decidedBy('canceled', late));
      await assertStored(storage, expected);
      await assertStored(storage, pendingOrder(two));
      const { orders } = await readUnsettled(storage);
      assert.deepEqual(idsOf(orders), ['o-1', 'o-2']);
      assertOrder(orders[0], expected);
    },
  );

  declare('order rule 5', 'a noted order is settled when it comes again', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const fields = { outcome: 'failed', error: early } as const;
    const final = settlementOf(order, { ...fields, steps: someSteps });
    const [, result] = await settle(storage, [
      settlementOf(order, { ...fields, isProvisional: true }),
      final,
    ]);
    assert.deepEqual(result, { status: 'settled', balance: undefined });
    await assertStored(storage, settledOrder(final, result));
    assert.deepEqual((await readUnsettled(storage)).orders, []);
  });

  declare('order rule 5', 'nothing is noted of a settled order', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const completed = settlementOf(order);
    const [result] = await settle(storage, [completed]);
    const note = settlementOf(order, { outcome: 'canceled', error: late, isProvisional: true });
    const [known] = await settle(storage, [note]);
    const expected = settledOrder(completed, result);
    assertOrder(knownBy(known), expected);
    await assertStored(storage, expected);
  });
}
