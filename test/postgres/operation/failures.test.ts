/** What the database may do to a processor: each is a clear error, or a pause that ends by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOrderError, OrderProcessor } from 'order-processor';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { until } from '../members/kit.ts';
import { SilentProxy } from '../writes/silent-proxy.ts';

const mostConnections = 24;

let server: PostgresServer;
let admin: Client;
beforeAll(async () => {
  server = await PostgresServer.start({ settings: { max_connections: mostConnections } });
  admin = await connect();
}, 30_000);
afterAll(async () => {
  await admin.end();
  await server[Symbol.asyncDispose]();
});

async function connect(): Promise<Client> {
  const client = new Client({ connectionString: server.url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const open = (schema: string) =>
  PostgresStorage.open({ connectionString: server.url, schema, beatMs: 100, staleMs: 1_000 });

async function start(schema: string): Promise<OrderProcessor> {
  const processor = new OrderProcessor({ storage: await open(schema) });
  processor.on('error', () => {});
  await processor.ready;
  return processor;
}

/** Ends all sessions of storages. */
const endSessions = () =>
  admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'order-processor %'`);

/** As callers do: by the same id until it is settled. */
async function submit(processor: OrderProcessor, id: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      return (await processor.submit({ id, userId: 'u', amount: 1 })).balance;
    } catch (error) {
      if (!isOrderError(error) || !error.retryable || tries === 300) throw error;
      await sleep(20);
    }
  }
}

it('unreachable: it says what was tried, and shows no password', async () => {
  const connectionString = 'postgres://me:secret@127.0.0.1:1/orders';
  const opened = PostgresStorage.open({ connectionString });
  await expect(opened).rejects.toThrow(
    'PostgreSQL at 127.0.0.1:1 (database orders, user me) could not be reached: connect ECONNREFUSED',
  );
  const missing = PostgresStorage.open({ connectionString: `${server.url}_missing` });
  await expect(missing).rejects.toThrow(/refused the session: .*make the database first/);
});

it('out of connections: `open` says so; a processor comes back when there are some', async () => {
  const processor = await start('crowded');
  expect(await submit(processor, 'o-1')).toBe(1);
  const crowd: Client[] = [];
  const fill = async (): Promise<void> => {
    for (;;) {
      try {
        crowd.push(await connect());
      } catch {
        return;
      }
    }
  };
  await fill();
  await expect(open('crowded')).rejects.toThrow('raise `max_connections`, or run fewer');
  await endSessions();
  // A session at a time becomes free.
  await Promise.all([fill(), sleep(50).then(fill)]);
  const balance = submit(processor, 'o-2');
  await sleep(500);
  for (const client of crowd) await client.end();
  expect(await balance).toBe(2);
  await processor.shutdown();
});

it.each(['pending', 'outcomes'])(
  'out of disk at %s: nothing is lost, and all goes on when there is room (invariants 3, 10)',
  async (table) => {
    const schema = `full_${table}`;
    const processor = await start(schema);
    expect(await submit(processor, 'o-1')).toBe(1);
    await admin.query(`CREATE FUNCTION ${schema}.no_room() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER no_room BEFORE INSERT ON ${schema}.${table} FOR EACH ROW EXECUTE FUNCTION ${schema}.no_room()`);
    const balance = submit(processor, 'o-2');
    await until('the storage fails', () => processor.stats().storage === 'failing');
    await admin.query(`DROP TRIGGER no_room ON ${schema}.${table}`);
    expect(await balance).toBe(2);
    expect(await submit(processor, 'o-2')).toBe(2);
    await processor.shutdown();
    const again = await open(schema);
    expect(await again.check()).toEqual([]);
    await again.close();
  },
);

it('read-only after a fail-over: `open` says so; a processor comes back when it is the primary', async () => {
  const processor = await start('standby');
  expect(await submit(processor, 'o-1')).toBe(1);
  await admin.query('ALTER DATABASE postgres SET default_transaction_read_only = on');
  await endSessions();
  const balance = submit(processor, 'o-2');
  await until('it is none of them', () => processor.stats().storage === 'failing');
  await expect(open('standby')).rejects.toThrow(
    'read-only, as a standby is: connect to the primary',
  );
  await admin.query('ALTER DATABASE postgres RESET default_transaction_read_only');
  expect(await balance).toBe(2);
  await processor.shutdown();
});

const renamed = (table: string, column: string): [string, string] => [
  `ALTER TABLE ${table} RENAME COLUMN ${column} TO gone`,
  `ALTER TABLE ${table} RENAME COLUMN gone TO ${column}`,
];

it.each<[what: string, change: string, undo: string]>([
  ['lacks a column of orders', ...renamed('orders', 'payload')],
  ['lacks a column of outcomes', ...renamed('outcomes', 'balance')],
  ['lacks a column of balances', ...renamed('balances', 'balance')],
  ['is missing', 'ALTER TABLE pending RENAME TO gone', 'ALTER TABLE gone RENAME TO pending'],
  [
    'lacks its key',
    'ALTER TABLE balances DROP CONSTRAINT balances_pkey',
    'ALTER TABLE balances ADD PRIMARY KEY (user_id)',
  ],
  [
    'has another type',
    'ALTER TABLE outcomes ALTER COLUMN code TYPE integer USING NULL',
    'ALTER TABLE outcomes ALTER COLUMN code TYPE text',
  ],
])(
  'a table changed by hand that %s: the error says so, nothing is lost, and all goes on when it is changed back (invariants 3, 10)',
  async (what, change, undo) => {
    const schema = `changed, ${what}`;
    const processor = await start(schema);
    const errors: unknown[] = [];
    processor.on('error', ({ cause }) => errors.push((cause as Error).message));
    expect(await submit(processor, 'o-1')).toBe(1);
    await admin.query(`SET search_path = "${schema}"`);
    await admin.query(change);
    const failing = { id: 'failing', userId: 'v', amount: 1 };
    const balance = submit(processor, 'o-2');
    const failed = processor.submit({ ...failing, payload: what }).catch((error) => error);
    await until('it is an error', () => errors.length > 0);
    expect(errors[0]).toMatch(/ \(something of the schema was changed by hand: compare it with /);
    await admin.query(undo);
    expect(await balance).toBe(2);
    await failed;
    await until('it is settled', () => processor.stats().unsettled === 0);
    expect(await submit(processor, 'o-3')).toBe(3);
    await processor.shutdown();
    const again = await open(schema);
    expect(await again.check()).toEqual([]);
    await again.close();
  },
);

it('a table with a column more than ours goes on, or says what that column refuses', async () => {
  const processor = await start('wider');
  await admin.query(
    'ALTER TABLE wider.orders ADD COLUMN note text, ADD COLUMN at timestamptz DEFAULT now()',
  );
  expect(await submit(processor, 'o-1')).toBe(1);
  await admin.query('ALTER TABLE wider.orders ADD COLUMN shop integer NOT NULL DEFAULT 1');
  expect(await submit(processor, 'o-2')).toBe(2);
  await admin.query('ALTER TABLE wider.orders ALTER COLUMN shop DROP DEFAULT');
  const refused = processor.submit({ userId: 'u', amount: 1 });
  await expect(refused).rejects.toMatchObject({
    code: 'storage_failed',
    cause: { message: expect.stringContaining('null value in column "shop"') },
  });
  expect(await processor.balance('u')).toBe(2);
  await processor.shutdown();
});

it('no answer any more: `close` resolves (invariant 4)', async () => {
  await using proxy = await SilentProxy.start(server.port);
  const connectionString = server.url.replace(/:\d+\//, `:${proxy.port}/`);
  const storage = await PostgresStorage.open({ connectionString, schema: 'frozen' });
  await storage.get('u');
  proxy.freeze();
  const startedAt = performance.now();
  await storage.close();
  expect(performance.now() - startedAt).toBeLessThan(4_000);
});

it('two processors of one name are two', async () => {
  const [one, other] = await Promise.all([start('named'), start('named')]);
  await until('both show', () => one.stats().cluster?.processors.length === 2);
  const balances = await Promise.all([submit(one, 'o-1'), submit(other, 'o-2')]);
  expect(balances.sort()).toEqual([1, 2]);
  await Promise.all([one.shutdown(), other.shutdown()]);
});
