import { setTimeout as sleep } from 'node:timers/promises';
import type { TransactionClient } from 'order-processor';
import { type Client, Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { errorOf } from '../../kit/helpers.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { World } from './world.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const order = { id: 'o-1', userId: 'u', amount: 5 };

describe('an order in a transaction of the host', () => {
  it('is there when that commits, at every processor, and not before (invariants 3, 9)', async () => {
    await using world = new World(server);
    const [a, b] = [await world.processor(), await world.processor()];
    const client = await world.client();
    const given = { ...order, payload: { n: ['\0'] }, postings: [{ userId: 'v', amount: 2 }] };
    const record = await b.enqueue(given, { client });
    expect(record).toMatchObject({ id: 'o-1', status: 'pending', payload: { n: ['\0'] } });
    await sleep(50);
    expect([await a.order('o-1'), await b.order('o-1'), world.ran]).toEqual([
      undefined,
      undefined,
      [],
    ]);
    await client.query('COMMIT');
    const outcomes = await Promise.all([a.outcome('o-1'), b.outcome('o-1')]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'completed', balance: 5 });
    expect(outcomes[0]).toMatchObject({ postings: [{ balance: 2 }], payload: { n: ['\0'] } });
    expect(world.ran).toEqual(['o-1']);
  });

  it.each([
    ['is rolled back', async (client: Client) => void (await client.query('ROLLBACK'))],
    ['has died with its host', (client: Client) => void client.connection.stream.destroy()],
  ])('leaves nothing where that %s (invariant 3)', async (_, endIt) => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client();
    await processor.enqueue(order, { client });
    await endIt(client);
    // The id is free as soon as the server knows.
    expect((await processor.submit({ ...order, amount: 7 })).balance).toBe(7);
    expect(await world.rows()).toEqual({ orders: 1, pending: 0 });
  });

  it('goes with the savepoint that it was kept behind; the others of the transaction stay, in their order', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client();
    const enqueue = (id: string) => processor.enqueue({ ...order, id }, { client });
    await enqueue('a');
    await client.query('SAVEPOINT s');
    await enqueue('b');
    await client.query('ROLLBACK TO s');
    await enqueue('c');
    await client.query('SAVEPOINT s');
    await enqueue('d');
    await client.query('COMMIT');
    expect(await processor.outcome('d')).toMatchObject({ balance: 15 });
    expect([world.ran, await processor.order('b')]).toEqual([['a', 'c', 'd'], undefined]);
  });

  it('of a long transaction comes right after the commit, and holds up no order of its user that came meanwhile (invariant 1)', async () => {
    await using world = new World(server);
    const [a, b] = [await world.processor(), await world.processor()];
    const clients = [
      await world.client(),
      await world.client('BEGIN ISOLATION LEVEL SERIALIZABLE'),
    ];
    await a.enqueue({ ...order, id: 'long-1' }, { client: clients[0] as Client });
    await b.enqueue({ ...order, id: 'long-2' }, { client: clients[1] as Client });
    for (let at = 0; at < 20; at += 1) {
      await Promise.all([a, b].map((each, of) => each.submit({ ...order, id: `o-${at}-${of}` })));
    }
    expect(world.ran).toHaveLength(40);
    await clients[1]?.query('COMMIT');
    await a.enqueue({ ...order, id: 'later' });
    await clients[0]?.query('COMMIT');
    await Promise.all([b.outcome('long-1'), b.outcome('later')]);
    // `later` came while `long-1` was being accepted: they are in either order.
    const last = world.ran.slice(40);
    expect([...last].sort()).toEqual(['later', 'long-1', 'long-2']);
    expect(last.indexOf('long-2')).toBeLessThan(last.indexOf('later'));
    expect(await b.balance('u')).toBe(43 * 5);
  });

  it('comes once, behind none that was handed in after its commit, while its partition changes hands (invariants 1, 12)', async () => {
    await using world = new World(server);
    const a = await world.processor();
    const client = await world.client();
    await a.enqueue({ ...order, id: 'long' }, { client });
    a.pause('u');
    const ids = Array.from({ length: 20 }, (_, at) => `o-${at}`);
    for (const id of ids) await a.enqueue({ ...order, id });
    const b = await world.processor();
    b.pause('u');
    const isOver = a.shutdown();
    await client.query('COMMIT');
    await b.enqueue({ ...order, id: 'later' });
    await isOver;
    b.resume('u');
    expect(await b.outcome('later')).toMatchObject({ balance: 22 * 5 });
    expect(world.ran.filter((id) => id !== 'long')).toEqual([...ids, 'later']);
    expect(world.ran.indexOf('long')).toBeLessThan(21);
    expect(world.ran).toHaveLength(22);
  });
});

