/** Concurrent calls share transactions, and a transaction is as durable as was promised. */
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { configure } from '../../src/sqlite/database/database.ts';
import { listQueries } from '../../src/sqlite/database/lists.ts';
import { pruneQueries } from '../../src/sqlite/database/pruning/prune.ts';
import { retainQueries } from '../../src/sqlite/database/pruning/retention-step.ts';
import { queries } from '../../src/sqlite/database/reads.ts';
import { schemaVersion } from '../../src/sqlite/database/schema.ts';
import {
  ask,
  newOrder,
  run,
  settlement,
  transactionsOf,
  unsettledOf,
  useFolder,
} from './helpers.ts';

const folder = useFolder();
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('group commit', () => {
  it('one call is one transaction', async () => {
    const storage = await folder.open();
    const before = transactionsOf(folder.path());
    await storage.accept([newOrder('a'), newOrder('b')]);
    expect(transactionsOf(folder.path()) - before).toBe(1);
  });

  it('calls of every kind that are made at once share one', async () => {
    const storage = await folder.open();
    await storage.accept(range(100).map((n) => newOrder(`a-${n}`)));
    const before = transactionsOf(folder.path());
    await Promise.all([
      ...range(100).map((n) => storage.settle([settlement(`a-${n}`, { isAccepted: true })])),
      ...range(100).map((n) => storage.accept([newOrder(`b-${n}`)])),
      storage.apply([{ orderId: 'c', userId: 'u-2', amount: 5, minBalance: undefined }]),
    ]);
    expect(transactionsOf(folder.path()) - before).toBe(1);
    expect([await storage.get('u-1'), await storage.get('u-2')]).toEqual([100, 5]);
    expect((await unsettledOf(storage)).length).toBe(100);
  });

  it('what is called while one is under way and another lies ready shares the next', async () => {
    const storage = await folder.open();
    const before = transactionsOf(folder.path());
    const first = storage.accept([newOrder('first')]);
    await Promise.resolve();
    const others: Promise<unknown>[] = [];
    for (const n of range(50)) {
      others.push(storage.accept([newOrder(`o-${n}`)]));
      await Promise.resolve();
    }
    await Promise.all([first, ...others]);
    expect(transactionsOf(folder.path()) - before).toBe(3);
  });

  it('keeps the order of the calls', async () => {
    const storage = await folder.open();
    const calls = range(50).map((n) => storage.settle([settlement(`o-${n}`)]));
    const balances = (await Promise.all(calls)).map(([answer]) => answer);
    expect(balances).toEqual(range(50).map((n) => ({ status: 'settled', balance: n + 1 })));
  });

  it('counts balances anew after a transaction that failed', async () => {
    const storage = await folder.open();
    await storage.apply([{ orderId: 'a', userId: 'u-1', amount: 5, minBalance: undefined }]);
    await storage.accept([newOrder('waits')]);
    const change = { userId: 'u-1', amount: 7, minBalance: undefined };
    const failing = storage.apply([
      { ...change, orderId: 'b' },
      { ...change, orderId: 'waits' },
    ]);
    await expect(failing).rejects.toThrow('is taken');
    const answer = await storage.apply([{ ...change, orderId: 'c' }]);
    expect([answer, await storage.get('u-1')]).toEqual([[{ balance: 12 }], 12]);
  });
});

describe('the file', () => {
  it.each([
    ['full', 2],
    ['relaxed', 1],
  ] as const)('with %s durability has its log synchronized so: %i', (durability, synchronous) => {
    const db = new DatabaseSync(folder.path());
    configure(db, { durability, maxBytes: 100_000, reopened: undefined });
    const pragma = (name: string) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect(pragma('synchronous')).toBe(synchronous);
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('max_page_count')).toBe(24);
    expect(pragma('trusted_schema')).toBe(0);
    expect(pragma('user_version')).toBe(schemaVersion);
    db.close();
  });

  it('says of a storage how durable it is', async () => {
    const [full, relaxed] = [
      await folder.open(),
      await folder.open({ durability: 'relaxed' }, 'b'),
    ];
    expect([full.durability, relaxed.durability]).toEqual(['full', 'relaxed']);
  });

  it('has strict tables', async () => {
    await folder.open();
    const tables = ask(folder.path(), "SELECT name, strict FROM pragma_table_list('orders')");
    expect(tables).toEqual([{ name: 'orders', strict: 1 }]);
  });

  it.each(Object.entries({ ...queries, ...listQueries, ...pruneQueries, ...retainQueries }))(
    'has an index for %s, and nothing to sort',
    async (_, sql) => {
      await folder.open();
      const plan = ask(folder.path(), `EXPLAIN QUERY PLAN ${sql}`).map(({ detail }) => `${detail}`);
      expect(plan).toHaveLength(1);
      expect(plan[0]).toMatch(/^SEARCH /);
    },
  );
});

describe('close', () => {
  it('waits for what is under way, and every later call rejects (rule 12)', async () => {
    const storage = await folder.open();
    const calls = [storage.accept([newOrder('a')]), storage.settle([settlement('b')])];
    const reads = [storage.get('u-1'), storage.list({ limit: 9 })];
    const closed = Promise.all([storage.close(), storage.close()]);
    const later = [
      () => storage.accept([newOrder('c')]),
      () => storage.accept([]),
      () => storage.settle([settlement('c')]),
      () => storage.amend('b', []),
      () => storage.apply([]),
      () => storage.get('u-1'),
      () => storage.find('a'),
      () => storage.list({ limit: 1 }),
      () => unsettledOf(storage),
      () => storage.prune({ settledBefore: 1 }),
      () => storage.backup(folder.path('copy.db')),
      () => storage.check(),
    ];
    for (const call of later) await expect(call()).rejects.toThrow('The storage is closed');
    await Promise.all([...calls, ...reads]);
    await closed;
    for (const call of later) await expect(call()).rejects.toThrow('The storage is closed');
    const again = await folder.open();
    expect(await unsettledOf(again)).toEqual(['a']);
    expect(await again.get('u-1')).toBe(1);
  });

  it('lets the process end', async () => {
    const closed = `const storage = await SqliteStorage.open(path);
      await storage.close();
      console.log('closed');`;
    expect(await run(folder.path(), closed)).toEqual({ text: 'closed\n', exitCode: 0 });
  });

  it('is not needed for the process to end, but calls under way are answered first', async () => {
    const order = JSON.stringify(newOrder('a'));
    const open = `const storage = await SqliteStorage.open(path);
      storage.accept([${order}]).then(([answer]) => console.log(answer.status));`;
    expect(await run(folder.path(), open)).toEqual({ text: 'accepted\n', exitCode: 0 });
    expect(await unsettledOf(await folder.open())).toEqual(['a']);
  });
});
