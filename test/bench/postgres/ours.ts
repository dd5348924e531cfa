import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor, type Step } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import { Client } from 'pg';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import type { BenchOrder } from '../contenders.ts';
import { closedLoop, perSecond } from '../loops.ts';
import { onServer } from './server.ts';

interface OpenOptions {
  readonly steps?: readonly Step[];
  readonly capacity?: number;
  readonly name?: string;
}

async function open(
  { url }: PostgresServer,
  { steps = [], capacity = 10_000, name = 'bench' }: OpenOptions = {},
): Promise<OrderProcessor> {
  const storage = await PostgresStorage.open({ connectionString: url, name });
  const processor = new OrderProcessor({ storage, steps, capacity, concurrency: 2_000 });
  processor.on('completed', () => {});
  await processor.ready;
  return processor;
}

export const resolves: Step = { name: 'work', run: async () => true };

/** A closed loop through one processor. */
export function throughServer(
  orders: readonly BenchOrder[],
  steps: readonly Step[] = [],
): Promise<number> {
  return onServer(async (server) => {
    const processor = await open(server, { steps });
    const rate = await closedLoop((order) => processor.submit(order), orders, 2_000);
    await processor.shutdown();
    return rate;
  });
}

/** Enqueues all while nothing is processed, then processes all. */
export function drain(orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async (server) => {
    const processor = await open(server, { capacity: orders.length + 1 });
    processor.pause();
    const start = performance.now();
    await closedLoop((order) => processor.enqueue(order), orders, 2_000);
    processor.resume();
    await processor.onIdle();
    const rate = perSecond(orders.length, start);
    await processor.shutdown();
    return rate;
  });
}

/** What one processor has left waiting another one processes, which has room for the usual number of orders. */
export function backlog(orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async (server) => {
    const first = await open(server, { capacity: orders.length + 1 });
    first.pause();
    await closedLoop((order) => first.enqueue(order), orders, 2_000);
    await first.shutdown({ timeoutMs: 1 });
    const start = performance.now();
    const processor = await open(server);
    await processor.onIdle();
    const rate = perSecond(orders.length, start);
    await processor.shutdown();
    return rate;
  });
}

type Call = (order: BenchOrder) => Promise<unknown>;

/** One caller, one order after the other: milliseconds an order. */
async function millisecondsEach(orders: readonly BenchOrder[], call: Call): Promise<number> {
  const start = performance.now();
  for (const order of orders) await call(order);
  return (performance.now() - start) / orders.length;
}

/** Those whose partitions are owned by the processor of that name. */
async function ownedBy(
  name: string,
  orders: readonly BenchOrder[],
  client: Client,
): Promise<BenchOrder[]> {
  const { rows } = await client.query<{ part: number }>(
    `SELECT part FROM order_processor.partitions JOIN order_processor.processors ON owner = number
     WHERE name = $1`,
    [name],
  );
  const owned = new Set(rows.map(({ part }) => part));
  return orders.filter(({ userId }) => owned.has(partitionOf(userId, 64)));
}

/** How long one caller waits, over what a commit of one row takes beside it. */
export function oneCaller(
  orders: readonly BenchOrder[],
  what: 'acknowledged' | 'owner' | 'other',
): Promise<number> {
  return onServer(async (server) => {
    const processor = await open(server, { name: 'here' });
    const other = await open(server, { name: 'there' });
    await sleep(2_000); // until each has its share
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('CREATE TABLE bare (id text PRIMARY KEY)');
    const some = await ownedBy(what === 'other' ? 'there' : 'here', orders, client);
    const call: Call =
      what === 'acknowledged'
        ? (order) => processor.enqueue(order)
        : (order) => processor.submit(order);
    const bare = await millisecondsEach(some, ({ id }) =>
      client.query('INSERT INTO bare VALUES ($1)', [id]),
    );
    const took = await millisecondsEach(some, call);
    await client.end();
    await processor.shutdown();
    await other.shutdown();
    return took / bare;
  });
}

/** Clock ticks of a process so far: 100 a second. See proc(5). */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** What the sessions of an idle processor cost the server: milliseconds of CPU a second. */
export function idle(): Promise<number> {
  return onServer(async (server) => {
    const processor = await open(server);
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await sleep(2_000);
    const { rows } = await client.query<{ pids: number[] }>(
      'SELECT pids FROM order_processor.processors',
    );
    await client.end();
    const pids = rows[0]?.pids ?? [];
    const ticks = (): number => pids.reduce((sum, pid) => sum + ticksOf(pid), 0);
    const before = ticks();
    const seconds = 20;
    await sleep(seconds * 1_000);
    const milliseconds = (ticks() - before) * 10;
    await processor.shutdown();
    return milliseconds / seconds;
  });
}
