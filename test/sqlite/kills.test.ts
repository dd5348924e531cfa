/** A file opens again after its process was killed at any write (invariant 9). `npm run crash` takes them all. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { openAfterFirstStarts } from '../crash/first-starts.ts';
import { killInCheckpoint } from '../crash/killed-processes.ts';
import { canTrace } from '../crash/strace.ts';
import { isFull } from '../kit/full.ts';
import { newOrder, rejection, unsettledOf, useFolder } from './helpers.ts';

const folder = useFolder();
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** The files of a storage as they are now, as a kill would leave them. */
function copyTo(name: string): string {
  for (const end of ['', '-wal', '-journal', '-lock', '-owner']) {
    if (existsSync(folder.path(`orders.db${end}`))) {
      copyFileSync(folder.path(`orders.db${end}`), folder.path(name + end));
    }
  }
  return folder.path(name);
}

/** The pages of a log as a checkpoint writes them: the last state of each, by number. */
function pagesOf(log: Buffer): { readonly at: number; readonly bytes: Buffer }[] {
  const size = log.readUInt32BE(8);
  const pages = new Map<number, Buffer>();
  for (let at = 32; at + 24 + size <= log.length; at += 24 + size) {
    pages.set(log.readUInt32BE(at), log.subarray(at + 24, at + 24 + size));
  }
  return [...pages]
    .toSorted(([one], [other]) => one - other)
    .map(([number, bytes]) => ({ at: (number - 1) * size, bytes }));
}

describe('invariant 9: killed in the middle of a checkpoint', () => {
  it('opens again with every order, after a kill at any page', {
    timeout: 60_000,
  }, async () => {
    const storage = await folder.open();
    const ids = range(300).map((n) => `o-${n}`);
    for (let at = 0; at < ids.length; at += 20) {
      await storage.accept(
        ids
          .slice(at, at + 20)
          .map((id) => newOrder(id, { userId: `u-${id}`, payload: 'x'.repeat(300) })),
      );
    }
    const pages = pagesOf(readFileSync(folder.path('orders.db-wal')));
    expect(pages.length).toBeGreaterThan(20);
    for (const count of [1, 2, 3, 8, pages.length - 1]) {
      const name = `killed-${count}.db`;
      const file = readFileSync(copyTo(name));
      const end = Math.max(
        file.length,
        ...pages.slice(0, count).map(({ at, bytes }) => at + bytes.length),
      );
      const written = Buffer.concat([file, Buffer.alloc(end - file.length)]);
      for (const { at, bytes } of pages.slice(0, count)) bytes.copy(written, at);
      writeFileSync(folder.path(name), written);
      const again = await folder.open({}, name);
      expect(await unsettledOf(again)).toEqual(ids);
      expect(await again.check()).toEqual([]);
      await again.close();
    }
  });

  it.skipIf(!canTrace || !isFull)(
    'the same with a real process (needs strace)',
    { timeout: 120_000 },
    async () => {
      const { faults, acknowledged } = await killInCheckpoint(folder.path('traced.db'), 'plain', 3);
      expect(faults).toEqual([]);
      expect(acknowledged).toBeGreaterThan(20);
    },
  );
});

describe('invariant 9: killed in the very first start', () => {
  it('an empty file opens', async () => {
    writeFileSync(folder.path(), '');
    writeFileSync(folder.path('orders.db-lock'), '');
    writeFileSync(folder.path('orders.db-owner'), '{"pid"');
    expect(await unsettledOf(await folder.open())).toEqual([]);
  });

  it('a file that is half made opens, for its journal is beside it', async () => {
    const db = new DatabaseSync(folder.path());
    // Pages are written before the transaction ends when there is no room for them in memory.
    db.exec('PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; CREATE TABLE filling (a)');
    for (const n of range(200)) db.exec(`INSERT INTO filling VALUES ('${'x'.repeat(2_000)}${n}')`);
    const name = copyTo('killed.db');
    db.close();
    expect(readFileSync(name).length).toBeGreaterThan(0);
    expect(existsSync(`${name}-journal`)).toBe(true);
    const storage = await folder.open({}, 'killed.db');
    await storage.accept([newOrder('a')]);
    expect(await storage.check()).toEqual([]);
  });

  it.skipIf(!canTrace || !isFull)(
    'the same with real processes (needs strace)',
    { timeout: 120_000 },
    async () => {
      const file = join(folder.path('.'), 'traced.db');
      expect(await openAfterFirstStarts(file, [''], [2, 5, 8, 12])).toEqual([]);
      expect(await openAfterFirstStarts(file, ['-lock', '-owner'], [1])).toEqual([]);
    },
  );
});

it('invariant 9: after a full disk and an orderly end, what was acknowledged opens again', async () => {
  const storage = await folder.open();
  await storage.accept(range(50).map((n) => newOrder(`o-${n}`, { payload: 'x'.repeat(3_000) })));
  const name = copyTo('full.db');
  // The checkpoint at the end had room for the first pages only.
  const [first] = pagesOf(readFileSync(`${name}-wal`));
  const bytes = readFileSync(name);
  first?.bytes.copy(bytes, first.at);
  writeFileSync(name, bytes);
  expect(await unsettledOf(await folder.open({}, 'full.db'))).toHaveLength(50);
});

it.skipIf(process.platform === 'win32')(
  'a file that opens on a full disk is refused for that, and not left with a storage that can never write',
  async () => {
    const storage = await folder.open();
    await storage.accept(range(50).map((n) => newOrder(`o-${n}`, { payload: 'x'.repeat(3_000) })));
    const name = copyTo('full.db');
    const entry = join(import.meta.dirname, '../../src/sqlite/index.ts');
    const program = `
      import { SqliteStorage } from ${JSON.stringify(entry)};
      const storage = await SqliteStorage.open(${JSON.stringify(name)});
      await storage.amend('o-1', []);`;
    const node = [process.execPath, '--input-type=module', '--eval', program];
    // The log is longer than any file may become.
    const { stderr } = spawnSync('sh', ['-c', 'ulimit -f 100; exec "$@"', 'sh', ...node]);
    expect(String(stderr)).toMatch(
      /Could not open \S+full\.db: reading or writing the disk failed/,
    );
    expect(await unsettledOf(await folder.open({}, 'full.db'))).toHaveLength(50);
  },
);

it('a log without its file is not thrown away', async () => {
  const storage = await folder.open();
  await storage.accept([newOrder('a')]);
  copyTo('gone.db');
  writeFileSync(folder.path('gone.db'), '');
  const { message } = await rejection(folder.open({}, 'gone.db'));
  expect(message).toMatch(/it is missing or empty, but .*gone\.db-wal is not$/);
  expect(readFileSync(folder.path('gone.db-wal')).length).toBeGreaterThan(0);
});
