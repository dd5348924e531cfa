/** What a file settled, in the order applied: statements and the feed, over restarts, copies and pruning. */
import { OrderProcessor, type SettledOutcome } from 'order-processor';
import type { SqliteStorage } from 'order-processor/sqlite';
import { expect, it } from 'vitest';
import type { Movement } from '../../../src/core/storage/history/history-storage.ts';
import { packed, unpacked } from '../../../src/sqlite/database/history/settlements.ts';
import { codeOf, range } from '../../kit/helpers.ts';
import { newOrder, rejection, settlement, tamper, useFolder } from '../helpers.ts';

const folder = useFolder();

async function statement(storage: SqliteStorage, userId: string): Promise<readonly Movement[]> {
  return (await storage.movements({ userId, after: 0, limit: 10_000 })).movements;
}

/** Statements equal balances, and each movement follows from the one before. */
async function expectSound(storage: SqliteStorage, users: readonly string[]): Promise<void> {
  for (const userId of users) {
    const movements = await statement(storage, userId);
    for (const [at, { balance, amount }] of movements.entries()) {
      if (at > 0) expect(balance).toBe((movements[at - 1] as Movement).balance + amount);
    }
    if (movements.length > 0) expect(movements.at(-1)?.balance).toBe(await storage.get(userId));
  }
  expect(await storage.check()).toEqual([]);
}

it('numbers are packed in few bytes, and come out as they went in', () => {
  for (const seqs of [
    [],
    [1],
    [5, 4, 3, 2, 1],
    [1, 2, 3],
    [2 ** 40, 1, 2 ** 52, 2 ** 52 - 1],
    range(5_000),
  ]) {
    expect(unpacked(packed(seqs))).toEqual(seqs);
  }
  expect(packed(range(1_000)).length).toBe(1_000);
});

it('invariant 3: a statement has a delayed order where it was applied, and not where it was accepted', async () => {
  const storage = await folder.open();
  await storage.accept(['a', 'b', 'c', 'd'].map((id) => newOrder(id, { amount: 2 })));
  for (const id of ['b', 'd', 'a', 'c']) {
    const postings = id === 'd' ? [{ userId: 'u-2', amount: 1 }] : [];
    await storage.settle([settlement(id, { amount: 2, isAccepted: true, postings })]);
    await storage.apply([
      {
        orderId: `credit-${id}`,
        userId: 'u-2',
        amount: -1,
        minBalance: undefined,
        postings: [{ userId: 'u-1', amount: 1 }],
      },
    ]);
  }
  const expected = ['b', 'credit-b', 'd', 'credit-d', 'a', 'credit-a', 'c', 'credit-c'];
  expect((await statement(storage, 'u-1')).map(({ orderId }) => orderId)).toEqual(expected);
  await expectSound(storage, ['u-1', 'u-2']);
});

it('invariant 9: a consumer goes on over restarts, and a copy is another storage', async () => {
  const first = await folder.open();
  const { id } = first;
  const processor = new OrderProcessor({ storage: first });
  await processor.submitMany(
    range(5).map((at) => ({ id: `o-${at}`, userId: `u-${at}`, amount: 1 })),
  );
  let cursor: string | undefined;
  const ids: string[] = [];
  const read = async (from: OrderProcessor, count: number): Promise<void> => {
    for await (const outcome of from.outcomes({ after: cursor })) {
      cursor = outcome.cursor;
      ids.push(outcome.order.id);
      if (ids.length === count) return;
    }
  };
  await read(processor, 3);
  await first.backup(folder.path('copy.db'));
  await processor.shutdown();
  const second = new OrderProcessor({ storage: await folder.open() });
  await second.submit({ id: 'later', userId: 'u-1', amount: 1 });
  await read(second, 6);
  await second.shutdown();
  expect(ids).toEqual(['o-0', 'o-1', 'o-2', 'o-3', 'o-4', 'later']);
  const copy = await folder.open({}, 'copy.db');
  expect(copy.id).not.toBe(id);
  const third = new OrderProcessor({ storage: copy });
  expect(() => third.outcomes({ after: cursor })).toThrow(RangeError);
  const all: SettledOutcome[] = [];
  for await (const outcome of third.outcomes()) if (all.push(outcome) === 5) break;
  await third.shutdown();
});

