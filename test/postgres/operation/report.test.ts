import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { schemaVersion } from '../../../src/postgres/schema/migrate.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { newOrder } from '../../../src/testing/orders.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Trial } from '../writes/kit.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start({ settings: { max_prepared_transactions: 5 } });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

it('tells of processors, backlog, tables, and what holds back vacuum', async () => {
  await using trial = await Trial.start(server, { partitions: 4, name: 'reporter' });
  await trial.storage.accept([newOrder('o-1', { userId: 'u' }), newOrder('o-2', { userId: 'u' })]);
  await trial.storage.accept([newOrder('o-3', { userId: 'u', notBefore: Date.now() + 60_000 })]);
  const late = new Client({ connectionString: server.url, application_name: 'a long read' });
  await late.connect();
  await late.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await late.query('SELECT count(*) FROM pg_class');
  await trial.query(`BEGIN; CREATE TABLE unfinished (); PREPARE TRANSACTION 'forgotten'`);
  const report = await trial.storage.report();
  expect(report).toMatchObject({
    ...{ serverVersion: expect.stringMatching(/^18\./), schemaVersion, noteQueue: 0 },
    processors: [{ name: 'reporter', partitions: 4 }],
  });
  const backlog = [0, 0, 0, 0];
  backlog[partitionOf('u', 4)] = 2;
  expect(report.partitions).toEqual(
    backlog.map((each, number) => ({
      ...{ number, owner: 'reporter', backlog: each, losses: 0 },
      scheduled: each / 2,
    })),
  );
  expect(report.tables.map(({ name }) => name)).toContain('pending');
  for (const { bytes, deadRows } of report.tables) {
    expect([bytes, deadRows].every(Number.isSafeInteger)).toBe(true);
  }
  expect(report.holders.map(({ kind, name }) => [kind, name])).toEqual(
    expect.arrayContaining([
      ['session', expect.stringMatching(/^a long read, process \d+, idle in transaction$/)],
      ['prepared', 'forgotten'],
    ]),
  );
  await late.end();
  await trial.query(`ROLLBACK PREPARED 'forgotten'`);
});
