import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ParsedOrder, parseOrder } from '../../../src/core/order/parse-order.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';
import { awkwardNames } from '../../../src/testing/awkward-ids.ts';
import { type PostgresRelease, PostgresServer } from '../../kit/postgres-server.ts';
import { World } from './world.ts';

const releases: readonly PostgresRelease[] = [18, 15];

const most = Number.MAX_SAFE_INTEGER;
const order = { userId: 'u', amount: 5 };
const long = '\u{1f600}'.repeat(128);
const postings = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ userId: `v-${at}`, amount: 1 }));

/** What is an order, and what is none: as code finds, so does SQL. */
const orders: readonly object[] = [
  ...[order, { ...order, id: long, userId: long }, { ...order, amount: -most }],
  ...[
    { ...order, priority: 'low', payload: null },
    { ...order, postings: postings(100) },
  ],
  { ...order, notBefore: 0, expiresAt: 4_000_000_000_000 },
  ...[[], {}, { amount: 5 }, { userId: 'u' }, { ...order, userId: '' }, { ...order, userId: 7 }],
  ...[
    { ...order, userId: `${long}x` },
    { ...order, id: '' },
    { ...order, id: 'x'.repeat(257) },
  ],
  ...[
    { ...order, id: 5 },
    { ...order, amount: 1.5 },
    { ...order, amount: '5' },
  ],
  ...[
    { ...order, amount: most + 1 },
    { ...order, amount: -most - 1 },
    { ...order, amount: 1e300 },
  ],
  ...[
    { ...order, priority: 'urgent' },
    { ...order, priority: 1 },
  ],
  ...[
    { ...order, notBefore: -1 },
    { ...order, notBefore: 1.5 },
    { ...order, notBefore: 1e14 },
  ],
  { ...order, notBefore: 2_000_000_000_000, expiresAt: 2_000_000_000_000 },
  ...[
    { ...order, postings: {} },
    { ...order, postings: postings(101) },
  ],
  ...[
    { ...order, postings: [7] },
    { ...order, postings: [{ userId: 'v' }] },
  ],
  ...[{ ...order, postings: [{ userId: 'v', amount: 0 }] }],
  ...[{ ...order, postings: [{ userId: 'u', amount: 1 }] }],
  { ...order, postings: [...postings(1), ...postings(1)] },
  { ...order, postings: [0, 1].map((at) => ({ userId: `v-${at}`, amount: most })) },
];

