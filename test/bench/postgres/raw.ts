import { OrderProcessor } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import { Client } from 'pg';
import { acceptStatement, columnArrays } from '../../../src/postgres/statements/accept.ts';
import { settleStatement } from '../../../src/postgres/statements/settle.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import type { BenchOrder } from '../contenders.ts';
import { perSecond } from '../loops.ts';
import { onServer } from './server.ts';

const partitions = 64;
const batch = 1_000;
const number = 999_999;
const token = '00000000-0000-4000-8000-000000000000';

/** A session that owns all partitions, on tables as ours are. */
async function openRaw(connectionString: string): Promise<Client> {
  const storage = await PostgresStorage.open({ connectionString });
  await new OrderProcessor({ storage }).shutdown();
  const client = new Client({ connectionString });
  // A round that fails ends its server first.
  client.on('error', () => {});
  await client.connect();
  await client.query('SET search_path = order_processor');
  await client.query(
    `INSERT INTO processors (number, token, name, pids) VALUES ($1, $2, 'raw', '{}')`,
    [number, token],
  );
  await client.query('UPDATE partitions SET owner = $1', [number]);
  return client;
}

/** The statement that accepts, on so many orders; their sequences. */
async function accept(client: Client, orders: readonly BenchOrder[]): Promise<string> {
  const acceptedAt = Date.now();
  const rows = orders.map(({ id, userId, amount }) => {
    const none = { notBefore: null, expiresAt: null, payload: null, content: null, labels: null };
    const part = partitionOf(userId, partitions);
    return {
      id,
      userId,
      part,
      amount,
      priority: 1,
      acceptedAt,
      ...none,
      postings: null,
      retryOf: null,
      trace: null,
    };
  });
  const isAwaited = `{${orders.map(() => 't').join()}}`;
  const values = [...columnArrays(rows), isAwaited, number, 1];
  const { rows: answers } = await client.query({ ...acceptStatement, values });
  return (answers[0] as { drawn: string }).drawn;
}

/** The statement that settles them: all complete. */
async function settle(
  client: Client,
  orders: readonly BenchOrder[],
  sequences: string,
): Promise<void> {
  const users = [...new Set(orders.map(({ userId }) => userId))].sort();
  const places = new Map(users.map((userId, at) => [userId, at]));
  const totals = users.map(() => 0);
  const accounts: number[] = [];
  const prefixes: number[] = [];
  let parts = 0n;
  for (const { userId, amount } of orders) {
    const at = places.get(userId) as number;
    totals[at] = (totals[at] as number) + amount;
    accounts.push(at + 1);
    prefixes.push(totals[at] as number);
    parts |= 1n << BigInt(partitionOf(userId, partitions));
  }
  const array = (values: readonly unknown[]): string => `{${values.join()}}`;
  const all = (value: unknown): string => array(orders.map(() => value));
  const each = (value: unknown): string => array(users.map(() => value));
  const now = Date.now();
  const { MIN_SAFE_INTEGER: least, MAX_SAFE_INTEGER: most } = Number;
  const values = [
    ...[number, token, BigInt.asIntN(64, parts).toString(), sequences],
    ...[array(users), array(totals), each(now), each(least), each(most), 1, 1],
    ...[sequences, array(accounts), array(prefixes), array(orders.map(({ amount }) => amount))],
    ...[all(now), all(now), '{}', all(1), '{}', array(orders.map(({ userId }) => userId))],
    ...Array.from({ length: 8 }, () => '{}'),
  ];
  await client.query({ ...settleStatement, values });
}

/** The limit: the two statements on a thousand orders at a time, one after the other, in one session. */
export function raw(orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async ({ url }) => {
    const client = await openRaw(url);
    const start = performance.now();
    for (let at = 0; at < orders.length; at += batch) {
      const some = orders.slice(at, at + batch);
      await settle(client, some, await accept(client, some));
    }
    const rate = perSecond(orders.length, start);
    await client.end();
    return rate;
  });
}

/** The same: all are accepted before the first is settled. */
export function rawDrain(orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async ({ url }) => {
    const client = await openRaw(url);
    const batches: (readonly [readonly BenchOrder[], string])[] = [];
    const start = performance.now();
    for (let at = 0; at < orders.length; at += batch) {
      const some = orders.slice(at, at + batch);
      batches.push([some, await accept(client, some)]);
    }
    for (const [some, sequences] of batches) await settle(client, some, sequences);
    const rate = perSecond(orders.length, start);
    await client.end();
    return rate;
  });
}
