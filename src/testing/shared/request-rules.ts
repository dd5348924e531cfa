import assert from 'node:assert/strict';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import type { OwnerRequest } from '../../core/storage/requests/owner-requests.ts';
import { range } from '../balances.ts';
import { newOrder, settle, settlementOf } from '../orders.ts';
import { holdOf } from '../rules/hold-rules.ts';
import { someSteps } from '../samples.ts';
import type { Declare } from '../suite.ts';
import type { Member } from './member.ts';

const request: OwnerRequest = Object.freeze({
  id: 'r-1',
  userId: 'u',
  request: JSON.stringify({ kind: 'hold', reason: 'Küche \0 "1" \u{1f373}' }),
});

/** Declares what holds for requests to owners: two processors, each with a storage of its own. */
export function declareRequestRules(declare: Declare<OrderStorage>): void {
  const shared = (
    rule: string,
    claim: string,
    check: (owner: Member, stranger: Member) => Promise<void>,
  ): void =>
    declare(`request rule ${rule}`, claim, async (_, trial) => {
      assert.ok(trial.member, 'The storage is shared');
      const [one, other] = [trial.member, await trial.beside()];
      await one.storage.accept([newOrder('first')]);
      await one.until('The order comes', () => one.given.length + other.given.length > 0);
      await (one.given.length > 0 ? check(one, other) : check(other, one));
    });

  shared('1', 'a request comes once at the owner, as it was made', async (owner, stranger) => {
    await stranger.shared.request(request);
    await owner.until('The owner is asked', () => owner.asked.length > 0);
    const [asked] = owner.asked;
    assert.deepEqual(asked?.request, { ...request, isBegun: false });
    assert.equal(asked?.partition, owner.given[0]?.partition);
    await owner.shared.request({ ...request, id: 'r-2' });
    await owner.until('The owner is asked by itself', () => owner.asked.length > 1);
    assert.deepEqual(idsOf(owner), ['r-1', 'r-2']);
    assert.deepEqual(stranger.asked, []);
  });

  shared('1', 'requests of one user come in the order made', async (owner, stranger) => {
    const ids = range(20).map((at) => `r-${at}`);
    for (const [at, id] of ids.entries()) {
      await (at % 2 === 0 ? owner : stranger).shared.request({ ...request, id });
    }
    await owner.until('The owner is asked', () => owner.asked.length >= ids.length);
    assert.deepEqual(idsOf(owner), ids);
  });

  shared('1, 2', 'what is not answered comes at the next owner', async (owner, stranger) => {
    for (const id of ['r-1', 'r-2', 'r-3']) await stranger.shared.request({ ...request, id });
    await owner.until('The owner is asked', () => owner.asked.length >= 3);
    await write(owner.shared.answer({ ...request, id: 'r-1' }, '1'));
    await write(owner.shared.begin({ ...request, id: 'r-2' }));
    owner.shared.leave();
    await stranger.until('The next owner is asked', () => stranger.asked.length >= 2);
    assert.deepEqual(
      stranger.asked.map(({ request: { id, isBegun } }) => [id, isBegun]),
      [
        ['r-2', true],
        ['r-3', false],
      ],
    );
  });

  shared('3, 4', 'the first answer comes where it was asked', async (owner, stranger) => {
    await stranger.shared.request(request);
    await owner.until('The owner is asked', () => owner.asked.length > 0);
    const answer = JSON.stringify({ value: 'Küche \0 "1" \u{1f373}' });
    await write(owner.shared.answer(request, answer));
    await stranger.until('The answer comes', () => stranger.answers.has('r-1'));
    assert.equal(stranger.answers.get('r-1'), answer);
    await write(owner.shared.answer(request, '"another"'));
    await write(owner.shared.answer({ ...request, id: 'unknown' }, '"another"'));
    assert.equal(stranger.answers.get('r-1'), answer);
    assert.equal(owner.answers.size, 0);
  });

  shared('5', 'what is not done by the owner is lost', async (owner, stranger) => {
    const failed = settlementOf(newOrder('first'), { outcome: 'failed', steps: someSteps });
    await settle(owner.storage, [failed]);
    await write(owner.storage.hold(holdOf('u')));
    await stranger.shared.request(request);
    await owner.until('The owner is asked', () => owner.asked.length > 0);
    const calls = [
      () => stranger.shared.begin(request),
      () => stranger.shared.answer(request, '1'),
      () => stranger.storage.hold(holdOf('u', { reason: 'Another' })),
      () => stranger.storage.release('u'),
      () => stranger.storage.release('u', { orderId: 'first', compensations: {} }),
      () => stranger.storage.amend('first', []),
    ];
    for (const call of calls) assert.equal(await call(), 'lost');
    assert.deepEqual(await stranger.shared.holdOf('u'), holdOf('u'));
    assert.deepEqual((await stranger.storage.find('first'))?.steps, failed.steps);
    await write(owner.shared.answer(request, '2'));
    await stranger.until('The answer comes', () => stranger.answers.has('r-1'));
    assert.equal(stranger.answers.get('r-1'), '2');
  });

  shared('6', 'the holds of a partition are found at each processor', async (owner, stranger) => {
    const number = owner.given[0]?.partition.number ?? 0;
    const others: string[] = [];
    for (const userId of range(40).map((at) => `v-${at}`)) {
      if ((await owner.storage.hold(holdOf(userId))) !== 'lost') continue;
      await write(stranger.storage.hold(holdOf(userId)));
      others.push(userId);
    }
    assert.ok(others.length > 0, 'Each of two processors owns users');
    await write(owner.storage.hold(holdOf('u')));
    for (const { shared: each } of [owner, stranger]) {
      const holds = await each.holdsOf(number, { limit: 100 });
      const users = holds.map(({ userId }) => userId);
      assert.ok(users.includes('u') && !users.some((userId) => others.includes(userId)));
      const [first] = holds;
      const [second] = await each.holdsOf(number, { after: first?.userId, limit: 1 });
      assert.deepEqual(second, holds[1]);
      assert.deepEqual(await each.holdOf('u'), holdOf('u'));
      assert.equal(await each.holdOf('unknown'), undefined);
    }
    await write(owner.storage.release('u'));
    assert.equal(await stranger.shared.holdOf('u'), undefined);
  });
}

/** Asserts that a write of the owner is done. */
async function write(answer: unknown): Promise<void> {
  assert.notEqual(await answer, 'lost', 'The owner is not refused');
}

function idsOf({ asked }: Member): string[] {
  return asked.map(({ request: { id } }) => id);
}
