/** Care for the file: whose it is, who may open it, and what is left of it (invariant 10). */
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { SqliteStorage } from 'order-processor/sqlite';
import { describe, expect, it } from 'vitest';
import { schemaVersion } from '../../../src/sqlite/database/schema.ts';
import {
  ask,
  found,
  inProcess,
  newOrder,
  rejection,
  run,
  settlement,
  tamper,
  unsettledOf,
  useFolder,
} from '../helpers.ts';

const folder = useFolder();

function makeDatabase(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

describe('open', () => {
  it.each([
    ['missing', undefined],
    ['empty', ''],
  ])('makes a file where it is %s', async (_, text) => {
    if (text !== undefined) writeFileSync(folder.path(), text);
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    expect(storage.path).toBe(folder.path());
    expect(await unsettledOf(storage)).toEqual(['a']);
  });

  it('leaves the file and its lock behind, and no log', async () => {
    await (await folder.open()).close();
    expect(folder.files()).toEqual(['orders.db', 'orders.db-lock']);
  });

  it.each([
    ['text', (path: string) => writeFileSync(path, 'Dear diary, '.repeat(1_000))],
    ['a text of some bytes', (path: string) => writeFileSync(path, 'hi')],
    ['a foreign database', (path: string) => makeDatabase(path, 'CREATE TABLE orders (a)')],
    ['an empty foreign database', (path: string) => makeDatabase(path, 'PRAGMA user_version = 1')],
    [
      'a foreign database with a log',
      (path: string) => makeDatabase(path, 'PRAGMA journal_mode = WAL; CREATE TABLE a (b)'),
    ],
    [
      'a database of another application',
      (path: string) => makeDatabase(path, 'PRAGMA application_id = 7; PRAGMA user_version = 1'),
    ],
  ])('refuses %s and leaves no trace', async (name, make) => {
    make(folder.path());
    const before = readFileSync(folder.path());
    const { message } = await rejection(folder.open());
    const isDatabase = name.includes('database');
    expect(message).toBe(
      `Could not open ${folder.path()}: ${
        isDatabase ? 'it is an SQLite database, but not one of orders' : 'it is no SQLite database'
      }`,
    );
    expect(readFileSync(folder.path())).toEqual(before);
    expect(folder.files()).toEqual(['orders.db']);
  });

  it('refuses a file of a later version and leaves no trace', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.close();
    tamper(folder.path(), `PRAGMA user_version = ${schemaVersion + 1}`);
    rmSync(folder.path('orders.db-lock'));
    const before = readFileSync(folder.path());
    const { message } = await rejection(folder.open());
    expect(message).toContain(
      `its version is ${schemaVersion + 1}, and this library knows up to ${schemaVersion}`,
    );
    expect(readFileSync(folder.path())).toEqual(before);
    expect(folder.files()).toEqual(['orders.db']);
  });

  it('refuses to begin anew beside the log of a file that is gone', async () => {
    writeFileSync(folder.path('orders.db-wal'), 'the only copy');
    const { message } = await rejection(folder.open());
    expect(message).toMatch(/it is missing or empty, but .*-wal is not$/);
    expect(folder.files()).toEqual(['orders.db-wal']);
  });

  it('refuses a folder that does not exist, with the cause', async () => {
    const error = await rejection(folder.open({}, 'none/orders.db'));
    expect(error.message).toMatch(/its folder does not exist or is not accessible$/);
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });

  it('refuses a folder in place of the file', async () => {
    mkdirSync(folder.path());
    const { message } = await rejection(folder.open());
    expect(message).toBe(`Could not open ${folder.path()}: it is a folder`);
    expect(folder.files()).toEqual(['orders.db']);
  });

  it.each([':memory:', 'file::memory:?cache=shared', 'file:a?cache=shared&mode=memory'])(
    'refuses what is no file: %s',
    async (path) => {
      const error = await rejection(SqliteStorage.open(path));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toContain('MemoryStorage');
    },
  );

  it('refuses a lock that is a file of another program', async () => {
    makeDatabase(folder.path('orders.db-lock'), 'CREATE TABLE mine (a)');
    const before = readFileSync(folder.path('orders.db-lock'));
    const error = await rejection(folder.open());
    expect((error.cause as Error).message).toMatch(/is an SQLite database, but no lock$/);
    expect(readFileSync(folder.path('orders.db-lock'))).toEqual(before);
  });

  it('makes what is called SqliteStorage, also when it was built', async () => {
    const outfile = folder.path('built.mjs');
    const entryPoints = [join(import.meta.dirname, '../../../src/sqlite/index.ts')];
    await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node' });
    const built = await import(/* @vite-ignore */ pathToFileURL(outfile).href);
    expect(built.SqliteStorage.name).toBe('SqliteStorage');
  });

  it.each([
    [[1], 'Expected `path` to be the path of a file, got `1`'],
    [[''], 'Expected `path` to be the path of a file, got `""`'],
    [
      ['a', { durability: 'none' }],
      "Expected `durability` to be 'full' or 'relaxed', got `\"none\"`",
    ],
    [['a', { maxBytes: 10 }], 'Expected `maxBytes` to be an integer from 65536 up, got `10`'],
    [
      ['a', { sync: true }],
      'Expected the options of SqliteStorage to be among durability, maxBytes, waitMs, retain, got `sync`',
    ],
  ])('checks its options: %j', async (values, message) => {
    const open = SqliteStorage.open as (...values: unknown[]) => Promise<unknown>;
    expect((await rejection(open(...values))).message).toBe(message);
    expect(folder.files()).toEqual([]);
  });
});

