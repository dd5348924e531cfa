import { Client } from 'pg';
import { PgBoss } from 'pg-boss';
import type { BenchOrder } from '../contenders.ts';
import { perSecond } from '../loops.ts';
import { onServer } from './server.ts';

const batch = 1_000;
const queue = 'orders';

/** What autovacuum does by and by: without statistics of many jobs that came at once its fetches take ten times as long. */
async function analyze(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query('ANALYZE');
  await client.end();
}

/**
 * pg-boss with one job at a time for each user, at its best: inserted, fetched and completed by hand, a thousand at a
 * time, with statistics, for which it does not wait. It keeps no balance.
 */
export function bossDrain(orders: readonly BenchOrder[]): Promise<number> {
  return onServer(async ({ url }) => {
    const boss = new PgBoss(url);
    await boss.start();
    await boss.createQueue(queue, { policy: 'key_strict_fifo' });
    const start = performance.now();
    for (let at = 0; at < orders.length; at += batch) {
      const jobs = orders.slice(at, at + batch).map(({ userId, amount }) => ({
        singletonKey: userId,
        data: { userId, amount },
      }));
      await boss.insert(queue, jobs);
    }
    const insertedMs = performance.now() - start;
    await analyze(url);
    const fetching = performance.now();
    for (let left = orders.length; left > 0; ) {
      const jobs = await boss.fetch(queue, { batchSize: batch });
      await boss.complete(
        queue,
        jobs.map(({ id }) => id),
      );
      left -= jobs.length;
    }
    const rate = perSecond(orders.length, fetching - insertedMs);
    await boss.stop({ graceful: false });
    return rate;
  });
}
