import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Channels } from '../../../src/postgres/members/channels.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Child } from './child.ts';
import { Node, newSchema, until } from './kit.ts';
import { accept, settle } from './raw-writes.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const all = [0, 1, 2, 3, 4, 5, 6, 7];

async function query<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows as Row[];
  } finally {
    await client.end();
  }
}

/** A user of a partition that the processor owns. */
function userOf(node: Node): string {
  for (let at = 0; ; at += 1) {
    const user = `u-${at}`;
    if (node.parts.includes(partitionOf(user, 8))) return user;
  }
}

describe('ownership', () => {
  it('one alone owns all partitions; others take their share, and give it back', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    expect(one.parts).toEqual(all);
    const other = await Node.open(server, schema);
    await other.join();
    expect(one.owned.size).toBe(4);
    expect([...one.parts, ...other.parts].sort()).toEqual(all);
    await using third = await Node.open(server, schema);
    await third.join();
    expect([one, other, third].map(({ owned }) => owned.size)).toEqual([3, 3, 2]);
    await other.members.close();
    await until('all are owned', () => one.owned.size + third.owned.size === 8);
    expect([...one.parts, ...third.parts].sort()).toEqual(all);
    for (const { heard } of [one, third]) {
      expect(heard.filter(([what]) => what === 'lost')).toEqual([]);
    }
  });

  it('shared rule 11: one that leaves hands over as its orders end, and keeps all where it is alone', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    one.members.leave();
    await sleep(250);
    expect(one.parts).toEqual(all);
    await using other = await Node.open(server, schema);
    let mayEnd = (): void => {};
    const isEnded = new Promise<void>((resolve) => {
      mayEnd = resolve;
    });
    one.whenReleased = () => isEnded;
    const isJoined = other.join();
    await until('all are released', () => one.owned.size === 0);
    await sleep(150);
    expect(other.owned.size).toBe(0);
    mayEnd();
    await isJoined;
    expect(other.parts).toEqual(all);
  });

  it('shared rule 10: what does not end in time is lost, and its orders come with one more attempt', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema, { handOverMs: 200 });
    await one.join();
    await accept(one.members, [{ id: 'o-1', userId: 'u-1' }]);
    await until('it comes', () => one.ids.includes('o-1'));
    await using other = await Node.open(server, schema);
    one.whenReleased = () => new Promise(() => {});
    one.members.leave();
    await other.join();
    await until('it comes', () => other.ids.includes('o-1'));
    expect(other.given[0]?.order.attempt).toBe(2);
    expect(one.heard.filter(([what]) => what === 'lost').length).toBe(8);
  });

  it('what the fence refuses counts as lost, and what is owned still is gained anew', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    await using other = await Node.open(server, schema);
    await other.join();
    const [mine, others] = [userOf(one), userOf(other)];
    const orders = await accept(one.members, [
      { id: 'mine', userId: mine },
      { id: 'other', userId: others },
    ]);
    await until('they come', () => one.ids.includes('mine') && other.ids.includes('other'));
    const [before] = one.given;
    await expect(settle(one.members, one.members.life, orders)).rejects.toThrow('lost');
    await until('it comes again', () => one.given.length === 2);
    expect(one.ids).toEqual(['mine', 'mine']);
    expect(one.given[1]?.partition).not.toBe(before?.partition);
    expect(one.given[1]?.order.attempt).toBe(2);
    expect(other.ids).toEqual(['other']);
    await settle(one.members, one.members.life, orders.slice(0, 1));
  });

  it('memory follows the table: what is not there is lost, what is there is gained', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    const other = new Client({ connectionString: server.url });
    await other.connect();
    await other.query(`SELECT pg_advisory_lock(${one.members.channels.lockKey}, 1000)`);
    await query(`INSERT INTO ${schema}.processors (number, token, name, pids, beat_at, shares)
      VALUES (1000, gen_random_uuid(), 'x', '{}', now() + interval '1 s', false)`);
    await query(`UPDATE ${schema}.partitions SET owner = 1000 WHERE part < 2`);
    await until('they are lost', () => one.owned.size === 6);
    await query(`UPDATE ${schema}.partitions SET owner = ${one.members.life.number}`);
    await until('they are gained', () => one.owned.size === 8);
    expect(one.heard.filter(([what]) => what === 'lost').map(([, part]) => part)).toEqual([0, 1]);
    await other.end();
  });
});

