/** What a storage does about locks that this process has dropped (see `HeldLocks`). */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { newOrder, useFolder } from '../helpers.ts';

const folder = useFolder();

it('does not lock the file anew without a pause while a connection of the host is in the way', async () => {
  const storage = await folder.open();
  await storage.accept([newOrder('a')]);
  const own = new DatabaseSync(folder.path());
  own.prepare('SELECT count(*) FROM orders').get();
  for (const end of ['', '-shm']) readFileSync(folder.path(`orders.db${end}`));
  const asked = vi.spyOn(Worker.prototype, 'postMessage');
  await storage.accept([newOrder('b')]);
  await sleep(1_000);
  // One to accept, and one to lock anew.
  expect(asked.mock.calls.length).toBeLessThanOrEqual(2);
  asked.mockRestore();
  own.close();
});
