import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { until } from '../members/kit.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A processor as a host has it; its steps wait for `mayGoOn`. */
async function start(name: string, schema: string, mayGoOn?: Promise<void>) {
  const times = { beatMs: 100, staleMs: 1_000 };
  const { url: connectionString } = server;
  const storage = await PostgresStorage.open({ connectionString, schema, name, ...times });
  const steps = mayGoOn === undefined ? [] : [{ name: 'wait', run: () => mayGoOn }];
  const processor = new OrderProcessor({ storage, steps });
  processor.on('error', () => {});
  await processor.ready;
  return processor;
}

it('every processor tells of all of them, two of one name included', async () => {
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
  const one = await start('same', 'several', mayGoOn);
  expect(one.stats().cluster).toMatchObject({ isMember: true, partitions: 64, backlog: 0 });
  const other = await start('same', 'several', mayGoOn);
  const receipts = [1, 2, 3].map((at) => one.submit({ userId: `u-${at}`, amount: at }));
  await one.enqueue({ userId: 'u-4', amount: 1, notBefore: Date.now() + 60_000 });
  const isTold = ({ cluster }: ReturnType<typeof one.stats>): boolean =>
    cluster?.backlog === 3 && cluster.processors.every(({ partitions }) => partitions === 32);
  await until('both tell', () => [one, other].every((each) => isTold(each.stats())));
  for (const [at, each] of [one, other].entries()) {
    const cluster = each.stats().cluster;
    expect(cluster).toMatchObject({ ownedPartitions: 32, freePartitions: 0 });
    expect(cluster?.processors.map(({ name, isSelf }) => [name, isSelf])).toEqual([
      ['same', at === 0],
      ['same', at === 1],
    ]);
    for (const { beatAgeMs, joinedAt } of cluster?.processors ?? []) {
      expect(beatAgeMs).toBeLessThan(1_000);
      expect(Math.abs(Date.now() - joinedAt)).toBeLessThan(20_000);
    }
    expect(cluster?.oldestWaitMs).toBeGreaterThan(0);
    expect(cluster?.ageMs).toBeLessThan(10_000);
  }
  // An order that another processor has accepted by a clock that is wrong by an hour waits no longer for that.
  const client = new Client({ connectionString: server.url });
  await client.connect();
  await client.query('UPDATE several.orders SET accepted_at = accepted_at - 3600000');
  await client.end();
  const readAt = performance.now();
  const isReadAgain = () => (one.stats().cluster?.ageMs ?? 0) < performance.now() - readAt;
  await until('it is read again', isReadAgain);
  expect(one.stats().cluster?.oldestWaitMs).toBeGreaterThan(0);
  expect(one.stats().cluster?.oldestWaitMs).toBeLessThan(120_000);
  goOn();
  await Promise.all(receipts);
  await Promise.all([one.shutdown(), other.shutdown()]);
});

it('without the database a processor is not ready, and lives; it is ready again by itself', async () => {
  const processor = await start('one', 'away');
  const app = createOrderApp(processor);
  const statuses = () =>
    Promise.all(['/readyz', '/livez'].map(async (path) => (await app.request(path)).status));
  expect(await statuses()).toEqual([200, 200]);
  await server.stop();
  await until('it is interrupted', () => processor.stats().cluster?.isMember === false);
  expect(await statuses()).toEqual([503, 200]);
  await server.restart();
  await until('it is back', () => processor.stats().storage === 'ready');
  expect(await statuses()).toEqual([200, 200]);
  expect((await processor.submit({ userId: 'u', amount: 1 })).balance).toBe(1);
  await processor.shutdown();
  expect(processor.stats().storage).toBe('ready');
});
