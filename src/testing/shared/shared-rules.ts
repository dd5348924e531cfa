import assert from 'node:assert/strict';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import type { ClusterStats } from '../../core/storage/shared-storage.ts';
import { assertBalance, range } from '../balances.ts';
import { assertOrder, newOrder, pendingOrder, settledOrder, settlementOf } from '../orders.ts';
import type { Declare } from '../suite.ts';
import { declareSharedDueRules } from './due-rules.ts';
import type { Member } from './member.ts';

/** Declares what holds for a storage that several processors share: two of them, each with a storage of its own. */
export function declareSharedRules(declare: Declare<OrderStorage>): void {
  const shared = (
    rule: number,
    claim: string,
    check: (one: Member, other: Member) => Promise<void>,
  ): void =>
    declare(`shared rule ${rule}`, claim, async (_, trial) => {
      assert.ok(trial.member, 'The storage is shared');
      await check(trial.member, await trial.beside());
    });

  shared(2, 'an accepted order is kept, and its id is known everywhere', async (one, other) => {
    const order = newOrder('o-1');
    const [kept] = await other.storage.accept([order]);
    assert.ok(kept?.status === 'kept', `The answer is \`kept\`, got \`${kept?.status}\``);
    const [known] = await one.storage.accept([order]);
    assert.ok(known?.status === 'known', `The answer is \`known\`, got \`${known?.status}\``);
    assertOrder(known.order, pendingOrder(order));
    assert.equal(known.order.sequence, kept.sequence);
  });

  shared(3, 'orders come once, at one processor, in the order accepted', async (one, other) => {
    const orders = range(60).map((at) => newOrder(`o-${at}`, { userId: `u-${at % 7}` }));
    for (const [at, order] of orders.entries()) {
      const { storage } = at % 2 === 0 ? one : other;
      await storage.accept([order]);
    }
    const count = (): number => one.given.length + other.given.length;
    await one.until('All orders come', () => count() >= orders.length);
    for (const at of range(7)) {
      const userId = `u-${at}`;
      const ids = orders.filter((order) => order.userId === userId).map(({ id }) => id);
      const [first, second] = [one.idsOf(userId), other.idsOf(userId)];
      assert.deepEqual(first.length > 0 ? first : second, ids);
      assert.equal(Math.min(first.length, second.length), 0, 'One processor owns a user');
    }
    assert.equal(count(), orders.length, 'They come once');
    for (const { order } of [...one.given, ...other.given]) assert.equal(order.attempt, 1);
  });

  shared(4, 'a settlement by a processor that does not own it is lost', async (one, other) => {
    const order = newOrder('o-1');
    await one.storage.accept([order]);
    await one.until('The order comes', () => one.given.length + other.given.length > 0);
    const [owner, stranger] = one.given.length > 0 ? [one, other] : [other, one];
    const settlement = settlementOf(order);
    assert.deepEqual(await stranger.storage.settle([settlement]), [{ status: 'lost' }]);
    assertOrder(await one.storage.find('o-1'), pendingOrder(order));
    await assertBalance(one.storage, order.userId, undefined);
    const [result] = await owner.storage.settle([settlement]);
    assert.ok(result?.status === 'settled', `Its owner settles it, got \`${result?.status}\``);
    assertOrder(await stranger.storage.find('o-1'), settledOrder(settlement, result));
  });

  shared(5, 'the outcome comes where the order was accepted', async (one, other) => {
    await settleOne(one, other, async (stranger, order) => {
      await stranger.storage.accept([order]);
    });
  });

  shared(7, 'the outcome comes where it is watched', async (one, other) => {
    await settleOne(one, other, async (stranger, order) => {
      await stranger.storage.accept([{ ...order, isAwaited: false }]);
      const [found, unknown] = await stranger.shared.watch([order.id, 'unknown']);
      assertOrder(found, pendingOrder(order));
      assert.equal(unknown, undefined);
    });
  });

  shared(8, 'a request to cancel comes at the owner', async (one, other) => {
    await one.storage.accept([newOrder('o-1')]);
    await one.until('The order comes', () => one.given.length + other.given.length > 0);
    const [owner, stranger] = one.given.length > 0 ? [one, other] : [other, one];
    await stranger.shared.cancel('o-1');
    await owner.until('The owner is asked', () => owner.toCancel.includes('o-1'));
    assert.deepEqual(stranger.toCancel, []);
  });

  shared(11, 'a processor that leaves hands its partitions over', async (one, other) => {
    one.shared.leave();
    await one.until('Its partitions are released', () => one.owned.size === 0);
    await other.until('The other one gains them', () => other.owned.size > 0);
    await one.storage.accept([newOrder('o-1')]);
    await other.until('The order comes', () => other.given.length > 0);
    assert.equal(other.given[0]?.order.attempt, 1);
    assert.deepEqual(one.given, []);
  });

  shared(12, 'where it is told of all processors, they own the partitions', async (one, other) => {
    const find = (): ClusterStats | undefined => other.shared.cluster?.();
    if (find() === undefined) return;
    await one.storage.accept([newOrder('o-1')]);
    const isTold = (): boolean => find()?.processors.length === 2 && find()?.backlog === 1;
    await other.until('Both processors and the order show', isTold);
    const { isMember, processors, partitions, ownedPartitions, freePartitions } =
      find() as ClusterStats;
    assert.equal(isMember, true);
    const [self, ...others] = processors.filter(({ isSelf }) => isSelf);
    assert.equal(self?.partitions, ownedPartitions);
    assert.deepEqual(others, [], 'It is one of them');
    const owned = processors.reduce((sum, each) => sum + each.partitions, freePartitions);
    assert.equal(owned, partitions);
  });

  shared(15, 'one that follows hears that another one has settled an order', async (one, other) => {
    await one.storage.accept([newOrder('o-1')]);
    await one.until('The order comes', () => one.given.length + other.given.length > 0);
    const [owner, stranger] = one.given.length > 0 ? [one, other] : [other, one];
    stranger.shared.follow(true);
    const seen = async (): Promise<number> => {
      const page = await stranger.storage.settled({ after: 0, limit: 9 });
      return page.orders.length;
    };
    assert.equal(await seen(), 0);
    await owner.storage.settle([settlementOf(newOrder('o-1'))]);
    for (let heard = 0; (await seen()) === 0; heard = stranger.applied) {
      await stranger.until('It hears of it', () => stranger.applied > heard);
    }
    stranger.shared.follow(false);
  });

  shared(16, 'a step may begin where its order has come', async (one, other) => {
    await one.storage.accept([newOrder('o-1')]);
    await one.until('The order comes', () => one.given.length + other.given.length > 0);
    const owner = one.given.length > 0 ? one : other;
    assert.equal(owner.shared.mayBegin?.() ?? true, true);
  });

  declareSharedDueRules(shared);
}

/** One order, accepted or watched by `ask` where it is not owned, is settled by its owner. */
async function settleOne(
  one: Member,
  other: Member,
  ask: (stranger: Member, order: ReturnType<typeof newOrder>) => Promise<void>,
): Promise<void> {
  const first = newOrder('first');
  await one.storage.accept([first]);
  await one.until('The order comes', () => one.given.length + other.given.length > 0);
  const [owner, stranger] = one.given.length > 0 ? [one, other] : [other, one];
  const order = newOrder('o-1');
  await ask(stranger, order);
  await owner.until('The second order comes', () => owner.given.length > 1);
  const settlement = settlementOf(order);
  const [result] = await owner.storage.settle([settlement]);
  const heard = (): boolean => stranger.settled.some(({ id }) => id === order.id);
  await stranger.until('Its outcome comes', heard);
  const settled = stranger.settled.find(({ id }) => id === order.id);
  assertOrder(settled, settledOrder(settlement, result));
}
