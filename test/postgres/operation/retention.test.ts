import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RetainBounds } from '../../../src/core/storage/history/retain-bounds.ts';
import { openQuerySession } from '../../../src/postgres/members/life.ts';
import { usageOf } from '../../../src/postgres/operation/retain-statements.ts';
import { Retention, type RetentionTimes } from '../../../src/postgres/operation/retention.ts';
import { QuerySessions } from '../../../src/postgres/sessions/query-sessions.ts';
import { newOrder } from '../../../src/testing/orders.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Trial } from '../writes/kit.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start({ settings: { autovacuum: 'off' } });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Settles so many orders, each with a credit to another user. */
async function settle(trial: Trial, count: number): Promise<void> {
  for (let at = 0; at < count; at += 500) {
    const some = Array.from({ length: Math.min(500, count - at) }, (_, n) => at + n);
    await trial.storage.apply(
      some.map((n) => ({
        ...{ orderId: `an-order-with-an-id-${n}`, userId: `u-${n % 100}`, amount: 5 },
        ...{ minBalance: undefined, postings: [{ userId: 'v', amount: 1 }] },
      })),
    );
  }
}

class Retaining implements AsyncDisposable {
  readonly sessions: QuerySessions;
  readonly #retention: Retention;

  constructor({ schema }: Trial, bounds: RetainBounds, times: Partial<RetentionTimes> = {}) {
    const config = { connectionString: server.url };
    this.sessions = new QuerySessions((onEnd) => openQuerySession({ config, schema }, onEnd));
    this.#retention = new Retention(this.sessions, schema, bounds, {
      ...{ lookMs: 20, graceMs: 0 },
      ...times,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retention.close();
    await this.sessions.close();
  }
}

async function left(trial: Trial): Promise<number> {
  const [row] = await trial.query<{ count: number }>('SELECT count(*)::int FROM outcomes');
  return row?.count ?? 0;
}

async function untilLeft(trial: Trial, isSo: (count: number) => boolean): Promise<void> {
  for (let tries = 0; !isSo(await left(trial)); tries += 1) {
    if (tries > 400) throw new Error(`There are ${await left(trial)} left`);
    await sleep(25);
  }
}

it('what is older than allowed is deleted, by one at a time, and balances stay exact (invariant 6)', async () => {
  await using trial = await Trial.start(server);
  await settle(trial, 1_700);
  await trial.storage.accept([newOrder('unsettled')]);
  // What processors wrote by clocks that are wrong by days changes nothing.
  const clocks = 'settled_at = settled_at + (seq % 9 - 4) * 86400000';
  await trial.query(`UPDATE outcomes SET ${clocks}, applied_at = applied_at - 5 * 86400000`);
  const old = "kept_at = kept_at - interval '3 days'";
  await trial.query(`UPDATE outcomes SET ${old} WHERE seq <= 1200`);
  await trial.query(`UPDATE orders SET accepted_at = 1`);
  await trial.query('SELECT pg_advisory_lock($1, $2)', lockOf(trial));
  await using _first = new Retaining(trial, { days: 2 });
  await using _second = new Retaining(trial, { days: 2 });
  await sleep(300);
  expect(await left(trial)).toBe(1_700);
  await trial.query('SELECT pg_advisory_unlock_all()');
  await untilLeft(trial, (count) => count <= 500);
  await sleep(200);
  expect(await left(trial)).toBe(500);
  expect(await trial.storage.check()).toEqual([]);
  expect([await trial.storage.get('u-0'), await trial.storage.get('v')]).toEqual([85, 1_700]);
  expect((await trial.storage.settled({ after: 0, limit: 1 })).forgotten).toBeGreaterThan(0);
  expect((await trial.storage.find('unsettled'))?.status).toBe('pending');
});

it('what was settled not long ago stays, whatever the clocks say', async () => {
  await using trial = await Trial.start(server);
  await settle(trial, 100);
  await trial.query("UPDATE outcomes SET settled_at = 1, kept_at = 'epoch'");
  await using _ = new Retaining(trial, { days: 1 }, { graceMs: 60_000 });
  await sleep(300);
  expect(await left(trial)).toBe(100);
});

it('of more than so many bytes the oldest go, and no more of them', async () => {
  await using trial = await Trial.start(server);
  await settle(trial, 8_000);
  // The statistics of a session come with a delay.
  await sleep(1_500);
  await settle(trial, 1);
  const [size] = await trial.query<{ bytes: number }>(`SELECT (pg_total_relation_size('orders')
    + pg_total_relation_size('outcomes') + pg_total_relation_size('credits'))::int AS bytes`);
  await using none = new Retaining(trial, { days: 36_500 });
  const { bytes, count } = await none.sessions.ask(usageOf);
  expect(count).toBeGreaterThan(7_900);
  expect(bytes / (size?.bytes ?? 0)).toBeGreaterThan(0.75);
  expect(bytes / (size?.bytes ?? 0)).toBeLessThan(1.25);
  await using _ = new Retaining(trial, { bytes: Math.round(bytes / 2) }, { lookMs: 1_200 });
  await untilLeft(trial, (each) => each < 5_000);
  await sleep(3_000);
  expect(await left(trial)).toBeGreaterThan(3_000);
  expect(await trial.storage.find('an-order-with-an-id-0')).toBeUndefined();
  expect(await trial.storage.find('an-order-with-an-id-7999')).toBeDefined();
  expect(await trial.storage.check()).toEqual([]);
}, 40_000);

/** The lock of the schema's retention. */
function lockOf({ schema }: Trial): number[] {
  return [0x6f72, hash('sha256', schema, 'buffer').readInt32BE(0)];
}
