import assert from 'node:assert/strict';
import type { BalanceStorage } from '../../../core/storage/balance-storage.ts';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import { apply, assertBalance, change } from '../../balances.ts';
import {
  acceptNew,
  assertOrder,
  assertStored,
  knownBy,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
} from '../../orders.ts';
import type { Declare, DeclarePlain } from '../../suite.ts';

const greatest = Number.MAX_SAFE_INTEGER;
const overflow = { status: 'refused', code: 'balance_overflow' } as const;

/** Credits to users, by their amounts. */
function credits(amounts: Readonly<Record<string, number>>) {
  return Object.freeze(
    Object.entries(amounts).map(([userId, amount]) => Object.freeze({ userId, amount })),
  );
}

/** Declares what holds for orders with postings. */
export function declarePostingRules(declare: Declare<OrderStorage>): void {
  for (const isAccepted of [true, false]) {
    const kind = isAccepted ? 'an accepted order' : 'an order that was not accepted';
    declare('order rule 4', `postings are applied with the amount of ${kind}`, async (storage) => {
      const order = newOrder('o-1', { amount: -70, postings: credits({ v: 50, '"w"': 20 }) });
      await apply(storage, [change('start', 'v', 5)]);
      if (isAccepted) {
        await acceptNew(storage, [order]);
        await assertStored(storage, pendingOrder(order));
      }
      const settlement = settlementOf(order, { isAccepted });
      const [result] = await settle(storage, [settlement]);
      assert.deepEqual(result, { status: 'settled', balance: -70, balances: [55, 20] });
      await assertStored(storage, settledOrder(settlement, result));
      await assertBalances(storage, { u: -70, v: 55, '"w"': 20 });
    });
  }

  declare('order rule 4', 'a settlement sees the postings of those before it', async (storage) => {
    const there = newOrder('o-1', { amount: -5, postings: credits({ v: 5 }) });
    const back = newOrder('o-2', { userId: 'v', amount: -5, postings: credits({ u: 5 }) });
    const settlements = [there, back, { ...back, id: 'o-3' }].map((order) =>
      settlementOf(order, { isAccepted: false, minBalance: order.userId === 'v' ? 0 : undefined }),
    );
    assert.deepEqual(await settle(storage, settlements), [
      { status: 'settled', balance: -5, balances: [5] },
      { status: 'settled', balance: 0, balances: [0] },
      { status: 'refused', code: 'insufficient_funds' },
    ]);
    await assertBalances(storage, { u: 0, v: 0 });
  });

  declare(
    'order rule 4',
    'a credit that would overflow refuses the whole order',
    async (storage) => {
      await apply(storage, [change('start', 'rich', greatest)]);
      const order = newOrder('o-1', { amount: -2, postings: credits({ v: 1, rich: 1 }) });
      await acceptNew(storage, [order]);
      const settlement = settlementOf(order);
      const compensable = settlementOf(order, { isCompensable: true });
      assert.deepEqual(await settle(storage, [compensable]), [overflow]);
      await assertStored(storage, pendingOrder(order));
      const [result] = await settle(storage, [settlement]);
      assert.deepEqual(result, overflow);
      const expected = settledOrder(settlement, result);
      await assertStored(storage, expected);
      const fresh = settlementOf({ ...order, id: 'o-2' }, { isAccepted: false });
      const [known, again] = await settle(storage, [settlement, fresh]);
      assertOrder(knownBy(known), expected);
      assert.deepEqual(again, overflow);
      await assertStored(storage, settledOrder(fresh, again));
      await assertBalances(storage, { u: undefined, v: undefined, rich: greatest });
    },
  );

  declare(
    'order rule 4',
    'postings of a refused or failed order are not applied',
    async (storage) => {
      const postings = credits({ v: 1 });
      const orders = ['o-1', 'o-2', 'o-3', 'o-4'].map((id) =>
        newOrder(id, { amount: -1, postings }),
      );
      await acceptNew(storage, orders.slice(0, 2));
      const settlements = orders.map((order, at) =>
        settlementOf(order, {
          isAccepted: at < 2,
          minBalance: 0,
          outcome: at % 2 === 0 ? 'completed' : 'failed',
        }),
      );
      const results = await settle(storage, settlements);
      for (const [at, settlement] of settlements.entries()) {
        await assertStored(storage, settledOrder(settlement, results[at]));
      }
      await assertBalances(storage, { u: undefined, v: undefined });
    },
  );

  declare('order rules 3, 4', 'postings are applied once', async (storage) => {
    const order = newOrder('o-1', { amount: -7, postings: credits({ v: 7 }) });
    await acceptNew(storage, [order]);
    const settlement = settlementOf(order);
    const [result] = await settle(storage, [settlement]);
    const expected = settledOrder(settlement, result);
    for (const isAccepted of [true, false]) {
      const [known] = await settle(storage, [settlementOf(order, { isAccepted })]);
      assertOrder(knownBy(known), expected);
    }
    await assertBalances(storage, { u: -7, v: 7 });
  });
}

/** The same of a storage of balances that says that it applies postings. */
export function declareCreditRules(declare: DeclarePlain<BalanceStorage>): void {
  const declareWhere = (claim: string, check: (storage: BalanceStorage) => Promise<void>): void =>
    declare('rule 7', claim, async (storage) => {
      if (storage.appliesPostings === true) await check(storage);
    });

  declareWhere('postings are applied with the amount, once', async (storage) => {
    const debit = { ...change('o-1', 'u', -3), postings: credits({ v: 1, w: 2 }) };
    const expected = [{ balance: -3, balances: [1, 2] }];
    assert.deepEqual(plain(await storage.apply([debit])), expected);
    await assertBalances(storage, { u: -3, v: 1, w: 2 });
    await storage.apply([debit]);
    await assertBalances(storage, { u: -3, v: 1, w: 2 });
  });

  declareWhere('all of a change is refused, or nothing', async (storage) => {
    await apply(storage, [change('start', 'rich', greatest)]);
    const postings = credits({ v: 1, rich: 1 });
    const changes = [
      { ...change('o-1', 'u', -2), postings },
      { ...change('o-2', 'u', -1, 0), postings: credits({ v: 1 }) },
      { ...change('o-3', 'u', 1, 0), postings: credits({ v: 1 }) },
    ];
    assert.deepEqual(await apply(storage, changes), ['balance_overflow', 'insufficient_funds', 1]);
    await assertBalances(storage, { u: 1, v: 1, rich: greatest });
  });
}

function plain(results: unknown): unknown {
  return JSON.parse(JSON.stringify(results));
}

async function assertBalances(
  storage: BalanceStorage,
  balances: Readonly<Record<string, number | undefined>>,
): Promise<void> {
  for (const [userId, balance] of Object.entries(balances)) {
    await assertBalance(storage, userId, balance);
  }
}
