/** The log of a file is bounded (invariant 6): a reader makes it grow, and then it becomes short again. */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { settlement, useFolder } from '../helpers.ts';

const folder = useFolder();
const MB = 2 ** 20;
const bound = 20 * MB;
const log = () => statSync(`${folder.path()}-wal`).size;
const payload = 'x'.repeat(50_000);
const open = () => folder.open({ durability: 'relaxed' });
type Storage = Awaited<ReturnType<typeof open>>;

let count = 0;
/** Some 1 MB in a transaction. */
async function write(storage: Storage, megabytes: number): Promise<void> {
  for (let n = 0; n < megabytes; n += 1) {
    const orders = Array.from({ length: 20 }, () => settlement(`o-${count++}`, { payload }));
    await storage.settle(orders);
  }
}

async function untilShort(withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (log() > bound && performance.now() < deadline) await setTimeout(20);
  expect(log()).toBeLessThanOrEqual(bound);
}

it('is short again soon after a reader has gone, without a call', async () => {
  const storage = await open();
  await write(storage, 1);
  const reader = new DatabaseSync(folder.path(), { readOnly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM orders').get();
  await write(storage, 45);
  expect(log()).toBeGreaterThan(40 * MB);
  reader.exec('COMMIT');
  await untilShort(6_000);
  reader.close();
  expect(await storage.check()).toEqual([]);
});

it('is short again after a transaction that was larger', async () => {
  const storage = await open();
  await storage.settle(Array.from({ length: 600 }, () => settlement(`o-${count++}`, { payload })));
  expect(log()).toBeGreaterThan(bound);
  await untilShort(6_000);
});

it('stays bounded while orders and lists never pause', async () => {
  const storage = await open();
  await write(storage, 2);
  let isOver = false;
  const lists = [1, 2, 3].map(async () => {
    while (!isOver) await storage.list({ limit: 40 });
  });
  let longest = 0;
  for (let n = 0; n < 60; n += 1) {
    await write(storage, 1);
    longest = Math.max(longest, log());
  }
  isOver = true;
  await Promise.all(lists);
  expect(longest).toBeLessThan(2 * bound);
  await untilShort(6_000);
});

it('and the file are seen in sizes() and stats()', async () => {
  const storage = await open();
  await write(storage, 18);
  const fileBytes = statSync(folder.path()).size;
  expect(fileBytes).toBeGreaterThan(10 * MB);
  expect(storage.sizes()).toEqual({ fileBytes, logBytes: log() });
  await using processor = new OrderProcessor({ storage });
  expect(processor.stats().storageSizes).toEqual({ fileBytes, logBytes: log() });
});
