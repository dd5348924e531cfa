import assert from 'node:assert/strict';
import type { NewOrder } from '../../core/order/stored-order.ts';
import type { HeldFailure } from '../../core/storage/holds/held-failure.ts';
import type { StoredHold } from '../../core/storage/holds/hold.ts';
import type { OrderStorage, Settlement } from '../../core/storage/order-storage.ts';
import { awkwardNames } from '../awkward-ids.ts';
import { assertBalance } from '../balances.ts';
import { newOrder, settle, settlementOf, start } from '../orders.ts';
import { someResults, someSteps } from '../samples.ts';
import type { Declare } from '../suite.ts';

const failure: HeldFailure = Object.freeze({
  startedAt: start + 7,
  retryable: false,
  cause: Object.freeze({ name: 'RangeError', message: 'Too late \0 "1" \u{1f373}' }),
  steps: someSteps,
  results: someResults,
});

/** The hold of a lane, frozen like everything that the suite hands over. */
export function holdOf(userId: string, fields: Partial<StoredHold> = {}): StoredHold {
  return Object.freeze({ userId, reason: `Of ${userId}`, heldAt: start, ...fields });
}

/** A hold by a failed order. */
function holdByOrder(userId: string, fields: Partial<StoredHold> = {}): StoredHold {
  const order = { orderId: 'o-1', code: 'kitchen_closed', message: 'Küche "1" \u{1f373}' };
  const compensated = Object.freeze(['payment', 'Küche "1"']);
  return holdOf(userId, { reason: undefined, ...order, compensated, failure, ...fields });
}

/** Declares what holds for `hold`, `release` and `holds`. */
export function declareHoldRules(declare: Declare<OrderStorage>): void {
  declare('hold rule 1', 'a hold comes back as it was kept', async (storage) => {
    const holds = [
      holdOf('a'),
      holdOf('b', { reason: '' }),
      holdOf('c', { reason: 'x'.repeat(1_024), heldAt: start + 1 }),
      holdByOrder('d'),
      holdByOrder('e', { reason: 'Both, \0 and "quoted"' }),
      holdByOrder('f', { failure: { ...failure, startedAt: undefined, cause: undefined } }),
      holdByOrder('g', { failure: { ...failure, steps: [], results: {} } }),
      holdByOrder('h', { failure: undefined }),
    ];
    for (const hold of holds) await storage.hold(hold);
    await assertHolds(storage, holds);
  });

  declare('hold rule 1', 'a later hold of a user replaces the earlier one', async (storage) => {
    await storage.hold(holdByOrder('u'));
    await storage.hold(holdOf('v'));
    await storage.hold(holdOf('u', { heldAt: start + 5 }));
    await assertHolds(storage, [holdOf('u', { heldAt: start + 5 }), holdOf('v')]);
  });

  declare('hold rules 1, 2', 'users are told apart, whatever their ids are', async (storage) => {
    for (const userId of awkwardNames) await storage.hold(holdOf(userId));
    await assertHolds(
      storage,
      awkwardNames.map((userId) => holdOf(userId)),
    );
    const [first = '', ...others] = awkwardNames;
    await storage.release(first);
    await assertHolds(
      storage,
      others.map((userId) => holdOf(userId)),
    );
  });

  declare(
    'hold rule 2',
    'a release ends one hold, and none where there is none',
    async (storage) => {
      await storage.release('u');
      await assertHolds(storage, []);
      for (const userId of ['u', 'v']) await storage.hold(holdOf(userId));
      await storage.release('u');
      await storage.release('u');
      await assertHolds(storage, [holdOf('v')]);
      await storage.hold(holdOf('u', { heldAt: start + 9 }));
      await assertHolds(storage, [holdOf('u', { heldAt: start + 9 }), holdOf('v')]);
    },
  );

  declare(
    'hold rule 2',
    'an order that is tried again forgets its noted outcome, and keeps its counts',
    async (storage) => {
      const [one, two] = [newOrder('o-1'), newOrder('o-2')];
      await storage.accept([one, two]);
      await storage.hold(holdByOrder('u'));
      await settle(storage, [one, two].map(noted));
      const decided = (await storage.find('o-1'))?.decided;
      assert.deepEqual([decided?.code, decided?.holds], ['declined', true]);
      await storage.release('u', { orderId: 'o-1', compensations: { payment: 1, 'Küche "1"': 2 } });
      await assertHolds(storage, []);
      await assertTried(storage, 'o-1', { payment: 1, 'Küche "1"': 2 });
      assert.equal((await storage.find('o-2'))?.decided?.code, 'declined');
      // Another failure does not forget the counts.
      await settle(storage, [noted(one)]);
      const again = await storage.find('o-1');
      assert.equal(again?.decided?.code, 'declined');
      assert.deepEqual(again?.compensations, { payment: 1, 'Küche "1"': 2 });
      await storage.release('u', { orderId: 'o-1', compensations: { payment: 2 } });
      await assertTried(storage, 'o-1', { payment: 2 });
      await settle(storage, [settlementOf(one)]);
      await storage.release('u', { orderId: 'o-1', compensations: {} });
      assert.equal((await storage.find('o-1'))?.status, 'completed');
      await storage.release('u', { orderId: 'unknown', compensations: {} });
    },
  );

  declare('hold rule 3', 'pages of any size give each hold once, in one order', async (storage) => {
    const holds = Array.from({ length: 23 }, (_, at) => holdOf(`u-${(at * 7) % 23}`));
    for (const hold of holds) await storage.hold(hold);
    const inOrder = await storage.holds({ limit: 100 });
    for (const limit of [1, 5, 22, 23]) {
      assert.deepEqual((await readHolds(storage, limit)).map(comparable), inOrder.map(comparable));
    }
    const [first] = inOrder;
    assert.ok(first);
    // The place of a hold that is gone is where the next page begins all the same.
    await storage.release(first.userId);
    const [second] = await storage.holds({ after: first.userId, limit: 1 });
    assert.deepEqual(second, inOrder[1]);
  });

  declare('hold rule 4', 'orders of a held user are accepted and settled', async (storage) => {
    await storage.hold(holdOf('u'));
    await storage.accept([newOrder('o-1')]);
    await settle(storage, [settlementOf(newOrder('o-1'))]);
    await assertBalance(storage, 'u', 100);
    await assertHolds(storage, [holdOf('u')]);
  });
}

