import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { SqliteStorage, type SqliteStorageOptions } from 'order-processor/sqlite';
import { afterEach, beforeEach } from 'vitest';
import type { NewOrder, StoredOrder } from '../../src/core/order/stored-order.ts';
import type { Settlement } from '../../src/core/storage/order-storage.ts';

/** What a test opens and makes; all of it is gone after the test. */
export function useFolder() {
  let folder = '';
  const open = new Set<SqliteStorage>();
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'order-processor-'));
  });
  afterEach(async () => {
    for (const storage of open) await storage.close();
    open.clear();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    path: (name = 'orders.db') => join(folder, name),
    files: () => readdirSync(folder).sort(),
    async open(options?: SqliteStorageOptions, name?: string): Promise<SqliteStorage> {
      const storage = await SqliteStorage.open(join(folder, name ?? 'orders.db'), options);
      open.add(storage);
      return storage;
    },
  };
}

export function newOrder(id: string, fields: Partial<NewOrder> = {}): NewOrder {
  const payload = 'payload' in fields ? fields.payload : undefined;
  return {
    id,
    userId: 'u-1',
    amount: 1,
    priority: 'medium',
    payload,
    content: payload,
    labels: [],
    postings: [],
    acceptedAt: 1_000,
    ...fields,
  };
}

export function settlement(id: string, fields: Partial<Settlement> = {}): Settlement {
  return {
    ...newOrder(id, fields),
    orderedAmount: fields.amount ?? 1,
    results: {},
    isAccepted: false,
    outcome: 'completed',
    error: undefined,
    steps: [],
    startedAt: 1_001,
    settledAt: 1_002,
    minBalance: undefined,
    isCompensable: false,
    isProvisional: false,
    ...fields,
  };
}

/** The ids of all unsettled orders, in order. */
export async function unsettledOf(storage: SqliteStorage): Promise<string[]> {
  const ids: string[] = [];
  for await (const page of storage.unsettled()) ids.push(...page.map(({ id }) => id));
  return ids;
}

export async function found(storage: SqliteStorage, id: string): Promise<StoredOrder> {
  const order = await storage.find(id);
  if (order === undefined) throw new Error(`No order ${id}`);
  return order;
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  const value = await promise.catch((error: unknown) => ({ error }));
  const error = (value as { error?: unknown } | undefined)?.error;
  if (error instanceof Error) return error;
  throw new Error(`Expected a rejection, got ${JSON.stringify(value)}`);
}

/** What another connection sees. */
export function ask(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

/** Writes behind the storage's back. */
export function tamper(path: string, sql: string): void {
  const db = new DatabaseSync(path, { timeout: 1_000 });
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
}

/** How many transactions the log holds: each ends with a frame that says how large the file is then. */
export function transactionsOf(path: string): number {
  const log = readFileSync(`${path}-wal`);
  const pageSize = log.readUInt32BE(8);
  const salt = log.subarray(16, 24);
  let count = 0;
  for (let at = 32; at + 24 + pageSize <= log.length; at += 24 + pageSize) {
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    if (log.readUInt32BE(at + 4) > 0) count += 1;
  }
  return count;
}

const entry = pathToFileURL(join(import.meta.dirname, '../../src/sqlite/index.ts'));

/** A program in a process of its own, with `SqliteStorage` and `path`. */
export function inProcess(path: string, code: string, uid?: number): ChildProcess {
  const program = `
    import { SqliteStorage } from ${JSON.stringify(entry.href)};
    const path = ${JSON.stringify(path)};
    ${code}`;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
}

/** What such a program prints, and what it ends with. */
export async function run(
  path: string,
  code: string,
  uid?: number,
): Promise<{ readonly text: string; readonly exitCode: number | null }> {
  const child = inProcess(path, code, uid);
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += String(chunk);
  });
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { text, exitCode };
}