it('invariant 9: numbers of a transaction that failed are given again, and none twice', async () => {
  const storage = await folder.open();
  await storage.apply([{ orderId: 'a', userId: 'u', amount: 1, minBalance: undefined }]);
  tamper(
    folder.path(),
    `CREATE TRIGGER no BEFORE INSERT ON orders WHEN new.id = 'bad' BEGIN SELECT raise(ABORT, 'no'); END`,
  );
  const results = await storage.settle([
    settlement('b'),
    settlement('bad', { userId: 'u-9' }),
    settlement('c'),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['settled', 'failed', 'settled']);
  await storage.killThread();
  expect(await storage.settle([settlement('d')]).catch(() => [])).toBeDefined();
  await storage.settle([settlement('e')]);
  const { orders, last } = await storage.settled({ after: 0, limit: 10 });
  expect(orders.map((order) => order.settlement)).toEqual(range(orders.length).map((at) => at + 1));
  expect(orders.slice(0, 3).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  expect(last).toBe(orders.length);
});

it('invariant 3: statements begin behind what was pruned, with the balances that it left', async () => {
  const storage = await folder.open();
  const users = range(4).map((at) => `u-${at}`);
  const transfer = (at: number) =>
    settlement(`o-${at}`, {
      userId: users[at % 4] as string,
      amount: -at,
      postings: at === 0 ? [] : [{ userId: users[(at + 1 + (at % 3)) % 4] as string, amount: at }],
      acceptedAt: 1_000 + at,
      settledAt: 1_000 + at,
    });
  for (const at of range(10))
    await storage.settle(range(50).map((each) => transfer(at * 50 + each)));
  await expectSound(storage, users);
  const before = await Promise.all(users.map((userId) => storage.balanceAt(userId, 1_300)));
  const [, first] = await statement(storage, 'u-0');
  expect(await storage.prune({ settledBefore: 1_300 })).toBe(300);
  await expectSound(storage, users);
  const after = await Promise.all(users.map((userId) => storage.balanceAt(userId, 1_300)));
  expect(after).toEqual(before);
  expect((await storage.balanceAt('u-0', 1_100)).isForgotten).toBe(true);
  expect((await statement(storage, 'u-0'))[0]?.sequence).toBeGreaterThan(300);
  const page = await storage.settled({ after: first?.sequence ?? 0, limit: 10 });
  expect(page).toMatchObject({ forgotten: 300, last: 500 });
  expect(page.orders[0]?.settlement).toBe(301);
  await storage.prune({ settledBefore: 9_000 });
  await expectSound(storage, users);
  expect((await storage.balanceAt('u-0', 9_000)).balance).toBe(await storage.get('u-0'));
  await storage.settle([settlement('again')]);
  expect((await storage.settled({ after: 500, limit: 10 })).orders[0]?.settlement).toBe(501);
});

it('invariant 10: a reader behind what was pruned gets an error', async () => {
  const storage = await folder.open();
  const processor = new OrderProcessor({ storage });
  await processor.submitMany(range(3).map(() => ({ userId: 'u', amount: 1 })));
  const first = await processor.outcomes().next();
  await processor.submit({ userId: 'u', amount: 1 });
  await storage.prune({ settledBefore: Date.now() + 1_000 });
  const { cursor } = first.value as SettledOutcome;
  expect(await codeOf(processor.outcomes({ after: cursor }).next())).toBe('history_forgotten');
  expect(await codeOf(processor.balanceAt('u', 1))).toBe('history_forgotten');
  await processor.shutdown();
});

it('`check` finds a posting that was changed, and one whose user has no balance', async () => {
  const storage = await folder.open();
  await storage.settle([settlement('a', { amount: -2, postings: [{ userId: 'v', amount: 2 }] })]);
  tamper(folder.path(), 'UPDATE postings SET amount = 3');
  expect(await storage.check()).toEqual([
    'The balance of user "v" is 2, but its orders sum up to 3',
  ]);
  tamper(folder.path(), "DELETE FROM balances WHERE user_id = 'v'");
  expect(await storage.check()).toEqual([
    'The balance of user "v" is none, but its orders sum up to 3',
  ]);
});

it('invariant 10: a movement that cannot be read is an error', async () => {
  const storage = await folder.open();
  await storage.settle([settlement('a')]);
  tamper(folder.path(), 'UPDATE orders SET amount = 9223372036854775807');
  const error = await rejection(storage.movements({ userId: 'u-1', after: 0, limit: 1 }));
  expect(error.message).toContain('The order "a" cannot be read');
});
