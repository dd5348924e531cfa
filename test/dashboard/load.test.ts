/** Many pages, many orders, and what an open dashboard costs. */
import { MemoryStorage, OrderProcessor } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { expect, it } from 'vitest';
import { collect } from '../kit/collect.ts';
import { heapUsed, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { bodyOf, callsOf, dashboardOf, everyone, LiveReader, problemIn } from './helpers.ts';

const folder = useFolder();

it('invariant 6: 200 pages are served, slow ones too, and leave nothing behind', async () => {
  const { processor, get } = dashboardOf({}, { authenticate: () => everyone, streams: 200 });
  const query = { topics: 'stats,attention,overview,events,user', userId: 'u-1' };
  const open = () =>
    Promise.all(range(200).map(async () => new LiveReader(await get('live', query))));
  const close = (readers: LiveReader[]) => Promise.all(readers.map((reader) => reader.cancel()));
  await close(await open());
  collect();
  const before = heapUsed();
  const readers = await open();
  await problemIn(await get('live', query), 503, 'too_many_readers');
  const [fast] = readers as [LiveReader];
  await fast.until('overview');
  // The other pages read nothing meanwhile.
  for (const at of range(8)) {
    await processor.submitMany(range(500).map((n) => ({ userId: `u-${n}`, amount: at })));
    await fast.until('points');
  }
  await close(readers);
  fast.seen.length = 0;
  expect(heapUsed() - before).toBeLessThan(20 * 2 ** 20);
  await new LiveReader(await get('live', query)).cancel();
});

it.each(['memory', 'SQLite'])('100 000 orders in %s do not slow the screens', async (name) => {
  const storage = name === 'SQLite' ? await folder.open() : new MemoryStorage();
  const { processor, read, post } = dashboardOf({ storage, capacity: 200_000 });
  const orders = range(100_000).map((at) => ({
    ...{ id: `o-${at}`, userId: `u-${at % 1_000}`, amount: (at % 7) - 3 },
  }));
  for (let at = 0; at < orders.length; at += 10_000) {
    await processor.submitMany(orders.slice(at, at + 10_000));
  }
  processor.pause();
  await Promise.all(
    range(20_000).map((at) => processor.enqueue({ id: `w-${at}`, userId: `u-${at}`, amount: 1 })),
  );
  const timed = async (path: string, query: object = {}): Promise<number> => {
    const startedAt = performance.now();
    await read(path, query);
    return performance.now() - startedAt;
  };
  for (const [path, query] of [
    ['attention', {}],
    ['overview', {}],
    ['user', { id: 'u-5' }],
    ['balances', { id: 'u-5' }],
    ['statement', { id: 'u-5' }],
    ['order', { id: 'o-99' }],
    ['orders', {}],
    ['orders', { status: 'pending' }],
    ['orders', { code: 'nothing' }],
    ['orders', { userId: 'u-5', label: 'none' }],
    ['search', { q: 'o-50000' }],
    ['search', { q: 'nothing' }],
  ] as const) {
    await timed(path, query);
    expect(await timed(path, query), `${path} ${JSON.stringify(query)}`).toBeLessThan(1_500);
  }
  const request = { action: 'cancel', filter: { status: 'pending' } };
  expect(await bodyOf(await post('preview', request))).toMatchObject({
    count: 1_000,
    hasMore: true,
  });
});

it('invariant 11: an open dashboard costs a processor under full load little', async () => {
  const run = async (isOpen: boolean): Promise<number> => {
    const processor = new OrderProcessor({ capacity: 200_000 });
    const dashboard = isOpen ? createDashboard(processor) : undefined;
    const query = { topics: 'stats,attention,overview,events' };
    const { get } = callsOf(dashboard?.fetch ?? (() => Promise.resolve(new Response())));
    const reader = isOpen ? new LiveReader(await get('live', query)) : undefined;
    const reading = reader?.ended();
    const orders = range(50_000).map((at) => ({ userId: `u-${at % 500}`, amount: 1 }));
    const startedAt = performance.now();
    for (let round = 0; round < 5; round += 1) await processor.submitMany(orders);
    const ms = performance.now() - startedAt;
    dashboard?.stop();
    await reading;
    await processor.shutdown();
    return ms;
  };
  await run(true);
  const [open, closed]: [number[], number[]] = [[], []];
  for (let round = 0; round < 4; round += 1) {
    closed.push(await run(false));
    open.push(await run(true));
  }
  const cost = Math.min(...open) / Math.min(...closed) - 1;
  console.log(`An open dashboard costs ${(cost * 100).toFixed(1)} %`);
  // The aim is 3 %; this machine may be busy with other things.
  expect(cost).toBeLessThan(0.15);
});
