import { setTimeout as sleep } from 'node:timers/promises';
import type { OrderError, OrderRecord } from 'order-processor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OnSettle, SettlementClient } from '../../../src/postgres/hosts/on-settle.ts';
import { newOrder, settlementOf } from '../../../src/testing/orders.ts';
import { isFull } from '../../kit/full.ts';
import { codeOf } from '../../kit/helpers.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Trial } from '../writes/kit.ts';
import { SilentProxy } from '../writes/silent-proxy.ts';
import { World } from './world.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const order = { id: 'o-1', userId: 'u', amount: 5 };

/** A world with an outbox of the host's, in the schema that its own connections use. */
class Shop extends World {
  readonly calls: string[][] = [];

  async open(onSettle: OnSettle, options: object = {}, more: object = {}) {
    const admin = await this.client('SELECT 1');
    await admin.query(
      'CREATE TABLE IF NOT EXISTS outbox (shop text, id text, status text, total bigint)',
    );
    return this.processor(options, {
      onSettle: async (client, outcomes) => {
        this.calls.push(outcomes.map(({ id }) => id));
        await onSettle(client, outcomes);
      },
      ...more,
    });
  }

  /** Writes one row for each outcome. */
  async write(client: SettlementClient, outcomes: readonly OrderRecord[]): Promise<void> {
    for (const { id, status, balance } of outcomes) {
      const values = [this.schema, id, status, balance];
      const { rowCount } = await client.query('INSERT INTO outbox VALUES ($1, $2, $3, $4)', values);
      expect(rowCount).toBe(1);
    }
  }

  async outbox(): Promise<string[]> {
    const admin = await this.client('SELECT 1');
    const { rows } = await admin.query('SELECT * FROM outbox WHERE shop = $1 ORDER BY id', [
      this.schema,
    ]);
    return rows.map(({ id, status, total }) => `${id} ${status} ${total}`);
  }

