/** What is done beside the work: backup, prune and check, while calls go on. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ask, found, newOrder, rejection, settlement, tamper, useFolder } from './helpers.ts';

const folder = useFolder();
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('backup', () => {
  it('is a file like any other, as it was, while calls go on', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a', { payload: { deep: [1] } })]);
    await storage.settle([settlement('b', { amount: 7 })]);
    const backup = storage.backup(folder.path('copy.db'));
    const during = range(20).map((n) => storage.accept([newOrder(`later-${n}`)]));
    await Promise.all([backup, ...during]);
    expect(folder.files()).not.toContainEqual(expect.stringContaining('partial'));
    const copy = await folder.open({}, 'copy.db');
    expect(await copy.get('u-1')).toBe(7);
    expect(await found(copy, 'a')).toMatchObject({ payload: { deep: [1] }, attempt: 2 });
    expect(await copy.check()).toEqual([]);
    await copy.accept([newOrder('c')]);
    expect(await storage.find('c')).toBeUndefined();
  });

  it('refuses to write over anything', async () => {
    const storage = await folder.open();
    writeFileSync(folder.path('copy.db'), 'precious');
    for (const name of ['copy.db', 'orders.db']) {
      const path = folder.path(name);
      const { message } = await rejection(storage.backup(path));
      expect(message).toBe(`Could not back up ${folder.path()}: ${path} exists`);
    }
    const { message } = await rejection(storage.backup(folder.path('none/copy.db')));
    expect(message).toContain('its folder does not exist');
    expect(await storage.check()).toEqual([]);
  });
});

describe('prune', () => {
  it('deletes what was accepted and settled before, and nothing else', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('waits'), newOrder('late')]);
    await storage.settle([
      settlement('old'),
      settlement('at', { settledAt: 2_000 }),
      settlement('late', { isAccepted: true, settledAt: 3_000 }),
      settlement('new', { acceptedAt: 2_500, settledAt: 3_000 }),
    ]);
    expect(await storage.prune({ settledBefore: 2_000 })).toBe(1);
    const left = (await storage.list({ limit: 9 })).orders.map(({ id }) => id);
    expect(left).toEqual(['new', 'at', 'late', 'waits']);
    expect(await storage.get('u-1')).toBe(4);
    expect(await storage.check()).toEqual([]);
  });

  it('goes in steps, between which other calls get their turn', async () => {
    const storage = await folder.open();
    const ids = range(5_000).map((n) => `o-${n}`);
    await storage.settle(ids.map((id, n) => settlement(id, { userId: `u-${n % 7}`, amount: n })));
    await storage.accept([newOrder('waits')]);
    const log: string[] = [];
    const pruned = storage.prune({ settledBefore: 2_000 }).then((count) => {
      log.push(`pruned ${count}`);
    });
    for (const n of range(3)) {
      await storage.settle([settlement(`new-${n}`, { settledAt: 2_000 })]);
      log.push(`settled ${n}`);
    }
    await pruned;
    expect(log).toEqual(['settled 0', 'settled 1', 'settled 2', 'pruned 5000']);
    expect((await storage.list({ limit: 9 })).orders.map(({ id }) => id)).toEqual([
      'new-2',
      'new-1',
      'new-0',
      'waits',
    ]);
    expect(await storage.check()).toEqual([]);
  });

  it('forgets ids: an order that comes again is a new one', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { amount: 5 })]);
    await storage.prune({ settledBefore: 2_000 });
    expect(await storage.settle([settlement('a', { amount: 5 })])).toEqual([
      { status: 'settled', balance: 10 },
    ]);
  });

  it.each([
    [{}, 'Expected `settledBefore` to be a safe integer, got `undefined`'],
    [{ settledBefore: 1.5 }, 'Expected `settledBefore` to be a safe integer, got `1.5`'],
    [{ before: 1 }, 'Expected the options of prune to be among settledBefore, got `before`'],
  ])('checks its options: %j', async (options, message) => {
    const storage = await folder.open();
    const prune = storage.prune.bind(storage) as (options: unknown) => Promise<number>;
    expect((await rejection(prune(options))).message).toBe(message);
  });
});

describe('check', () => {
  async function tampered(sql: string): Promise<readonly string[]> {
    const storage = await folder.open();
    await storage.apply([{ orderId: 'a', userId: 'u-1', amount: 5, minBalance: undefined }]);
    await storage.settle([settlement('b'), settlement('c', { amount: -2 })]);
    await storage.prune({ settledBefore: 2_000 });
    expect(await storage.check()).toEqual([]);
    tamper(folder.path(), sql);
    return await storage.check();
  }

  it.each([
    [
      'a balance that is not the sum of its orders',
      'UPDATE balances SET balance = 7',
      'The balance of user "u-1" is 7, but its orders sum up to 4',
    ],
    [
      'an order whose amount was changed',
      "UPDATE orders SET amount = 50 WHERE id = 'a'",
      'The balance of user "u-1" is 4, but its orders sum up to 49',
    ],
    [
      'a balance that is gone',
      'DELETE FROM balances',
      'The balance of user "u-1" is none, but its orders sum up to 5',
    ],
    [
      'an order of the future',
      'UPDATE orders SET life = 9',
      'The life of order "a" is 9, but the last one was 1',
    ],
    [
      'a status without its time',
      "PRAGMA ignore_check_constraints = ON; UPDATE orders SET status = 'pending'",
      'CHECK constraint failed in orders',
    ],
  ])('finds %s', async (_, sql, problem) => {
    expect(await tampered(sql)).toContainEqual(problem);
  });

  it('finds a page that was written over', async () => {
    const storage = await folder.open();
    await storage.settle(range(100).map((n) => settlement(`o-${n}`)));
    await storage.close();
    const [index] = ask(
      folder.path(),
      "SELECT rootpage FROM sqlite_schema WHERE name = 'orders_by_block'",
    );
    const bytes = readFileSync(folder.path());
    const end = Number(index?.rootpage) * bytes.readUInt16BE(16);
    writeFileSync(folder.path(), bytes.fill(0, end - 200, end));
    const problems = await (await folder.open()).check();
    expect(problems.join()).toContain('missing from index orders_by_block');
  });

  it('and backup reject when another file has come in its place', async () => {
    const storage = await folder.open();
    await storage.backup(folder.path('copy.db'));
    rmSync(folder.path());
    for (const call of [() => storage.check(), () => storage.backup(folder.path('other.db'))]) {
      expect((await rejection(call())).message).toContain('was deleted, moved or replaced');
    }
    expect(folder.files()).not.toContain('orders.db');
    expect(folder.files()).not.toContain('other.db');
  });
});
