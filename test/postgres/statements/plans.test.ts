/** What reads cost, by the plans that they have, whatever the planner's statistics say. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session, Value } from '../../../src/postgres/sessions/session.ts';
import type { Reads } from '../../../src/postgres/statements/reads.ts';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { explain, type PlanNode } from '../explain.ts';
import { openSession, readsOf } from './kept.ts';

const orders = isFull ? 200_000 : 12_000;
const pending = 1_000;
const start = 1_700_000_000_000;
const { MAX_SAFE_INTEGER: most } = Number;

let server: PostgresServer;
let session: Session;
let reads: Reads;
beforeAll(async () => {
  server = await PostgresServer.start();
  session = await openSession(server, 'plans');
  reads = readsOf(session, 'plans');
  // As autovacuum finds the tables at times.
  await session.query('ANALYZE');
  await fill();
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A tenth of the orders is of one user; those that failed are old; times go back and forth by seconds. */
async function fill(): Promise<void> {
  await session.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
    SELECT g, 5, ${start} + g * 100 + (g * 7919) % 5000,
      get_byte(sha256(convert_to(u, 'UTF8')), 0) & 7, 1, 'o-' || g, u
    FROM (SELECT g, CASE WHEN g % 10 = 0 THEN 'big' ELSE 'u-' || g % 100 END AS u
      FROM generate_series(1, ${orders}) g) x`);
  await session.query(`INSERT INTO pending (seq, not_before, epoch, part, user_id)
    SELECT seq, CASE WHEN seq % 3 = 0 THEN 4102444800000 END, 0, part, user_id FROM orders WHERE seq > ${orders - pending}`);
  await session.query(`INSERT INTO outcomes
      (seq, settlement, amount, settled_at, applied_at, balance, status, user_id)
    SELECT seq, seq * 1024, amount, accepted_at, ${start} + seq * 100 + 5000,
      CASE WHEN f THEN NULL ELSE seq END, CASE WHEN f THEN 2 ELSE 1 END, user_id
    FROM (SELECT *, seq % 7 = 0 AND seq < ${orders / 10} AS f FROM orders
      WHERE seq <= ${orders - pending}) x`);
  await session.query(`INSERT INTO credits SELECT 'fee', settlement, seq, 1, seq, applied_at
    FROM outcomes WHERE seq % 2 = 0 AND balance IS NOT NULL`);
  await session.query(`SELECT setval('settlement_sequence', ${orders})`);
}

/** Explains a statement that was prepared by a read. */
function nodesFor(name: string, values: readonly Value[]): Promise<PlanNode[]> {
  const literals = values.map((value) => (typeof value === 'string' ? `'${value}'` : `${value}`));
  return explain(session, name, literals);
}

const user = { userId: 'u-5' };
const movements = { userId: 'big', after: 0, limit: 10 };
const bounds = [0, most, -most, most, 101, 1_000_000];
const late = start + orders * 50;

/** Each with what it takes, and with a read that prepares it. */
const statements: readonly [name: string, values: readonly Value[], read: () => unknown][] = [
  ['orders_by_id', ['{o-5,o-77}'], () => reads.find('o-1')],
  ['list_all', bounds, () => reads.list({ limit: 1 })],
  ['list_ofUser', [...bounds, 'u-5'], () => reads.list({ ...user, limit: 1 })],
  ['list_pending', bounds, () => reads.list({ status: 'pending', limit: 1 })],
  ['list_unfulfilled', [...bounds, 2], () => reads.list({ status: 'failed', limit: 1 })],
  [
    'list_unfulfilledOfUser',
    [...bounds, 'big', 2],
    () => reads.list({ ...user, status: 'failed', limit: 1 }),
  ],
  ['list_completed_window', bounds, () => reads.list({ status: 'completed', limit: 1 })],
  [
    'list_completedOfUser_window',
    [...bounds, 'big'],
    () => reads.list({ ...user, status: 'completed', limit: 1 }),
  ],
  [
    'list_pendingOfUser_window',
    [...bounds, 'u-5'],
    () => reads.list({ ...user, status: 'pending', limit: 1 }),
  ],
  ['list_all_window', bounds, () => reads.list({ acceptedFrom: start, limit: 1 })],
  ['list_blocks', [most, start, start + 9, 1], () => reads.list({ acceptedFrom: 0, limit: 1 })],
  ['balance', ['big'], () => reads.get('big')],
  ['settled_page', [orders * 100, most, 100], () => reads.settled({ after: 0, limit: 1 })],
  ['movements_page', ['big', 0, 101], () => reads.movements(movements)],
  ['movements_page', ['fee', orders * 900, 101], () => reads.movements(movements)],
  [
    'movements_timed_page',
    ['fee', 0, 101, late, late + 9_999],
    () => reads.movements({ ...movements, from: start }),
  ],
  ['balance_at', ['big', late], () => reads.balanceAt('big', start)],
  ['balance_at', ['fee', late], () => reads.balanceAt('big', start)],
  ['pending_page', [orders - 900, orders, most], () => reads.unsettled().next()],
];

describe.each(['stale', 'fresh'])('with %s statistics', (kind) => {
  beforeAll(async () => {
    if (kind === 'fresh') await session.query('ANALYZE');
  });

  it.each(statements)('%s looks at a bounded number of rows', async (name, values, prepare) => {
    await prepare();
    const nodes = await nodesFor(name, values);
    for (const node of nodes) {
      const rows = node['Actual Rows'] * node['Actual Loops'];
      expect(rows, node['Node Type']).toBeLessThan(5_000);
      expect(node['Rows Removed by Filter'] ?? 0).toBeLessThan(5_000);
      const isSmall = /^(meta|partitions)$/.test(node['Relation Name'] ?? '');
      if (!isSmall) expect(node['Node Type']).not.toMatch(/Seq Scan|Bitmap|Hash|Merge/);
    }
  });
});

describe('lists by time and prune, over blocks of orders', () => {
  const idsBySql = async (where: string): Promise<string[]> => {
    const rows = await session.query<{ id: string }>(
      `SELECT id FROM orders o LEFT JOIN outcomes s USING (seq) WHERE ${where} ORDER BY seq DESC`,
    );
    return rows.map(({ id }) => id);
  };

  it('passes over blocks without orders of the time, and over no order', async () => {
    const end = start + orders * 100;
    const ranges = [
      [start, start + 900_000],
      [end - 90_000, end - 40_000],
      [start + 405_000, start + 425_000],
      [end + 9_999, end + 99_999],
    ] as const;
    const filters = [
      [{}, 'true'],
      [{ userId: 'u-5' }, `o.user_id = 'u-5'`],
      [{ status: 'failed' }, 's.status = 2'],
      [{ userId: 'big', status: 'completed' }, `o.user_id = 'big' AND s.status = 1`],
      [{ userId: 'u-7', status: 'pending' }, `o.user_id = 'u-7' AND s.seq IS NULL`],
    ] as const;
    for (const [acceptedFrom, acceptedBefore] of ranges) {
      for (const [filter, sql] of filters) {
        const found: string[] = [];
        let calls = 0;
        for (let before: number | undefined = most; before !== undefined; calls += 1) {
          const query = { ...filter, acceptedFrom, acceptedBefore, before, limit: 2_000 };
          const page = await reads.list(query);
          found.push(...page.orders.map(({ id }) => id));
          before = page.next;
        }
        const time = `accepted_at >= ${acceptedFrom} AND accepted_at < ${acceptedBefore}`;
        expect(found).toEqual(await idsBySql(`${time} AND ${sql}`));
        expect(calls).toBeLessThan(12 + orders / 2_000);
      }
    }
  });

  it('deletes what is old in each block', async () => {
    const before = start + orders * 50;
    const left = await idsBySql(`accepted_at >= ${before} OR s.settled_at IS NULL`);
    expect(await reads.prune(before)).toBe(orders - left.length);
    expect(await idsBySql('true')).toEqual(left);
  });
});
