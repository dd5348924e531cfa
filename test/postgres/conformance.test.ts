import { Client } from 'pg';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { PostgresStorage } from '../../src/postgres/postgres-storage.ts';
import { commandOutput } from '../../src/postgres/schema/command-output.ts';
import { checkOrderStorage } from '../../src/testing/index.ts';
import { isFull } from '../kit/full.ts';
import { type PostgresRelease, PostgresServer } from '../kit/postgres-server.ts';

const releases: readonly PostgresRelease[] = isFull ? [18, 15] : [18];

describe.each(releases)('PostgresStorage on PostgreSQL %i', (release) => {
  let server: PostgresServer;
  let admin: Client;
  let count = 0;
  let turn: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    server = await PostgresServer.start({ release });
    admin = new Client({ connectionString: server.url });
    await admin.connect();
    await admin.query('CREATE ROLE processors LOGIN');
  }, 30_000);

  afterAll(async () => {
    await admin.end();
    await server[Symbol.asyncDispose]();
  });

  /** One after the other: tests run beside each other. */
  const query = (text: string): Promise<unknown> => {
    turn = turn.then(() => admin.query(text));
    return turn;
  };

  // With no more rights than are documented.
  const open = (schema: string): Promise<PostgresStorage> =>
    PostgresStorage.open({
      connectionString: server.url.replace('postgres@', 'processors@'),
      schema,
      migrate: false,
    });

  checkOrderStorage({
    // Pages of one order are as many questions to the server.
    test: (name, run) => test.concurrent(name, run, 120_000),
    create: async () => {
      count += 1;
      const schema = `test_${count}`;
      await query(commandOutput(['sql', '--schema', schema]));
      await query(commandOutput(['grants', '--schema', schema, '--role', 'processors']));
      return open(schema);
    },
    reopen: ({ schema }) => open(schema),
    beside: ({ schema }) => open(schema),
    transaction: async () => {
      const client = new Client({ connectionString: server.url });
      await client.connect();
      await client.query('BEGIN');
      const end = async (how: string): Promise<void> => {
        await client.query(how);
        await client.end();
      };
      return { client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
    },
    destroy: async ({ schema }) => {
      await query(`DROP SCHEMA ${schema} CASCADE`);
    },
  });
});
