/** What works at every processor for every user, owned there or not, and what is of one processor alone. */
import { type OrderOutcome, OrderProcessor } from 'order-processor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../src/postgres/index.ts';
import { PostgresServer } from '../kit/postgres-server.ts';
import { until } from './members/kit.ts';

let server: PostgresServer;
let both: readonly OrderProcessor[];
let isOpen = false;
const ran = new Map<string, number>();

beforeAll(async () => {
  server = await PostgresServer.start();
  both = await Promise.all([0, 1].map((at) => start(at)));
  await until('each owns its share', () =>
    both.every((each) => each.stats().cluster?.processors.every((one) => one.partitions === 32)),
  );
}, 30_000);
afterAll(async () => {
  await Promise.all(both.map((each) => each.shutdown()));
  await server[Symbol.asyncDispose]();
});

async function start(at: number): Promise<OrderProcessor> {
  const options = { connectionString: server.url, schema: 'every', beatMs: 100, staleMs: 2_000 };
  const storage = await PostgresStorage.open(options);
  const processor = new OrderProcessor({
    ...{ storage, minBalance: 0 },
    steps: [
      {
        name: 'book',
        run: ({ id }) => id,
        compensate() {
          if (!isOpen) throw new Error('Closed');
        },
      },
      {
        name: 'work',
        after: 'book',
        run({ id, payload }) {
          ran.set(id, at);
          if (payload === 'fails' && !isOpen) throw Object.assign(new Error(), { code: 'closed' });
        },
      },
    ],
  });
  processor.on('error', () => {});
  await processor.ready;
  return processor;
}

/** Some of each processor. */
const users = Array.from({ length: 40 }, (_, at) => `u-${at}`);

it.each([0, 1])(
  'every method at processor %i',
  async (at) => {
    const [one, other] = [both[at], both[1 - at]] as [OrderProcessor, OrderProcessor];
    const prefix = `${at}-`;
    const id = (userId: string, name: string) => `${prefix}${userId} ${name}`;
    const ofUsers = (name: string, amount: number, payload?: string) =>
      users.map((userId) => ({ id: id(userId, name), userId: prefix + userId, amount, payload }));
    isOpen = false;
    const receipts = await Promise.all(ofUsers('submit', 1).map((order) => one.submit(order)));
    expect(receipts.every(({ balance }) => balance === 1)).toBe(true);
    const owners = new Set(receipts.map(({ orderId }) => ran.get(orderId)));
    expect(owners.size, 'users of both processors').toBe(2);
    await Promise.all(ofUsers('enqueue', 1).map((order) => one.enqueue(order)));
    const many = await one.submitMany(ofUsers('many', 1));
    const streamed: OrderOutcome[] = [];
    for await (const outcome of one.submitStream(ofUsers('stream', 1))) streamed.push(outcome);
    expect(new Set([...many, ...streamed].map(({ status }) => status))).toEqual(
      new Set(['completed']),
    );
    const failed = await one.submitMany(ofUsers('fails', 1, 'fails'));
    expect(new Set(failed.map(({ status }) => status))).toEqual(new Set(['failed']));
    isOpen = true;
    for (const each of users) {
      const userId = prefix + each;
      // Both give what one has done.
      for (const processor of [one, other]) {
        expect((await processor.outcome(id(each, 'enqueue')))?.status).toBe('completed');
        expect((await processor.order(id(each, 'many')))?.status).toBe('completed');
        expect((await processor.orders({ userId })).orders.length).toBe(5);
        expect(await processor.balance(userId)).toBe(4);
        expect((await processor.movements(userId)).movements.length).toBe(4);
        expect(await processor.balanceAt(userId, Date.now() + 1_000)).toBe(4);
      }
    }
    await Promise.all(
      users.map(async (each) => {
        const userId = prefix + each;
        const { steps } = await one.compensate(id(each, 'fails'));
        expect(steps[0]?.status).toBe('compensated');
        const { id: retried } = await one.retry(id(each, 'fails'));
        expect((await other.outcome(retried))?.status).toBe('completed');
        await one.hold(userId, { reason: 'test' });
        const held = other.submit({ id: id(each, 'held'), userId, amount: 1 });
        await other.enqueue({ id: id(each, 'canceled'), userId, amount: 1 });
        expect(await one.cancel(id(each, 'canceled'))).toBe(true);
        expect((await other.holds({ userId })).holds.length).toBe(1);
        expect((await one.order(id(each, 'held')))?.status).toBe('pending');
        await one.release(userId);
        expect((await held).balance).toBe(6);
      }),
    );
    const reported = new Set<string>();
    for await (const { order } of one.outcomes()) {
      if (order.id.startsWith(prefix)) reported.add(order.id);
      if (reported.size === users.length * 8) break;
    }
  },
  60_000,
);

it('`pause`, `onIdle` and `stats` are of one processor', async () => {
  const [one, other] = both as [OrderProcessor, OrderProcessor];
  ran.clear();
  one.pause();
  const orders = users.map((userId) => ({ id: `paused ${userId}`, userId, amount: 0 }));
  await Promise.all(orders.map((order) => one.enqueue(order)));
  const isDone = () => ran.size > 5 && other.stats().unsettled === 0;
  await until('the other one has done its own', isDone);
  await other.onIdle();
  expect(new Set(ran.values())).toEqual(new Set([1]));
  expect(one.stats().unsettled).toBeGreaterThan(0);
  one.resume();
  await one.onIdle();
  expect(ran.size).toBe(users.length);
  expect(new Set(ran.values())).toEqual(new Set([0, 1]));
}, 30_000);
