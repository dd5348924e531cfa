import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { range } from '../balances.ts';
import { assertOrder, idsOf, newOrder, pendingOrder } from '../orders.ts';
import type { Member } from './member.ts';

/** Long enough for an order to be read, and short enough for a suite, in milliseconds. */
const soonMs = 300;

/** Farther than the suite lasts, in milliseconds. */
const muchLaterMs = 3_600_000;

/** So many milliseconds from now, by the storage's clock. */
const after = ({ shared }: Member, ms: number): number =>
  Date.now() + (shared.clockAheadMs ?? 0) + ms;

type DeclareShared = (
  rule: number,
  claim: string,
  check: (one: Member, other: Member) => Promise<void>,
) => void;

/** Declares when orders with a `notBefore` come to processors that share a storage. */
export function declareSharedDueRules(shared: DeclareShared): void {
  shared(14, 'an order comes when it is due, once, and holds back no other', async (one, other) => {
    const notBefore = after(one, soonMs);
    const begun = performance.now();
    const later = newOrder('later', { userId: 'u-1', notBefore });
    const never = newOrder('never', { userId: 'u-1', notBefore: after(one, muchLaterMs) });
    await other.storage.accept([later, never, newOrder('now', { userId: 'u-1' })]);
    await other.storage.accept([newOrder('past', { userId: 'u-1', notBefore: 1 })]);
    const ids = (): string[] => [...one.idsOf('u-1'), ...other.idsOf('u-1')];
    await one.until('Those that are due come', () => ids().length >= 2);
    assert.deepEqual(ids(), ['now', 'past']);
    assertOrder(await one.storage.find('later'), pendingOrder(later));
    const { orders } = await other.storage.list({ userId: 'u-1', status: 'pending', limit: 9 });
    assert.deepEqual(idsOf(orders), ['past', 'now', 'never', 'later']);
    await one.until('It comes', () => ids().length >= 3);
    // The clocks of the storage and of the suite may differ by a little.
    assert.ok(performance.now() - begun > soonMs - 100, 'It comes when it is due');
    await sleep(20);
    assert.deepEqual(ids(), ['now', 'past', 'later']);
  });

  shared(14, 'due orders come by their times, then by sequence', async (one, other) => {
    const start = after(one, soonMs);
    const times = [4, 2, 3, 2, 1];
    const orders = times.map((at, place) =>
      newOrder(`o-${place}`, { userId: 'u-1', notBefore: start + at }),
    );
    await one.storage.accept(orders);
    const ids = (): string[] => [...one.idsOf('u-1'), ...other.idsOf('u-1')];
    await one.until('They come', () => ids().length >= orders.length);
    assert.deepEqual(ids(), ['o-4', 'o-1', 'o-3', 'o-2', 'o-0']);
  });

  shared(14, 'an order that is to be canceled comes with the request', async (one, other) => {
    const order = newOrder('later', { notBefore: after(one, muchLaterMs) });
    await one.storage.accept([order]);
    await other.shared.cancel('later');
    const given = () => [...one.given, ...other.given];
    await one.until('It comes', () => given().length > 0);
    assertOrder(given()[0]?.order, pendingOrder(order));
    assert.deepEqual([...one.canceled, ...other.canceled], ['later']);
    assert.deepEqual([...one.toCancel, ...other.toCancel], []);
  });

  shared(14, 'one that no owner has canceled comes to the next with it', async (one, other) => {
    const orders = range(12).map((at) =>
      newOrder(`o-${at}`, { userId: `u-${at}`, notBefore: after(one, muchLaterMs) }),
    );
    await other.storage.accept(orders);
    for (const { id } of orders) await other.shared.cancel(id);
    await one.storage.close?.();
    const ids = orders.map(({ id }) => id).sort();
    await other.until('They come', () => other.canceled.length >= orders.length);
    assert.deepEqual([...other.canceled].sort(), ids);
    assert.deepEqual(other.given.map(({ order }) => order.id).sort(), ids);
  });

  shared(
    14,
    'orders that are not due come to a later owner, at their first attempt',
    async (one, other) => {
      const notBefore = after(one, soonMs);
      const orders = range(12).map((at) => newOrder(`o-${at}`, { userId: `u-${at}`, notBefore }));
      await one.storage.accept(orders);
      await one.storage.close?.();
      await other.until('They come', () => other.given.length >= orders.length);
      for (const { order } of other.given) assert.equal(order.attempt, 1);
    },
  );

  shared(17, 'the clock of the storage is the same at each processor', async (one, other) => {
    const { clockAheadMs } = one.shared;
    if (clockAheadMs === undefined) return;
    assert.ok(Number.isFinite(clockAheadMs), 'It is a number');
    assert.ok(Math.abs(clockAheadMs - (other.shared.clockAheadMs as number)) < 1_000);
  });
}
