import assert from 'node:assert/strict';
import type { StoredBalance } from '../../../core/storage/history/history-storage.ts';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import { awkwardNames } from '../../awkward-ids.ts';
import { apply, change, range } from '../../balances.ts';
import { newOrder } from '../../orders.ts';
import type { Declare } from '../../suite.ts';

/** Declares what holds for `balances`, of a storage that has it. */
export function declareBalanceListRules(declare: Declare<OrderStorage>): void {
  declare('order rule 18', 'the balance of each user is listed once', async (storage) => {
    if (storage.balances === undefined) return;
    const changes = awkwardNames.map((userId, at) => change(`o-${at}`, userId, at));
    await apply(storage, [...changes, change('o-less', awkwardNames[1] ?? '', -5)]);
    // One who has no balance yet.
    await storage.accept([newOrder('o-unsettled', { userId: 'no balance yet' })]);
    for (const limit of [1, 3, awkwardNames.length, 1_000]) {
      const listed = await readBalances(storage, limit);
      const expected = awkwardNames.map((userId, at): StoredBalance => {
        return { userId, balance: at === 1 ? -4 : at, knownFrom: undefined };
      });
      assert.deepEqual(byUser(listed), byUser(expected));
    }
  });

  declare('order rule 18', 'the order of the users never changes', async (storage) => {
    if (storage.balances === undefined) return;
    await apply(
      storage,
      range(9).map((at) => change(`o-${at}`, `u-${(at * 7) % 9}`, 1)),
    );
    const before = await storage.balances({ limit: 100 });
    await apply(
      storage,
      range(4).map((at) => change(`more-${at}`, `u-${at}`, 1)),
    );
    const after = await readBalances(storage, 4);
    const usersOf = (balances: readonly StoredBalance[]) => balances.map(({ userId }) => userId);
    assert.deepEqual(usersOf(after), usersOf(before));
  });
}

/** All balances of a storage, by pages of this size. */
async function readBalances(storage: OrderStorage, limit: number): Promise<StoredBalance[]> {
  const balances: StoredBalance[] = [];
  for (;;) {
    const page = (await storage.balances?.({ after: balances.at(-1)?.userId, limit })) ?? [];
    assert.ok(page.length <= limit, `A page has ${limit} at most, got ${page.length}`);
    balances.push(...page);
    const users = new Set(balances.map(({ userId }) => userId));
    assert.equal(users.size, balances.length, 'Each balance comes once');
    if (page.length < limit) return balances;
  }
}

function byUser(balances: readonly StoredBalance[]) {
  return Object.fromEntries(
    balances.map(({ userId, balance, knownFrom }) => [
      JSON.stringify(userId),
      [balance, knownFrom],
    ]),
  );
}
