/** What operators alone do and see in a dashboard: the same as over HTTP. */
import { describe, expect, it } from 'vitest';
import { bodyOf, dashboardOf, problemIn } from './helpers.ts';

const steps = [
  { name: 'pay', compensate: () => Promise.reject(new Error('The bank is closed')), run: () => 1 },
  {
    name: 'ship',
    after: 'pay',
    run: ({ amount }: { amount: number }) => {
      if (amount === 100) throw Object.assign(new Error('No'), { code: 'declined' });
    },
  },
];
const watcher = { users: [], isOperator: true } as const;
const support = { users: ['ann'], role: 'operate' } as const;

describe('a person who operates for certain users', () => {
  it('leaves lanes, and the orders that hold them, to operators', async () => {
    const { act, post, processor } = dashboardOf(
      { steps, onFailure: 'hold' },
      { authenticate: () => support },
    );
    processor.on('error', () => {});
    const held = new Promise((resolve) => processor.once('held', resolve));
    await processor.enqueue({ id: 'o-1', userId: 'ann', amount: 100 });
    await held;
    await processor.enqueue({ id: 'o-2', userId: 'ann', amount: -1 });
    const lanes = [{ userId: 'ann', orderId: 'o-1' }];
    for (const body of [
      { action: 'hold', userIds: ['ann'] },
      { action: 'release', lanes },
      { action: 'compensate', orderIds: ['o-1'] },
      { action: 'pause' },
    ]) {
      await problemIn(await post('act', body), 403, 'forbidden');
    }
    const filter = { userId: 'ann' };
    const compensate = { action: 'compensate', filter };
    await problemIn(await post('preview', compensate), 403, 'forbidden');
    const { done, failures } = await act({ action: 'cancel', orderIds: ['o-1', 'o-2'] });
    expect([done, failures]).toMatchObject([1, [{ id: 'o-1', code: 'forbidden' }]]);
    expect(processor.stats().heldLanes).toBe(1);
  });

  it('retries what it might hand in: no order that adds money', async () => {
    const { act, processor } = dashboardOf({}, { authenticate: () => support });
    processor.pause();
    for (const [id, amount] of [
      ['o-1', 5],
      ['o-2', 0],
    ] as const) {
      await processor.enqueue({ id, userId: 'ann', amount });
      await processor.cancel(id);
    }
    const { done, failures } = await act({ action: 'retry', orderIds: ['o-1', 'o-2'] });
    expect([done, failures]).toMatchObject([1, [{ id: 'o-1', code: 'forbidden' }]]);
  });

  it("does not see which order of another user's client a credit came from", async () => {
    const { read, processor } = dashboardOf({}, { authenticate: () => support });
    const postings = [{ userId: 'ann', amount: 5 }];
    await processor.submit({ id: 'top-up', userId: 'ben', amount: 5 });
    await processor.submit({ id: '~ben~gift', userId: 'ben', amount: -5, postings });
    await processor.submit({ id: '~ann~own', userId: 'ann', amount: -1 });
    const { movements } = await read('statement', { id: 'ann' });
    expect(movements).toMatchObject([{ orderId: '~ann~own' }, { amount: '5', balance: '5' }]);
    expect(JSON.stringify(movements)).not.toContain('ben');
  });
});

it('an operator that acts for no user sees what is about all, and no balance or list of orders', async () => {
  const { get, read, act, post, processor } = dashboardOf({}, { authenticate: () => watcher });
  await processor.submit({ id: 'o-1', userId: 'ann', amount: 1 });
  for (const path of ['attention', 'overview', 'lanes', 'processors', 'actions']) await read(path);
  expect(await read('order', { id: 'o-1' })).toMatchObject({ id: 'o-1', userId: 'ann' });
  for (const [path, query] of [
    ...['user', 'balances', 'statement'].map((path) => [path, { id: 'ann' }] as const),
    ...[['orders', {}] as const, ['orders', { userId: 'ann' }] as const],
    ['live', { topics: 'user', userId: 'ann' }] as const,
  ]) {
    await problemIn(await get(path, query), 403, 'forbidden');
  }
  expect(await read('search', { q: 'ann' })).toEqual({});
  await problemIn(await post('act', { action: 'pause' }), 403, 'forbidden');
  const cancel = { action: 'cancel', filter: {} };
  await problemIn(await post('preview', cancel), 403, 'forbidden');
  expect(await act({ action: 'hold', userIds: ['ann'] })).toMatchObject({ done: 1 });
  const lanes = [{ userId: 'ann' }];
  expect(await act({ action: 'release', lanes })).toMatchObject({ done: 1 });
  const retried = await act({ action: 'retry', orderIds: ['o-1'] });
  expect(retried).toMatchObject({ done: 0, failures: [{ code: 'forbidden' }] });
});

it('invariant 10: a compensation that fails again is a failure of the action', async () => {
  const { act, post, processor } = dashboardOf({ steps });
  processor.on('error', () => {});
  await processor.submit({ id: 'o-1', userId: 'ann', amount: 100 }).catch(() => {});
  // Before it is retried, that is said.
  const found = await post('preview', { action: 'retry', filter: { code: 'declined' } });
  expect(await bodyOf(found)).toMatchObject({ count: 1, uncompensated: 1 });
  const result = await act({ action: 'compensate', orderIds: ['o-1'] });
  expect(result).toMatchObject({ done: 0, failures: [{ id: 'o-1', code: 'internal' }] });
  expect(result.failures[0].message).toContain('The compensation of `pay` failed again');
});

it('a release that needs `then` says so by that name', async () => {
  const { act, processor } = dashboardOf({ steps, onFailure: 'hold' });
  processor.on('error', () => {});
  const held = new Promise((resolve) => processor.once('held', resolve));
  await processor.enqueue({ id: 'o-1', userId: 'ann', amount: 100 });
  await held;
  const { failures } = await act({ action: 'release', lanes: [{ userId: 'ann' }] });
  expect(failures).toMatchObject([{ id: 'ann', code: 'bad_request' }]);
  expect(failures[0].message).toMatch(/^Expected `then` to be 'retry' or 'skip'/);
});
