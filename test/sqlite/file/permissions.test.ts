/** Files of orders are for their user alone, and nothing of them lands elsewhere. */
import { chmodSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { settlement, tamper, useFolder } from '../helpers.ts';

const folder = useFolder();
const modeOf = (name: string) => (statSync(folder.path(name)).mode & 0o777).toString(8);

it.runIf(process.platform !== 'win32')('every file that is made has the mode 600', async () => {
  const storage = await folder.open();
  await storage.settle([settlement('a')]);
  await storage.list({ limit: 1 });
  await storage.backup(folder.path('copy.db'));
  const files = folder.files();
  expect(files).toEqual(
    expect.arrayContaining(['copy.db', 'orders.db', 'orders.db-lock', 'orders.db-wal']),
  );
  expect(files.map((name) => [name, modeOf(name)])).toEqual(files.map((name) => [name, '600']));
});

it.runIf(process.platform !== 'win32')('a file that is there keeps its mode', async () => {
  const first = await folder.open();
  await first.close();
  chmodSync(folder.path(), 0o640);
  const storage = await folder.open();
  await storage.settle([settlement('a')]);
  await storage.backup(folder.path('copy.db'));
  expect([modeOf('orders.db'), modeOf('orders.db-wal'), modeOf('copy.db')]).toEqual([
    '640',
    '640',
    '600',
  ]);
});

// A sort of fewer rows may have been in memory alone.
it.runIf(process.platform === 'linux' && isFull)(
  'check and backup make no temporary file, with 100 000 users',
  async () => {
    const storage = await folder.open({ durability: 'relaxed' });
    tamper(
      folder.path(),
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
       INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, settled_at, balance, life)
       SELECT 'o-' || i, 'u-' || i, 5, 'medium', 'completed', i, i, 5, 1 FROM n;
       INSERT INTO balances (user_id, balance) SELECT user_id, amount FROM orders WHERE id <> 'o-9';
       UPDATE balances SET balance = 6 WHERE user_id = 'u-99999'`,
    );
    const made = new Set<string>();
    let isOver = false;
    const checked = storage.check();
    const done = Promise.all([checked, storage.backup(folder.path('copy.db'))]).finally(() => {
      isOver = true;
    });
    while (!isOver) {
      for (const file of openFiles()) if (!file.startsWith(folder.path())) made.add(file);
      await setTimeout(5);
    }
    await done;
    expect(await checked).toEqual([
      'The balance of user "u-99999" is 6, but its orders sum up to 5',
      'The balance of user "u-9" is none, but its orders sum up to 5',
    ]);
    expect([...made].filter((file) => file.includes('etilqs'))).toEqual([]);
  },
  60_000,
);

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}
