/** A consumer that stores its cursor with what it makes of an outcome has each once, however often it is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderError, OrderProcessor } from 'order-processor';
import { createOrderApp, serve } from 'order-processor/http';
import { SqliteStorage } from 'order-processor/sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { range } from '../kit/helpers.ts';
import { ConsumerTable } from './consumer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orders-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A process of the program, and when it has first written something. */
function start(program: string, ...args: readonly string[]) {
  const path = join(import.meta.dirname, program);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const works = once(child.stdout as Readable, 'data');
  return {
    works: Promise.race([works, ended]),
    async kill(): Promise<void> {
      child.kill('SIGKILL');
      await ended;
      expect(child.signalCode).toBe('SIGKILL');
    },
  };
}

/** What a storage has settled, as a consumer stores it. */
async function settledOf(storage: SqliteStorage): Promise<readonly unknown[]> {
  const rows: unknown[] = [];
  for (let after = 0; ; ) {
    const { orders, next } = await storage.settled({ after, limit: 1_000 });
    if (next === after) return rows;
    for (const { settlement: sequence, id, userId, status } of orders) {
      rows.push({ sequence, id, userId, status });
    }
    after = next;
  }
}

/** Hands orders in until it is stopped: transfers, orders that fail, and canceled ones. */
async function submitUntil(processor: OrderProcessor, isStopped: () => boolean): Promise<void> {
  for (let at = 0; !isStopped(); at += 1) {
    const batch = range(20).map((each) => {
      const userId = `u-${each % 7}`;
      const postings = each % 3 === 0 ? [{ userId: `u-${(each + 1) % 7}`, amount: 2 }] : [];
      return { id: `o-${at}-${each}`, userId, amount: each % 3 === 0 ? -2 : 1, postings };
    });
    const waiting = await processor.enqueue({ id: `c-${at}`, userId: 'paused', amount: 1 });
    await Promise.all([processor.submitMany(batch), processor.cancel(waiting.id)]);
    await sleep(10);
  }
}

it('invariant 3: the feed read by a consumer that dies at random gives each outcome once and in order', {
  timeout: 60_000,
}, async () => {
  const storage = await SqliteStorage.open(join(folder, 'orders.db'), { durability: 'relaxed' });
  const step = {
    name: 'check',
    run: ({ id }: { id: string }) => {
      if (id.endsWith('5')) throw new OrderError('declined', 'No');
    },
  };
  const processor = new OrderProcessor({ storage, steps: [step] });
  processor.pause('paused');
  const app = createOrderApp(processor, { events: { readers: 100 } });
  const server = await serve(app, { port: 0, processor, signals: [] });
  let isStopped = false;
  const submitting = submitUntil(processor, () => isStopped);
  const path = join(folder, 'consumer.db');
  for (const at of range(isFull ? 40 : 4)) {
    const consumer = start('consumer.ts', path, server.url);
    // Some are killed before they have stored anything.
    if (at % 4 === 3) await sleep(Math.random() * 60);
    else await consumer.works.then(() => sleep(Math.random() * 60));
    await consumer.kill();
  }
  isStopped = true;
  await submitting;
  await processor.onIdle();
  const expected = await settledOf(storage);
  const last = start('consumer.ts', path, server.url);
  const table = new ConsumerTable(path);
  while (table.count < expected.length) await sleep(5);
  await last.kill();
  expect(table.rows).toEqual(expected);
  expect(expected.length).toBeGreaterThan(100);
  table.close();
  await server.close();
});

it.skipIf(!isFull)(
  'invariants 3 and 9: so it is when the processor dies with its consumer',
  { timeout: 120_000 },
  async () => {
    const [orders, path] = [join(folder, 'orders.db'), join(folder, 'consumer.db')];
    for (const at of range(10)) {
      const host = start('consuming-host.ts', orders, path, `${at}`);
      if (at % 4 === 3) await sleep(Math.random() * 600);
      else await host.works.then(() => sleep(Math.random() * 200));
      await host.kill();
    }
    const processor = new OrderProcessor({ storage: await SqliteStorage.open(orders) });
    await processor.ready;
    await processor.onIdle();
    await processor.shutdown();
    const storage = await SqliteStorage.open(orders);
    const expected = await settledOf(storage);
    await storage.close();
    const last = start('consuming-host.ts', orders, path);
    const table = new ConsumerTable(path);
    while (table.count < expected.length) await sleep(5);
    await last.kill();
    expect(table.rows).toEqual(expected);
    expect(expected.length).toBeGreaterThan(100);
    table.close();
  },
);
