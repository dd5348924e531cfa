/** Lanes that are held, released and compensated at any of several processors of one database. */
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor } from 'order-processor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../src/postgres/postgres-storage.ts';
import { PostgresServer } from '../kit/postgres-server.ts';

let server: PostgresServer;
let works = false;
const ran: string[] = [];

beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

async function processor(): Promise<OrderProcessor> {
  const storage = await PostgresStorage.open({ connectionString: server.url, schema: 'lanes' });
  return new OrderProcessor({
    storage,
    steps: [
      {
        name: 'work',
        onFailure: 'hold',
        run: ({ id, payload }) => {
          ran.push(id);
          if (payload === 'fails' && !works) throw Object.assign(new Error('No'), { code: 'no' });
        },
      },
    ],
  });
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let count = 0; count < 400 && !(await isSo()); count += 1) await sleep(25);
  expect(await isSo()).toBe(true);
}

it('invariant 1: lanes are held and released at any processor, and holds outlive their owners', async () => {
  const [a, b] = [await processor(), await processor()];
  await Promise.all([a.ready, b.ready]);
  await until(() => [a, b].every((each) => (each.stats().cluster?.ownedPartitions ?? 0) > 0));
  const users = Array.from({ length: 12 }, (_, at) => `u-${at}`);
  await Promise.all(users.map((userId, at) => (at % 2 ? a : b).hold(userId, { reason: 'Why' })));
  const waiting = users.map((userId) => a.enqueue({ id: `${userId} 1`, userId, amount: 1 }));
  await Promise.all(waiting);
  await sleep(200);
  expect(ran).toEqual([]);
  expect(a.stats().heldLanes + b.stats().heldLanes).toBe(users.length);
  expect([a, b].every((each) => each.stats().heldLanes > 0)).toBe(true);
  await a.shutdown();
  await until(() => b.stats().heldLanes === users.length);
  const c = await processor();
  await c.ready;
  await Promise.all(users.map((userId, at) => (at % 2 ? c : b).release(userId)));
  await until(() => ran.length === users.length);
  const failing = users.map((userId) =>
    c.enqueue({ id: `${userId} 2`, userId, amount: 1, payload: 'fails' }),
  );
  await Promise.all(failing);
  await until(async () => (await c.holds()).holds.length === users.length);
  const [canceled, ...left] = users as [string, ...string[]];
  const cancellations = [b, c, c].map((each) => each.cancel(`${canceled} 2`));
  expect(await Promise.all(cancellations)).toContain(true);
  expect((await b.order(`${canceled} 2`))?.status).toBe('canceled');
  works = true;
  const releases = left.flatMap((userId, at) => {
    const action = at % 3 === 0 ? 'skip' : 'retry';
    return [b, c].map((each) => each.release(userId, action, { orderId: `${userId} 2` }));
  });
  const results = await Promise.allSettled(releases);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(left.length);
  await until(async () => (await b.orders({ status: 'pending' })).orders.length === 0);
  expect(await b.balance('u-0')).toBe(1);
  expect(await b.balance('u-1')).toBe(1);
  expect(await b.balance('u-2')).toBe(2);
  expect((await c.holds()).holds).toEqual([]);
  await Promise.all([b.shutdown(), c.shutdown()]);
}, 60_000);
