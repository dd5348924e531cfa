/** The stream of a page: what comes, how often, for how many, and how it ends. */
import { getEventListeners } from 'node:events';
import { OrderProcessor } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { draining } from '../../src/server/listening/server-draining.ts';
import { deferred, range } from '../kit/helpers.ts';
import { callsOf, dashboardOf, everyone, LiveReader, problemIn } from './helpers.ts';

const live = { topics: 'events' };

it('whole views come first, and again when something has changed', async () => {
  const end = deferred();
  const { processor, get } = dashboardOf({ steps: [{ name: 'pay', run: () => end.promise }] });
  const query = { topics: 'stats,attention,user,order,processors', userId: 'ann', orderId: 'o-1' };
  const reader = new LiveReader(await get('live', query));
  expect((await reader.until('trouble')).data).toMatchObject({ topic: 'order', code: 'not_found' });
  expect(reader.seen.map(({ event }) => event)).toEqual([
    ...['stats', 'attention', 'processors', 'user', 'trouble'],
  ]);
  const paid = processor.submit({ id: 'o-1', userId: 'ann', amount: 7 });
  const { data } = await reader.until('order', ({ status }) => status === 'processing');
  expect(data.steps).toMatchObject([{ name: 'pay', status: 'running' }]);
  end.resolve();
  await paid;
  await reader.until('user', ({ balance }) => balance === '7');
  await reader.until('order', ({ status }) => status === 'completed');
  await reader.cancel();
});

it('a view that has not changed is not sent again', async () => {
  const { get } = dashboardOf();
  const reader = new LiveReader(await get('live', { topics: 'stats,attention,user', userId: 'u' }));
  await reader.until('stats');
  await reader.until('stats');
  await reader.until('stats');
  await reader.cancel();
  const counts = Map.groupBy(reader.seen, ({ event }) => event);
  expect([counts.get('attention')?.length, counts.get('user')?.length]).toEqual([1, 1]);
});

it('the overview comes once, and then its new points alone', async () => {
  const { processor, get } = dashboardOf();
  const first = new LiveReader(await get('live', { topics: 'overview', step: 1 }));
  const { data } = await first.until('overview');
  expect(data.series.stepMs).toBe(1_000);
  await processor.submit({ userId: 'ann', amount: 1 });
  const message = await first.until('points', ({ points }) => points.length > 0);
  expect(message.data.stats).toMatchObject({ completed: 1 });
  await first.cancel();
  const headers = { 'last-event-id': message.id };
  const second = new LiveReader(await get('live', { topics: 'overview', step: 1 }, headers));
  const { data: next } = await second.until('points');
  expect(second.seen.map(({ event }) => event)).toEqual(['points']);
  for (const { at } of next.points) expect(at).toBeGreaterThan(message.data.points.at(-1).at);
  await second.cancel();
});

