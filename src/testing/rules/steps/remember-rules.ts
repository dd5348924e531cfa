import assert from 'node:assert/strict';
import type { RememberedStep } from '../../../core/order/step-result.ts';
import type { NewOrder } from '../../../core/order/stored-order.ts';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import {
  acceptNew,
  assertStored,
  newOrder,
  pendingOrder,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
} from '../../orders.ts';
import { someResults } from '../../samples.ts';
import type { Declare } from '../../suite.ts';

/** What steps may have returned. */
const steps: readonly RememberedStep[] = Object.freeze([
  { step: 'payment', result: someResults.payment, amount: -64 },
  { step: 'Küche "1"', result: null, amount: undefined },
  {
    step: 'mail',
    result: undefined,
    amount: 0,
    postings: [
      { userId: 'v', amount: 0, orderedAmount: 5 },
      { userId: '"w"', amount: 7 },
    ],
  },
]);

/** Declares what holds for `remember`. */
export function declareRememberRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 16',
    'what steps returned is given until the order is settled',
    async (storage) => {
      const [one, two] = await accepted(storage, ['o-1', 'o-2']);
      await remember(storage, [[one, steps.slice(0, 1)]]);
      await assertRemembered(storage, one, steps.slice(0, 1));
      await remember(storage, [
        [two, steps.slice(1, 2)],
        [one, steps],
      ]);
      await assertRemembered(storage, one, steps);
      await assertRemembered(storage, two, steps.slice(1, 2));
      const { orders } = await readUnsettled(storage);
      assert.deepEqual(
        orders.map(({ remembered }) => remembered.length),
        [3, 1],
      );
      const settlement = settlementOf(one, { results: someResults });
      const [result] = await settle(storage, [settlement]);
      await assertStored(storage, settledOrder(settlement, result));
    },
  );

  declare(
    'order rule 16',
    'a refused compensable order and a noted one keep it',
    async (storage) => {
      const order = newOrder('o-1', { amount: -1 });
      await acceptNew(storage, [order]);
      await remember(storage, [[order, steps]]);
      await settle(storage, [settlementOf(order, { minBalance: 0, isCompensable: true })]);
      await assertRemembered(storage, order, steps);
      await settle(storage, [settlementOf(order, { outcome: 'failed', isProvisional: true })]);
      assert.equal((await storage.find('o-1'))?.remembered.length, steps.length);
    },
  );

  declare('order rule 16', 'of a settled order and of none nothing is changed', async (storage) => {
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    const settlement = settlementOf(order);
    const [result] = await settle(storage, [settlement]);
    await remember(storage, [
      [order, steps],
      [newOrder('o-2'), steps],
    ]);
    await assertStored(storage, settledOrder(settlement, result));
    assert.equal(await storage.find('o-2'), undefined);
  });
}

/** Declares what holds for `remember` of a durable storage. */
export function declareDurableRememberRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 16',
    'what steps returned is there after a reopening',
    async (storage, trial) => {
      const [order] = await accepted(storage, ['o-1']);
      await remember(storage, [[order, steps]]);
      await assertRemembered(await trial.reopen(), order, steps);
    },
  );
}

async function accepted<const Ids extends readonly string[]>(
  storage: OrderStorage,
  ids: Ids,
): Promise<{ -readonly [At in keyof Ids]: NewOrder }> {
  const orders = ids.map((id) => newOrder(id));
  await acceptNew(storage, orders);
  return orders as { -readonly [At in keyof Ids]: NewOrder };
}

async function remember(
  storage: OrderStorage,
  all: readonly (readonly [NewOrder, readonly RememberedStep[]])[],
): Promise<void> {
  const orders = [];
  for (const [{ id, userId }, remembered] of all) {
    const { sequence = 1 } = (await storage.find(id)) ?? {};
    orders.push(Object.freeze({ id, userId, sequence, steps: Object.freeze([...remembered]) }));
  }
  const results = await storage.remember(Object.freeze(orders));
  assert.deepEqual(
    Array.from(results, ({ status }) => status),
    all.map(() => 'remembered'),
  );
}

function assertRemembered(
  storage: OrderStorage,
  order: NewOrder,
  remembered: readonly RememberedStep[],
): Promise<void> {
  return assertStored(storage, { ...pendingOrder(order), remembered });
}
