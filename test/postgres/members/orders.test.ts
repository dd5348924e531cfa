import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listNotes } from '../../../src/postgres/notes/accept-note.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { openSession } from '../statements/kept.ts';
import { Node, newSchema, until } from './kit.ts';
import { accept, insert, settle } from './raw-writes.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

describe('orders', () => {
  it('shared rule 3: orders come once, at their owner, in the order accepted', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    await one.join();
    await using other = await Node.open(server, schema);
    await other.join();
    const nodes = [one, other];
    const ids = new Map<string, string[]>();
    for (const at of range(120)) {
      const order = { id: `o-${at}`, userId: `u-${at % 7}` };
      await accept((nodes[at % 2] as Node).members, [order]);
      ids.set(order.userId, [...(ids.get(order.userId) ?? []), order.id]);
    }
    await until('all come', () => one.given.length + other.given.length >= 120);
    for (const [userId, expected] of ids) {
      const isOfOne = [...one.owned].some(({ number }) => number === partitionOf(userId, 8));
      expect(one.idsOf(userId)).toEqual(isOfOne ? expected : []);
      expect(other.idsOf(userId)).toEqual(isOfOne ? [] : expected);
    }
    expect(one.given.length + other.given.length).toBe(120);
  });

  it('what was unsettled comes first, then the mark', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema);
    const orders = range(3_000).map((at) => ({ id: `o-${at}`, userId: `u-${at % 50}` }));
    await insert(one.members.life.accept, 0, 1, orders);
    let givenAtMark = 0;
    one.taken = ({ isCaughtUp }) => {
      if (isCaughtUp) givenAtMark = one.given.length;
    };
    await one.join();
    expect(givenAtMark).toBe(3_000);
    for (const at of range(50)) {
      const expected = range(60).map((n) => `o-${n * 50 + at}`);
      expect(one.idsOf(`u-${at}`)).toEqual(expected);
    }
  });

  it('nothing is read beyond what is asked for, and nothing is missed', async () => {
    const schema = await newSchema(server);
    await using one = await Node.open(server, schema, { bounds: { noted: 50, page: 20 } });
    let goOn = (): void => {};
    const mayGoOn = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await one.join();
    one.taken = () => mayGoOn;
    for (const at of range(40)) {
      const orders = range(10).map((n) => ({ id: `o-${at * 10 + n}`, userId: `u-${n}` }));
      await accept(one.members, orders);
    }
    await sleep(100);
    expect(one.given.length).toBeLessThan(20);
    goOn();
    await until('all come', () => one.given.length >= 400);
    for (const n of range(10)) {
      expect(one.idsOf(`u-${n}`)).toEqual(range(40).map((at) => `o-${at * 10 + n}`));
    }
    expect(new Set(one.ids).size).toBe(400);
  });

  it('invariant 1: an order that was committed late comes before those handed in after its answer', async () => {
    const schema = await newSchema(server, 1);
    await using one = await Node.open(server, schema, { partitions: 1, bounds: { noted: 5 } });
    await one.join();
    const late = await Session.open(
      { connectionString: server.url },
      `SET search_path = ${schema}`,
      () => {},
    );
    await late.query('BEGIN');
    const [first] = await insert(late, 0, 1, [{ id: 'late', userId: 'u' }], 1);
    await accept(one.members, [{ id: 'given', userId: 'v' }], 1);
    await until('it comes', () => one.ids.length === 1);
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
    one.taken = () => mayGoOn;
    await accept(one.members, [{ id: 'taken', userId: 'v' }], 1);
    await until('it comes', () => one.ids.length === 2);
    // More than there is room for: reading goes on by pages, behind the late one.
    const more = range(10).map((at) => ({ id: `more-${at}`, userId: 'v' }));
    await accept(one.members, more, 1);
    await late.query('COMMIT');
    const [note] = listNotes([{ sequence: (first as { sequence: number }).sequence, part: 0 }]);
    await late.query('SELECT pg_notify($1, $2)', [one.members.channels.accepted, note as string]);
    await accept(one.members, [{ id: 'after', userId: 'u' }], 1);
    goOn();
    await until('all come', () => one.ids.length === 14);
    expect(one.idsOf('u')).toEqual(['late', 'after']);
    expect(one.idsOf('v')).toEqual(['given', 'taken', ...more.map(({ id }) => id)]);
    await late.end();
  });

  it('invariant 12: a processor that has not heard of a loss is given nothing that was accepted since', async () => {
    const schema = await newSchema(server);
    // It beats no more after it has joined, and looks for what it has missed.
    const unheard = { beatMs: 600_000, staleMs: 1_200_000, sweepMs: 20 };
    await using one = await Node.open(server, schema, unheard);
    await one.join();
    const session = await openSession(server, schema);
    await session.query('UPDATE partitions SET owner = NULL, epoch = epoch + 1');
    await accept(one.members, [{ id: 'own', userId: 'u' }]);
    const noted = range(2).map((at) => ({ id: `noted-${at}`, userId: `u-${at}` }));
    const orders = await insert(session, 0, 1, noted);
    const listed = orders.map(({ sequence, userId }) => ({
      sequence,
      part: partitionOf(userId, 8),
    }));
    const { accepted } = one.members.channels;
    for (const each of listNotes(listed)) {
      await session.query('SELECT pg_notify($1, $2)', [accepted, each]);
    }
    await insert(session, 0, 2, [{ id: 'unnoted', userId: 'u' }]);
    await sleep(200);
    expect([one.owned.size, one.ids]).toEqual([8, []]);
    await using other = await Node.open(server, schema);
    await other.join();
    const given = () => [...one.given, ...other.given];
    await until('they come at their owners', () => given().length === 4);
    expect(given().map(({ order }) => order.attempt)).toEqual([1, 1, 1, 1]);
    await session.end();
  });

  it('invariant 7: a user with many orders does not hold back the others of its partition', async () => {
    const schema = await newSchema(server, 1);
    const options = { partitions: 1, bounds: { user: 20, page: 10, scan: 100 } };
    await using one = await Node.open(server, schema, options);
    const many = range(500).map((at) => ({ id: `many-${at}`, userId: 'many' }));
    const few = range(5).map((at) => ({ id: `few-${at}`, userId: 'few' }));
    await insert(one.members.life.accept, 0, 1, [...many, ...few], 1);
    await one.join();
    expect(one.idsOf('few')).toEqual(few.map(({ id }) => id));
    expect(one.idsOf('many').length).toBe(20);
    // The rest comes as they are settled, in their order, with what is accepted meanwhile.
    const later = range(5).map((at) => ({ id: `later-${at}`, userId: 'many' }));
    await accept(one.members, later, 1);
    for (let settled = 0; settled < 505; ) {
      await until('more come', () => one.idsOf('many').length > settled);
      const orders = one.given.map(({ order }) => order).filter(({ userId }) => userId === 'many');
      const next = orders.slice(settled);
      expect(next.length).toBeLessThanOrEqual(20);
      await settle(one.members, one.members.life, next, 1);
      settled += next.length;
    }
    expect(one.idsOf('many')).toEqual([...many, ...later].map(({ id }) => id));
    expect(one.failure).toBeUndefined();
  });
});
