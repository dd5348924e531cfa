/** What reads of unsettled orders cost, by their plans, though the planner was told that the tables are empty. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { setUpOf } from '../../../src/postgres/members/life.ts';
import {
  readListed,
  readPages,
  readRanges,
  readSequences,
  readUsers,
} from '../../../src/postgres/notes/order-reads.ts';
import { dueStatement, nextStatement } from '../../../src/postgres/notes/partitions/due-orders.ts';
import { PartitionReading } from '../../../src/postgres/notes/partitions/partition-reading.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { explain } from '../explain.ts';
import { newSchema } from '../members/kit.ts';

const orders = 20_000;
const noToken = '00000000-0000-0000-0000-000000000000';

let server: PostgresServer;
let session: Session;
beforeAll(async () => {
  server = await PostgresServer.start();
  const schema = await newSchema(server);
  const config = { connectionString: server.url };
  session = await Session.open(config, setUpOf('read', schema), () => {});
  await session.query('ANALYZE');
  await session.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
    SELECT g, 1, 1, g % 8, 1, 'o-' || g, 'u-' || g % 80 FROM generate_series(1, ${orders}) g`);
  await session.query(`INSERT INTO pending (seq, epoch, part, user_id)
    SELECT seq, 0, part, user_id FROM orders`);
  // As many that are not due, below all others and above them; some are due.
  await session.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id, not_before)
    SELECT g, 1, 1, abs(g) % 8, 1, 'd-' || g, 'u-' || abs(g) % 80, g
    FROM generate_series(-5000, 25000) g WHERE g < 0 OR g > ${orders}`);
  await session.query(`INSERT INTO pending (seq, not_before, epoch, part, user_id)
    SELECT seq, CASE WHEN seq % 1000 = 1 THEN 5 ELSE 4102444800000 + seq END, 0, part, user_id
    FROM orders WHERE not_before IS NOT NULL`);
  await session.query(`INSERT INTO processors (number, token, name, pids)
    VALUES (1, '${noToken}', '', '{}')`);
  await session.query('UPDATE partitions SET owner = 1');
}, 60_000);
afterAll(async () => {
  await session.end();
  await server[Symbol.asyncDispose]();
});

/** How many rows of the tables of orders a prepared statement has looked at. */
async function rowsRead(name: string, values: readonly string[]): Promise<number> {
  let read = 0;
  for (const node of await explain(session, name, values)) {
    if (!['orders', 'pending'].includes(node['Relation Name'] ?? '')) continue;
    read += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  }
  return read;
}

const reader = (number = 1) => ({ read: session, number });
const reading = new PartitionReading({ number: 0 }, 10);
const user = { id: 'u-5', count: 0, high: 0, cursor: 0, isDrained: false };

it.each<[string, () => Promise<unknown>, string[], number]>([
  [
    'ranges',
    () => readRanges(reader(), [], []),
    ["'{100,200}'", "'{149,249}'", "'{3,3}'", "'{1,2}'", '1'],
    300,
  ],
  ['listed', () => readListed(reader(), [1]), ["'{5,6,7}'", '1'], 6],
  [
    'pages',
    () => readPages(reader(), [reading], 10, 10),
    ["'{1,2}'", "'{0,0}'", "'{50,50}'", '50', "'{}'", '1'],
    300,
  ],
  [
    'users',
    () => readUsers(reader(), [{ reading, user, most: 10 }]),
    ["'{u-5,u-6}'", "'{0,0}'", "'{50,50}'", '1'],
    200,
  ],
  ['sweep', () => readSequences(session, [1], 0, 10), ["'{1,2}'", '10000', '100'], 500],
  ['next_due', () => session.query(nextStatement, ['{}']), ["'{1,2}'"], 4],
  [
    'due',
    () => session.query(dueStatement, [0, noToken, '{}', 1]),
    ['1', `'${noToken}'`, "'{0,1,2,3}'", '100'],
    200,
  ],
])('%s looks at what it gives, and at little more', async (name, prepare, values, most) => {
  await prepare();
  expect(await rowsRead(name, values)).toBeLessThanOrEqual(most);
});

it('invariant 12: nothing is read of partitions that are not the processor’s', async () => {
  const [mine, others] = [reader(1), reader(2)];
  const due = [{ reading, user, most: 10 }];
  const range = [{ low: 1, high: 99, xid: await xidOf(8) }];
  expect((await readListed(mine, [8])).length).toBe(1);
  expect((await readRanges(mine, range, [0])).length).toBe(12);
  expect((await readPages(mine, [reading], 10, 10)).length).toBe(10);
  expect((await readUsers(mine, due)).some(({ part }) => part !== null)).toBe(true);
  expect(await readListed(others, [8])).toEqual([]);
  expect(await readRanges(others, range, [0])).toEqual([]);
  const pages = await readPages(others, [reading], 10, 10);
  expect(pages).toMatchObject([{ seq: null, pagePart: 0, hasMore: true }]);
  const users = await readUsers(others, due);
  expect(users.map(({ part }) => part)).toEqual(users.map(() => null));
});

async function xidOf(sequence: number): Promise<string> {
  const [row] = await session.query<{ xid: string }>(
    'SELECT accept_xid::text AS xid FROM pending WHERE seq = $1',
    [sequence],
  );
  return row?.xid ?? '';
}
