/** What is a copy of a file of orders, and what is not: a copy is never mixed with another file's log (invariant 9). */
import { copyFileSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SqliteStorage } from 'order-processor/sqlite';
import { describe, expect, it } from 'vitest';
import { applicationId, schemaVersion } from '../../../src/sqlite/database/schema.ts';
import { newOrder, rejection, run, tamper, unsettledOf, useFolder } from '../helpers.ts';

const folder = useFolder();

describe('invariant 9: a copy beside the log of a file whose process was killed', () => {
  /** Leaves a log with 50 orders, and a copy of before. */
  async function crash(copy: (storage: SqliteStorage) => Promise<void>): Promise<void> {
    const storage = await folder.open();
    await storage.accept([newOrder('copied')]);
    await copy(storage);
    await storage.close();
    await run(
      folder.path(),
      `const storage = await SqliteStorage.open(path);
       const order = ${JSON.stringify(newOrder(''))};
       await storage.accept(Array.from({ length: 50 }, (_, n) => ({ ...order, id: 'later-' + n })));
       process.kill(process.pid, 'SIGKILL');`,
    );
  }

  const copies: [string, (storage: SqliteStorage) => Promise<void>][] = [
    ['`backup`', (storage) => storage.backup(folder.path('copy.db'))],
    [
      '`VACUUM INTO` at a shell',
      async () => tamper(folder.path(), `VACUUM INTO '${folder.path('copy.db')}'`),
    ],
  ];

  it.each(copies)('is refused and left as it is, one by %s', async (_, copy) => {
    await crash(copy);
    copyFileSync(folder.path('copy.db'), folder.path());
    const log = readFileSync(folder.path('orders.db-wal'));
    const { message } = await rejection(folder.open());
    expect(message).toBe(
      `Could not open ${folder.path()}: it is a copy, and the log ${folder.path()}-wal belongs to the file that was here before; move ${folder.path()}-wal and ${folder.path()}-shm away to open the copy as it is`,
    );
    expect(readFileSync(folder.path())).toEqual(readFileSync(folder.path('copy.db')));
    expect(readFileSync(folder.path('orders.db-wal'))).toEqual(log);
  });

  it.each(copies)('opens as it was once the log is moved away, one by %s', async (_, copy) => {
    await crash(copy);
    renameSync(folder.path('copy.db'), folder.path());
    renameSync(folder.path('orders.db-wal'), folder.path('kept-wal'));
    rmSync(folder.path('orders.db-shm'));
    const storage = await folder.open();
    expect(await unsettledOf(storage)).toEqual(['copied']);
    expect(await storage.check()).toEqual([]);
  });

  it('without a copy, the log is brought in', async () => {
    await crash((storage) => storage.backup(folder.path('copy.db')));
    expect(await unsettledOf(await folder.open())).toHaveLength(51);
  });
});

describe('a file that lacks what makes it one of orders is refused, naming it', () => {
  /** What `.dump` and `.clone` of the sqlite3 shell carry over: tables and rows, and no pragma. */
  async function clone(pragmas = ''): Promise<string> {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.close();
    const path = folder.path('clone.db');
    const db = new DatabaseSync(path);
    db.exec(`ATTACH '${folder.path()}' AS original`);
    const made = db.prepare(
      `SELECT name, type, sql FROM original.sqlite_schema
       WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY type DESC`,
    );
    for (const { name, type, sql } of made.all()) {
      db.exec(String(sql));
      if (type === 'table') db.exec(`INSERT INTO main.${name} SELECT * FROM original.${name}`);
    }
    db.exec(`DETACH original; ${pragmas}`);
    db.close();
    return path;
  }

  const id = `PRAGMA application_id = ${applicationId}`;
  const version = `PRAGMA user_version = ${schemaVersion}`;
  const advice = `, as in a copy by .dump or .clone; copy with \`backup\`, or set \`${id}\` and the \`PRAGMA user_version\` of the original (this library's is ${schemaVersion})`;
  const noId = `its application_id is 0 and not ${applicationId}`;
  const noVersion = 'its user_version is 0, which no file of orders has';

  it.each([
    ['', `${noId}, and ${noVersion}`],
    [id, noVersion],
    [version, noId],
  ])('after %j', async (pragmas, lack) => {
    const path = await clone(pragmas);
    const before = readFileSync(path);
    const { message } = await rejection(folder.open({}, 'clone.db'));
    expect(message).toBe(
      `Could not open ${path}: it has the tables of orders, but ${lack}${advice}`,
    );
    expect(readFileSync(path)).toEqual(before);
    expect(folder.files()).not.toContain('clone.db-lock');
  });

  it('and opens when it was set', async () => {
    await clone(`${id}; ${version}`);
    expect(await unsettledOf(await folder.open({}, 'clone.db'))).toEqual(['a']);
  });

  it.each([
    ['DROP TABLE balances', 'it has no table balances'],
    ['DELETE FROM meta', 'its table meta is empty'],
  ])('after %s', async (sql, lack) => {
    await (await folder.open()).close();
    tamper(folder.path(), sql);
    expect((await rejection(folder.open())).message).toBe(
      `Could not open ${folder.path()}: ${lack}`,
    );
  });
});
