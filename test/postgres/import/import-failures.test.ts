/** An import that is stopped goes on where it ended, and nothing is used before all of it is right. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStorage, OrderProcessor } from 'order-processor';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OrderStorage } from '../../../src/core/storage/order-storage.ts';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { commandOutput } from '../../../src/postgres/schema/command-output.ts';
import { newOrder, settlementOf, start } from '../../../src/testing/orders.ts';
import { tamper } from '../../sqlite/helpers.ts';
import { fillWithEverything, type Kept, keptIn } from './kit.ts';
import { useTarget } from './target.ts';

const times = [start + 1_010, start + 5_000];

const target = useTarget();
const { importInto, open } = target;
beforeAll(async () => {
  await target.admin.query('CREATE ROLE processors LOGIN');
});

/** Everything, and some pages of settled and unsettled orders more. */
async function fillWithMany(storage: OrderStorage, users = 300): Promise<void> {
  await fillWithEverything(storage);
  for (let page = 0; page < 4; page += 1) {
    const orders = Array.from({ length: 800 }, (_, at) =>
      newOrder(`many-${page}-${at}`, { userId: `many-${(page * 800 + at) % users}`, amount: at }),
    );
    await storage.accept(orders);
    await storage.settle(
      orders.slice(0, 500).map((order) => settlementOf(order, { settledAt: start + 9_000 })),
    );
  }
}

/** A source that is another one but for some methods. */
function but(source: OrderStorage, part: Partial<OrderStorage>): OrderStorage {
  return new Proxy(source, {
    get: (_, name) => {
      const value = Reflect.get(name in part ? part : source, name);
      return typeof value === 'function' ? value.bind(source) : value;
    },
  });
}

/** @param hasAttempts - whether the source was opened once since the import began */
async function expectMoved(source: OrderStorage, hasAttempts = true): Promise<void> {
  const storage = await open();
  const moved = await keptIn(storage, times);
  expect(await storage.check()).toEqual([]);
  await storage.close();
  const kept = await keptIn(source, times);
  if (hasAttempts) expect(moved).toEqual(kept);
  else
    expect({ ...moved, orders: withoutAttempts(moved) }).toEqual({
      ...kept,
      orders: withoutAttempts(kept),
    });
}

function withoutAttempts({ orders }: Kept): readonly object[] {
  return orders.map((order) => ({ ...order, attempt: undefined }));
}

function importing(pages: number): { child: ChildProcess; ended: Promise<unknown> } {
  const args = [target.server.url, target.schema, target.file.path, `${pages}`];
  const child = fork(join(import.meta.dirname, 'import-process.ts'), args);
  const ended = new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (_, signal) => (signal ? resolve(signal) : reject(new Error('It failed'))));
  });
  return { child, ended };
}

