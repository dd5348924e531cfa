/**
 * An id is not an order: until an id is accepted it belongs to the order that has it, and every answer is of the
 * order that was asked for. Two users with one id, in every state of the first user's order.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toJson } from '@bufbuild/protobuf';
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import {
  type BalanceChange,
  type BalanceResult,
  type BalanceStorage,
  MemoryStorage,
  type Order,
  type OrderOutcome,
  OrderProcessor,
  type OrderProcessorOptions,
} from 'order-processor';
import {
  type Access,
  createOrderRoutes,
  OrderErrorDetailSchema,
  OrderService,
} from 'order-processor/grpc';
import { createOrderApp } from 'order-processor/http';
import { SqliteStorage } from 'order-processor/sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { callsOf } from '../http/helpers.ts';
import { codeOf, type Deferred, deferred, outcomeNow } from '../kit/helpers.ts';
import { fatesOf, open } from '../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../kit/kept-storage.ts';
import { schemaOf } from '../kit/schemas.ts';

const folder = mkdtempSync(join(tmpdir(), 'whose-order-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

const ofA = { id: 'x', userId: 'a', amount: 987_654_321_987_654, payload: 'private-a' };
const ofB = { id: 'x', userId: 'b', amount: 7, payload: 'private-b' };

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
};

/** The balances of a host, in another process. */
class HostBalances implements BalanceStorage {
  readonly #balances = new MemoryStorage();

  async get(userId: string): Promise<number | undefined> {
    return this.#balances.get(userId);
  }

  async apply(changes: readonly BalanceChange[]): Promise<readonly BalanceResult[]> {
    return this.#balances.apply(changes);
  }
}

type Storage = MemoryStorage | HostBalances | KeptStorage | SqliteStorage;

/** Storages, each with what its answers take. */
const storages: Record<string, () => Storage | Promise<Storage>> = {
  memory: () => new MemoryStorage(),
  'a memory that forgets at once': () => new MemoryStorage({ retainSettled: 0 }),
  'balances of a host': () => new HostBalances(),
  'a slow storage that keeps orders': () => {
    const storage = new KeptStorage();
    storage.fate = () => sleep(1).then((): Fate => 'works');
    return storage;
  },
  'a file': () => SqliteStorage.open(join(folder, `${++files}.db`)),
};

interface Scene {
  readonly processor: OrderProcessor;
  readonly end: () => void;
}

/** How the order of user a comes into a state, in which it stays until `end`. */
const states: Record<string, (storage: Storage) => Promise<Scene & { a: Promise<unknown> }>> = {
  async checking(storage) {
    const gate = deferred();
    const schema = schemaOf(async (value) => {
      if (value === ofA.payload) await gate.promise;
      return { value };
    });
    const processor = await ready({ storage, schema });
    return { processor, a: processor.submit(ofA), end: () => gate.resolve() };
  },
  async waiting(storage) {
    const gate = deferred();
    const run = ({ id }: Order) => (id === 'filler' ? gate.promise : undefined);
    const steps = [{ name: 'work', run }];
    const processor = await ready({ storage, steps, capacity: 1, overflow: 'wait' });
    await processor.enqueue({ id: 'filler', userId: 'c', amount: 1 });
    return { processor, a: processor.submit(ofA), end: () => gate.resolve() };
  },
  async accepting(storage) {
    const gate = held(storage, 'accept');
    const processor = await ready({ storage, steps: [{ name: 'work', run() {} }] });
    return { processor, a: processor.submit(ofA), end: () => gate.resolve() };
  },
  async pending(storage) {
    const processor = await ready({ storage });
    processor.pause();
    return { processor, a: processor.submit(ofA), end: () => processor.resume() };
  },
  async processing(storage) {
    const gate = deferred();
    const run = ({ userId }: Order) => (userId === 'a' ? gate.promise : undefined);
    const processor = await ready({ storage, steps: [{ name: 'work', run }] });
    const a = processor.submit(ofA);
    await turns();
    return { processor, a, end: () => gate.resolve() };
  },
  async settling(storage) {
    const gate = held(storage, storage instanceof HostBalances ? 'apply' : 'settle');
    const processor = await ready({ storage, steps: [{ name: 'work', run() {} }] });
    return { processor, a: processor.submit(ofA), end: () => gate.resolve() };
  },
  'settling without steps': async (storage) => {
    const gate = held(storage, storage instanceof HostBalances ? 'apply' : 'settle');
    const processor = await ready({ storage });
    return { processor, a: processor.submit(ofA), end: () => gate.resolve() };
  },
  async settled(storage) {
    const processor = await ready({ storage });
    await processor.submit(ofA);
    return { processor, a: Promise.resolve(), end() {} };
  },
};

