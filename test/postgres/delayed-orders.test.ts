import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor } from 'order-processor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresStorage } from '../../src/postgres/postgres-storage.ts';
import { PostgresServer } from '../kit/postgres-server.ts';
import { openSession } from './statements/kept.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Processors of one schema, each of which notes what it runs, and when. */
async function processors(schema: string, count: number) {
  const ran: { readonly id: string; readonly at: number }[] = [];
  const steps = [
    { name: 'work', run: ({ id }: { id: string }) => ran.push({ id, at: Date.now() }) },
  ];
  const options = { connectionString: server.url, schema, beatMs: 100, staleMs: 2_000 };
  const all = [];
  for (let at = 0; at < count; at += 1) {
    const storage = await PostgresStorage.open(options);
    all.push(new OrderProcessor({ storage, steps, capacity: 50 }));
  }
  await Promise.all(all.map((each) => each.ready));
  return { all: all as [OrderProcessor, OrderProcessor], ran };
}

describe('delayed orders (shared rule 14)', () => {
  it('begin when they are due, once, whichever way they came and whoever owns them then', async () => {
    const { all, ran } = await processors('due', 2);
    const [one, other] = all;
    const session = await openSession(server, 'due');
    const notBefore = Date.now() + 5_000;
    const order = (id: string) => ({ id, userId: id, amount: 1, notBefore });
    for (let at = 0; at < 40; at += 1) await one.enqueue(order(`e-${at}`));
    for (let at = 0; at < 5; at += 1) {
      await session.query(`SELECT enqueue('${JSON.stringify(order(`s-${at}`))}'::json)`);
    }
    const canceled = other.submit(order('canceled')).catch(({ code }) => code);
    const awaited = other.submit(order('awaited'));
    expect((await other.submit({ userId: 'e-1', amount: 1 })).balance).toBe(1);
    expect(await one.cancel('canceled')).toBe(true);
    expect(await canceled).toBe('canceled');
    expect((await other.orders({ userId: 'e-1', status: 'pending' })).orders.length).toBe(1);
    expect(one.stats()).toMatchObject({ unsettled: 0, scheduled: 0 });
    await one.shutdown();
    expect((await awaited).balance).toBe(1);
    for (let tries = 0; ran.length < 47 && tries < 400; tries += 1) await sleep(50);
    const ids = ran.map(({ id }) => id).filter((id) => /^[es]-|awaited/.test(id));
    expect(new Set(ids).size).toBe(46);
    expect(ids.length).toBe(46);
    for (const { id, at } of ran) if (ids.includes(id)) expect(at).toBeGreaterThan(notBefore - 50);
    await other.shutdown();
    await session.end();
  }, 30_000);

  it('are canceled at once by every processor, by the signal of `submit` too, and the money stays', async () => {
    const { all, ran } = await processors('cancel', 2);
    const owned = () => all.map((each) => each.stats().cluster?.ownedPartitions);
    for (let tries = 0; String(owned()) !== '32,32' && tries < 400; tries += 1) await sleep(25);
    const begun = performance.now();
    const said = [0, 1, 2, 3].flatMap((user) =>
      all.map(async (by, at) => {
        const order = { userId: `u-${user}`, amount: 1, notBefore: Date.now() + 60_000 };
        const id = `${user}-${at}`;
        await all[0].enqueue({ id, ...order });
        const signal = AbortSignal.timeout(100);
        const submitted = by
          .submit({ id: `${id}-s`, ...order }, { signal })
          .catch(({ code }) => code);
        return [
          await by.cancel(id),
          (await by.outcome(id))?.status,
          await submitted,
          (await by.outcome(`${id}-s`))?.status,
        ];
      }),
    );
    for (const each of await Promise.all(said)) {
      expect(each).toEqual([true, 'canceled', 'canceled', 'canceled']);
    }
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(await all[0].balance('u-0')).toBeUndefined();
    expect(ran).toEqual([]);
    for (const each of all) await each.shutdown();
  }, 30_000);

  it('invariant 6: a hundred thousand that are not due are in no memory, and keep nothing waiting', async () => {
    const { all, ran } = await processors('many', 1);
    const [one] = all;
    await one.enqueue({ userId: 'u-1', amount: 1, notBefore: Date.now() + 3_600_000 });
    const session = await openSession(server, 'many');
    await session.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id, not_before)
      SELECT nextval('order_sequence'), 1, 1, o.part, 1, 'd-' || g, o.user_id, o.not_before + g FROM orders o, generate_series(1, 100000) g`);
    await session.query(`INSERT INTO pending (seq, not_before, epoch, part, user_id)
      SELECT seq, not_before, 0, part, user_id FROM orders WHERE id LIKE 'd-%'`);
    await one.shutdown();
    const { all: again } = await processors('many', 1);
    const begun = performance.now();
    expect((await again[0].submit({ userId: 'u-1', amount: 1 })).balance).toBe(1);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await again[0].cancel('d-99999')).toBe(true);
    expect(again[0].stats()).toMatchObject({ unsettled: 0, scheduled: 0 });
    expect(ran).toEqual([]);
    await again[0].shutdown();
    await session.end();
  }, 60_000);
});
