import { type BalanceStorage, MemoryStorage, OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Fate, KeptStorage } from '../kit/kept-storage.ts';
import { appOf, bodyOf, callsOf, gates, order, problemIn } from './helpers.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** Lets what is under way go as far as it goes by itself. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
}

describe('Prefer: wait', () => {
  it('gives the receipt', async () => {
    const { post } = appOf();
    const response = await post(order, { prefer: 'wait=5' });
    expect(response.headers.get('preference-applied')).toBe('wait=5');
    expect(response.headers.get('location')).toBe('orders/o-1');
    expect(await bodyOf(response)).toMatchObject({ status: 'completed', balance: 1200 });
  });

  it('gives the error, with Location, since the order was accepted', async () => {
    const { post } = appOf({ minBalance: 0 });
    const response = await post({ ...order, amount: -1 }, { prefer: 'wait=5' });
    expect(response.headers.get('location')).toBe('orders/o-1');
    await problemIn(response, 422, 'insufficient_funds');
  });

  it.each([
    ['wait=2', 2_000],
    ['wait = 2', 2_000],
    ['Wait="2"', 2_000],
    ['respond-async, wait=2', 2_000],
    ['wait=2; foo=bar', 2_000],
    ['wait=2, handling=strict', 2_000],
    ['wait=999', 30_000],
    ['wait=2, wait=9', 2_000],
    [', ,WAIT = 2', 2_000],
    ['x="a, wait=9, \\"wait=9", wait="2"', 2_000],
    ['x; wait=9, wait=2', 2_000],
  ])('%s waits so long, and then gives the record', async (prefer, ms) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { step, openAll } = gates();
    const { post, processor } = appOf({ steps: [step] });
    let isThere = false;
    const response = post(order, { prefer }).finally(() => {
      isThere = true;
    });
    await settle();
    vi.advanceTimersByTime(ms - 1);
    await settle();
    expect(isThere).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await bodyOf(await response, 202)).toMatchObject({ status: 'processing' });
    openAll();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1200);
  });

  it.each([
    '',
    'wait',
    'wait=',
    'wait=0',
    'wait=-1',
    'wait=soon',
    'wait=1.5',
    'await=5',
    'x-wait=5',
    'x="wait=5"',
    'x="y, wait=5"',
    'x=", wait=5',
    'x; wait=5',
    'wait 5',
    'wait="5',
    'wait=5"',
    'wait=5 6',
    'wait=soon, wait=5',
  ])('%j waits for nothing', async (prefer) => {
    const { step, openAll } = gates();
    const { post } = appOf({ steps: [step] });
    const response = await post(order, { prefer });
    expect(response.headers.get('preference-applied')).toBeNull();
    expect(response.status).toBe(202);
    openAll();
  });

  it('ends when the client has gone; the order goes on', async () => {
    const { step, openAll } = gates();
    const { app, processor } = appOf({ steps: [step] });
    const controller = new AbortController();
    const response = app.request('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=30' },
      body: JSON.stringify(order),
      signal: controller.signal,
    });
    await settle();
    controller.abort();
    expect((await response).status).toBe(202);
    openAll();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1200);
  });
});

describe('Prefer: wait where nothing remembers a settled order', () => {
  const debit = { ...order, amount: -1 };

  it('gives the receipt', async () => {
    const { post } = appOf({ storage: new MemoryStorage({ retainSettled: 0 }) });
    const answer = await bodyOf(await post(order, { prefer: 'wait=5' }));
    expect(answer).toMatchObject({ status: 'completed', orderId: 'o-1', balance: 1200 });
  });

  it('gives the error', async () => {
    const { post } = appOf({ minBalance: 0, storage: new MemoryStorage({ retainSettled: 0 }) });
    const response = await post(debit, { prefer: 'wait=5' });
    expect(response.headers.get('location')).toBe('orders/o-1');
    await problemIn(response, 422, 'insufficient_funds');
  });

  it.each([0, 10])('says that the storage failed, however late (%i)', async (turns) => {
    const storage: BalanceStorage = {
      get: () => undefined,
      apply: async () => {
        for (let turn = 0; turn < turns; turn += 1) await undefined;
        throw new Error('The disk is full');
      },
    };
    const { post, processor } = appOf({ storage });
    processor.on('error', () => {});
    await problemIn(await post(order, { prefer: 'wait=5' }), 503, 'storage_failed');
  });

  it('gives each request the end of its own order, though both have one id', async () => {
    const { post } = appOf({ minBalance: 0, storage: new MemoryStorage({ retainSettled: 0 }) });
    const [first, second] = [post(debit, { prefer: 'wait=5' }), post(order, { prefer: 'wait=5' })];
    await problemIn(await first, 422, 'insufficient_funds');
    expect(await bodyOf(await second)).toMatchObject({ amount: 1200, balance: 1200 });
  });

  it('listens to nothing before a request waits', async () => {
    const { post, processor } = appOf();
    const on = vi.spyOn(processor, 'on');
    await post(order);
    expect(on).not.toHaveBeenCalled();
  });
});

describe('a full queue that lets callers wait', () => {
  function full(acceptTimeoutMs: number) {
    const { step, open } = gates();
    const all = appOf({ capacity: 1, overflow: 'wait', steps: [step] }, { acceptTimeoutMs });
    return { ...all, open };
  }

  it('accepts an order when there is room', async () => {
    const { post, open } = full(5_000);
    await post(order);
    const second = post({ ...order, id: 'o-2' });
    await settle();
    open('o-1');
    expect(await bodyOf(await second, 202)).toMatchObject({ id: 'o-2' });
    open('o-2');
  });

  it('refuses it after acceptTimeoutMs, and nothing is left of it', async () => {
    const { post, open, processor } = full(10);
    await post(order);
    const problem = await problemIn(await post({ ...order, id: 'o-2' }), 503, 'queue_full');
    expect(problem).toMatchObject({ orderId: 'o-2', userId: 'u-1', retryAfterMs: 10 });
    expect(processor.stats().waitingCallers).toBe(0);
    open('o-1');
    await processor.onIdle();
    expect(await processor.order('o-2')).toBeUndefined();
  });

  it('forgets a caller that has gone', async () => {
    const { post, app, open, processor } = full(60_000);
    await post(order);
    const controller = new AbortController();
    const second = app.request('/orders', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...order, id: 'o-2' }),
      signal: controller.signal,
    });
    await settle();
    expect(processor.stats().waitingCallers).toBe(1);
    controller.abort();
    await problemIn(await second, 408, 'canceled');
    expect(processor.stats().waitingCallers).toBe(0);
    open('o-1');
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1200);
  });
});

it('a storage that never says whether it keeps an order does not hold its request', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const storage = new KeptStorage();
  const processor = new OrderProcessor({ storage });
  await processor.ready;
  storage.fate = () => new Promise<Fate>(() => {});
  const { post } = callsOf(createOrderApp(processor, { acceptTimeoutMs: 1_000 }));
  const response = post(order);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(5_000);
  await problemIn(await response, 503, 'storage_failed');
});
