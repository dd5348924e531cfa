import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Node, newSchema, until } from './kit.ts';
import { Pooler } from './pooler.ts';
import { accept, insert, settle } from './raw-writes.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Two processors, and a user of the second one. */
async function two(): Promise<{ schema: string; one: Node; other: Node; userId: string }> {
  const schema = await newSchema(server);
  const one = await (await Node.open(server, schema)).join();
  const other = await (await Node.open(server, schema)).join();
  const users = Array.from({ length: 100 }, (_, at) => `u-${at}`);
  const userId = users.find((user) => other.parts.includes(partitionOf(user, 8))) as string;
  return { schema, one, other, userId };
}

describe('outcomes', () => {
  it('shared rule 5: come where an order was accepted, also when another life began meanwhile', async () => {
    const { one, other, userId } = await two();
    await using _one = one;
    await using _other = other;
    const orders = await accept(one.members, [
      { id: 'o-1', userId },
      { id: 'o-2', userId },
    ]);
    await until('they come', () => other.ids.length === 2);
    await settle(other.members, other.members.life, orders.slice(0, 1));
    await until('it is settled', () => one.settled.length === 1);
    const { number } = one.members.life;
    one.members.life.end(new Error('The test ends it'));
    await until('it is back', () => one.owned.size === 4 && other.owned.size === 4);
    expect(one.members.life.number).toBeGreaterThan(number);
    const given = (): Node[] =>
      [one, other].filter(({ parts }) => parts.includes(partitionOf(userId, 8)));
    const [owner] = given();
    const at = performance.now();
    await settle(owner?.members as Node['members'], (owner as Node).members.life, orders.slice(1));
    if (owner === other) {
      await until('it is settled', () => one.settled.length === 2);
      expect(performance.now() - at).toBeLessThan(1_500);
    }
  });

  it('shared rule 6: one that was noted to no session is asked for', async () => {
    const { schema, one, other, userId } = await two();
    await using _one = one;
    await using _other = other;
    const [order] = await accept(one.members, [{ id: 'o-1', userId }]);
    await until('it comes', () => other.ids.length === 1);
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query(`WITH d AS (DELETE FROM ${schema}.pending RETURNING seq)
      INSERT INTO ${schema}.outcomes (seq, settlement, amount, settled_at, applied_at, status, user_id)
      SELECT seq, 1, 1, 1, 1, 2, '' FROM d`);
    await client.end();
    await until('it is settled', () => one.settled.length === 1);
    expect(one.settled[0]?.sequence).toBe(order?.sequence);
    expect(one.settled[0]?.status).toBe('failed');
  });

  it('shared rule 7: a settlement is in the answer of `watch`, or comes as an event', async () => {
    const { one, other, userId } = await two();
    await using _one = one;
    await using _other = other;
    const { life } = other.members;
    for (let at = 0; at < 30; at += 1) {
      const id = `o-${at}`;
      const [order] = await insert(life.accept, life.number, 1_000 + at, [{ id, userId }]);
      const isSettled = settle(other.members, life, [
        order as { sequence: number; userId: string },
      ]);
      const [found, unknown] = await one.members.watch([id, 'unknown']);
      await isSettled;
      expect(unknown).toBeUndefined();
      if (found?.settledAt === undefined) {
        await until('it is settled', () => one.settled.some((each) => each.id === id));
      }
    }
  });

  it('shared rule 8: a request to cancel comes at each owner until the order is settled', async () => {
    const { one, other, userId } = await two();
    await using _one = one;
    await accept(one.members, [{ id: 'o "1"', userId }]);
    await until('it comes', () => other.ids.length === 1);
    await one.members.cancel('o "1"');
    await one.members.cancel('unknown');
    await until('it is asked to', () => other.heard.some(([what]) => what === 'cancel'));
    expect(other.heard.at(-1)).toEqual(['cancel', 'o "1"']);
    await other.members.close();
    await until('the next owner gets it', () => one.ids.length === 1);
    expect(one.canceled).toEqual(['o "1"']);
    expect(one.ids).toEqual(['o "1"']);
  });
});

describe('a pooler', () => {
  it.each(['another process', 'no notes'] as const)(
    'that gives a connection for one transaction is refused, with what to do: %s',
    async (fault) => {
      await using pooler = await Pooler.start(server.port, fault);
      const config = { connectionString: pooler.url };
      const opened = Node.open(server, await newSchema(server), { config });
      await expect(opened).rejects.toThrow('connect to PostgreSQL directly');
    },
  );
});