// Root may read everything, so the tests run as another user.
describe.skipIf(process.platform === 'win32')('without permission', () => {
  const nobody = process.getuid?.() === 0 ? 65_534 : undefined;
  const uid = nobody ?? process.getuid?.();
  const message = (...parts: string[]): RegExp => new RegExp(parts.join(`${uid}`));
  const code = `
    try {
      await SqliteStorage.open(path);
      console.log('open');
    } catch (error) {
      console.log(error.message, '|', error.cause?.message);
    }`;

  async function prepare(): Promise<void> {
    await (await folder.open()).close();
    chmodSync(dirname(folder.path()), 0o777);
    chmodSync(folder.path(), 0o666);
    chmodSync(folder.path('orders.db-lock'), 0o666);
  }

  it('opens where all is allowed: the others fail for what they take away', async () => {
    await prepare();
    expect((await run(folder.path(), code, nobody)).text).toBe('open\n');
  });

  it('refuses a file that can only be read', async () => {
    await prepare();
    chmodSync(folder.path(), 0o444);
    const { text } = await run(folder.path(), code, nobody);
    expect(text).toMatch(
      message(
        ': it is read-only: the user .*',
        '.* may not write .*orders\\.db, which .* mode 0444 \\| attempt to write',
      ),
    );
  });

  it.each(['-lock', '-owner'])('refuses a file whose %s can only be read', async (end) => {
    await prepare();
    writeFileSync(folder.path(`orders.db${end}`), '');
    chmodSync(folder.path(`orders.db${end}`), 0o444);
    const { text } = await run(folder.path(), code, nobody);
    expect(text).toMatch(
      message('the user .*', '.* may not write .*orders\\.db-(lock|owner), which is of user '),
    );
  });

  it('refuses a file in a folder that may not be entered', async () => {
    await prepare();
    chmodSync(dirname(folder.path()), 0o600);
    const { text } = await run(folder.path(), code, nobody);
    chmodSync(dirname(folder.path()), 0o777);
    expect(text).toMatch(
      message(': the user .*', '.* may not enter .*, which .* mode 0600 \\| EACCES'),
    );
  });

  it('refuses a folder that can only be read', async () => {
    await prepare();
    rmSync(folder.path('orders.db-lock'));
    chmodSync(dirname(folder.path()), 0o555);
    const { text } = await run(folder.path(), code, nobody);
    chmodSync(dirname(folder.path()), 0o777);
    expect(text).toMatch(
      message(
        'its lock .* cannot be opened: the user .*',
        '.* may not make files in .* mode 0555 \\| unable to open',
      ),
    );
  });
});

