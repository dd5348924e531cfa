import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkedOptions } from '../../src/postgres/open-options.ts';
import { PostgresStorage } from '../../src/postgres/postgres-storage.ts';
import { requirePostgres } from '../../src/postgres/schema/opened.ts';
import { PostgresServer } from '../kit/postgres-server.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

async function query(text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

describe('options', () => {
  const secret = 'postgres://me:secret@127.0.0.1/orders';
  it.each([
    [{}, 'Expected one of `connectionString` and `pg`, got none'],
    [{ connectionString: secret, pg: {} }, 'Expected one of `connectionString` and `pg`, got both'],
    [{ connectionString: 'secret@host' }, 'to begin with `postgres://`'],
    [{ pg: new Client() }, 'and no client'],
    [{ connectionString: secret, Schema: 'a' }, 'got `Schema`'],
    [{ connectionString: secret, schema: '' }, '`schema`'],
    [{ connectionString: secret, schema: 'pg_orders' }, '`schema`'],
    [{ connectionString: secret, schema: 'é'.repeat(32) }, '1 to 63 bytes'],
    [{ connectionString: secret, partitions: 48 }, 'a power of two from 1 to 64'],
    [{ connectionString: secret, partitions: 128 }, 'a power of two from 1 to 64'],
    [{ connectionString: secret, partitions: '64' }, 'a power of two from 1 to 64'],
    [{ connectionString: secret, name: '' }, '1 to 40 characters'],
    [{ connectionString: secret, beatMs: 0 }, '`beatMs`'],
    [{ connectionString: secret, beatMs: 500, staleMs: 1_999 }, 'an integer from 2000 up'],
    [{ connectionString: secret, handOverMs: 0 }, '`handOverMs`'],
    [{ connectionString: secret, retain: { day: 1 } }, '`day`'],
    [{ connectionString: secret, retain: { days: 0 } }, '`retain.days`'],
    [{ connectionString: secret, retain: { bytes: 1_000 } }, 'an integer from 1048576 up'],
    [{ connectionString: secret, migrate: 1 }, '`migrate`'],
  ])('a wrong one is an error that says so, without the password: %j', (options, message) => {
    expect(() => checkedOptions(options as object)).toThrow(message);
    expect(() => checkedOptions(options as object)).not.toThrow('secret');
  });
});

describe('open', () => {
  it('makes a schema of any name, and finds the same again', async () => {
    const schema = `It's "ours" \u{1f600}`;
    const first = await PostgresStorage.open({ connectionString: server.url, schema });
    await first.close();
    const second = await PostgresStorage.open({ pg: { connectionString: server.url }, schema });
    expect(second.id).toBe(first.id);
    expect(second.schema).toBe(schema);
    await second.close();
    expect(second.isClosed).toBe(true);
  });

  it('several at once make one schema', async () => {
    const options = { connectionString: server.url, schema: 'at_once', partitions: 8 };
    const opened = await Promise.all([1, 2, 3].map(() => PostgresStorage.open(options)));
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
    await Promise.all(opened.map((storage) => storage.close()));
  });

  it('refuses what it cannot use, and says why', async () => {
    const { url: connectionString } = server;
    const open = (options: object) => PostgresStorage.open({ connectionString, ...options });
    await expect(open({ schema: 'missing', migrate: false })).rejects.toThrow('migrate: true');
    await query('CREATE SCHEMA taken CREATE TABLE other (a integer)');
    await expect(open({ schema: 'taken' })).rejects.toThrow('other tables');
    await (await open({ schema: 'small', partitions: 4 })).close();
    await expect(open({ schema: 'small', partitions: 8 })).rejects.toThrow('never change');
    await (await open({ schema: 'small' })).close();
    await query(`COMMENT ON SCHEMA small IS 'order-processor 1000'`);
    await expect(open({ schema: 'small' })).rejects.toThrow('install a newer release');
    const nowhere = { connectionString: 'postgres://me:secret@127.0.0.1:1/orders' };
    await expect(open(nowhere)).rejects.toThrow('ECONNREFUSED');
    await expect(open(nowhere)).rejects.not.toThrow('secret');
    expect(
      await query(`SELECT FROM pg_stat_activity WHERE application_name LIKE '% open'`),
    ).toEqual([]);
  });

  it('refuses a server that is too old', async () => {
    const row = { isOld: true, version: '13.23' };
    const session = { query: async () => [row] as never[] };
    await expect(requirePostgres(session)).rejects.toThrow('PostgreSQL 14 or newer, found 13.23');
    const [found] = (await query(
      `SELECT current_setting('server_version_num')::int AS number`,
    )) as [{ readonly number: number }];
    expect(found.number).toBeGreaterThan(140_000);
  });

  it('keeps its sessions where the database ends those that are idle', async () => {
    await query(`ALTER DATABASE postgres SET idle_session_timeout = '200ms'`);
    const connectionString = server.url;
    const storage = await PostgresStorage.open({ connectionString, schema: 'idle', beatMs: 100 });
    await query('ALTER DATABASE postgres RESET idle_session_timeout');
    await sleep(1_000);
    expect(await query('SELECT number FROM idle.processors')).toEqual([{ number: 1 }]);
    await storage.close();
  });
});