describe('an import', () => {
  it('that is killed again and again goes on where it ended (invariant 9)', async () => {
    const source = await target.file.open();
    await fillWithMany(source);
    await source.close();
    for (const pages of [1, 2, 1, 3]) {
      await expect(importing(pages).ended).resolves.toBe('SIGKILL');
      await expect(open()).rejects.toThrow('import that is not finished');
    }
    // At any moment: within a statement, too.
    const { child, ended } = importing(1_000);
    setTimeout(() => child.kill('SIGKILL'), 900);
    await ended;
    const { ended: last } = importing(1_000);
    await expect(last).resolves.toMatchObject({ holds: 2 });
    const again = await target.file.open();
    await expectMoved(again, false);
    // Once more it reports the same, and does nothing.
    await expect(importInto(again)).resolves.toEqual(await last);
    await again.close();
  }, 120_000);

  it('whose source or database fails goes on when it is called again', async () => {
    const source = await target.file.open();
    await fillWithMany(source);
    let calls = 0;
    const settled: OrderStorage['settled'] = (query) => {
      calls += 1;
      if (calls === 5) throw new Error('The disk is gone');
      return source.settled(query);
    };
    await expect(importInto(but(source, { settled }))).rejects.toThrow(
      /stopped behind \d+ orders, .* goes on from there: The disk is gone/,
    );
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'order-processor import'`;
    const onProgress = () => target.admin.query(end);
    await expect(importInto(source, { onProgress })).rejects.toThrow('goes on from there');
    const stop = new AbortController();
    const aborted = importInto(source, { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(aborted).rejects.toThrow(stop.signal.reason);
    const fails = () => Promise.reject(new Error('No more'));
    await expect(importInto(source, { onProgress: fails })).rejects.toThrow('No more');
    const stages: string[] = [];
    await importInto(source, { onProgress: ({ stage }) => stages.push(stage) });
    expect(stages).toEqual(expect.arrayContaining(['unsettled', 'check']));
    expect(stages.length).toBeLessThan(12);
    await expectMoved(source);
    await source.close();
  });

  it('that is unfinished keeps all others out: processors, SQL, and another source', async () => {
    const source = new MemoryStorage();
    await fillWithEverything(source);
    const onProgress = () => Promise.reject(new Error('Stop'));
    await expect(importInto(source, { onProgress })).rejects.toThrow('Stop');
    await expect(open()).rejects.toThrow('import that is not finished');
    const order = `SELECT ${target.schema}.enqueue('{"userId": "u", "amount": 1}')`;
    await expect(target.admin.query(order)).rejects.toMatchObject({ code: 'OP005' });
    await expect(importInto(new MemoryStorage())).rejects.toThrow('from another storage');
    await source.apply([{ orderId: 'late', userId: 'u', amount: 1, minBalance: undefined }]);
    await expect(importInto(source)).rejects.toThrow('has changed since the import began');
    await expect(open()).rejects.toThrow('import that is not finished');
  });

  it('runs once: another one waits for it, and then has nothing to do', async () => {
    const source = await target.file.open();
    await fillWithEverything(source);
    const other = but(source, {});
    const [one, two] = await Promise.all([
      importInto(source, { onProgress: () => sleep(50) }),
      importInto(other),
    ]);
    expect(two).toEqual(one);
    await source.close();
  });

  it('whose program hangs can be ended, and another one goes on', async () => {
    const source = await target.file.open();
    await fillWithEverything(source);
    const hanging = Promise.withResolvers<void>();
    const hangs = importInto(but(source, {}), { onProgress: () => hanging.promise });
    const isRejected = expect(hangs).rejects.toThrow();
    await sleep(200);
    const error = await importInto(source).catch((reason) => reason);
    const [, pid] =
      /end its session by `SELECT pg_terminate_backend\((\d+)\)`/.exec(error.message) ?? [];
    await target.admin.query('SELECT pg_terminate_backend($1)', [pid]);
    await importInto(source);
    hanging.resolve();
    await isRejected;
    await expectMoved(source);
    await source.close();
  }, 30_000);
});

describe('an import is refused', () => {
  it('from what is in use, closed, shared or keeps no orders', async () => {
    const source = new MemoryStorage();
    const processor = new OrderProcessor({ storage: source });
    await expect(importInto(source)).rejects.toThrow(/`source` to have no other processor/);
    await processor.shutdown();
    const closed = await target.file.open();
    await closed.close();
    await expect(importInto(closed)).rejects.toThrow('Expected `source` to be open');
    const shared = await open();
    await expect(importInto(shared)).rejects.toThrow('of one processor');
    await expect(importInto(source)).rejects.toThrow(/no storage to be open .* close it first/);
    await shared.close();
    const plain = { get: () => 0, apply: () => [] } as unknown as OrderStorage;
    await expect(importInto(plain)).rejects.toThrow(TypeError);
    const without = but(source, { balances: undefined } as never);
    await expect(importInto(without)).rejects.toThrow('balances');
    // What was refused has used nothing.
    await importInto(source);
    await using again = new OrderProcessor({ storage: source });
    await expect(importInto(source)).rejects.toThrow(/`source` to have no other processor/);
    await again.ready;
  });

  it('with wrong options, and by a role that does not own the schema', async () => {
    const source = new MemoryStorage();
    await expect(importInto(source, { onProgress: 1 as never })).rejects.toThrow('onProgress');
    await expect(importInto(source, { signal: {} as never })).rejects.toThrow('an AbortSignal');
    await expect(importInto(source, { beatMs: 5 } as never)).rejects.toThrow('beatMs');
    await expect(PostgresStorage.importFrom(source, {})).rejects.toThrow('connectionString');
    const signal = AbortSignal.abort();
    await expect(importInto(source, { signal })).rejects.toThrow('aborted');
    await target.admin.query(commandOutput(['sql', '--schema', target.schema]));
    await target.admin.query(
      commandOutput(['grants', '--schema', target.schema, '--role', 'processors']),
    );
    const connectionString = target.server.url.replace('postgres@', 'processors@');
    await expect(importInto(source, { connectionString })).rejects.toThrow('a role that owns');
    await importInto(source);
  });

  it('into a schema that has orders or balances', async () => {
    const storage = await open();
    await storage.apply([{ orderId: 'o', userId: 'u', amount: 0, minBalance: undefined }]);
    await storage.close();
    await expect(importInto(new MemoryStorage())).rejects.toThrow('no orders and no balances');
    await target.dropSchema();
    await (await open()).close();
    // A processor that was killed has left its row, without a lock; in an empty schema that is nothing.
    await target.admin.query(
      `INSERT INTO ${target.schema}.processors (number, token, name, pids)
       VALUES (9, gen_random_uuid(), 'killed', '{}')`,
    );
    await importInto(new MemoryStorage());
  });

  it('of what is damaged, before anything is written (invariant 10)', async () => {
    const source = await target.file.open();
    await fillWithEverything(source);
    await source.close();
    tamper(target.file.path, `UPDATE balances SET balance = balance + 1 WHERE user_id = 'rich'`);
    const damaged = await target.file.open();
    await expect(importInto(damaged)).rejects.toThrow(/nothing was taken over.*rich/s);
    await (await open()).close();
    await damaged.close();
  });

  it('of what the database could not give back', async () => {
    for (const [payload, said] of [
      [new Map(), 'payload'],
      [{ at: [1n] }, 'payload.at[0]'],
    ] as const) {
      const source = new MemoryStorage();
      const order = newOrder('not JSON', { payload });
      await source.settle([settlementOf(order, { isAccepted: false })]);
      await expect(importInto(source)).rejects.toThrow(`"not JSON"`);
      await expect(importInto(source)).rejects.toThrow(said);
      await target.dropSchema();
    }
    const source = new MemoryStorage();
    await fillWithEverything(source);
    const balances = () => [{ userId: 'u', balance: 2 ** 53, knownFrom: undefined }];
    await expect(importInto(but(source, { balances }))).rejects.toThrow('no safe integer');
  });

  it('at the end, if orders are missing (invariant 10)', async () => {
    const source = new MemoryStorage();
    await fillWithEverything(source);
    const settled: OrderStorage['settled'] = async (query) => {
      const page = await source.settled(query);
      return { ...page, orders: page.orders.filter(({ id }) => id !== 'less') };
    };
    await expect(importInto(but(source, { settled }))).rejects.toThrow('not right');
  });

  it('at the end, if balances are not the sum of their movements: no processor joins (invariant 10)', async () => {
    const source = new MemoryStorage();
    await fillWithEverything(source);
    const balances: OrderStorage['balances'] = async (query) => {
      const page = (await source.balances?.(query)) ?? [];
      return page.map((each) => ({
        ...each,
        balance: each.balance + Number(each.userId === 'fees'),
      }));
    };
    const lying = but(source, { balances });
    await expect(importInto(lying)).rejects.toThrow(/not right.*"fees"/s);
    await expect(importInto(lying)).rejects.toThrow(/not right.*"fees"/s);
    await expect(open()).rejects.toThrow('import that is not finished');
  });
});