describe('liveness', () => {
  it('a killed process is evicted at once, and its orders come with one more attempt', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    await using child = await Child.start(server, schema);
    const userId = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
      .map((at) => `u-${at}`)
      .find((user) => !one.parts.includes(partitionOf(user, 8))) as string;
    await accept(one.members, [{ id: 'o-1', userId }]);
    await child.until('given', 'o-1');
    child.signal('SIGKILL');
    const killed = performance.now();
    await until('it comes', () => one.ids.includes('o-1'));
    expect(performance.now() - killed).toBeLessThan(900);
    expect(one.given[0]?.order.attempt).toBe(2);
    expect(one.parts).toEqual(all);
  });

  it('invariant 12: a stopped process is evicted, and changes nothing when it wakes', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    await using child = await Child.start(server, schema);
    const userId = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
      .map((at) => `u-${at}`)
      .find((user) => !one.parts.includes(partitionOf(user, 8))) as string;
    const [order] = await accept(one.members, [{ id: 'o-1', userId }]);
    await child.until('given', 'o-1');
    child.signal('SIGSTOP');
    await until('it comes', () => one.ids.includes('o-1'));
    const sessions = `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'order-processor %'`;
    expect((await query(sessions)).length).toBe(4);
    child.settle();
    child.signal('SIGCONT');
    await child.until('wrote');
    expect(child.has('wrote', 'settled')).toBe(false);
    await child.until('lost');
    // It comes back by itself, with a number of its own.
    await until('it owns its share', () => one.owned.size === 4);
    const lost = child.heard.findIndex(([what]) => what === 'lost');
    await until('it gains', () => child.heard.slice(lost).some(([what]) => what === 'gained'));
    expect(await query(`SELECT 1 FROM ${schema}.outcomes`)).toEqual([]);
    await settle(one.members, one.members.life, [order as { sequence: number; userId: string }]);
  });

  it('a beat that is not answered ends the life, and all of it is lost at once', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    const { life } = one.members;
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('BEGIN');
    await client.query(`LOCK TABLE ${schema}.processors IN ACCESS EXCLUSIVE MODE`);
    const locked = performance.now();
    await until('all is lost', () => one.owned.size === 0);
    expect(performance.now() - locked).toBeLessThan(900);
    expect(life.isOver).toBe(true);
    expect(() => one.members.life).toThrow('has not answered for 500 ms');
    await client.query('ROLLBACK');
    await client.end();
    await until('it is back', () => one.owned.size === 8);
    expect(one.members.life.number).toBeGreaterThan(life.number);
    expect(one.members.life.token).not.toBe(life.token);
  });

  it.each(isFull ? ['accept', 'settle', 'read', 'beat'] : ['read'])(
    'where its session to %s is terminated, all end, and a new life begins',
    async (role) => {
      const schema = await newSchema(server);
      await using one = await Node.open(server, schema);
      await one.join();
      await accept(one.members, [{ id: 'o-1', userId: 'u-1' }]);
      await until('it comes', () => one.ids.includes('o-1'));
      const { token } = one.members.life;
      await query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`,
        [`order-processor ${role} ${token}`],
      );
      await until('it comes again', () => one.ids.length === 2);
      await until('all are back', () => one.owned.size === 8);
      expect(one.given[1]?.order.attempt).toBe(2);
      expect(
        await query(`SELECT 1 FROM pg_stat_activity WHERE right(application_name, 36) = $1`, [
          token,
        ]),
      ).toEqual([]);
      expect(one.failure).toBeUndefined();
    },
  );

  it.each(isFull ? (['fast', 'immediate'] as const) : (['immediate'] as const))(
    'after a restart of the server (%s) all goes on: outcomes that were missed come too',
    async (mode) => {
      await using own = await PostgresServer.start();
      const schema = await newSchema(own);
      await using one = await Node.open(own, schema);
      await one.join();
      await using other = await Node.open(own, schema);
      await other.join();
      const [order] = await accept(one.members, [{ id: 'o-1', userId: userOf(other) }]);
      await until('it comes', () => other.ids.includes('o-1'));
      await own.stop(mode);
      await until('all is lost', () => one.owned.size + other.owned.size === 0);
      await expect(one.members.cancel('o-1')).rejects.toThrow();
      await own.restart();
      await until('all are owned', () => one.owned.size + other.owned.size === 8);
      const count = (): number => [...one.ids, ...other.ids].length;
      await until('it comes again', () => count() === 2);
      const owner = one.ids.includes('o-1') ? one : other;
      // The processor that awaits it has another number now.
      await settle(owner.members, owner.members.life, [
        order as { sequence: number; userId: string },
      ]);
      if (owner === other) await until('it is settled', () => one.settled.length === 1);
    },
    20_000,
  );

  it('without a server `open` rejects, and shows no password', async () => {
    const config = { connectionString: 'postgres://me:se%24cret@127.0.0.1:1/db' };
    const opened = Node.open(server, 's', { config });
    await expect(opened).rejects.toThrow('ECONNREFUSED');
    await expect(Node.open(server, 's', { config })).rejects.not.toThrow(/se(%24|\$)cret/);
  });

  it('channels and locks of two schemas differ', () => {
    const [one, other] = [new Channels('one'), new Channels('other')];
    expect(one.accepted).not.toBe(other.accepted);
    expect(one.lockKey).not.toBe(other.lockKey);
    expect(one.outcomes(7)).toBe(`${one.outcomesPrefix}7`);
  });
});
