/**
 * Why the file has a thread of its own: the same transactions on the main thread and in the worker,
 * beside a plain loop that does the same writes. Orders per second, and for how long the event loop was
 * held.
 *
 * ```sh
 * node test/bench/sqlite-thread.ts          # 200 000 orders, 10 000 users, 1 000 a transaction
 * node test/bench/sqlite-thread.ts 50000 10 # so many orders, so many a transaction
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { noResults } from '../../src/core/order/step-result.ts';
import type { NewOrder } from '../../src/core/order/stored-order.ts';
import type { Settlement } from '../../src/core/storage/order-storage.ts';
import { Database } from '../../src/sqlite/database/database.ts';
import { errorOf, isFailure } from '../../src/sqlite/failures.ts';
import { SqliteStorage } from '../../src/sqlite/index.ts';
import type { WriteKind } from '../../src/sqlite/thread/calls.ts';
import {
  readAcceptResults,
  readSettlementResults,
  writeNewOrders,
  writeSettlements,
} from '../../src/sqlite/thread/codec.ts';
import { Reader, Writer } from '../../src/sqlite/thread/wire.ts';

/** What a contender does with one batch. */
interface Contender {
  accept(orders: readonly NewOrder[]): unknown;
  settle(settlements: readonly Settlement[]): unknown;
  close(): unknown;
}

const users = 10_000;
const count = Number(process.argv[2] ?? 200_000);
const batchSize = Number(process.argv[3] ?? 1_000);

function settlement(index: number, isAccepted: boolean): Settlement {
  return {
    id: `order-${index}`,
    userId: `user-${(Math.imul(index, 2_654_435_761) >>> 0) % users}`,
    amount: 1 + (index % 100),
    orderedAmount: 1 + (index % 100),
    priority: 'medium',
    payload: undefined,
    content: undefined,
    labels: [],
    postings: [],
    acceptedAt: Date.now(),
    isAccepted,
    outcome: 'completed',
    error: undefined,
    steps: [],
    results: noResults,
    startedAt: Date.now(),
    settledAt: Date.now(),
    minBalance: undefined,
    isCompensable: false,
    isProvisional: false,
  };
}

function onMain(path: string): Contender {
  const durability = 'full';
  const database = new Database(path, { durability, maxBytes: undefined, reopened: undefined });
  const writer = new Writer();
  const call = (kind: WriteKind): Reader => {
    const [result] = database.commit([{ kind, message: writer.take() }]);
    if (result === undefined || isFailure(result)) throw result && errorOf(result);
    return new Reader(result);
  };
  return {
    accept(orders) {
      writeNewOrders(writer, orders);
      return readAcceptResults(call('accept'), orders.length);
    },
    settle(settlements) {
      writeSettlements(writer, settlements);
      return readSettlementResults(call('settle'), settlements.length);
    },
    close: () => database.close(),
  };
}

/** On the same tables: insert the order, update the balance, update the order. */
function raw(path: string): Contender {
  onMain(path).close();
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  const insert = db.prepare(
    `INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, life)
     VALUES (?, ?, ?, ?, 'pending', ?, 1)`,
  );
  const add = db.prepare(
    `INSERT INTO balances (user_id, balance) VALUES (?, ?)
     ON CONFLICT (user_id) DO UPDATE SET balance = balance + excluded.balance RETURNING balance`,
  );
  const update = db.prepare(
    `UPDATE orders SET status = 'completed', started_at = ?, settled_at = ?, balance = ?
     WHERE id = ?`,
  );
  const transact = (write: () => void): void => {
    db.exec('BEGIN IMMEDIATE');
    write();
    db.exec('COMMIT');
  };
  const keep = ({ id, userId, amount, priority, acceptedAt }: NewOrder): void => {
    insert.run(id, userId, amount, priority, acceptedAt);
  };
  return {
    accept: (orders) => transact(() => orders.forEach(keep)),
    settle: (settlements) =>
      transact(() => {
        for (const order of settlements) {
          if (!order.isAccepted) keep(order);
          const { balance } = add.get(order.userId, order.amount) as { balance: number };
          update.run(order.settledAt, order.settledAt, balance, order.id);
        }
      }),
    close: () => db.close(),
  };
}

const contenders: Readonly<Record<string, (path: string) => Contender | Promise<Contender>>> = {
  raw,
  main: onMain,
  worker: (path) => SqliteStorage.open(path),
};

/** Batches one after another, as a processor hands them over; turns of the event loop between. */
async function round(name: string, isJournaled: boolean): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'order-processor-bench-'));
  const contender = await contenders[name]?.(join(folder, 'orders.db'));
  if (contender === undefined) throw new Error(`No contender ${name}`);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  for (let at = 0; at < count; at += batchSize) {
    const batch = Array.from({ length: batchSize }, (_, k) => settlement(at + k, isJournaled));
    if (isJournaled) await contender.accept(batch);
    await contender.settle(batch);
    await setImmediate();
  }
  const seconds = (performance.now() - start) / 1_000;
  delay.disable();
  await contender.close();
  rmSync(folder, { recursive: true });
  const perSecond = Math.round(count / seconds).toLocaleString('en');
  return `${perSecond} orders/s, loop held for ${(delay.percentile(99) / 1e6).toFixed(1)} ms (p99)`;
}

for (const isJournaled of [false, true]) {
  console.log(isJournaled ? 'accepted, then settled:' : 'settled in one write:');
  for (const name of Object.keys(contenders)) {
    console.log(`  ${name.padEnd(6)} ${await round(name, isJournaled)}`);
  }
}
