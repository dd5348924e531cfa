import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor } from 'order-processor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import type { Session } from '../../../src/postgres/sessions/session.ts';
import { settlementLock } from '../../../src/postgres/values/settlement-lock.ts';
import { Random } from '../../../src/testing/random.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { openSession, readsOf } from './kept.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A transaction that settles, as `settle` makes it. */
class Settling {
  readonly #session: Session;
  readonly #schema: string;
  #drawn = 0;

  constructor(session: Session, schema: string) {
    this.#session = session;
    this.#schema = schema;
  }

  /** Draws the number of the call. */
  async begin(): Promise<this> {
    await this.#session.query('BEGIN');
    await this.#session.query(
      'SELECT pg_advisory_xact_lock_shared($1, $2)',
      settlementLock(this.#schema),
    );
    const [row] = await this.#session.query<{ drawn: number }>(
      `SELECT nextval('settlement_sequence') AS drawn`,
    );
    this.#drawn = row?.drawn ?? 0;
    return this;
  }

  /** Settles orders, whose ids are those of their settlements. */
  async write(count: number): Promise<void> {
    await this.#session.query(
      `WITH settled AS (SELECT nextval('order_sequence') AS seq, 1024 * $1::bigint + at AS settlement
          FROM generate_series(0, $2::int - 1) at),
        o AS (INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
          SELECT seq, 1, 1, 0, 1, settlement::text, 'u' FROM settled)
      INSERT INTO outcomes (seq, settlement, amount, settled_at, applied_at, status, user_id)
        SELECT seq, settlement, 1, 1, 1, 2, 'u' FROM settled`,
      [this.#drawn, count],
    );
  }

  end(how: 'COMMIT' | 'ROLLBACK'): Promise<unknown> {
    return this.#session.query(how);
  }
}

async function open(schema: string, writers: number) {
  const session = await openSession(server, schema);
  const sessions = await Promise.all(
    Array.from({ length: writers }, () => openSession(server, schema)),
  );
  const reads = readsOf(session, schema);
  return { reads, session, sessions };
}

const idsOf = (orders: readonly { readonly id: string }[]): string[] => orders.map(({ id }) => id);

describe('settled (invariant 4)', () => {
  it('gives no settlement before a smaller one that is still to be committed', async () => {
    const { reads, sessions } = await open('two', 3);
    const [one, two, three] = sessions as [Session, Session, Session];
    const first = await new Settling(one, 'two').begin();
    const second = await new Settling(two, 'two').begin();
    await second.write(2);
    await second.end('COMMIT');
    const early = await reads.settled({ after: 0, limit: 10 });
    expect(early).toEqual({ orders: [], next: 0, last: 2049, forgotten: 0 });
    const third = await new Settling(three, 'two').begin();
    const reading = reads.settled({ after: 0, limit: 10 });
    await sleep(20);
    await first.write(1);
    await first.end('COMMIT');
    // The third goes on: nobody waits for what began after the numbers were looked at.
    const page = await reading;
    expect(idsOf(page.orders)).toEqual(['1024', '2048', '2049']);
    expect(page.next).toBe(page.last);
    await third.write(1);
    await third.end('ROLLBACK');
    expect(await reads.settled({ after: 2049, limit: 10 })).toEqual({ ...page, orders: [] });
  });

  it('waits for nothing where nothing was committed behind the place', async () => {
    const { reads, sessions } = await open('idle', 1);
    await (await new Settling(sessions[0] as Session, 'idle').begin()).write(1);
    const begun = performance.now();
    expect(await reads.settled({ after: 0, limit: 10 })).toMatchObject({ orders: [], last: 0 });
    expect(performance.now() - begun).toBeLessThan(500);
  });

  it('goes on beside writers of which three are always in a transaction', async () => {
    const { reads, sessions } = await open('overlapping', 4);
    const under: Settling[] = [];
    let isOver = false;
    const write = async (): Promise<void> => {
      for (let at = 0; at < 80; at += 1) {
        if (under.length === 4) await under.shift()?.end('COMMIT');
        const settling = await new Settling(sessions[at % 4] as Session, 'overlapping').begin();
        under.push(settling);
        await settling.write(1);
        await sleep(5);
      }
      isOver = true;
    };
    const writing = write();
    const seen: string[] = [];
    for (let after = 0; !isOver; ) {
      const page = await reads.settled({ after, limit: 10 });
      seen.push(...idsOf(page.orders));
      after = page.next;
    }
    await writing;
    // While transactions were open all the time.
    expect(under).toHaveLength(4);
    expect(seen.length).toBeGreaterThan(20);
    expect(seen).toEqual(seen.map((_, at) => `${1024 * (at + 1)}`));
    for (const each of under) await each.end('COMMIT');
  });

  it('gives each once and in order, beside writers that commit in any order or never', async () => {
    const random = new Random(3);
    const { reads, session, sessions } = await open('many', 4);
    const writing = sessions.map(async (writer) => {
      for (let at = 0; at < 40; at += 1) {
        const settling = await new Settling(writer, 'many').begin();
        await sleep(random.integer(0, 6));
        await settling.write(random.integer(1, 3));
        await settling.end(random.chance(80) ? 'COMMIT' : 'ROLLBACK');
      }
    });
    let isOver = false;
    const written = Promise.all(writing).then(() => {
      isOver = true;
    });
    const seen: string[] = [];
    for (let after = 0, isLast = false; !isLast; ) {
      isLast = isOver;
      const page = await reads.settled({ after, limit: random.integer(1, 9) });
      seen.push(...idsOf(page.orders));
      isLast &&= page.next === page.last;
      assert.ok(page.next >= after);
      after = page.next;
    }
    await written;
    const all = await session.query<{ id: string }>(
      'SELECT settlement::text AS id FROM outcomes ORDER BY settlement',
    );
    expect(seen).toEqual(idsOf(all));
    expect(seen.length).toBeGreaterThan(100);
  });
});

describe('outcomes (invariant 4)', () => {
  it('come once and in order at every processor, whichever settles, with credits that cross', async () => {
    const options = { connectionString: server.url, schema: 'processors', partitions: 8 };
    const storages = await Promise.all([1, 2, 3].map(() => PostgresStorage.open(options)));
    const all = storages.map((storage) => new OrderProcessor({ storage, concurrency: 16 }));
    await Promise.all(all.map((each) => each.ready));
    const count = 900;
    const reading = all.map(async (processor) => {
      const seen: { readonly id: string; readonly sequence: number }[] = [];
      for await (const { sequence, order } of processor.outcomes()) {
        seen.push({ id: order.id, sequence });
        if (seen.length === count) break;
      }
      return seen;
    });
    for (let at = 0; at < count; at += 30) {
      const orders = Array.from({ length: 30 }, (_, place) => ({
        ...{ id: `o-${at + place}`, userId: `u-${(at + place) % 40}`, amount: -1 },
        postings: [{ userId: place % 2 ? 'fee' : `u-${(at + place + 7) % 40}`, amount: 1 }],
      }));
      await all[(at / 30) % 3]?.submitMany(orders);
    }
    const [first = [], ...others] = await Promise.all(reading);
    for (const other of others) expect(other).toEqual(first);
    expect(first).toEqual(first.toSorted((one, other) => one.sequence - other.sequence));
    expect(new Set(first.map(({ id }) => id)).size).toBe(count);
    expect(await storages[0]?.check()).toEqual([]);
    await Promise.all(all.map((each) => each.shutdown()));
  }, 60_000);
});
