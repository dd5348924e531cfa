import assert from 'node:assert/strict';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { apply, assertBalance, change, range } from '../balances.ts';
import {
  accept,
  acceptNew,
  assertOrders,
  assertStored,
  failure,
  idsOf,
  knownBy,
  newOrder,
  pendingOrder,
  readList,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import { someSteps } from '../samples.ts';
import { assertFails, type Declare } from '../suite.ts';
import { holdOf } from './hold-rules.ts';

/** Declares what holds after `close`. */
export function declareCloseRules(declare: Declare<OrderStorage>): void {
  declare('order rule 12', 'every call fails after `close`', async (storage, trial) => {
    // The type does not say whether a storage has `close`.
    if (storage.close === undefined) return;
    const order = newOrder('o-1');
    await acceptNew(storage, [order]);
    await trial.close();
    const calls: Readonly<Record<string, () => unknown>> = {
      accept: () => storage.accept([newOrder('o-2')]),
      'accept of no orders': () => storage.accept([]),
      settle: () => storage.settle([settlementOf(order)]),
      amend: () => storage.amend('o-1', []),
      apply: () => storage.apply([change('o-3', 'u', 1)]),
      get: () => storage.get('u'),
      find: () => storage.find('o-1'),
      list: () => storage.list({ limit: 1 }),
      unsettled: () => readUnsettled(storage),
      hold: () => storage.hold(holdOf('u')),
      release: () => storage.release('u'),
      holds: () => storage.holds({ limit: 1 }),
    };
    for (const [name, call] of Object.entries(calls)) await assertFails(call, name);
  });
}

/** Declares what a storage that is opened again has kept. */
export function declareDurableRules(declare: Declare<OrderStorage>): void {
  declare(
    'order rule 1',
    'accepted and settled orders are there after reopening',
    async (first, trial) => {
      const orders = range(40).map((at) =>
        newOrder(`o-${(at * 7) % 40}`, {
          userId: `u-${at % 4}`,
          payload: at % 2 ? { at } : undefined,
          content: at % 3 ? `${at}` : undefined,
          labels: at % 5 ? [] : ['five'],
          postings: at % 6 ? [] : [{ userId: 'w', amount: at + 1 }],
          priority: at % 7 ? 'medium' : 'high',
        }),
      );
      await acceptNew(first, orders);
      const settlements = orders
        .filter((_, at) => at % 2 === 0)
        .map((order, at) =>
          settlementOf(order, {
            outcome: (['completed', 'failed', 'canceled'] as const)[at % 3] ?? 'failed',
            steps: at % 4 ? [] : someSteps,
          }),
        );
      const results = await settle(first, settlements);
      const decided = {
        outcome: 'failed',
        code: 'timeout',
        message: 'Late',
        retryable: true,
      } as const;
      const [, noted] = orders;
      assert.ok(noted);
      const error = failure('timeout', 'Late', true);
      await settle(first, [settlementOf(noted, { outcome: 'failed', error, isProvisional: true })]);
      await apply(first, [change('start', 'v', 7)]);
      const listed = await readList(first, 100);
      const credited = await first.get('w');

      const second = await trial.reopen();
      for (const [at, settlement] of settlements.entries()) {
        await assertStored(second, settledOrder(settlement, results[at]));
      }
      const unsettled = orders.filter((_, at) => at % 2 === 1);
      assertOrders(
        (await readUnsettled(second)).orders,
        unsettled.map((order) => pendingOrder(order, order === noted ? decided : undefined)),
      );
      assertOrders(await readList(second, 7), listed);
      await assertBalance(second, 'v', 7);
      await assertBalance(second, 'w', credited);
      for (const at of range(4)) {
        assert.equal((await second.get(`u-${at}`)) ?? 0, await sumOf(second, `u-${at}`));
      }
    },
  );

  declare(
    'order rules 2, 3',
    'the id of a settled order is taken after reopening',
    async (first, trial) => {
      const [one, two] = [newOrder('o-1'), newOrder('o-2')];
      await acceptNew(first, [one, two]);
      await settle(first, [settlementOf(one)]);
      const second = await trial.reopen();
      for (const answer of await accept(second, [one, two])) knownBy(answer);
      const [known, settled] = await settle(second, [settlementOf(one), settlementOf(two)]);
      knownBy(known);
      assert.deepEqual(settled, { status: 'settled', balance: 200 });
      assert.deepEqual(await apply(second, [change('o-1', 'u', 1)]), [100]);
      await assertBalance(second, 'u', 200);
    },
  );

  declare('order rule 13', 'the `sequence` goes on after reopening', async (first, trial) => {
    await acceptNew(first, [newOrder('o-1'), newOrder('o-2')]);
    await settle(first, [settlementOf(newOrder('o-3'), { isAccepted: false })]);
    const before = await readList(first, 10);
    const second = await trial.reopen();
    const numbers = (orders: typeof before) => orders.map(({ id, sequence }) => [id, sequence]);
    assert.deepEqual(numbers(await readList(second, 10)), numbers(before));
    await acceptNew(second, [newOrder('o-4')]);
    const { sequence = 0 } = (await second.find('o-4')) ?? {};
    const last = before[0]?.sequence ?? 0;
    assert.ok(sequence > last, `It is greater than ${last}, got ${sequence}`);
  });

  declare('order rule 9', 'each reopening counts as an attempt', async (first, trial) => {
    await acceptNew(first, [newOrder('o-1')]);
    assert.equal((await first.find('o-1'))?.attempt, 1);
    const second = await trial.reopen();
    await acceptNew(second, [newOrder('o-2')]);
    assert.equal((await second.find('o-2'))?.attempt, 1);
    const third = await trial.reopen();
    await acceptNew(third, [newOrder('o-3')]);
    const { orders } = await readUnsettled(third);
    assert.deepEqual(idsOf(orders), ['o-1', 'o-2', 'o-3']);
    assert.deepEqual(
      orders.slice(0, 2).map(({ attempt }) => attempt),
      [3, 2],
    );
  });
}

/** The sum of a user's completed orders. */
async function sumOf(storage: OrderStorage, userId: string): Promise<number> {
  const orders = await readList(storage, 100, { userId, status: 'completed' });
  return orders.reduce((sum, { amount }) => sum + amount, 0);
}