/** Declares what becomes of the hold of an order that is settled. */
export function declareEndedHoldRules(declare: Declare<OrderStorage>): void {
  declare('hold rule 6', 'a hold ends with the settlement of its order', async (storage) => {
    const [one, two, three] = ['o-1', 'o-2', 'o-3'].map((id, at) =>
      newOrder(id, { userId: `u-${at + 1}` }),
    ) as [NewOrder, NewOrder, NewOrder];
    await storage.accept([one, two, three]);
    await storage.hold(holdByOrder('u-1'));
    await storage.hold(holdByOrder('u-2', { orderId: 'o-2', reason: 'By hand' }));
    await storage.hold(holdByOrder('u-3', { orderId: 'o-4' }));
    await storage.hold(holdByOrder('v'));
    const ended = (order: NewOrder, outcome: 'failed' | 'canceled') =>
      settlementOf(order, { outcome, endsHold: true });
    await settle(storage, [ended(one, 'failed'), ended(two, 'canceled'), ended(three, 'failed')]);
    await assertHolds(storage, [
      holdOf('u-2', { reason: 'By hand' }),
      holdByOrder('u-3', { orderId: 'o-4' }),
      holdByOrder('v'),
    ]);
    assert.equal((await storage.find('o-2'))?.status, 'canceled');
  });

  declare('hold rule 6', 'other settlements end no hold', async (storage) => {
    const order = newOrder('o-1');
    await storage.accept([order]);
    await storage.hold(holdByOrder('u'));
    await settle(storage, [noted(order)]);
    await assertHolds(storage, [holdByOrder('u')]);
    await settle(storage, [settlementOf(order, { outcome: 'failed' })]);
    await assertHolds(storage, [holdByOrder('u')]);
  });
}

/** Declares what a storage that is opened again has kept of holds. */
export function declareDurableHoldRules(declare: Declare<OrderStorage>): void {
  declare(
    'hold rule 5',
    'holds are there after reopening, and ended ones are not',
    async (first, trial) => {
      for (const userId of ['u', 'v', 'w']) await first.hold(holdByOrder(userId));
      await first.hold(holdOf('v', { reason: '' }));
      await first.release('w');
      const second = await trial.reopen();
      await assertHolds(second, [holdByOrder('u'), holdOf('v', { reason: '' })]);
      await second.release('u');
      await second.accept([newOrder('o-1')]);
      await second.release('v', { orderId: 'o-1', compensations: { payment: 1 } });
      await second.hold(holdOf('v', { reason: '' }));
      const third = await trial.reopen();
      await assertHolds(third, [holdOf('v', { reason: '' })]);
      await assertTried(third, 'o-1', { payment: 1 });
    },
  );
}

/** A settlement that notes that its order fails, and is to hold its lane. */
function noted(order: NewOrder): Settlement {
  return settlementOf(order, { outcome: 'failed', isProvisional: true, holds: true });
}

async function assertTried(
  storage: OrderStorage,
  id: string,
  compensations: Readonly<Record<string, number>>,
): Promise<void> {
  const order = await storage.find(id);
  assert.deepEqual([order?.status, order?.decided], ['pending', undefined]);
  assert.deepEqual(order?.compensations, compensations);
}

/** All holds of a storage, by pages of this size. */
async function readHolds(storage: OrderStorage, limit: number): Promise<StoredHold[]> {
  const holds: StoredHold[] = [];
  for (;;) {
    const page = await storage.holds({ after: holds.at(-1)?.userId, limit });
    assert.ok(page.length <= limit, `A page has ${limit} at most, got ${page.length}`);
    holds.push(...page);
    const users = new Set(holds.map(({ userId }) => userId));
    assert.equal(users.size, holds.length, 'Each hold comes once');
    if (page.length < limit) return holds;
  }
}

async function assertHolds(storage: OrderStorage, expected: readonly StoredHold[]): Promise<void> {
  const byUser = (holds: readonly StoredHold[]) =>
    Object.fromEntries(holds.map((hold) => [JSON.stringify(hold.userId), comparable(hold)]));
  const holds = await readHolds(storage, 7);
  assert.deepEqual(byUser(holds), byUser(expected));
}

/** What is not there is not told from `undefined`. */
function comparable({ userId, reason, heldAt, failure, ...order }: StoredHold) {
  const { orderId, code, message, compensated } = order;
  const { startedAt, retryable, cause, steps, results } = failure ?? {};
  const failed = failure && { startedAt, retryable, cause, steps, results };
  return { userId, reason, heldAt, orderId, code, message, compensated, failed };
}