/** Holds every call of this method that has something to do until the result is resolved. */
function held(storage: Storage, method: string): Deferred<void> {
  const gate = deferred();
  const methods = storage as unknown as Record<string, (list: readonly unknown[]) => unknown>;
  const call = (methods[method] as (typeof methods)[string]).bind(storage);
  methods[method] = async (list) => {
    if (list.length > 0) await gate.promise;
    return call(list);
  };
  return gate;
}

/** Whether a storage is asynchronous there, so that an order stays in the state. */
function stays(state: string, name: string): boolean {
  if (state.startsWith('settling')) return !name.includes('memory');
  return state !== 'accepting' || !/memory|host/.test(name);
}

async function ready(options: OrderProcessorOptions): Promise<OrderProcessor> {
  const processor = new OrderProcessor(options);
  await processor.ready;
  return processor;
}

/** Every call over HTTP and gRPC that is about the id, by a client that may act for user b alone, as text. */
function everyCall(processor: OrderProcessor, access: Access): Promise<string>[] {
  const authenticate = () => access;
  const { get, post, remove, batch } = callsOf(createOrderApp(processor, { authenticate }));
  const transport = createRouterTransport(createOrderRoutes(processor, { authenticate }));
  const client = createClient(OrderService, transport);
  const order = { id: 'x', userId: 'b', amount: 7n };
  const stream = async (): Promise<string> => {
    const outcomes: unknown[] = [];
    const orders = async function* () {
      yield { order };
    };
    for await (const outcome of client.submitOrders(orders())) outcomes.push(outcome);
    return shown(outcomes);
  };
  const http = [
    post({ ...ofB, payload: undefined }),
    post({ ...ofB, payload: undefined }, { prefer: 'wait=5' }),
    batch(`${JSON.stringify({ ...ofB, payload: undefined })}\n`),
    get('/orders/x'),
    get('/orders?userId=b'),
    remove('/orders/x'),
  ].map(async (response) => (await response).text());
  const grpc = [
    client.submitOrder({ order }).then(shown),
    client.enqueueOrder({ order }).then(shown),
    client.getOrder({ id: 'x' }).then(shown),
    client.listOrders({ userId: 'b' }).then(shown),
    client.cancelOrder({ id: 'x' }).then(shown),
    stream(),
  ].map((call) =>
    call.catch((error) => {
      const { message } = ConnectError.from(error);
      const details = ConnectError.from(error).findDetails(OrderErrorDetailSchema);
      return `${message} ${details.map((detail) => JSON.stringify(toJson(OrderErrorDetailSchema, detail)))}`;
    }),
  );
  return [...http, ...grpc];
}

/** The ways in for several orders. */
function listsOf(processor: OrderProcessor): Promise<string>[] {
  const many = processor.submitMany([ofB]).then(([outcome]) => outcome);
  const stream = processor.submitStream([ofB])[Symbol.asyncIterator]();
  const first = stream.next().then(({ value }) => value as OrderOutcome);
  return [many, first].map(async (outcome) => {
    const { status, ...rest } = (await outcome) as OrderOutcome;
    return 'error' in rest ? rest.error.code : status;
  });
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each));
}

