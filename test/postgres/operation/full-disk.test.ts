/** The disk of the server has no room: its own system calls say so. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOrderError, OrderProcessor } from 'order-processor';
import { Client } from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/index.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { until } from '../members/kit.ts';
import { canFill, FullDisk } from './full-disk.ts';

const withFullDisk = it.skipIf(!(await canFill()));

let server: PostgresServer;
let admin: Client;
beforeEach(async () => {
  server = await PostgresServer.start();
  admin = new Client({ connectionString: server.url });
  admin.on('error', () => {});
  await admin.connect();
}, 30_000);
afterEach(async () => {
  await admin.end().catch(() => {});
  await server[Symbol.asyncDispose]();
});

const schema = 'full';
const users = 8;

const open = () =>
  PostgresStorage.open({ connectionString: server.url, schema, beatMs: 200, staleMs: 4_000 });

/** Two processors, and what goes wrong at them. */
async function start() {
  const errors: string[] = [];
  const ran = new Set<string>();
  const processors = await Promise.all(
    [1, 2].map(async () => {
      const steps = [{ name: 'work', run: ({ id }: { id: string }) => void ran.add(id) }];
      const processor = new OrderProcessor({ storage: await open(), steps });
      processor.on('error', ({ cause }) => errors.push(`${(cause as Error)?.message}`));
      await processor.ready;
      return processor;
    }),
  );
  return { processors, errors, ran };
}

const order = (at: number) => ({
  ...{ id: `o-${at}`, userId: `u-${at % users}`, amount: 1 },
  payload: 'x'.repeat(2_000),
});

/** As callers do: at any processor, by the same id, until it is settled. */
async function submit(processors: readonly OrderProcessor[], at: number): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await processors[(at + tries) % processors.length]?.submit(order(at));
      return;
    } catch (error) {
      if (!isOrderError(error) || !error.retryable || tries === 2_000) throw error;
      await sleep(50);
    }
  }
}

/** That all orders up to `count` were settled once, whoever handed them in. */
async function verify(processors: readonly OrderProcessor[], count: number): Promise<void> {
  const balances = await Promise.all(
    Array.from({ length: users }, (_, at) => processors[0]?.balance(`u-${at}`)),
  );
  expect(balances).toEqual(balances.map(() => count / users));
  await Promise.all(processors.map((each) => each.shutdown()));
  const storage = await open();
  expect(await storage.check()).toEqual([]);
  await storage.close();
}

withFullDisk(
  'a disk without room for tables: nothing is lost, and all goes on when there is room (invariants 3, 9, 10)',
  async () => {
    const { processors, errors, ran } = await start();
    await Promise.all(Array.from({ length: 40 }, (_, at) => submit(processors, at)));
    const disk = await FullDisk.fill(admin, schema);
    const acknowledged: number[] = [];
    const failures = new Set<string>();
    // Each table has some room left, so some are kept.
    for (let at = 40; at < 600 && failures.size === 0; at += 20) {
      const calls = Array.from({ length: 20 }, async (_, place) => {
        await processors[place % 2]?.enqueue(order(at + place));
        acknowledged.push(at + place);
      });
      for (const result of await Promise.allSettled(calls)) {
        if (result.status === 'rejected') failures.add(result.reason.code);
      }
    }
    expect([...failures]).toEqual(['storage_failed']);
    await until('the database says why', () =>
      errors.some((each) => each.includes('No space left on device')),
    );
    await disk.clear();
    await Promise.all(Array.from({ length: 600 }, (_, at) => submit(processors, at)));
    for (const at of acknowledged) {
      expect((await processors[0]?.order(`o-${at}`))?.status).toBe('completed');
    }
    expect(ran.size).toBe(600);
    await verify(processors, 600);
  },
  120_000,
);

withFullDisk(
  'a disk without room for the log, which ends the server: nothing is lost, and all goes on when it is back (invariants 3, 4, 9, 10)',
  async () => {
    const { processors, ran } = await start();
    const acknowledged = Array.from({ length: 40 }, (_, at) => at);
    await Promise.all(acknowledged.map((at) => processors[at % 2]?.enqueue(order(at))));
    const disk = await FullDisk.fill(admin);
    const calls = Array.from({ length: 160 }, (_, at) => submit(processors, 40 + at));
    await until('both say so', () =>
      processors.every((each) => each.stats().storage === 'failing'),
    );
    await expect(processors[0]?.enqueue(order(40))).rejects.toMatchObject({
      code: 'storage_failed',
    });
    expect(server.log).toContain('No space left on device');
    await disk.clear();
    await server.stop('immediate');
    await server.restart();
    await Promise.all(calls);
    for (const at of acknowledged) {
      expect(await processors[1]?.outcome(`o-${at}`)).toMatchObject({ status: 'completed' });
    }
    expect(ran.size).toBe(200);
    await verify(processors, 200);
  },
  120_000,
);
