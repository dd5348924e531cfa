/** The clocks of processors are an hour apart, and that does not matter. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hold, OrderRecord, ProcessorStats } from 'order-processor';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { PostgresStorageOptions } from '../../../src/postgres/index.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import type { Call } from './processor-process.ts';

const hourMs = 3_600_000;
/** As well as a processor on a busy machine knows the clock of the server: half of a round trip, and what records miss. */
const nearMs = 1_000;

let server: PostgresServer;
let children: Child[] = [];
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterEach(() => {
  for (const each of children) each.kill();
  children = [];
});
afterAll(() => server[Symbol.asyncDispose]());

/** An order has begun: when, by the clock of the test, which the server shares. */
interface Beginning {
  readonly id: string;
  readonly at: number;
}

type Answer =
  | { readonly ready: true }
  | { readonly began: string }
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly code: string };

/** A processor whose clock is wrong. */
class Child {
  readonly began: Beginning[] = [];
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly ready = Promise.withResolvers<void>();
  #count = 0;

  constructor(clockMs: number, options: PostgresStorageOptions) {
    const env = { ...process.env, CLOCK_MS: `${clockMs}` };
    const program = join(import.meta.dirname, 'processor-process.ts');
    this.#process = fork(program, [JSON.stringify(options)], { env });
    this.#process.on('message', (answer: Answer) => this.#answered(answer));
    this.#process.once('exit', (code) => this.ready.reject(new Error(`It ended with ${code}`)));
  }

  call<Value>(method: Call['method'], ...given: readonly unknown[]): Promise<Value> {
    this.#count += 1;
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(this.#count, call);
    this.#process.send({ number: this.#count, method, given } satisfies Call);
    return call.promise as Promise<Value>;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #answered(answer: Answer): void {
    if ('ready' in answer) this.ready.resolve();
    else if ('began' in answer) this.began.push({ id: answer.began, at: Date.now() });
    else if ('value' in answer) this.#calls.get(answer.number)?.resolve(answer.value);
    else this.#calls.get(answer.number)?.reject(new Error(answer.code));
  }
}

/** A processor that is an hour fast, and one that is an hour slow. Each owns half of the partitions. */
async function fastAndSlow(
  schema: string,
  options: PostgresStorageOptions = {},
): Promise<readonly [Child, Child]> {
  const all = { connectionString: server.url, schema, beatMs: 200, staleMs: 2_000, ...options };
  for (const clockMs of [hourMs, -hourMs]) {
    const child = new Child(clockMs, all);
    children.push(child);
    // The first one makes the tables.
    await child.ready.promise;
  }
  const [fast, slow] = children as [Child, Child];
  await until('each owns its share', async () => {
    const { cluster } = await fast.call<ProcessorStats>('stats');
    return cluster?.processors.every(({ partitions }) => partitions === 32) === true;
  });
  return [fast, slow];
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const start = performance.now(); !(await isSo()); await sleep(50)) {
    if (performance.now() - start > 15_000) throw new Error(`Waited in vain: ${what}`);
  }
}

const users = Array.from({ length: 12 }, (_, at) => `u-${at}`);

it('orders that have to wait begin at their time by the clock of the server', async () => {
  const [fast, slow] = await fastAndSlow('delayed');
  const notBefore = Date.now() + 2_500;
  const orders = users.flatMap((userId) =>
    ['fast', 'slow'].map((by) => ({ id: `${userId} ${by}`, userId, amount: 1, notBefore })),
  );
  await Promise.all(
    orders.map((order) => (order.id.endsWith('fast') ? fast : slow).call('enqueue', order)),
  );
  await Promise.all(orders.map(({ id }) => slow.call('outcome', id)));
  expect(Date.now()).toBeLessThan(notBefore + 10_000);
  const began = [...fast.began, ...slow.began];
  expect(began.map(({ id }) => id).sort()).toEqual(orders.map(({ id }) => id).sort());
  expect(Math.min(...began.map(({ at }) => at))).toBeGreaterThanOrEqual(notBefore);
  expect(Math.min(fast.began.length, slow.began.length)).toBeGreaterThan(0);
}, 60_000);

it('lanes are held and released at either, and the oldest wait is that of the server’s clock', async () => {
  const [fast, slow] = await fastAndSlow('held');
  const holds = await Promise.all(
    users.map((userId, at) => (at % 2 ? fast : slow).call<Hold>('hold', userId)),
  );
  expect(holds.map(({ userId }) => userId)).toEqual(users);
  const orders = users.map((userId) => ({ id: `${userId} 1`, userId, amount: 1 }));
  await Promise.all(orders.map((order, at) => (at % 2 ? slow : fast).call('enqueue', order)));
  await until('the backlog shows at both', async () => {
    const stats = await Promise.all([fast, slow].map((each) => each.call<ProcessorStats>('stats')));
    return stats.every(({ cluster }) => cluster?.backlog === users.length);
  });
  for (const each of [fast, slow]) {
    const { cluster } = await each.call<ProcessorStats>('stats');
    expect(cluster?.oldestWaitMs).toBeGreaterThan(0);
    expect(cluster?.oldestWaitMs).toBeLessThan(60_000);
  }
  expect([...fast.began, ...slow.began]).toEqual([]);
  await Promise.all(users.map((userId, at) => (at % 2 ? slow : fast).call('release', userId)));
  await Promise.all(orders.map(({ id }) => fast.call('outcome', id)));
  expect(fast.began.length + slow.began.length).toBe(users.length);
}, 60_000);

it('orders expire by the clock of the server, and records have its times', async () => {
  const [fast, slow] = await fastAndSlow('expiring');
  const begunAt = Date.now();
  const orders = users.flatMap((userId) =>
    ['fast', 'slow'].map((by) => ({ id: `${userId} ${by}`, userId, amount: 1 })),
  );
  const by = (id: string): Child => (id.endsWith('fast') ? fast : slow);
  const expiresAt = begunAt + 60_000;
  await Promise.all(orders.map((order) => by(order.id).call('submit', { ...order, expiresAt })));
  for (const { id } of orders) {
    const record = await slow.call<OrderRecord>('order', id);
    for (const time of [record.acceptedAt, record.startedAt, record.settledAt]) {
      expect(time).toBeGreaterThanOrEqual(begunAt - nearMs);
      expect(time).toBeLessThanOrEqual(Date.now() + nearMs);
    }
  }
  for (const child of [fast, slow]) {
    const late = { id: 'late', userId: 'u-0', amount: 1, expiresAt: begunAt };
    await expect(child.call('submit', late)).rejects.toThrow('expired');
  }
  // They wait in a lane that does not end before their time.
  await Promise.all([fast, slow].map((child) => child.call('pause')));
  const soon = { expiresAt: Date.now() + 1_500 };
  const waiting = orders.map((order) => {
    const late = by(order.id).call('submit', { ...order, ...soon, id: `${order.id} late` });
    return late.then(
      () => 'completed',
      (error: Error) => error.message,
    );
  });
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(['expired']));
  expect(Date.now()).toBeGreaterThanOrEqual(soon.expiresAt - nearMs);
  expect(Date.now()).toBeLessThan(soon.expiresAt + 10_000);
  expect(fast.began.length + slow.began.length).toBe(orders.length);
}, 60_000);
