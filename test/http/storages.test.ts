import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { deferred, watch } from '../kit/helpers.ts';
import { type Fate, KeptStorage } from '../kit/kept-storage.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { appOf, bodyOf, callsOf, gates, linesOf, order, problemIn } from './helpers.ts';

const folder = useFolder();

describe('a storage that fails', () => {
  it.each(['rejects', 'throws', 'fails late'] as const)(
    'accepts nothing when accept %s',
    async (fate) => {
      const storage = new KeptStorage();
      const { post, processor } = appOf({ storage });
      processor.on('error', () => {});
      processor.pause();
      await processor.ready;
      storage.fate = (method) => (method === 'accept' ? fate : 'works');
      await problemIn(await post(order), 503, 'storage_failed');
      storage.fate = () => 'works';
      await processor.shutdown();
    },
  );

  it('is 503 wherever it is asked', async () => {
    const storage = new KeptStorage();
    const { get, remove, processor } = appOf({ storage });
    await processor.ready;
    storage.fate = () => 'rejects';
    storage.list = () => {
      throw new Error('The disk is full');
    };
    await problemIn(await get('/orders'), 503, 'storage_failed');
    await problemIn(await get('/orders/o-1'), 503, 'storage_failed');
    await problemIn(await remove('/orders/o-1'), 503, 'storage_failed');
    const response = await get('/users/u-1/balance');
    expect(await problemIn(response, 503, 'storage_failed')).not.toHaveProperty('cause');
    storage.fate = () => 'works';
    await processor.shutdown();
  });

  it('says so in the lines of a batch', async () => {
    const storage = new KeptStorage();
    const { batch, processor } = appOf({ storage });
    processor.on('error', () => {});
    await processor.ready;
    storage.fate = () => 'rejects';
    const lines = await linesOf(await batch(JSON.stringify(order)));
    expect(lines).toMatchObject([{ index: 0, code: 'storage_failed', retryable: true }]);
    storage.fate = () => 'works';
    await processor.shutdown();
  });
});

it('202 comes when the storage has the order, and not before', async () => {
  const storage = new KeptStorage();
  const { post, get, processor } = appOf({ storage });
  await processor.ready;
  processor.pause();
  const accepted = deferred<Fate>();
  storage.fate = (method) => (method === 'accept' ? accepted.promise : 'works');
  const response = post(order);
  const watched = watch(response);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  expect(watched.isSettled).toBe(false);
  await problemIn(await get('/orders/o-1'), 404, 'not_found');
  accepted.resolve('works');
  expect(await bodyOf(await response, 202)).toMatchObject({ id: 'o-1' });
  expect(storage.disk.find('o-1')).toBeDefined();
  await processor.shutdown();
});

it('while it recovers, orders are known and new ones are accepted', async () => {
  const { step, openAll } = gates();
  const earlier = new KeptStorage();
  const first = appOf({ storage: earlier, steps: [step] });
  await first.post(order);
  earlier.cut();
  openAll();
  const storage = new KeptStorage(earlier.disk);
  const asked = deferred<Fate>();
  storage.fate = (method) => (method === 'unsettled' ? asked.promise : 'works');
  const { post, get, processor } = appOf({ storage });
  expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ status: 'pending' });
  expect(await bodyOf(await get('/orders'))).toMatchObject({ orders: [{ id: 'o-1' }] });
  const again = post(order, { prefer: 'wait=10' });
  const other = post({ ...order, id: 'o-2' }, { prefer: 'wait=10' });
  asked.resolve('works');
  expect(await bodyOf(await again)).toMatchObject({ orderId: 'o-1', balance: 1200 });
  expect(await bodyOf(await other)).toMatchObject({ orderId: 'o-2', balance: 2400 });
  await processor.shutdown();
});

describe('SqliteStorage', () => {
  it('has after a restart what was answered with 202, and knows it by its id', async () => {
    const first = new OrderProcessor({ storage: await folder.open() });
    const payload = { dish: 'soup', items: [1, { deep: null }] };
    first.pause();
    const { post } = callsOf(createOrderApp(first));
    expect((await post({ ...order, payload })).status).toBe(202);
    await first.shutdown({ timeoutMs: 1 });

    const second = new OrderProcessor({ storage: await folder.open() });
    const calls = callsOf(createOrderApp(second));
    const response = await calls.post({ ...order, payload }, { prefer: 'wait=10' });
    expect(await bodyOf(response)).toMatchObject({ orderId: 'o-1', balance: 1200 });
    await problemIn(await calls.post({ ...order, payload: 1 }), 409, 'order_conflict');
    expect(await bodyOf(await calls.get('/orders/o-1'))).toMatchObject({ payload });
    expect(await bodyOf(await calls.get('/users/u-1/balance'))).toMatchObject({ balance: 1200 });
    await second.shutdown();
  });

  it('lists pages over a restart with the same cursor', async () => {
    const first = new OrderProcessor({ storage: await folder.open() });
    const calls = callsOf(createOrderApp(first));
    const ids = ['a', 'b', 'c', 'd', 'e'];
    for (const id of ids) await calls.post({ ...order, id }, { prefer: 'wait=5' });
    const page = await bodyOf(await calls.get('/orders?limit=2'));
    await first.shutdown();
    const second = new OrderProcessor({ storage: await folder.open() });
    const { get } = callsOf(createOrderApp(second));
    const rest = await bodyOf(await get(`/orders?limit=3&cursor=${page.cursor}`));
    const listed = [...page.orders, ...rest.orders].map(({ id }) => id);
    expect(listed).toHaveLength(5);
    expect(new Set(listed)).toEqual(new Set(ids));
    expect(rest.cursor).toBeUndefined();
    await second.shutdown();
  });

  it('refuses a payload that it would not give back, with 400', async () => {
    const processor = new OrderProcessor({ storage: await folder.open() });
    const { post } = callsOf(createOrderApp(processor));
    const response = await post('{"userId":"u-1","amount":1,"payload":"\\ud800"}');
    await problemIn(response, 400, 'invalid_order');
    await processor.shutdown();
  });
});
