import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor } from 'order-processor';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { commandOutput } from '../../../src/postgres/schema/command-output.ts';
import {
  type Migration,
  migrate,
  released,
  schemaVersion,
} from '../../../src/postgres/schema/migrate.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { TraceWitness } from '../../kit/trace-witness.ts';

let server: PostgresServer;
let admin: Client;
beforeAll(async () => {
  server = await PostgresServer.start();
  admin = new Client({ connectionString: server.url });
  await admin.connect();
}, 30_000);
afterAll(async () => {
  await admin.end();
  await server[Symbol.asyncDispose]();
});

/** What a later release may bring. */
const later: readonly Migration[] = [
  ...released,
  {
    sql: 'ALTER TABLE orders ADD COLUMN later text; CREATE TABLE later (a integer);',
    usableFrom: 1,
  },
];

async function migrateTo(schema: string, migrations: readonly Migration[]): Promise<void> {
  const session = await Session.open({ connectionString: server.url }, 'SELECT 1', () => {});
  await migrate(session, schema, 8, migrations);
  await session.end();
}

it('a schema is migrated while processors of the version before go on, once (invariants 3, 10)', async () => {
  const schema = 'going_on';
  const open = () => PostgresStorage.open({ connectionString: server.url, schema, partitions: 8 });
  const processor = new OrderProcessor({ storage: await open() });
  let isOver = false;
  let slowestMs = 0;
  const submitting = (async () => {
    let count = 0;
    for (; !isOver; count += 1) {
      const startedAt = performance.now();
      await processor.submit({ userId: `u-${count % 5}`, amount: 1 });
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
    return count;
  })();
  // A long read: the migration waits for it, and what waits for the migration waits for a second at most.
  await admin.query('BEGIN');
  await admin.query(`SELECT count(*) FROM ${schema}.orders`);
  const migrating = Promise.all([migrateTo(schema, later), migrateTo(schema, later)]);
  await sleep(1_500);
  await admin.query('COMMIT');
  await migrating;
  isOver = true;
  const count = await submitting;
  expect(slowestMs).toBeLessThan(3_000);
  const { rows } = await admin.query(
    `SELECT obj_description('${schema}'::regnamespace) AS version, sum(balance)::int FROM ${schema}.balances`,
  );
  expect(rows).toEqual([{ version: `order-processor ${later.length} from 1`, sum: count }]);
  // One of the version before can still be started: a rolling deployment may go back.
  const again = new OrderProcessor({ storage: await open() });
  expect((await again.submit({ userId: 'u-0', amount: 0 })).balance).toBeGreaterThan(0);
  await Promise.all([processor.shutdown(), again.shutdown()]);
});

it('a schema that only newer releases can use is refused, and nothing of it is changed', async () => {
  await admin.query('CREATE SCHEMA newer');
  await admin.query(`COMMENT ON SCHEMA newer IS 'order-processor 9 from ${schemaVersion + 1}'`);
  for (const isMigrating of [true, false]) {
    const options = { connectionString: server.url, schema: 'newer', migrate: isMigrating };
    await expect(PostgresStorage.open(options)).rejects.toThrow('install a newer release');
  }
  const { rows } = await admin.query(
    `SELECT FROM pg_class WHERE relnamespace = 'newer'::regnamespace`,
  );
  expect(rows).toEqual([]);
});

it('the SQL that is printed makes what `open` would make, and does nothing a second time', async () => {
  const script = commandOutput(['sql', '--schema', 'It\'s "$do$" ours', '--partitions', '4']);
  await admin.query(script);
  await expect(admin.query(script)).rejects.toThrow(`to be of version 0, found ${schemaVersion}`);
  await admin.query('ROLLBACK');
  const options = { connectionString: server.url, schema: 'It\'s "$do$" ours', partitions: 4 };
  const storage = await PostgresStorage.open({ ...options, migrate: false });
  await storage.close();
  const missing = PostgresStorage.open({ ...options, schema: 'missing', migrate: false });
  await expect(missing).rejects.toThrow('order-processor-postgres sql --from 0');
});

it('a schema of version 1 keeps the traces of orders from now on, and what that version sends works (invariants 3, 9, 10)', async () => {
  const schema = 'first';
  await migrateTo(schema, released.slice(0, 1));
  const old = new Client({ connectionString: server.url });
  await old.connect();
  await old.query(`SET search_path = ${schema}`);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const traceContext = { traceparent, tracestate: 'vendor=value' };
  const insert = {
    name: 'insert',
    text: `INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
      VALUES (nextval('order_sequence'), 1, 0, $1, 1, $2, 'u') RETURNING seq, id, user_id`,
  };
  const enqueue = (order: object) =>
    old.query('SELECT enqueue($1::json)', [JSON.stringify({ userId: 'u', amount: 1, ...order })]);
  const acceptOrder = (id: string) => {
    const row = { id, user_id: 'u', amount: 1, priority: 1, accepted_at: 0 };
    return old.query({
      name: 'accept_order',
      text: 'SELECT accept_order($1::text::json)::text AS answer',
      values: [JSON.stringify(row)],
    });
  };
  await old.query({ ...insert, values: [0, 'lost-1'] });
  await enqueue({ id: 'sql-1' });
  await acceptOrder('host-1');
  await expect(enqueue({ id: 'no', traceContext })).rejects.toThrow('traceContext');
  using witness = new TraceWitness();
  const open = () => PostgresStorage.open({ connectionString: server.url, schema });
  const processor = new OrderProcessor({
    storage: await open(),
    steps: [{ name: 'work', run: () => 1 }],
  });
  await old.query({ ...insert, values: [0, 'lost-2'] });
  await enqueue({ id: 'sql-2', traceContext });
  for (const [at, given] of [{ traceparent }, { traceparent: 'no' }, 1, {}].entries()) {
    await enqueue({ id: `sql-other-${at}`, traceContext: given });
  }
  await acceptOrder('host-2');
  await acceptOrder('host-1');
  await processor.submit({ id: 'own', userId: 'u', amount: 1, traceContext });
  await processor.shutdown();
  await old.end();
  const found = witness
    .of('order-processor:order')
    .map(({ message }): [string, unknown] => [message.order.id, message.traceContext]);
  expect(Object.fromEntries(found)).toEqual({
    ...{ 'sql-1': undefined, 'host-1': undefined, 'host-2': undefined },
    ...{ 'sql-2': traceContext, own: traceContext, 'sql-other-0': { traceparent } },
    ...{ 'sql-other-1': undefined, 'sql-other-2': undefined, 'sql-other-3': undefined },
  });
  expect(witness.verdict()).toEqual([]);
  const [order] = witness.of('order-processor:order');
  expect(order?.message).toMatchObject({
    storage: 'postgresql',
    processorName: expect.any(String),
  });
});
