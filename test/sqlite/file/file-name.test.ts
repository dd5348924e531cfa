/** One file has one name, one lock and one log, by every path (invariant 3). */
import { spawnSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SqliteStorage } from 'order-processor/sqlite';
import { describe, expect, it } from 'vitest';
import { newOrder, rejection, unsettledOf, useFolder } from '../helpers.ts';

const folder = useFolder();

describe('invariant 3: a symbolic link', () => {
  it('that leads to nothing yet leads to one file, opened by either name', async () => {
    mkdirSync(folder.path('far'));
    symlinkSync(join('far', 'middle.db'), folder.path('link.db'));
    symlinkSync('real.db', folder.path('far/middle.db'));
    const [one, other] = await Promise.allSettled([
      folder.open({}, 'link.db'),
      folder.open({}, 'far/real.db'),
    ]);
    const opened = [one, other].filter(({ status }) => status === 'fulfilled');
    expect(opened).toHaveLength(1);
    const { value: storage } = opened[0] as PromiseFulfilledResult<SqliteStorage>;
    expect(storage.path).toBe(folder.path('far/real.db'));
    const [refused] = [one, other].filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject({
      reason: { message: `The file ${storage.path} is in use by this process (${process.pid})` },
    });
    await storage.accept([newOrder('a')]);
    await storage.close();
    expect(folder.files()).toEqual(['far', 'link.db']);
    expect(await unsettledOf(await folder.open({}, 'far/middle.db'))).toEqual(['a']);
  });

  it('in place of the folder leads to the same file', async () => {
    mkdirSync(folder.path('far'));
    symlinkSync('far', folder.path('near'));
    await folder.open({}, 'near/orders.db');
    const { message } = await rejection(folder.open({}, 'far/orders.db'));
    expect(message).toContain(`${folder.path('far/orders.db')} is in use by this process`);
  });

  it('that leads to itself is refused', async () => {
    symlinkSync('link.db', folder.path('link.db'));
    const error = await rejection(folder.open({}, 'link.db'));
    expect(error.message).toContain('Could not open ');
    expect(error.cause).toMatchObject({ code: 'ELOOP' });
    expect(folder.files()).toEqual(['link.db']);
  });
});

describe('invariant 3: a hard link', () => {
  const refusal = (name: string): string =>
    `Could not open ${folder.path(name)}: it has 2 names (hard links), and a log and a lock for each; delete the others`;

  it('is refused while its file is open by another name', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    linkSync(folder.path(), folder.path('other.db'));
    expect((await rejection(folder.open({}, 'other.db'))).message).toBe(refusal('other.db'));
    expect(folder.files()).not.toContain('other.db-lock');
    await storage.accept([newOrder('b')]);
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
  });

  it('is refused by each name, until there is one again', async () => {
    await (await folder.open()).close();
    linkSync(folder.path(), folder.path('other.db'));
    for (const name of ['orders.db', 'other.db']) {
      expect((await rejection(folder.open({}, name))).message).toBe(refusal(name));
    }
    rmSync(folder.path('other.db'));
    await folder.open();
  });
});

const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(!canMount)('invariant 3: a mount of the file alone (needs `unshare -m`)', () => {
  it('is refused; one of its folder is the same file', async () => {
    const storage = await folder.open();
    mkdirSync(folder.path('box'));
    mkdirSync(folder.path('whole'));
    const entry = pathToFileURL(join(import.meta.dirname, '../../../src/sqlite/index.ts')).href;
    const program = `
      import { SqliteStorage } from ${JSON.stringify(entry)};
      for (const path of ['box/my orders.db', 'whole/orders.db']) {
        await SqliteStorage.open(path).then(
          () => console.log('open'), (error) => console.log(error.message));
      }`;
    const script = `
      touch 'box/my orders.db' && mount --bind orders.db 'box/my orders.db' && mount --bind . whole &&
      exec "$0" --input-type=module --eval "$1"`;
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, process.execPath, program],
      { cwd: folder.path('.'), encoding: 'utf8' },
    );
    const mounted = folder.path('box/my orders.db');
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      `Could not open ${mounted}: ${mounted} is mounted by itself, without what stands beside it; mount its folder`,
      `The file ${folder.path('whole/orders.db')} is in use by process ${process.pid}`,
    ]);
    await storage.accept([newOrder('a')]);
  });
});

it('the path is a file’s, and its folder exists', async () => {
  const error = await rejection(SqliteStorage.open(folder.path('none/orders.db')));
  expect(error.message).toMatch(/its folder does not exist or is not accessible$/);
});