describe('an id that is known (invariant 5)', () => {
  it('in the same transaction, committed before, or being settled: the same order, or a conflict', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    await processor.submit(order);
    const client = await world.client('BEGIN ISOLATION LEVEL REPEATABLE READ');
    expect(await processor.enqueue(order, { client })).toMatchObject({
      status: 'completed',
      balance: 5,
    });
    const conflict = await errorOf(processor.enqueue({ ...order, userId: 'v' }, { client }));
    expect(conflict.code).toBe('order_conflict');
    const payload = { a: 1, b: [null] };
    const same = { ...order, id: 'o-2', payload };
    const first = await processor.enqueue(same, { client });
    const again = { ...same, payload: { b: [null], a: 1 } };
    expect(await processor.enqueue(again, { client })).toEqual(first);
    const other = await errorOf(processor.enqueue({ ...same, payload: {} }, { client }));
    expect(other.code).toBe('order_conflict');
    await client.query('COMMIT');
    expect(await processor.outcome('o-2')).toMatchObject({ balance: 10 });
    expect(await world.rows()).toEqual({ orders: 2, pending: 0 });
  });

  it('in a transaction that has not ended: other callers of the id are refused soon, all others go on', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client();
    await processor.enqueue(order, { client });
    const others = Array.from({ length: 100 }, (_, at) => `p-${at}`);
    const same = errorOf(processor.submit(order));
    const receipts = others.map((id) => processor.submit({ ...order, id, userId: id }));
    expect(await same).toMatchObject({ code: 'storage_failed', retryable: true });
    expect((await same).cause).toMatchObject({
      message: expect.stringContaining('Another open transaction'),
    });
    await Promise.all(receipts);
    await client.query('COMMIT');
    expect(await processor.submit(order)).toMatchObject({ balance: 5 });
    expect(processor.stats().completed).toBe(101);
  });

  it('that no owner was notified of, since its processor died: it comes before what is handed in later (invariant 1)', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const admin = await world.client('SELECT 1');
    await admin.query(`WITH o AS (
      INSERT INTO ${world.name}.orders (seq, amount, accepted_at, part, priority, id, user_id)
      VALUES (nextval('${world.name.replaceAll("'", "''")}.order_sequence'), 5, 0, ${partitionOf('u', 64)}, 1, 'o-1', 'u') RETURNING seq, part)
      INSERT INTO ${world.name}.pending (seq, epoch, part, user_id) SELECT seq, 0, part, 'u' FROM o`);
    const client = await world.client();
    expect(await processor.enqueue(order, { client })).toMatchObject({ status: 'pending' });
    await client.query('COMMIT');
    await processor.submit({ userId: 'u', amount: 1, id: 'o-2' });
    expect(world.ran).toEqual(['o-1', 'o-2']);
  });

  it('that was committed after the snapshot of the transaction: it cannot go on, and says so', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('SELECT 1 FROM pg_class LIMIT 1');
    await processor.submit(order);
    const error = await errorOf(processor.enqueue(order, { client }));
    expect(error).toMatchObject({ code: 'storage_failed', cause: { code: '40001' } });
    await client.query('ROLLBACK');
  });
});

it('a connection of another kind, with another role and settings, is as good', async () => {
  await using world = new World(server);
  const processor = await world.processor();
  const admin = await world.client('SELECT 1');
  await admin.query(`CREATE ROLE web LOGIN; GRANT USAGE ON SCHEMA ${world.name} TO web;
    GRANT EXECUTE ON FUNCTION ${world.name}.accept_order(json) TO web`);
  const client = await world.client('SET ROLE web');
  await client.query(`BEGIN; CREATE TEMP TABLE orders (id text); CREATE TEMP TABLE meta (partitions int);
    SET LOCAL search_path = pg_temp; SET LOCAL bytea_output = 'escape'`);
  const asArrays: TransactionClient = {
    query: async (text, values) => {
      const { rows, fields } = await client.query({ text, values, rowMode: 'array' });
      return { rows: rows.map((row: unknown[]) => ({ [fields[0]?.name ?? '']: row[0] })) };
    },
  };
  await processor.enqueue(order, { client: asArrays });
  await client.query('COMMIT');
  expect(await processor.outcome('o-1')).toMatchObject({ balance: 5 });
});

it('a pool, and a connection without a transaction, are refused before anything is sent', async () => {
  await using world = new World(server);
  const processor = await world.processor();
  const pool = new Pool({ connectionString: server.url });
  const enqueue = (client: TransactionClient) => processor.enqueue(order, { client });
  await expect(enqueue(pool)).rejects.toThrow('got a pool');
  await expect(enqueue(await world.client('SELECT 1'))).rejects.toThrow('to be in a transaction');
  const blind: TransactionClient = { query: async () => ({ rows: [[1]] }) };
  const error = await errorOf(enqueue(blind));
  expect(error.cause).toMatchObject({ message: expect.stringContaining('`{ rows }`') });
  await pool.end();
  expect(await world.rows()).toEqual({ orders: 0, pending: 0 });
});
