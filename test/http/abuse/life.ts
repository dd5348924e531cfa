/** A service in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { OrderProcessor, type OrderRecord } from '../../../src/index.ts';
import { SqliteStorage } from '../../../src/sqlite/index.ts';
import { steps } from './steps.ts';

export interface Service {
  readonly child: ChildProcess;
  readonly port: number;
  /** How it has ended, and what it had to say. */
  readonly ended: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    readonly complaint: string;
  }>;
}

export async function start(file: string, shutdownTimeoutMs: number): Promise<Service> {
  const program = join(import.meta.dirname, 'service.ts');
  const child = spawn(process.execPath, [program, file, `${shutdownTimeoutMs}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, complaint }));
  const lines = createInterface(child.stdout);
  const line = await Promise.race([once(lines, 'line'), ended]);
  if (!Array.isArray(line)) throw new Error(`Expected a service, got ${complaint}`);
  return { child, port: JSON.parse(line[0]).port, ended };
}

/** Takes a file up where the service has left it, and gives all that is in it when nothing is left to do. */
export async function afterwards(
  file: string,
): Promise<{ readonly orders: Map<string, OrderRecord>; readonly balances: Map<string, number> }> {
  const processor = new OrderProcessor({ storage: await SqliteStorage.open(file), steps });
  await processor.ready;
  await processor.onIdle();
  const orders = new Map<string, OrderRecord>();
  const balances = new Map<string, number>();
  let cursor: string | undefined;
  do {
    const page = await processor.orders({ limit: 1_000, cursor });
    for (const record of page.orders) orders.set(record.id, record);
    cursor = page.cursor;
  } while (cursor !== undefined);
  for (const { userId } of orders.values()) {
    if (!balances.has(userId)) balances.set(userId, (await processor.balance(userId)) ?? 0);
  }
  await processor.shutdown();
  return { orders, balances };
}
