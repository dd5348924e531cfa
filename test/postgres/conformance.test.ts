import { Client } from 'pg';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { PostgresStorage } from '../../src/postgres/postgres-storage.ts';
import { checkOrderStorage } from '../../src/testing/index.ts';
import { isFull } from '../kit/full.ts';
import { type PostgresRelease, PostgresServer } from '../kit/postgres-server.ts';

const releases: readonly PostgresRelease[] = isFull ? [18, 15] : [18];

describe.each(releases)('PostgresStorage on PostgreSQL %i', (release) => {
  let server: PostgresServer;
  let admin: Client;
  let count = 0;

  beforeAll(async () => {
    server = await PostgresServer.start({ release });
    admin = new Client({ connectionString: server.url });
    await admin.connect();
  }, 30_000);

  afterAll(async () => {
    await admin.end();
    await server[Symbol.asyncDispose]();
  });

  const open = (schema: string): Promise<PostgresStorage> =>
    PostgresStorage.open({ connectionString: server.url, schema });

  checkOrderStorage({
    // Pages of one order are as many questions to the server.
    test: (name, run) => test.concurrent(name, run, 120_000),
    create: () => {
      count += 1;
      return open(`test_${count}`);
    },
    reopen: ({ schema }) => open(schema),
    beside: ({ schema }) => open(schema),
    destroy: async ({ schema }) => {
      await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    },
  });
});
