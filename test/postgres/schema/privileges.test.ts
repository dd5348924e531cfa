import { OrderProcessor } from 'order-processor';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { commandOutput } from '../../../src/postgres/schema/command-output.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
  await query(
    'postgres',
    'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE SCHEMA ours AUTHORIZATION owner',
  );
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const urlOf = (role: string): string => server.url.replace('postgres@', `${role}@`);

async function query(role: string, text: string): Promise<void> {
  const client = new Client({ connectionString: urlOf(role) });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

it('the owner of a schema makes the tables without a right on the database, and grants the others', async () => {
  const open = (role: string, migrate: boolean) =>
    PostgresStorage.open({ connectionString: urlOf(role), schema: 'ours', migrate });
  await (await open('owner', true)).close();
  await expect(open('app', false)).rejects.toThrow('order-processor-postgres grants');
  await query('owner', commandOutput(['grants', '--schema', 'ours', '--role', 'app']));
  // Nothing is migrated: it needs no further right.
  const storage = await open('app', true);
  const processor = new OrderProcessor({ storage });
  await processor.submit({ id: 'o-1', userId: 'u', amount: 5 });
  await processor.submit({ userId: 'u', amount: -1, postings: [{ userId: 'v', amount: 1 }] });
  expect(await storage.check()).toEqual([]);
  expect((await storage.report()).partitions.length).toBe(64);
  expect(await storage.prune({ settledBefore: Date.now() + 60_000 })).toBe(2);
  expect(await processor.balance('u')).toBe(4);
  await processor.shutdown();
  await expect(query('app', 'DROP TABLE ours.orders')).rejects.toThrow('must be owner');
  await expect(query('app', `UPDATE ours.orders SET amount = 0`)).rejects.toThrow('denied');
});