describe('a file in use', () => {
  it('is refused to this process, by every path, until it is closed', async () => {
    const storage = await folder.open();
    symlinkSync(folder.path(), folder.path('link.db'));
    for (const name of ['orders.db', 'link.db']) {
      expect((await rejection(folder.open({}, name))).message).toBe(
        `The file ${folder.path()} is in use by this process (${process.pid})`,
      );
    }
    await storage.accept([newOrder('a')]);
    await storage.close();
    expect(await unsettledOf(await folder.open({}, 'link.db'))).toEqual(['a']);
  });

  it('is refused to another process, with the owner in the error', async () => {
    await folder.open();
    const { text } = await run(
      folder.path(),
      'await SqliteStorage.open(path).catch((error) => console.log(error.message));',
    );
    expect(text).toBe(`The file ${folder.path()} is in use by process ${process.pid}\n`);
  });

  it('is free when its process was killed, and has what was acknowledged (invariant 9)', async () => {
    const order = JSON.stringify(newOrder('a'));
    const child = inProcess(
      folder.path(),
      `const storage = await SqliteStorage.open(path);
       await storage.accept([${order}]);
       console.log('accepted');
       setInterval(() => {}, 1_000);`,
    );
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    expect((await rejection(folder.open())).message).toContain(`in use by process ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const storage = await folder.open();
    expect(await found(storage, 'a')).toMatchObject({ id: 'a', attempt: 2 });
  });

  it('can be read by others while it runs', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a'), newOrder('b')]);
    await storage.settle([settlement('a', { isAccepted: true, amount: 7 })]);
    const sql = `SELECT status, count(*) AS count, sum(balance) AS balance FROM orders
      GROUP BY status ORDER BY status`;
    const { text } = await run(
      folder.path(),
      `import { DatabaseSync } from 'node:sqlite';
       const db = new DatabaseSync(path, { readOnly: true });
       console.log(JSON.stringify(db.prepare(${JSON.stringify(sql)}).all()));`,
    );
    expect(JSON.parse(text)).toEqual([
      { status: 'completed', count: 1, balance: 7 },
      { status: 'pending', count: 1, balance: null },
    ]);
    await storage.accept([newOrder('c')]);
    expect(await unsettledOf(storage)).toEqual(['b', 'c']);
  });
});

describe('a file that is lost while it is open is no success (invariant 10)', () => {
  const lost = /was deleted, moved or replaced while it was open$/;

  it('deleted: rejects, makes no other in its place, and goes on when it is back', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    renameSync(folder.path(), folder.path('elsewhere.db'));
    expect((await rejection(storage.accept([newOrder('b')]))).message).toMatch(lost);
    expect((await rejection(storage.accept([]))).message).toMatch(lost);
    expect(existsSync(folder.path())).toBe(false);
    renameSync(folder.path('elsewhere.db'), folder.path());
    await storage.accept([newOrder('b')]);
    // Written before the loss was noticed, or now: rule 6 of OrderStorage.
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
    expect((await found(storage, 'a')).attempt).toBe(1);
  });

  it('replaced: rejects every later call, since it is another', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.backup(folder.path('copy.db'));
    rmSync(folder.path());
    copyFileSync(folder.path('copy.db'), folder.path());
    for (let time = 0; time < 3; time += 1) {
      expect((await rejection(storage.accept([newOrder('b')]))).message).toMatch(lost);
    }
    await storage.close();
    expect(ask(folder.path(), 'SELECT id FROM orders')).toEqual([{ id: 'a' }]);
  });

  it('its lock deleted: rejects every later call, and leaves the file to another storage', async () => {
    const storage = await folder.open();
    await storage.apply([{ orderId: 'a', userId: 'u-1', amount: 5, minBalance: undefined }]);
    rmSync(folder.path('orders.db-lock'));
    const second = await folder.open();
    for (let time = 0; time < 3; time += 1) {
      const { message } = await rejection(storage.accept([newOrder(`late-${time}`)]));
      expect(message).toMatch(/another storage meanwhile|its lock .*-lock was deleted, moved or/);
    }
    expect(await unsettledOf(second)).toEqual([]);
    await second.accept([newOrder('b')]);
    await storage.close();
    await second.accept([newOrder('c')]);
    expect(await unsettledOf(second)).toEqual(['b', 'c']);
  });

  it('its lock deleted while no thread runs: no other thread writes', async () => {
    const storage = await folder.open();
    await storage.killThread();
    rmSync(folder.path('orders.db-lock'));
    expect((await rejection(storage.accept([newOrder('a')]))).message).toContain('its lock ');
    expect(await unsettledOf(await folder.open())).toEqual([]);
  });

  it('its log deleted: rejects, and loses nothing', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    rmSync(folder.path('orders.db-wal'));
    expect((await rejection(storage.accept([newOrder('b')]))).message).toMatch(lost);
    await storage.accept([newOrder('b'), newOrder('c')]);
    expect(await unsettledOf(storage)).toEqual(['a', 'b', 'c']);
    expect(await storage.check()).toEqual([]);
  });
});
