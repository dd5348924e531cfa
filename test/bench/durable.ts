import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { OrderProcessor, type Step } from 'order-processor';
import { SqliteStorage } from 'order-processor/sqlite';
import { configure } from '../../src/sqlite/database/database.ts';
import type { BenchOrder } from './contenders.ts';
import { closedLoop, heapUsed, perSecond } from './loops.ts';

/** Gives each round a file of its own. */
export async function onFile<T>(work: (file: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'order-processor-bench-'));
  try {
    return await work(join(folder, 'orders.db'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same schema and settings as ours, so that the same is written. */
function openRaw(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  configure(db, { durability: 'full', maxBytes: undefined, reopened: undefined });
  return db;
}

const transaction = 1_000;

/**
 * The limit: a loop on the main thread that inserts each order, updates its user's balance and the
 * order, in transactions of 1 000.
 */
export async function raw(orders: readonly BenchOrder[]): Promise<number> {
  return onFile(async (file) => {
    const db = openRaw(file);
    const insert = db.prepare(
      `INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, life)
       VALUES (?, ?, ?, 'medium', 'pending', ?, 1)`,
    );
    const change = db.prepare(
      `INSERT INTO balances (user_id, balance) VALUES (?, ?)
       ON CONFLICT (user_id) DO UPDATE SET balance = balance + excluded.balance RETURNING balance`,
    );
    const settle = db.prepare(
      `UPDATE orders SET status = 'completed', started_at = ?, settled_at = ?, balance = ? WHERE id = ?`,
    );
    const start = performance.now();
    for (let at = 0; at < orders.length; at += transaction) {
      db.exec('BEGIN IMMEDIATE');
      for (const { id, userId, amount } of orders.slice(at, at + transaction)) {
        const now = Date.now();
        insert.run(id, userId, amount, now);
        const row = change.get(userId, amount) as { balance: number };
        settle.run(now, now, row.balance, id);
      }
      db.exec('COMMIT');
    }
    const rate = perSecond(orders.length, start);
    db.close();
    return rate;
  });
}

export const instant: Step = { name: 'work', run: () => true };

async function openOurs(file: string, steps: readonly Step[] = []): Promise<OrderProcessor> {
  const processor = new OrderProcessor({ storage: await SqliteStorage.open(file), steps });
  processor.on('completed', () => {});
  await processor.ready;
  return processor;
}

interface ThroughFile {
  readonly inFlight?: number;
  readonly step?: Step;
  /** Whether a consumer reads all outcomes meanwhile. */
  readonly hasConsumer?: boolean;
}

/** A closed loop through a processor on a file of its own. */
export function throughFile(
  orders: BenchOrder[],
  { inFlight = 1_000, step, hasConsumer = false }: ThroughFile = {},
): Promise<number> {
  return onFile(async (file) => {
    const processor = await openOurs(file, step === undefined ? [] : [step]);
    const consumed = hasConsumer ? consume(processor, orders.length) : undefined;
    const rate = await closedLoop((order) => processor.submit(order), orders, inFlight);
    await consumed;
    await processor.shutdown();
    return rate;
  });
}

/** Reads outcomes until it has so many. */
async function consume(processor: OrderProcessor, count: number): Promise<void> {
  let left = count;
  for await (const { sequence } of processor.outcomes()) {
    left -= sequence > 0 ? 1 : 0;
    if (left === 0) return;
  }
}

/** The limit for one caller: two transactions one after the other, each waiting for the disk. */
export function twoCommits(count: number): Promise<number> {
  return onFile(async (file) => {
    const db = openRaw(file);
    const set = db.prepare('UPDATE meta SET life = ?');
    const start = performance.now();
    for (let at = 0; at < count * 2; at += 1) set.run(at);
    const rate = perSecond(count, start);
    db.close();
    return rate;
  });
}

/** The 99th percentile of the event loop's delay under full load, in milliseconds. */
export function delayUnderLoad(orders: BenchOrder[]): Promise<number> {
  return onFile(async (file) => {
    const processor = await openOurs(file);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await closedLoop((order) => processor.submit(order), orders, 1_000);
    delay.disable();
    await processor.shutdown();
    // The timer's own wait does not count as a hold.
    return delay.percentile(99) / 1e6 - 1;
  });
}

function fill(file: string, orders: readonly BenchOrder[]): void {
  const db = openRaw(file);
  const insert = db.prepare(
    `INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, life)
     VALUES (?, ?, ?, 'medium', 'pending', ?, 1)`,
  );
  db.exec('PRAGMA synchronous = OFF; BEGIN');
  for (const { id, userId, amount } of orders) insert.run(id, userId, amount, 1_700_000_000_000);
  db.exec('COMMIT');
  db.close();
}

/** Orders per second that a start takes up and settles. */
export function recovery(orders: readonly BenchOrder[]): Promise<number> {
  return onFile(async (file) => {
    fill(file, orders);
    const start = performance.now();
    const processor = await openOurs(file);
    await processor.onIdle();
    const rate = perSecond(processor.recovered, start);
    await processor.shutdown();
    return rate;
  });
}

/** The greatest heap of the main thread while so many are taken up, in megabytes beyond the start. */
export function recoveryHeap(orders: readonly BenchOrder[]): Promise<number> {
  return onFile(async (file) => {
    fill(file, orders);
    const before = await heapUsed();
    let most = 0;
    const timer = setInterval(() => {
      globalThis.gc?.();
      most = Math.max(most, process.memoryUsage().heapUsed);
    }, 500);
    const processor = await openOurs(file);
    await processor.onIdle();
    clearInterval(timer);
    await processor.shutdown();
    return (most - before) / 1e6;
  });
}
