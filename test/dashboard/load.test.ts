/** Many pages and many orders. */
import { MemoryStorage } from 'order-processor';
import { expect, it } from 'vitest';
import { collect } from '../kit/collect.ts';
import { heapUsed, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { bodyOf, dashboardOf, everyone, LiveReader, problemIn } from './helpers.ts';

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

it.each(['memory', 'SQLite'])(
  'invariant 6: of 100 000 orders in %s each screen answers with a page',
  async (name) => {
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
      const answer = JSON.stringify(await read(path, query));
      expect(answer.length, `${path} ${JSON.stringify(query)}`).toBeLessThan(200_000);
    }
    const request = { action: 'cancel', filter: { status: 'pending' } };
    expect(await bodyOf(await post('preview', request))).toMatchObject({
      count: 1_000,
      hasMore: true,
    });
  },
);