  /** Ends sessions of the processors. */
  async kill(role: string): Promise<void> {
    const admin = await this.client('SELECT 1');
    await admin.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1`,
      [`order-processor ${role}%`],
    );
  }
}

describe('onSettle', () => {
  it('writes in the transaction of the outcomes: one row each, whatever becomes of the order (invariant 3)', async () => {
    await using shop = new Shop(server);
    const records: OrderRecord[] = [];
    const processor = await shop.open(
      async (client, outcomes) => {
        records.push(...outcomes);
        await shop.write(client, outcomes);
      },
      { minBalance: 0, rules: [() => ({ kind: 'prioritize', priority: 'high', label: 'seen' })] },
    );
    const postings = [{ userId: 'v', amount: 3 }];
    const payload = { item: 1 };
    await processor.submit({ ...order, postings, payload });
    await codeOf(processor.submit({ userId: 'u', id: 'o-2', amount: -6 }));
    processor.pause('u');
    await processor.enqueue({ ...order, id: 'o-3' });
    expect(await processor.cancel('o-3')).toBe(true);
    processor.resume('u');
    await processor.submit({ ...order, id: 'o-4', amount: -5 });
    expect(await shop.outbox()).toEqual([
      'o-1 completed 5',
      'o-2 failed null',
      'o-3 canceled null',
      'o-4 completed 0',
    ]);
    // Each is what `order` gives afterwards.
    for (const record of records) expect(record).toEqual(await processor.order(record.id));
    expect(records.map(({ id }) => id)).toEqual(['o-1', 'o-2', 'o-3', 'o-4']);
  });

  it('may enqueue what follows, once', async () => {
    await using shop = new Shop(server);
    const processor = await shop.open(async (client, outcomes) => {
      for (const { id, amount } of outcomes) {
        if (amount > 1)
          await processor.enqueue({ id: `${id}+`, userId: 'v', amount: 1 }, { client });
      }
    });
    await processor.submit(order);
    expect(await processor.outcome('o-1+')).toMatchObject({ userId: 'v', balance: 1 });
    expect(shop.calls).toEqual([['o-1'], ['o-1+']]);
  });

  it.each([
    ['before the commit', async (shop: Shop) => shop.kill('settle')],
    ['with all sessions', async (shop: Shop) => shop.kill('')],
  ])(
    'comes again where the session ends %s, and counts once (invariants 3, 9)',
    async (_, kill) => {
      await using shop = new Shop(server);
      const processor = await shop.open(async (client, outcomes) => {
        await shop.write(client, outcomes);
        if (shop.calls.length === 1) {
          await kill(shop);
          await sleep(50);
        }
      });
      await processor.enqueue(order);
      await expect.poll(() => processor.balance('u'), { timeout: 15_000 }).toBe(5);
      expect(shop.calls.length).toBeGreaterThan(1);
      expect(await shop.outbox()).toEqual(['o-1 completed 5']);
    },
  );

  it('counts once where the answer to the commit is lost (invariants 3, 9)', async () => {
    await using proxy = await SilentProxy.start(server.port);
    await using shop = new Shop(server);
    const connectionString = server.url.replace(`:${server.port}`, `:${proxy.port}`);
    const processor = await shop.open(
      async (client, outcomes) => {
        await shop.write(client, outcomes);
        if (shop.calls.length === 1) proxy.silence();
      },
      {},
      { connectionString },
    );
    const settled = processor.submit(order).catch(({ code }) => code);
    await expect.poll(() => shop.outbox()).toEqual(['o-1 completed 5']);
    proxy.cut();
    await settled;
    await expect.poll(() => processor.balance('u'), { timeout: 10_000 }).toBe(5);
    const next = () => codeOf(processor.submit({ ...order, id: 'o-2' }));
    await expect.poll(next, { timeout: 10_000 }).toBe('completed');
    expect(shop.calls).toEqual([['o-1'], ['o-2']]);
    expect(await shop.outbox()).toEqual(['o-1 completed 5', 'o-2 completed 10']);
  });

  it('that takes long holds up no request to cancel, which comes too late', async () => {
    await using shop = new Shop(server);
    let isSlow = true;
    const run: OnSettle = async () => {
      while (isSlow) await sleep(10);
    };
    const [a, b] = [await shop.open(run), await shop.open(run)];
    await expect.poll(() => a.stats().cluster?.ownedPartitions, { timeout: 10_000 }).toBe(32);
    const receipts = [a, b].map((each, at) =>
      each.submit({ ...order, id: `o-${at}`, userId: `u-${at}` }),
    );
    await expect.poll(() => shop.calls.length).toBeGreaterThan(0);
    const [[id = ''] = []] = shop.calls;
    const canceled = [a.cancel(id), b.cancel(id)];
    await sleep(1_500);
    expect(await b.balance('u-1')).toBeUndefined();
    isSlow = false;
    expect(await Promise.all(canceled)).toEqual([false, false]);
    for (const receipt of await Promise.all(receipts)) expect(receipt.balance).toBe(5);
  });

  it('counts once for each of many orders while sessions are killed again and again (invariants 3, 9)', async () => {
    await using shop = new Shop(server);
    const processors = [
      await shop.open((client, outcomes) => shop.write(client, outcomes)),
      await shop.open((client, outcomes) => shop.write(client, outcomes)),
    ];
    const count = isFull ? 600 : 200;
    const ids = Array.from({ length: count }, (_, at) => `o-${at}`);
    const killing = (async () => {
      for (let kills = 0; kills < count / 60; kills += 1) {
        await sleep(300 + Math.random() * 700);
        await shop.kill('settle');
      }
    })();
    const submitted = ids.map(async (id, at) => {
      await sleep(at * 10);
      for (;;) {
        const processor = processors[at % 2];
        const given = { id, userId: `u-${at % 10}`, amount: 1 };
        const code = await codeOf(processor?.enqueue(given) as Promise<unknown>);
        if (code !== 'storage_failed') return;
        await sleep(20);
      }
    });
    await Promise.all([...submitted, killing]);
    const outcome = async (id: string): Promise<string | undefined> => {
      const record = await processors[0]?.order(id).catch(() => undefined);
      return record?.status;
    };
    for (const id of ids)
      await expect.poll(() => outcome(id), { timeout: 20_000 }).toBe('completed');
    const rows = await shop.outbox();
    expect(rows.map((row) => row.split(' ')[0])).toEqual([...ids].sort());
    for (let user = 0; user < 10; user += 1) {
      expect(await processors[1]?.balance(`u-${user}`)).toBe(count / 10);
    }
  }, 90_000);
});

describe('an onSettle that fails', () => {
  const ids = Array.from({ length: 100 }, (_, at) => `o-${at}`);

  /** Gathers a hundred orders in one call. */
  async function settleTogether(shop: Shop, onSettle: OnSettle, more: object = {}) {
    const errors: OrderError[] = [];
    let running = 0;
    const gate = async (): Promise<void> => {
      running += 1;
      while (running < ids.length) await sleep(5);
    };
    const processor = await shop.open(
      onSettle,
      { steps: [{ name: 'gate', run: gate }], concurrency: 200 },
      more,
    );
    processor.on('error', (error) => errors.push(error));
    const settled = ids.map((id) => codeOf(processor.submit({ ...order, id, userId: `u-${id}` })));
    return { processor, errors, settled };
  }

  it('for one order of a hundred sets only that apart, and the error says whose it was', async () => {
    await using shop = new Shop(server);
    let isMended = false;
    const { processor, errors, settled } = await settleTogether(shop, async (client, outcomes) => {
      await shop.write(client, outcomes);
      const isThere = outcomes.some(({ id }) => id === 'o-50');
      if (isThere && !isMended) await client.query('SELECT 1 / 0').catch(() => {});
    });
    const codes = await Promise.all(settled);
    expect(codes).toEqual(ids.map((id) => (id === 'o-50' ? 'storage_failed' : 'completed')));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ orderId: 'o-50', userId: 'u-o-50', code: 'storage_failed' });
    expect(errors[0]?.cause).toMatchObject({
      name: 'OnSettleError',
      message: '`onSettle` failed: division by zero',
    });
    expect(await shop.outbox()).toHaveLength(99);
    expect(shop.calls.filter((call) => call.includes('o-50')).length).toBeLessThanOrEqual(12);
    // Later orders of its user wait behind it.
    const next = processor.enqueue({ ...order, id: 'next', userId: 'u-o-50' });
    await next;
    isMended = true;
    await expect.poll(() => processor.balance('u-o-50'), { timeout: 10_000 }).toBe(10);
    const rows = await shop.outbox();
    expect(rows).toHaveLength(101);
    expect(rows).toContain('next completed 10');
  });

  it('for an order leaves later orders of its user unsettled too, and settles the others (invariant 1)', async () => {
    const failing = new Set(['a-2', 'b-1']);
    const onSettle: OnSettle = (_, outcomes) => {
      if (outcomes.some(({ id }) => failing.has(id))) throw new Error('No');
    };
    await using trial = await Trial.start(server, { onSettle });
    const ids = ['a-1', 'b-1', 'a-2', 'c-1', 'a-3', 'b-2', 'c-2'];
    const orders = ids.map((id) => newOrder(id, { userId: id.slice(0, 1), amount: 1 }));
    await trial.storage.accept(orders);
    const settle = () => trial.storage.settle(orders.map((each) => settlementOf(each)));
    const first = await settle();
    const statuses = ['settled', 'failed', 'failed', 'settled', 'failed', 'failed', 'settled'];
    expect(first.map(({ status }) => status)).toEqual(statuses);
    const balances = ['a', 'b', 'c'].map((user) => trial.storage.get(user));
    expect(await Promise.all(balances)).toEqual([1, undefined, 2]);
    failing.clear();
    const again = ['known', 'settled', 'settled', 'known', 'settled', 'settled', 'known'];
    expect((await settle()).map(({ status }) => status)).toEqual(again);
    expect(await trial.storage.get('a')).toBe(3);
    expect(await trial.storage.check()).toEqual([]);
  });

  it.each<[what: string, fail: OnSettle]>([
    ['throws for all', () => Promise.reject(new Error('No outbox'))],
    [
      'commits the transaction',
      async (client) => void (await client.query('/* x */ -- y\n COMMIT').catch(() => {})),
    ],
    ['sends two statements', async (client) => void (await client.query('SELECT 1; COMMIT'))],
    [
      'forgets a statement that fails',
      (client) => {
        void client.query('SELECT nothing');
      },
    ],
  ])(
    'and %s: nothing is settled, and the processor says so and goes on when it works',
    async (_, fail) => {
      await using shop = new Shop(server);
      let isMended = false;
      const { processor, errors, settled } = await settleTogether(
        shop,
        async (client, outcomes) => {
          await shop.write(client, outcomes);
          if (!isMended) await fail(client, outcomes);
        },
      );
      const codes = await Promise.all(settled);
      expect(new Set(codes)).toEqual(new Set(['storage_failed']));
      expect(errors[0]?.cause).toMatchObject({ name: 'OnSettleError' });
      expect([await shop.outbox(), await processor.balance('u-o-1')]).toEqual([[], undefined]);
      isMended = true;
      await expect.poll(() => shop.outbox(), { timeout: 20_000, interval: 100 }).toHaveLength(100);
    },
    30_000,
  );

  it.each<[what: string, hang: OnSettle]>([
    ['never ends', () => new Promise(() => {})],
    [
      'has a statement that never ends',
      (client) => client.query('SELECT pg_sleep(60)').then(() => {}),
    ],
  ])('and %s is given up after its time', async (_, hang) => {
    await using shop = new Shop(server);
    let isMended = false;
    let kept: SettlementClient | undefined;
    const processor = await shop.open(
      async (client, outcomes) => {
        kept = client;
        if (!isMended) await hang(client, outcomes);
        await shop.write(client, outcomes);
      },
      {},
      { onSettleTimeoutMs: 100 },
    );
    const causes: unknown[] = [];
    processor.on('error', ({ cause }) => causes.push(cause));
    const code = await codeOf(processor.submit(order));
    expect(code).toBe('storage_failed');
    expect(causes[0]).toMatchObject({ name: 'OnSettleError' });
    isMended = true;
    await expect.poll(() => processor.balance('u'), { timeout: 10_000 }).toBe(5);
    expect(await shop.outbox()).toEqual(['o-1 completed 5']);
    // Its client is dead.
    await expect(kept?.query('SELECT 1')).rejects.toThrow('after the end of `onSettle`');
  });
});

it('the client is as one of the host: its types, its search path, rows as arrays', async () => {
  await using shop = new Shop(server);
  const found: unknown[] = [];
  const processor = await shop.open(async (client) => {
    found.push((await client.query<{ n: string }>('SELECT 5::bigint AS n')).rows);
    const text = `SELECT current_schema(), current_setting('enable_hashjoin'), $1::int`;
    const { rows, fields } = await client.query({ text, values: [7], rowMode: 'array' });
    found.push(rows, fields.length);
    await client.query(`SELECT set_config('search_path', 'nowhere', false)`);
  });
  await processor.submit(order);
  expect(found).toEqual([[{ n: '5' }], [['public', 'on', 7]], 3]);
  expect(await processor.submit({ ...order, id: 'o-2' })).toMatchObject({ balance: 10 });
});

it('a temporary table of its own stands for none of the storage', async () => {
  await using shop = new Shop(server);
  const processor = await shop.open(async (client) => {
    const { rows } = await client.query(`SELECT to_regclass('pg_temp.balances') AS there`);
    if (rows[0]?.there === null) await client.query('SELECT 1 AS one INTO TEMP TABLE balances');
  });
  await processor.submit(order);
  expect(await processor.submit({ ...order, id: 'o-2' })).toMatchObject({ balance: 10 });
});
