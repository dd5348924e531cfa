import assert from 'node:assert/strict';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { assertBalance, assertSameList, range } from '../balances.ts';
import {
  acceptNew,
  assertOrders,
  idsOf,
  newOrder,
  pendingOrder,
  readList,
  readUnsettled,
  settle,
  settlementOf,
  start,
} from '../orders.ts';
import type { Declare } from '../suite.ts';

/** Declares what holds for `unsettled`, and for calls beside each other. */
export function declareUnsettledRules(declare: Declare<OrderStorage>): void {
  declare('order rule 9', 'unsettled orders come in the order of acceptance', async (storage) => {
    // Neither in the order of their ids nor of their times.
    const orders = range(60).map((at) =>
      newOrder(`o-${(at * 37) % 60}`, {
        acceptedAt: start - ((at * 11) % 60),
        userId: `u-${at % 4}`,
        payload: { at },
        labels: [`${at}`],
      }),
    );
    for (const at of range(6)) await acceptNew(storage, orders.slice(at * 10, at * 10 + 10));
    const isSettled = (at: number): boolean => at % 3 === 0;
    await settle(
      storage,
      orders.filter((_, at) => isSettled(at)).map((order) => settlementOf(order)),
    );
    const { orders: unsettled } = await readUnsettled(storage);
    const left = orders.filter((_, at) => !isSettled(at));
    assertOrders(
      unsettled,
      left.map((order) => pendingOrder(order)),
    );
  });

  declare(
    'order rule 9',
    'there are no pages before the first order and after the last is settled',
    async (storage) => {
      assert.deepEqual((await readUnsettled(storage)).orders, []);
      const order = newOrder('o-1');
      await acceptNew(storage, [order]);
      await settle(storage, [settlementOf(order)]);
      assert.deepEqual((await readUnsettled(storage)).orders, []);
    },
  );

  declare('order rule 9', '10 000 unsettled orders come in more than one page', async (storage) => {
    const orders = range(10_000).map((at) => newOrder(`o-${at}`));
    await acceptNew(storage, orders);
    const { orders: unsettled, pages } = await readUnsettled(storage);
    assertSameList(idsOf(unsettled), idsOf(orders));
    const longest = Math.max(...pages);
    assert.ok(longest <= 5_000, `They come in pages, got one of ${longest} orders`);
  });

  declare(
    'order rule 9',
    'orders are settled and accepted while they are read',
    async (storage) => {
      const orders = range(3_000).map((at) => newOrder(`o-${at}`));
      await acceptNew(storage, orders);
      const seen: string[] = [];
      let turn = 0;
      for await (const page of storage.unsettled()) {
        seen.push(...idsOf(page));
        // As the processor does, which takes new orders meanwhile.
        await settle(
          storage,
          page.map((order) => settlementOf(order)),
        );
        await acceptNew(storage, [newOrder(`new-${turn}`)]);
        turn += 1;
        assert.ok(turn <= 3_000, 'The pages end');
      }
      assertSameList(
        seen.filter((id) => !id.startsWith('new')),
        idsOf(orders),
      );
      await assertBalance(storage, 'u', seen.length * 100);
    },
  );

  declare('order rule 9', 'reading may end early and begin again', async (storage) => {
    const orders = range(2_000).map((at) => newOrder(`o-${at}`));
    await acceptNew(storage, orders);
    for await (const page of storage.unsettled()) if (page.length > 0) break;
    const both = await Promise.all([readUnsettled(storage), readUnsettled(storage)]);
    for (const { orders: unsettled } of both) assertSameList(idsOf(unsettled), idsOf(orders));
    await acceptNew(storage, [newOrder('after')]);
  });

  declare('order rule 8', 'calls beside each other see what was answered', async (storage) => {
    const rounds = range(30).map((round) =>
      range(20).map((at) =>
        newOrder(`o-${round}-${at}`, { userId: `u-${at % 5}`, acceptedAt: start + round }),
      ),
    );
    for (const [round, orders] of rounds.entries()) {
      const last = rounds[round - 1] ?? [];
      const settlements = last.map((order) => settlementOf(order));
      const [, , unsettled, listed, found, balance] = await Promise.all([
        acceptNew(storage, orders),
        last.length > 0 ? settle(storage, settlements) : undefined,
        readUnsettled(storage),
        readList(storage, 50),
        storage.find(`o-${round - 1}-0`),
        storage.get('u-0'),
      ]);
      const ids = idsOf(listed);
      for (const order of rounds.slice(0, round).flat()) assert.ok(ids.includes(order.id));
      const current = idsOf([...last, ...orders]);
      assert.ok(unsettled.orders.every(({ id }) => current.includes(id)));
      if (round > 0) assert.ok(found);
      const least = Math.max(0, round - 1) * 400;
      assert.ok((balance ?? 0) >= least && (balance ?? 0) <= round * 400, `Balance ${balance}`);
    }
    const { orders: unsettled } = await readUnsettled(storage);
    assert.deepEqual(idsOf(unsettled), idsOf(rounds.at(-1) ?? []));
    for (const at of range(5)) await assertBalance(storage, `u-${at}`, 29 * 400);
  });
}