it('events come in bunches, those of one user or order alone if asked, and go on after a break', async () => {
  const { processor, get } = dashboardOf({ steps: [{ name: 'pay', run: () => {} }] });
  const all = new LiveReader(await get('live', live));
  const ofAnn = new LiveReader(await get('live', { ...live, userId: 'ann' }));
  for (const userId of ['ann', 'bob']) await processor.submit({ userId, amount: 5 });
  const { data, id } = await all.until('events');
  expect(data.events.map(({ name, userId }: never) => `${name} ${userId}`)).toEqual(
    ['ann', 'bob'].flatMap((user) =>
      ['accepted', 'started', 'stepped', 'completed'].map((name) => `${name} ${user}`),
    ),
  );
  expect(data).toMatchObject({ skipped: 0 });
  expect((await ofAnn.until('events')).data.events).toHaveLength(4);
  await ofAnn.cancel();
  await processor.submit({ userId: 'cat', amount: 5 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await all.cancel();
  const again = new LiveReader(await get('live', live, { 'last-event-id': id }));
  const rest = (await again.until('events')).data.events;
  expect(rest.map(({ userId }: { userId: string }) => userId)).toEqual(Array(4).fill('cat'));
  await again.cancel();
});

it('invariant 11: a flood of events is sampled, and what is left out is counted', async () => {
  const { processor, get } = dashboardOf();
  const reader = new LiveReader(await get('live', live));
  await processor.submitMany(range(20_000).map((at) => ({ userId: `u-${at % 50}`, amount: 1 })));
  let [sent, skipped] = [0, 0];
  while (skipped === 0) {
    const { data } = await reader.until('events');
    sent += data.events.length;
    skipped += data.skipped;
  }
  expect(sent).toBeLessThan(2_000);
  expect(skipped + sent).toBeGreaterThan(20_000);
  await reader.cancel();
});

it('invariant 11: nothing is listened to that a host without listeners would notice', async () => {
  const { processor, get } = dashboardOf({
    stalledAfterMs: 1,
    steps: [{ name: 'pay', run: () => new Promise((resolve) => setTimeout(resolve, 30)) }],
  });
  const warned: string[] = [];
  const warn = (warning: Error): void => void warned.push(warning.message);
  process.on('warning', warn);
  const reader = new LiveReader(await get('live', live));
  await processor.submit({ userId: 'ann', amount: 1 });
  const { data } = await reader.until('events', ({ events }) =>
    events.some(({ name }: { name: string }) => name === 'stalled'),
  );
  expect(data.events).toContainEqual(expect.objectContaining({ name: 'stalled', userId: 'ann' }));
  process.off('warning', warn);
  expect(warned.join()).toContain('holds its user');
  await reader.cancel();
});

it('streams end when the server closes, when the processor shuts down, and when the dashboard stops', async () => {
  for (const end of [
    (processor: OrderProcessor) => draining(processor).abort(),
    (processor: OrderProcessor) => processor.shutdown(),
    (_processor: OrderProcessor, stop: () => void) => stop(),
  ]) {
    const processor = new OrderProcessor();
    const dashboard = createDashboard(processor);
    const { get } = callsOf(dashboard.fetch);
    const reader = new LiveReader(await get('live', { topics: 'stats' }));
    await reader.until('stats');
    void end(processor, dashboard.stop);
    await reader.ended();
    expect(reader.seen.at(-1)).toMatchObject({ event: 'bye', data: { reason: 'shutdown' } });
    await new LiveReader(await get('live', { topics: 'stats' })).ended();
    dashboard.stop();
    await processor.shutdown();
  }
});

it('a page whose id is of an earlier process begins anew', async () => {
  const { get } = dashboardOf();
  for (const id of ['00000000-5-5-5-10', 'x', '1-2-3']) {
    const reader = new LiveReader(
      await get('live', { topics: 'overview,actions' }, { 'last-event-id': id }),
    );
    await reader.until('actions');
    expect(reader.seen.map(({ event }) => event)).toEqual(['overview', 'actions']);
    await reader.cancel();
  }
  for (const query of [{}, { topics: 'all' }, { topics: 'user' }, { topics: 'stats', step: 7 }]) {
    await problemIn(await get('live', query), 400, 'bad_request');
  }
});

it('a page that opens after a flood is not told of what was left out before', async () => {
  const { processor, get } = dashboardOf();
  const first = new LiveReader(await get('live', live));
  await processor.submitMany(range(5_000).map((at) => ({ userId: `u-${at}`, amount: 1 })));
  await first.until('events', ({ skipped }) => skipped > 0);
  const second = new LiveReader(await get('live', live));
  await processor.submit({ userId: 'ann', amount: 1 });
  expect((await second.until('events')).data).toMatchObject({ skipped: 0 });
  await Promise.all([first.cancel(), second.cancel()]);
});

it('invariant 6: a dashboard that has stopped leaves no listener at the server', async () => {
  await using processor = new OrderProcessor();
  for (let count = 0; count < 3; count += 1) createDashboard(processor).stop();
  expect(getEventListeners(draining(processor).signal, 'abort')).toEqual([]);
});

describe('the rights of a page that stays open', () => {
  /** A page a minute later, when its rights are asked again. */
  async function minuteLater(authenticate: () => undefined) {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    let answer: () => typeof everyone | undefined = () => everyone;
    const { get, errors } = dashboardOf({}, { authenticate: () => answer() });
    const reader = new LiveReader(await get('live', { topics: 'stats' }));
    await reader.until('stats');
    answer = authenticate;
    vi.advanceTimersByTime(60_000);
    await reader.ended();
    return { reader, errors };
  }

  it('end with its token, and the page says so', async () => {
    const { reader } = await minuteLater(() => undefined);
    expect(reader.seen.at(-1)).toMatchObject({ event: 'bye', data: { reason: 'unauthorized' } });
  });

  it('are not kept where `authenticate` throws: the page asks again', async () => {
    const expired = new Error('jwt expired');
    const { reader, errors } = await minuteLater(() => {
      throw expired;
    });
    expect(reader.seen.at(-1)?.event).not.toBe('bye');
    expect(errors).toEqual([expired]);
  });

  it('invariant 8: a `users` that throws ends the stream, and is no unhandled rejection', async () => {
    let isDown = false;
    const down = new Error('directory is down');
    const users = (): boolean => {
      if (isDown) throw down;
      return true;
    };
    const { get, processor, errors } = dashboardOf({}, { authenticate: () => ({ users }) });
    const reader = new LiveReader(await get('live', live));
    isDown = true;
    await processor.submit({ userId: 'ann', amount: 1 });
    await reader.ended();
    expect(errors).toEqual([down]);
  });
});