describe.each(releases)('orders that SQL enqueues, on PostgreSQL %i', (release) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start({ release });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());

  const enqueue = async (world: World, client: Client, given: unknown): Promise<string> => {
    const text = `SELECT ${world.name}.enqueue($1::json) AS id`;
    const json = typeof given === 'string' ? given : JSON.stringify(given);
    return (await client.query(text, [json])).rows[0].id;
  };

  const errorOf = async (world: World, client: Client, given: unknown) => {
    await client.query('SAVEPOINT s');
    const error = await enqueue(world, client, given).then(
      () => undefined,
      ({ code, message, detail }) => ({ code, message, detail }),
    );
    await client.query('ROLLBACK TO s');
    return error;
  };

  it('are processed as any other when their transaction commits (invariants 1, 3)', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client();
    const given = { ...order, payload: { item: 'x' }, postings: [{ userId: 'v', amount: 3 }] };
    const id = await enqueue(world, client, given);
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    const low = await enqueue(world, client, { ...order, id: 'low', priority: 'low' });
    expect([low, world.ran]).toEqual(['low', []]);
    await client.query('COMMIT');
    expect(await processor.outcome(id)).toMatchObject({
      status: 'completed',
      payload: { item: 'x' },
    });
    expect(await processor.order('low')).toMatchObject({ priority: 'low', labels: [] });
    expect(await processor.outcome('low')).toMatchObject({ balance: 10 });
    expect([world.ran, await processor.balance('v')]).toEqual([[id, 'low'], 3]);
    expect(await processor.submit({ ...given, id })).toMatchObject({ orderId: id, balance: 5 });
  });

  it('of any id are in the partition that the code computes, under the same id', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const client = await world.client('SELECT 1');
    const ids = awkwardNames.filter((id) => !id.includes('\0'));
    for (const id of ids) {
      expect(await enqueue(world, client, { id, userId: id, amount: 1 })).toBe(id);
    }
    for (const id of ids)
      expect(await processor.outcome(id)).toMatchObject({ userId: id, balance: 1 });
    const { rows } = await client.query(`SELECT DISTINCT user_id, part FROM ${world.name}.orders`);
    expect(rows).toHaveLength(ids.length);
    for (const { user_id, part } of rows) expect(part).toBe(partitionOf(user_id, 64));
    // PostgreSQL has no such text.
    const none = await errorOf(world, await world.client(), { ...order, payload: 'a\0' });
    expect(none?.code).toBe('22P05');
  });

  it('are checked as code checks them, with SQLSTATE and the field (invariant 8)', async () => {
    await using world = new World(server);
    await (await world.processor()).shutdown();
    const client = await world.client();
    for (const given of orders) {
      let expected: string | undefined;
      try {
        parseOrder(given, ParsedOrder, true);
      } catch (error) {
        expected = /`.*?`/.exec((error as Error).message)?.[0];
      }
      const found = await errorOf(world, client, given);
      const field = /`.*?`/.exec(found?.message ?? '')?.[0];
      // An array is no order for SQL, and one without fields for JavaScript.
      expect([given, field?.replace('order', 'userId')]).toEqual([given, expected]);
      if (found !== undefined)
        expect(found).toMatchObject({ code: 'OP002', detail: 'invalid_order' });
    }
    expect(await errorOf(world, client, 'null')).toMatchObject({ code: 'OP002' });
    expect(await errorOf(world, client, '{"userId": "\\ud800", "amount": 1}')).toBeDefined();
    expect(await errorOf(world, client, { ...order, expiresAt: 1 })).toMatchObject({
      code: 'OP004',
    });
    for (const [field, given] of [
      ['notbefore', { ...order, notbefore: 1 }],
      ['postings[0].id', { ...order, postings: [{ userId: 'v', amount: 1, id: 'w' }] }],
    ] as const) {
      const message = expect.stringContaining(`Expected \`${field}\` to be one of `);
      expect(await errorOf(world, client, given)).toMatchObject({ code: 'OP002', message });
    }
    // NULL is no value, as in SQL.
    await enqueue(world, client, {
      ...{ ...order, id: null, priority: null, postings: null },
      ...{ notBefore: null, expiresAt: null },
    });
    await client.query('ROLLBACK');
  });

  it('with an id that is known are the same order, or a conflict (invariant 5)', async () => {
    await using world = new World(server);
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => ({ value: [value] }),
      },
    };
    const processor = await world.processor({ schema });
    const given = { ...order, id: 'o', payload: { b: 1, a: [2.0] }, postings: postings(2) };
    await processor.submit(given);
    const client = await world.client();
    const again = '{"id":"o","userId":"u","amount":5.0,"payload":{"a":[2],"b":1},';
    const parts = '"postings":[{"amount":1,"userId":"v-0"},{"amount":1,"userId":"v-1"}]';
    expect(await enqueue(world, client, `${again}${parts}, "expiresAt":7}`)).toBe('o');
    for (const other of [
      { ...given, amount: 6 },
      { ...given, userId: 'w' },
      { ...given, payload: undefined },
      { ...given, payload: 'x' },
      { ...given, postings: postings(1) },
    ]) {
      const conflict = { code: 'OP003', detail: 'order_conflict' };
      expect(await errorOf(world, client, other)).toMatchObject(conflict);
    }
    await processor.submit({ ...order, id: 'p', payload: '\0' });
    const conflict = await errorOf(world, client, { ...order, id: 'p', payload: 'x' });
    expect(conflict?.code).toBe('OP003');
    await client.query('COMMIT');
    expect(await world.rows()).toEqual({ orders: 2, pending: 0 });
  });

  it('come from triggers, of roles that may not touch the tables', async () => {
    await using world = new World(server);
    const processor = await world.processor();
    const admin = await world.client('SELECT 1');
    await admin.query(`CREATE ROLE shop; GRANT USAGE ON SCHEMA ${world.name} TO shop;
      CREATE TABLE public.deposits (id text, customer text, cents bigint); GRANT INSERT ON public.deposits TO shop;
      CREATE FUNCTION public.deposited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM ${world.name}.enqueue(json_build_object('id', NEW.id, 'userId', NEW.customer, 'amount', NEW.cents));
        RETURN NEW;
      END $$;
      CREATE TRIGGER deposited AFTER INSERT ON public.deposits FOR EACH ROW EXECUTE FUNCTION public.deposited()`);
    const shop = await world.client('SET ROLE shop');
    const refused = shop.query(`INSERT INTO public.deposits VALUES ('d-0', 'u', 100)`);
    await expect(refused).rejects.toThrow('permission denied for function enqueue');
    await admin.query(`GRANT EXECUTE ON FUNCTION ${world.name}.enqueue(json) TO shop`);
    await shop.query(`INSERT INTO public.deposits VALUES ('d-1', 'u', 300), ('d-2', 'u', 400)`);
    expect(await processor.outcome('d-2')).toMatchObject({ balance: 700 });
    await expect(shop.query(`SELECT FROM ${world.name}.orders`)).rejects.toThrow(
      'permission denied',
    );
    const bad = shop.query(`INSERT INTO public.deposits VALUES ('d-3', '', 1)`);
    await expect(bad).rejects.toThrow('Expected `userId` to be a string of 1 to 256 characters');
  });
});
