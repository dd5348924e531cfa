/** What the screens of a dashboard ask for, on storages in memory and in a file. */
import { type OrderProcessorOptions, prioritize, refuse, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { deferred, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { dashboardOf, everyone, problemIn } from './helpers.ts';

const folder = useFolder();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const storages: [name: string, options: () => Promise<OrderProcessorOptions>][] = [
  ['memory', async () => ({})],
  ['SQLite', async () => ({ storage: await folder.open() })],
];

/** Pays what is below 100, declines 100, and waits for `end` at 200. */
function shop(end = deferred()): { steps: Step[]; end: typeof end } {
  const steps: Step[] = [
    { name: 'reserve', run: () => ({ table: 't-1' }), compensate: () => {} },
    {
      name: 'pay',
      after: 'reserve',
      retry: { attempts: 2, delayMs: 1 },
      run: ({ amount }, { attempt }) => {
        if (amount === 100) throw Object.assign(new Error('No'), { code: 'declined' });
        if (amount === 50 && attempt === 1) throw new Error('Busy');
        return amount === 200 ? end.promise : { charge: 'c-1' };
      },
    },
  ];
  return { steps, end };
}

describe.each(storages)('on %s', (_name, options) => {
  it('an order: its steps, times, codes, compensations and what it did to balances', async () => {
    const { steps, end } = shop();
    const { processor, read, get } = dashboardOf(
      { ...(await options()), steps },
      { authenticate: () => everyone, showPayloads: true },
    );
    const payload = { note: '<script>' };
    const postings = [{ userId: 'bob', amount: 20 }];
    await processor.submit({ id: 'o-1', userId: 'ann', amount: 50, payload, postings });
    const done = await read('order', { id: 'o-1' });
    expect(done).toMatchObject({
      ...{ status: 'completed', amount: '50', orderedAmount: '50', balance: '50' },
      postings: [{ userId: 'bob', amount: '20', balance: '20' }],
      steps: [
        { name: 'reserve', status: 'ok', isObserved: true, attempts: 1, retries: [] },
        { name: 'pay', status: 'ok', attempts: 2, retries: [{ attempt: 1, code: 'internal' }] },
      ],
    });
    expect(JSON.parse(done.payload.text)).toEqual(payload);
    expect(JSON.parse(done.results.text)).toEqual({
      reserve: { table: 't-1' },
      pay: { charge: 'c-1' },
    });
    expect(done.steps[1].retries[0].at).toBeGreaterThanOrEqual(done.steps[1].startedAt);
    expect(done.steps[1].endedAt - done.steps[1].startedAt).toBe(done.steps[1].durationMs);

    await processor.submit({ id: 'o-2', userId: 'ann', amount: 100 }).catch(() => {});
    expect(await read('order', { id: 'o-2' })).toMatchObject({
      ...{ status: 'failed', code: 'declined', message: 'Step `pay` failed with `declined`' },
      steps: [
        { name: 'reserve', status: 'compensated', compensation: { status: 'ok', attempts: 1 } },
        { name: 'pay', status: 'error', code: 'declined' },
      ],
    });

    const running = processor.submit({ id: 'o-3', userId: 'ann', amount: 200 });
    while (processor.running({ orderId: 'o-3' })[0]?.steps[1]?.state !== 'running') await turn();
    const now = await read('order', { id: 'o-3' });
    expect(now).toMatchObject({
      status: 'processing',
      steps: [{ status: 'ok' }, { name: 'pay', status: 'running', attempts: 1 }],
    });
    expect(now.steps[1]).not.toHaveProperty('endedAt');
    await problemIn(await get('order', { id: 'o-4' }), 404, 'not_found');
    end.resolve();
    await running;
  });

  it('a user: balance, hold, what runs, what waits in which order, what was settled', async () => {
    const { steps, end } = shop();
    const { processor, read } = dashboardOf({ ...(await options()), steps, onFailure: 'hold' });
    await processor.submit({ id: 'o-0', userId: 'ann', amount: 5 });
    const rest = [200, 1, 2, 100, 3].map((amount, at) =>
      processor.submit({ id: `o-${at + 1}`, userId: 'ann', amount }).catch(() => {}),
    );
    const later = { id: 'later', userId: 'ann', amount: 1, notBefore: Date.now() + 3_600_000 };
    await processor.enqueue(later);
    while (processor.running({ userId: 'ann' }).length === 0) await turn();
    const ids = (orders: readonly { id: string }[]) => orders.map(({ id }) => id);
    const busy = await read('user', { id: 'ann' });
    expect(busy).toMatchObject({ userId: 'ann', balance: '5', hasMoreWaiting: false });
    expect(busy).not.toHaveProperty('hold');
    expect([ids(busy.running), ids(busy.waiting)]).toEqual([['o-1'], ['o-2', 'o-3', 'o-4', 'o-5']]);
    expect([ids(busy.scheduled), ids(busy.settled)]).toEqual([['later'], ['o-0']]);
    end.resolve();
    await new Promise((resolve) => processor.once('held', resolve));
    const held = await read('user', { id: 'ann' });
    expect(held.hold).toMatchObject({
      orderId: 'o-4',
      code: 'declined',
      message: 'Step `pay` failed with `declined`',
    });
    expect([held.balance, ids(held.waiting)]).toEqual(['208', ['o-4', 'o-5']]);
    expect((await read('order', { id: 'o-4' })).hold).toMatchObject({ code: 'declined' });
    const attention = await read('attention');
    expect(attention).toMatchObject({ heldLanes: 1, heldOrders: 2, storage: { state: 'ready' } });
    expect(attention.lanes).toMatchObject([{ userId: 'ann', orderId: 'o-4' }]);
    expect((await read('lanes', { limit: 1 })).lanes).toHaveLength(1);
    await processor.release('ann', 'skip');
    await Promise.all(rest);
  });

  it('a statement: the last movement first, whole over all pages, with running balances', async () => {
    const { processor, read, get, errors } = dashboardOf(await options());
    const count = 1_250;
    await processor.submitMany(
      range(count).map((at) => ({ id: `m-${at}`, userId: 'ann', amount: at % 2 === 0 ? 3 : -1 })),
    );
    const all: { orderId: string; balance: string; amount: string }[] = [];
    let cursor: string | undefined;
    do {
      const page = await read('statement', { id: 'ann', limit: 200, ...(cursor && { cursor }) });
      expect(page.isForgotten).toBeUndefined();
      all.push(...page.movements);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(all.map(({ orderId }) => orderId)).toEqual(
      range(count).map((at) => `m-${count - 1 - at}`),
    );
    for (const [at, { balance, amount }] of all.entries()) {
      const before = all[at + 1]?.balance ?? '0';
      expect(BigInt(before) + BigInt(amount)).toBe(BigInt(balance));
    }
    const chart = await read('balances', { id: 'ann' });
    expect(chart.isExact).toBe(false);
    expect(chart.points.at(-1).balance).toBe(all[0]?.balance);
    await processor.submit({ userId: 'bob', amount: 7 });
    const exact = await read('balances', { id: 'bob', from: 0 });
    expect(exact).toMatchObject({ isExact: true, points: [{ at: 0 }, { balance: '7' }] });
    expect((await read('statement', { id: 'nobody' })).movements).toEqual([]);
    const late = Buffer.from('statement 9999999999999999 1 1').toString('base64url');
    for (const cursor of ['x', late]) {
      await problemIn(await get('statement', { id: 'ann', cursor }), 400, 'bad_request');
    }
    await problemIn(await get('lanes', { cursor: 'x' }), 400, 'bad_request');
    const far = { id: 'ann', from: 8.64e15, to: 8.64e15 };
    expect((await read('statement', far)).movements).toEqual([]);
    expect((await read('balances', far)).points).toHaveLength(1);
    await problemIn(await get('balances', { id: 'ann', to: 9e15 }), 400, 'bad_request');
    expect(errors).toEqual([]);
  });

  it('orders: by status, user, code, label and time, page by page, and by exact id', async () => {
    const { steps } = shop();
    const { processor, read, get } = dashboardOf({ ...(await options()), steps });
    for (const at of range(12)) {
      const order = { id: `o-${at}`, userId: `u-${at % 2}`, amount: at % 3 === 0 ? 100 : 1 };
      await processor.submit(order).catch(() => {});
    }
    const idsOf = async (query: object): Promise<string> =>
      (await read('orders', query)).orders.map(({ id }: { id: string }) => id.slice(2)).join();
    expect(await idsOf({})).toBe('11,10,9,8,7,6,5,4,3,2,1,0');
    expect(await idsOf({ status: 'failed' })).toBe('9,6,3,0');
    expect(await idsOf({ code: 'declined', userId: 'u-1' })).toBe('9,3');
    expect(await idsOf({ code: 'nothing' })).toBe('');
    expect(await idsOf({ acceptedBefore: 1 })).toBe('');
    const first = await read('orders', { limit: 5 });
    expect(first.orders).toHaveLength(5);
    expect(await idsOf({ limit: 200, cursor: first.cursor })).toBe('6,5,4,3,2,1,0');
    expect(await read('search', { q: 'o-3' })).toMatchObject({ order: { code: 'declined' } });
    expect(await read('search', { q: 'u-1' })).toEqual({
      user: { userId: 'u-1', balance: '4' },
    });
    expect(await read('search', { q: 'o-' })).toEqual({});
    for (const query of [
      { status: 'x' },
      { limit: 0 },
      { limit: 201 },
      { cursor: 'x' },
      { x: 1 },
    ]) {
      await problemIn(await get('orders', query), 400, 'bad_request');
    }
    const { failures } = await read('attention');
    expect(failures).toMatchObject([{ code: 'declined', count: 4, last: { orderId: 'o-9' } }]);
    expect(failures[0].byMinute).toHaveLength(60);
    expect(failures[0].byMinute.slice(-2).reduce((sum: number, each: number) => sum + each)).toBe(
      4,
    );
  });
});

it('labels are found, and amounts beyond 2^53 - 1 and negative ones stay exact', async () => {
  const amount = Number.MAX_SAFE_INTEGER;
  const { processor, read } = dashboardOf({
    rules: [({ amount }) => (amount < 0 ? prioritize('high', 'debit') : undefined)],
  });
  await processor.submit({ id: 'o-1', userId: 'ann', amount });
  await processor.submit({ id: 'o-2', userId: 'ann', amount: -5 });
  expect((await read('order', { id: 'o-1' })).amount).toBe('9007199254740991');
  const { orders } = await read('orders', { label: 'debit' });
  expect(orders).toMatchObject([{ id: 'o-2', amount: '-5', labels: ['debit'] }]);
});

it('the overview counts, and says what a processor is', async () => {
  const { processor, read } = dashboardOf({
    rules: [({ amount }) => (amount === 13 ? refuse('unlucky') : undefined)],
  });
  await processor.submit({ userId: 'ann', amount: 1 });
  await processor.submit({ userId: 'ann', amount: 13 }).catch(() => {});
  const { stats, series } = await read('overview', { step: 1 });
  expect(stats).toMatchObject({ state: 'running', accepted: 1, completed: 1, refused: 1 });
  expect(stats.waitMs).toEqual({ p50: 0, p95: 0, p99: 0, max: 0 });
  expect(series).toMatchObject({ stepMs: 1_000, points: [] });
  expect(await read('processors')).toEqual({ now: expect.any(Number) });
  expect(await read('session')).toMatchObject({
    ...{ title: 'Orders', role: 'operate', client: 'ops', sees: 'all', showPayloads: false },
    ...{ currency: { digits: 0 }, isShared: false, version: manifest.version },
  });
});
