/** Pages of a list: how large they are, what they cost, where they begin. */
import {
  MemoryStorage,
  type OrderPage,
  OrderProcessor,
  type OrderStorage,
  type Step,
  type StoredOrderPage,
} from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Job } from '../../../src/core/lifecycle/job.ts';
import { systemTime } from '../../../src/core/runtime/system-time.ts';
import { errorOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

afterEach(() => vi.restoreAllMocks());

const idsOf = ({ orders }: OrderPage): string[] => orders.map(({ id }) => id);

/** A processor with so many orders that wait, the first one of a user of its own. */
async function withWaiting(count: number): Promise<OrderProcessor> {
  const processor = new OrderProcessor({ capacity: 1_000_000 });
  processor.pause();
  void processor.submitMany(
    range(count).map((at) => ({ id: `o-${at}`, userId: at === 0 ? 'first' : 'u', amount: 1 })),
  );
  while (processor.stats().unsettled < count) await new Promise(setImmediate);
  return processor;
}

/** Each reading of the clock takes so many milliseconds, so that work takes time. */
function slowClock(ms = 0.5): void {
  let now = systemTime.now();
  vi.spyOn(systemTime, 'now').mockImplementation(() => {
    now += ms;
    return now;
  });
}

/** How often the host had its turn meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isOver = true;
  return turns;
}

describe('invariant 6: a page beside many orders in flight', () => {
  it('looks at those that it has, and one more', async () => {
    const processor = await withWaiting(20_000);
    const looks = vi.spyOn(Job.prototype, 'toRecord');
    const page = await processor.orders({ limit: 10 });
    expect(idsOf(page)).toEqual(range(10).map((at) => `o-${19_999 - at}`));
    expect(looks).toHaveBeenCalledTimes(11);
    looks.mockClear();
    const next = await processor.orders({ limit: 10, cursor: page.cursor });
    expect(idsOf(next)).toEqual(range(10).map((at) => `o-${19_989 - at}`));
    expect(looks).toHaveBeenCalledTimes(11);
    looks.mockRestore();
    await processor.shutdown();
  });

  it('lets the host have its turns where it has to look at all', async () => {
    const processor = await withWaiting(20_000);
    slowClock(5);
    for (const query of [{ userId: 'first' }, { userId: 'nobody' }, { status: 'processing' }]) {
      const looked = processor.orders(query as { userId: string });
      // A slice for each thousand.
      expect(await turnsDuring(() => looked)).toBeGreaterThan(15);
    }
    vi.restoreAllMocks();
    expect(idsOf(await processor.orders({ userId: 'first' }))).toEqual(['o-0']);
    await processor.shutdown();
  });
});

describe('a caller that asks in a loop leaves the host its turns', () => {
  it.each(['pages', 'balances'] as const)('for %s', async (what) => {
    const processor = new OrderProcessor();
    await processor.submitMany(range(2_000).map((at) => ({ userId: `u-${at}`, amount: 1 })));
    slowClock();
    const turns = await turnsDuring(async () => {
      let cursor: string | undefined;
      for (let at = 0; at < 400; at += 1) {
        if (what === 'balances') await processor.balance(`u-${at}`);
        else ({ cursor } = await processor.orders({ limit: 5, cursor }));
      }
      // All have been read, five on each page.
      expect(cursor).toBeUndefined();
    });
    expect(turns).toBeGreaterThanOrEqual(3);
    vi.restoreAllMocks();
    await processor.shutdown();
  });

  it('and a page that picks few of many remembered orders', async () => {
    const processor = new OrderProcessor();
    await processor.submitMany([{ id: 'first', userId: 'first', amount: 1 }]);
    await processor.submitMany(range(50_000).map(() => ({ userId: 'u', amount: 1 })));
    slowClock(5);
    const page = processor.orders({ userId: 'first', limit: 1 });
    // A slice for each few thousand.
    expect(await turnsDuring(() => page)).toBeGreaterThan(5);
    expect(idsOf(await page)).toEqual(['first']);
    vi.restoreAllMocks();
    await processor.shutdown();
  });
});

describe('invariant 6: a page is bounded in bytes', () => {
  it.each(['settled', 'in flight'])('orders that are %s', async (where) => {
    const released: (() => void)[] = [];
    const run = () => new Promise<void>((resolve) => released.push(resolve));
    const steps: Step[] = where === 'settled' ? [] : [{ name: 'waits', run }];
    const processor = new OrderProcessor({ steps, concurrency: 100 });
    const text = 'x'.repeat(200_000);
    for (const at of range(12)) {
      const payload = at === 6 ? text.repeat(20) : { lines: [text, { at }] };
      await processor.enqueue({ id: `o-${at}`, userId: `u-${at}`, amount: 1, payload });
    }
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await processor.orders({ limit: 1_000, cursor });
      pages.push(idsOf(page));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([
      ['o-11', 'o-10', 'o-9', 'o-8', 'o-7'],
      ['o-6'],
      ['o-5', 'o-4', 'o-3', 'o-2', 'o-1'],
      ['o-0'],
    ]);
    for (const release of released) release();
    await processor.shutdown();
  });

  it('invariant 8: with any payload', async () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    const throwing = Object.defineProperty({}, 'field', {
      enumerable: true,
      get: () => {
        throw new Error('Not to be read');
      },
    });
    const payloads = [circle, throwing, new Array(50_000), new Uint8Array(9), new Date(NaN), 1n];
    const processor = new OrderProcessor();
    for (const [at, payload] of payloads.entries()) {
      await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, payload });
    }
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await processor.orders({ cursor });
      ids.push(...idsOf(page));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(ids).toEqual(range(6).map((at) => `o-${5 - at}`));
    await processor.shutdown();
  });
});

describe('a cursor', () => {
  it.each([
    ['of a form that was', Buffer.from('1700000000000 o-1').toString('base64url')],
    ['with something behind it', 'YmVmb3JlIDE='],
    [
      'of more digits than there are',
      Buffer.from(`before ${'9'.repeat(16)}`).toString('base64url'),
    ],
    ['of another number', Buffer.from('before 01').toString('base64url')],
    ['that is a number', '7'],
    ['that is empty', ''],
  ])('%s is refused', async (_, cursor) => {
    const processor = new OrderProcessor();
    const listed = processor.orders({ cursor });
    await expect(listed).rejects.toThrow(/^Expected `cursor` to be the `cursor` of a page, got/);
    await expect(listed).rejects.toBeInstanceOf(RangeError);
    await processor.shutdown();
  });
});

describe('invariant 10: a storage of a host whose list is wrong fails the list', () => {
  /** Changes the pages of a storage with three settled orders. */
  async function listWith(change: (page: StoredOrderPage) => unknown): Promise<unknown> {
    const disk = new MemoryStorage();
    const storage = Object.assign(new KeptStorage(disk), {
      list: (query) => change(disk.list(query)) as StoredOrderPage,
    } satisfies Partial<OrderStorage>);
    const processor = new OrderProcessor({ storage });
    await processor.submitMany(range(3).map(() => ({ userId: 'u', amount: 1 })));
    const { code, cause } = await errorOf(processor.orders({ limit: 2 }));
    await processor.shutdown();
    expect(code).toBe('storage_failed');
    return (cause as Error).message;
  }

  it.each<[string, (page: StoredOrderPage) => unknown]>([
    ['repeats an order', (page) => ({ ...page, orders: [...page.orders, ...page.orders] })],
    ['begins with the first', (page) => ({ ...page, orders: page.orders.toReversed() })],
    ['has no sequence', ({ orders }) => ({ orders: orders.map((o) => ({ ...o, sequence: NaN })) })],
    [
      'counts from 0',
      ({ orders }) => ({ orders: orders.map((o, at) => ({ ...o, sequence: -at })) }),
    ],
    ['goes on above its end', (page) => ({ ...page, next: 3 })],
    ['goes on nowhere', (page) => ({ ...page, next: 0.5 })],
  ])('%s', async (_, change) => {
    expect(await listWith(change)).toMatch(/^Expected /);
  });
});