describe.each(Object.keys(storages))('two users and one id, with %s', (name) => {
  it.each(Object.keys(states).filter((state) => stays(state, name)))(
    'invariant 5: no call of user b is answered with the order of user a, while that is %s',
    async (state) => {
      const storage = await (storages[name] as (typeof storages)[string])();
      const scene = await (states[state] as (typeof states)[string])(storage);
      const { processor, end } = scene;
      const a = codeOf(scene.a);
      await turns();
      const calls = everyCall(processor, { users: ['b'], mayAddMoney: true });
      const mine = [
        codeOf(processor.submit(ofB)),
        codeOf(processor.enqueue(ofB)),
        ...listsOf(processor),
      ];
      await turns();
      expect(await outcomeNow(a)).toBe(state === 'settled' ? 'completed' : 'pending');
      end();
      for (const text of await Promise.all(calls)) {
        expect(text).not.toMatch(/private-a|"userId":"a"|987654321987654/);
      }
      for (const code of [a, ...mine])
        expect(['completed', 'order_conflict']).toContain(await code);
      await processor.shutdown();
    },
  );
});

it('invariant 5: a request that waits gets the end of its own order, where the id was used and forgotten meanwhile', async () => {
  const gate = deferred();
  const run = ({ id }: Order) => (id === 'filler' ? gate.promise : undefined);
  const processor = new OrderProcessor({
    storage: new MemoryStorage({ retainSettled: 0 }),
    steps: [{ name: 'work', run }],
    capacity: 1,
    overflow: 'wait',
  });
  await processor.enqueue({ id: 'filler', userId: 'c', amount: 1 });
  const a = processor.submit(ofA);
  const { post } = callsOf(createOrderApp(processor));
  const b = post(ofB, { prefer: 'wait=5' });
  await turns();
  gate.resolve();
  expect(await a).toMatchObject({ userId: 'a', balance: ofA.amount });
  expect(JSON.parse(await (await b).text())).toMatchObject({ userId: 'b', balance: 7 });
  await processor.shutdown();
});

describe.each([
  ['submit', (processor: OrderProcessor, order: Order) => processor.submit(order)],
  ['enqueue', (processor: OrderProcessor, order: Order) => processor.enqueue(order)],
])('a settled id that comes again for another user, by `%s`', (_, handIn) => {
  const work = { name: 'work', run() {} };

  it.each([
    ['without steps', [], 'settle', false],
    ['without steps, and paused', [], 'settle', true],
    ['with steps', [work], 'accept', false],
  ] as const)(
    'invariant 5: stays the order that has it while the storage is asked, %s',
    async (_how, steps, method, isPaused) => {
      const storage = new KeptStorage();
      const first = await open(storage, { steps });
      const receipt = await first.submit(ofA);
      await first.shutdown();
      const again = new KeptStorage(storage.disk);
      const processor = await open(again, { steps });
      const fate = deferred<Fate>();
      if (isPaused) processor.pause();
      else again.fate = fatesOf(method, fate.promise);
      const { accepted } = processor.stats();
      const other = codeOf(handIn(processor, ofB));
      await turns();
      expect(await processor.order('x')).toMatchObject({ userId: 'a', status: 'completed' });
      expect(await outcomeNow(processor.outcome('x'))).toEqual(receipt);
      expect((await processor.orders()).orders).toMatchObject([{ userId: 'a' }]);
      expect(processor.stats()).toMatchObject({ accepted });
      const { get, remove } = callsOf(createOrderApp(processor));
      expect((await get('/orders/x')).status).toBe(200);
      expect((await remove('/orders/x')).status).toBe(409);
      processor.resume();
      fate.resolve('works');
      expect(await other).toBe('order_conflict');
      expect(processor.stats()).toMatchObject({ accepted, completed: 0, unsettled: 0 });
      expect(await processor.order('x')).toMatchObject({ userId: 'a', status: 'completed' });
      await processor.shutdown();
    },
  );
});

it('invariant 5: an id belongs to the order that was accepted while the payload of another was read', async () => {
  const processor = await open(new KeptStorage(undefined, 'json'), {
    steps: [{ name: 'work', run() {} }],
  });
  let inner: Promise<string> | undefined;
  const payload = {
    get note() {
      inner ??= codeOf(processor.submit({ ...ofA, payload: undefined }));
      return 'read';
    },
  };
  const outer = [processor.submit({ ...ofB, payload }), processor.enqueue({ ...ofB, payload })];
  expect(await Promise.all(outer.map(codeOf))).toEqual(['order_conflict', 'order_conflict']);
  expect(await inner).toBe('completed');
  expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
  await processor.shutdown();
});
