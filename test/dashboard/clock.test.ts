/** A clock of the machine that is set back while a dashboard observes. */
import { OrderError, OrderProcessor } from 'order-processor';
import { expect, it, onTestFinished, vi } from 'vitest';
import { FailureCounts } from '../../src/dashboard/observe/failures.ts';
import { keptSeconds, Series } from '../../src/dashboard/observe/series.ts';
import { range } from '../kit/helpers.ts';
import { SharedDatabase } from '../kit/shared-database.ts';
import { SharedStorage } from '../kit/shared-storage.ts';
import { dashboardOf, LiveReader } from './helpers.ts';

const hourMs = 3_600_000;
const startedAt = 1_800_000_000_000;

it('points go on from the time that the clock has now, and those of the future are forgotten', async () => {
  await using processor = new OrderProcessor();
  const stats = processor.stats();
  const series = new Series(() => Date.now());
  let seconds = 0;
  const add = (at: number): void => {
    seconds += 1;
    vi.setSystemTime(at);
    series.add({ ...stats, uptimeMs: seconds * 1_000, accepted: seconds }, at);
  };
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  // More than are kept, so that the oldest places are used again.
  for (const each of range(keptSeconds + 600)) add(startedAt + each * 1_000);
  const backAt = startedAt + 2_000_000;
  for (const each of range(100)) add(backAt + each * 1_000);
  const points = series.points(10);
  const times = points.map(({ at }) => at);
  expect(times).toEqual(times.toSorted((one, other) => one - other));
  expect(times.at(-1)).toBeLessThanOrEqual(Date.now());
  expect(times.at(-1)).toBeGreaterThan(Date.now() - 20_000);
  expect(times.length).toBe(new Set(times).size);
  for (const { accepted } of points) expect(accepted).toBe(1);
  expect(series.points(10, backAt + 50_000).length).toBeGreaterThan(3);
});

it('failures of the future are not counted in the last hour', () => {
  const failures = new FailureCounts();
  const error = new OrderError('internal', 'Something went wrong');
  failures.add(error, startedAt);
  failures.add(error, startedAt - hourMs / 2);
  expect(failures.views(startedAt - hourMs / 2)).toMatchObject([{ count: 1 }]);
  failures.add(error, startedAt - 3 * hourMs);
  const [view] = failures.views(startedAt - 3 * hourMs);
  expect([view?.count, view?.byMinute.at(-1)]).toEqual([1, 1]);
});

it('an open page gets the overview anew', async () => {
  const { get } = dashboardOf();
  const reader = new LiveReader(await get('live', { topics: 'overview', step: 1 }));
  await reader.until('overview');
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  vi.setSystemTime(Date.now() - hourMs);
  await reader.until('overview');
  await reader.cancel();
});

it('a dashboard goes by the clock of a storage that processors share, as records do', async () => {
  const database = new SharedDatabase(1);
  database.aheadMs = hourMs;
  const storage = new SharedStorage(database);
  database.give(0, storage);
  const { processor, read } = dashboardOf({ storage });
  await processor.submit({ id: 'o-1', userId: 'ann', amount: 5 });
  const order = await read('order', { id: 'o-1' });
  const { series } = await read('overview', { step: 1 });
  const others = await Promise.all([
    ...['session', 'attention', 'processors'].map((path) => read(path)),
    read('user', { id: 'ann' }),
  ]);
  for (const now of [order.now, series.to, ...others.map((view) => view.now)]) {
    expect(Math.abs(now - order.settledAt)).toBeLessThan(hourMs / 2);
  }
});
