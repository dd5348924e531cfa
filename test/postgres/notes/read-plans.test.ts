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
import { PartitionReading } from '../../../src/postgres/notes/partition-reading.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { explain } from '../explain.ts';
import { newSchema } from '../members/kit.ts';

const orders = 20_000;

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

const reading = new PartitionReading({ number: 0 }, 10);
const user = { id: 'u-5', count: 0, high: 0, cursor: 0, isDrained: false };

it.each<[string, () => Promise<unknown>, string[], number]>([
  [
    'ranges',
    () => readRanges(session, [], []),
    ["'{100,200}'", "'{149,249}'", "'{3,3}'", "'{1,2}'"],
    300,
  ],
  ['listed', () => readListed(session, [1]), ["'{5,6,7}'"], 6],
  [
    'pages',
    () => readPages(session, [reading], 10, 10),
    ["'{1,2}'", "'{0,0}'", "'{50,50}'", '50', "'{}'"],
    300,
  ],
  [
    'users',
    () => readUsers(session, [{ reading, user, most: 10 }]),
    ["'{u-5,u-6}'", "'{0,0}'", "'{50,50}'"],
    200,
  ],
  ['sweep', () => readSequences(session, [1], 0, 10), ["'{1,2}'", '10000', '100'], 500],
])('%s looks at what it gives, and at little more', async (name, prepare, values, most) => {
  await prepare();
  expect(await rowsRead(name, values)).toBeLessThanOrEqual(most);
});
