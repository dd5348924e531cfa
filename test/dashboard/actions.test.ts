import type { DashboardAction } from 'order-processor/dashboard';
import { describe, expect, it } from 'vitest';
import { deferred, range } from '../kit/helpers.ts';
import { bodyOf, dashboardOf, everyone, LiveReader } from './helpers.ts';

const declining = {
  name: 'pay',
  run: ({ amount }: { amount: number }) => {
    if (amount === 100) throw Object.assign(new Error('No'), { code: 'declined' });
  },
};

it('each action does what it says, is listed, and is told to `onAction` with who did it', async () => {
  const told: DashboardAction[] = [];
  const { act, read, processor } = dashboardOf(
    { steps: [declining], onFailure: 'hold' },
    { authenticate: () => everyone, onAction: (action) => told.push(action) },
  );
  expect(await act({ action: 'pause' })).toMatchObject({
    action: 'pause',
    by: 'ops',
    failures: [],
  });
  expect((await read('attention')).isPaused).toBe(true);
  await processor.enqueue({ id: 'o-1', userId: 'ann', amount: 1 });
  const cancel = { action: 'cancel', orderIds: ['o-1', 'o-9'] };
  expect(await act(cancel)).toMatchObject({
    ...{ targets: 2, done: 1, sample: ['o-1', 'o-9'] },
    failures: [{ id: 'o-9', code: 'not_found', message: 'There is no such order' }],
  });
  await act({ action: 'resume' });
  expect((await act({ action: 'cancel', orderIds: ['o-1'] })).failures).toEqual([]);
  const { retriedAs } = await act({ action: 'retry', orderIds: ['o-1'] });
  expect(await processor.outcome(retriedAs['o-1'])).toMatchObject({ status: 'completed' });

  const held = new Promise((resolve) => processor.once('held', resolve));
  const failed = processor.submit({ id: 'o-2', userId: 'bob', amount: 100 }).catch(() => {});
  await held;
  const lane = { userId: 'bob', orderId: 'o-2' };
  const release = { action: 'release', lanes: [lane] };
  expect((await act(release)).failures).toMatchObject([{ id: 'bob', code: 'bad_request' }]);
  const then = 'skip';
  const stale = { ...release, then, lanes: [{ ...lane, orderId: 'o-1' }] };
  expect((await act(stale)).failures).toMatchObject([{ id: 'bob', code: 'not_held' }]);
  expect(await act({ ...release, then })).toMatchObject({ done: 1, then });
  await failed;
  expect(await act({ action: 'hold', userIds: ['cat'], reason: 'fraud?' })).toMatchObject({
    done: 1,
  });
  expect((await read('user', { id: 'cat' })).hold).toMatchObject({ reason: 'fraud?' });
  expect(await act({ action: 'compensate', orderIds: ['o-2'] })).toMatchObject({
    done: 1,
  });

  const { actions } = await read('actions');
  expect(actions).toHaveLength(told.length);
  expect(actions.map(({ id }: { id: string }) => id)).toEqual(
    told.map(({ id }) => id).toReversed(),
  );
  expect(told[1]).toMatchObject({ by: 'ops', access: everyone, targetIds: ['o-1', 'o-9'] });
  expect(told.find(({ release: way }) => way === 'skip')?.targetIds).toEqual(['bob']);
});

describe('all that a filter matches', () => {
  it('is shown first, and then exactly that is done', async () => {
    const { act, post, processor } = dashboardOf({ steps: [declining] });
    for (const at of range(30)) {
      const order = { id: `o-${at}`, userId: `u-${at}`, amount: at % 3 === 0 ? 100 : 1 };
      await processor.submit(order).catch(() => {});
    }
    const filter = { code: 'declined' };
    const found = await bodyOf(await post('preview', { action: 'retry', filter }));
    expect(found).toMatchObject({ count: 10, hasMore: false });
    expect([found.orderIds.length, found.sample.length]).toEqual([10, 10]);
    await processor.submit({ id: 'late', userId: 'x', amount: 100 }).catch(() => {});
    const { done, retriedAs } = await act({ action: 'retry', orderIds: found.orderIds });
    expect([done, Object.keys(retriedAs).length, retriedAs.late]).toEqual([10, 10, undefined]);
    // What came again is not tried a third time from here.
    const again = await bodyOf(await post('preview', { action: 'retry', filter }));
    expect(again.orderIds).toContain('late');
    expect(again.orderIds).not.toContain('o-0');
  });

  it('is bounded, and says that there is more', async () => {
    const { act, post, processor } = dashboardOf();
    processor.pause();
    await Promise.all(
      range(1_200).map((at) => processor.enqueue({ id: `o-${at}`, userId: `u-${at}`, amount: 1 })),
    );
    const request = { action: 'cancel', filter: { status: 'pending' } };
    const { count, hasMore, orderIds } = await bodyOf(await post('preview', request));
    expect([count, hasMore]).toEqual([1_000, true]);
    expect(await act({ action: 'cancel', orderIds })).toMatchObject({ done: 1_000 });
    expect(await bodyOf(await post('preview', request))).toMatchObject({
      count: 200,
      hasMore: false,
    });
    expect(processor.stats()).toMatchObject({ canceled: 1_000, queueLength: 200 });
  });

  it('lanes that failed with a code', async () => {
    const { act, post, processor } = dashboardOf({ steps: [declining], onFailure: 'hold' });
    const orders = range(3).map((at) =>
      processor.submit({ id: `o-${at}`, userId: `u-${at}`, amount: 100 }).catch(() => {}),
    );
    await processor.hold('vip');
    while (processor.stats().heldLanes < 4) await new Promise((resolve) => setImmediate(resolve));
    const found = await bodyOf(await post('preview', { action: 'release', code: 'declined' }));
    expect(found.count).toBe(3);
    const then = 'skip';
    const result = await act({ action: 'release', then, lanes: found.lanes });
    expect(result).toMatchObject({ done: 3, failures: [] });
    await Promise.all(orders);
    expect(processor.stats().heldLanes).toBe(1);
  });
});

it('invariant 8: a hook that throws or never answers changes nothing of the action', async () => {
  for (const onAction of [
    () => {
      throw new Error('The log is full');
    },
    () => deferred().promise,
    () => Promise.reject(new Error('The log is full')),
  ]) {
    const { act } = dashboardOf({}, { authenticate: () => everyone, onAction });
    expect(await act({ action: 'pause' })).toMatchObject({ done: 1 });
  }
});

it('pages that are open hear of an action', async () => {
  const { act, get } = dashboardOf();
  await act({ action: 'pause' });
  const reader = new LiveReader(await get('live', { topics: 'actions,events' }));
  expect((await reader.until('actions')).data).toMatchObject([{ action: 'pause', by: 'ops' }]);
  await act({ action: 'hold', userIds: ['ann'] });
  const { data } = await reader.until('events', ({ events }) =>
    events.some(({ name }: { name: string }) => name === 'acted'),
  );
  expect(data.events.at(-1)).toMatchObject({ name: 'acted', userId: 'ann' });
  await reader.cancel();
});
