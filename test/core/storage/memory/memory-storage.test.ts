/** What a MemoryStorage does beyond the contract, which test/conformance.test.ts checks. */
import fc from 'fast-check';
import { MemoryStorage, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import type { NewOrder } from '../../../../src/core/order/stored-order.ts';
import { mergePages } from '../../../../src/core/storage/lists/order-pages.ts';
import type { Settlement } from '../../../../src/core/storage/order-storage.ts';
import { failure, newOrder, pendingOrder, settlementOf } from '../../../../src/testing/orders.ts';
import { range } from '../../../kit/helpers.ts';

/** The attempts of all unsettled orders, by id. */
async function attemptsOf(storage: MemoryStorage): Promise<Record<string, number>> {
  const attempts: Record<string, number> = {};
  for await (const page of storage.unsettled()) {
    for (const { id, attempt } of page) attempts[id] = attempt;
  }
  return attempts;
}

function settleAll(storage: MemoryStorage, ids: readonly string[]): void {
  storage.settle(ids.map((id) => settlementOf(newOrder(id), { isAccepted: false })));
}

describe('a MemoryStorage', () => {
  class Own extends MemoryStorage {}

  it.each([MemoryStorage, Own])('has one processor at a time: %o', async (Storage) => {
    const storage = new Storage();
    const processor = new OrderProcessor({ storage });
    expect(() => new OrderProcessor({ storage })).toThrow(
      new TypeError('Expected `storage` to have no other processor that is not shut down'),
    );
    await processor.submit({ userId: 'u', amount: 5 });
    await processor.shutdown();
    await using next = new OrderProcessor({ storage });
    expect(await next.submit({ userId: 'u', amount: 1 })).toMatchObject({ balance: 6 });
  });

  it('answers at once', () => {
    const storage = new MemoryStorage();
    const order = newOrder('o-1');
    expect(storage.accept([order])).toEqual([{ status: 'accepted', sequence: 1 }]);
    expect(storage.settle([settlementOf(order)])).toEqual([{ status: 'settled', balance: 100 }]);
    expect(storage.find('o-1')?.status).toBe('completed');
    expect(storage.list({ limit: 1 }).orders.map(({ id }) => id)).toEqual(['o-1']);
  });

  it('counts each reading of unsettled orders as an opening', async () => {
    const storage = new MemoryStorage();
    storage.accept([newOrder('o-1')]);
    expect(storage.find('o-1')?.attempt).toBe(1);
    expect(await attemptsOf(storage)).toEqual({ 'o-1': 2 });
    storage.accept([newOrder('o-2')]);
    expect(storage.find('o-2')?.attempt).toBe(1);
    expect(await attemptsOf(storage)).toEqual({ 'o-1': 3, 'o-2': 2 });
    expect(storage.list({ limit: 2 }).orders.map(({ attempt }) => attempt)).toEqual([2, 3]);
  });

  it('gives no orders that came after they were asked for', async () => {
    const storage = new MemoryStorage();
    storage.accept(range(3).map((at) => newOrder(`old-${at}`)));
    const unsettled = storage.unsettled();
    storage.accept([newOrder('new')]);
    const ids: string[] = [];
    for await (const page of unsettled) ids.push(...page.map(({ id }) => id));
    expect(ids).toEqual(['old-0', 'old-1', 'old-2']);
  });

  it('invariant 6: forgets the oldest settled orders, and no unsettled ones', () => {
    const storage = new MemoryStorage({ retainSettled: 2 });
    storage.accept(range(5).map((at) => newOrder(`pending-${at}`)));
    settleAll(storage, ['o-1', 'o-2', 'o-3']);
    expect(storage.find('o-1')).toBeUndefined();
    expect(storage.find('o-3')?.status).toBe('completed');
    expect(storage.list({ limit: 9, status: 'completed' }).orders.map(({ id }) => id)).toEqual([
      'o-3',
      'o-2',
    ]);
    expect(storage.list({ limit: 9, status: 'pending' }).orders).toHaveLength(5);
  });

  it('knows no settled order with a retention of 0', async () => {
    const storage = new MemoryStorage({ retainSettled: 0 });
    const order = newOrder('o-1');
    storage.accept([order]);
    storage.settle([settlementOf(order)]);
    expect(storage.find('o-1')).toBeUndefined();
    expect(storage.list({ limit: 1 })).toEqual({ orders: [], next: undefined });
    expect(await attemptsOf(storage)).toEqual({});
    expect(storage.get('u')).toBe(100);
  });

  it('lets an order come again that the storage failed', () => {
    const storage = new MemoryStorage();
    const order = newOrder('o-1');
    storage.accept([order]);
    const error = failure('storage_failed', 'Broken');
    storage.settle([settlementOf(order, { outcome: 'failed', error })]);
    expect(storage.find('o-1')).toBeUndefined();
    expect(storage.accept([order])).toEqual([{ status: 'accepted', sequence: 2 }]);
  });

  it('completes an unsettled order that is applied', async () => {
    const storage = new MemoryStorage();
    const order = newOrder('o-1', { amount: 5 });
    storage.accept([order]);
    const change = { orderId: 'o-1', userId: 'u', amount: 5, minBalance: undefined };
    expect(storage.apply([change])).toEqual([{ balance: 5 }]);
    expect(storage.settle([settlementOf(order)])).toMatchObject([{ status: 'known' }]);
    expect(storage.get('u')).toBe(5);
    expect(await attemptsOf(storage)).toEqual({});
  });

  it('lists what is older than an order that failed and is applied', () => {
    const storage = new MemoryStorage();
    const failed = settlementOf(newOrder('o-1'), { isAccepted: false, outcome: 'failed' });
    settleAll(storage, ['o-0']);
    storage.settle([failed]);
    settleAll(storage, ['o-2']);
    storage.apply([{ orderId: 'o-1', userId: 'u', amount: 5, minBalance: undefined }]);
    expect(storage.list({ limit: 9 }).orders.map(({ id }) => id)).toEqual(['o-1', 'o-2', 'o-0']);
  });

  it('keeps an order that comes with a note first', () => {
    const storage = new MemoryStorage();
    const order = newOrder('o-1');
    const note = { isAccepted: false, isProvisional: true, outcome: 'failed' } as const;
    storage.settle([settlementOf(order, note)]);
    const decided = { outcome: 'failed', code: 'declined' };
    expect(storage.find('o-1')).toMatchObject({ status: 'pending', decided });
  });

  it('takes orders whose fields a class defines', () => {
    class Order {
      readonly #fields: Settlement;
      constructor(fields: Settlement) {
        this.#fields = fields;
        for (const name of Object.keys(fields) as (keyof Settlement)[]) {
          Object.defineProperty(this, name, { get: () => this.#fields[name] });
        }
      }
    }
    const storage = new MemoryStorage();
    const [one, two] = ['o-1', 'o-2'].map((id) =>
      settlementOf(newOrder(id, { priority: 'high', labels: ['x'], payload: 1, content: 2 })),
    );
    if (one === undefined || two === undefined) throw new Error('There are two');
    storage.accept([new Order(one) as object as NewOrder]);
    expect(storage.find('o-1')).toEqual({ ...pendingOrder(one), attempt: 1, sequence: 1 });
    storage.settle([new Order(two) as object as Settlement]);
    expect(storage.find('o-2')).toMatchObject({ priority: 'high', labels: ['x'], content: 2 });
  });

  it.each([0, -1, 1.5, Number.NaN, '1'])('lists no page of %s', (limit) => {
    const storage = new MemoryStorage();
    expect(() => storage.list({ limit: limit as number })).toThrow(
      /^Expected `limit` to be an integer from 1 up, got `/,
    );
  });
});

describe('two pages of one query', () => {
  it('invariant 5: make up one list, without an order twice or lost', () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 });
    const limits = fc.record({
      limit: fc.integer({ min: 1, max: 9 }),
      first: fc.integer({ min: 1, max: 9 }),
      second: fc.integer({ min: 1, max: 9 }),
    });
    const property = fc.property(sequences, sequences, limits, (one, other, each) => {
      const pageOf = (all: readonly number[], before: number, most: number) => {
        const wanted = all.filter((sequence) => sequence < before).toSorted((a, b) => b - a);
        const orders = wanted.slice(0, most).map((sequence) => ({ sequence }));
        return { orders, next: wanted.length > most ? orders.at(-1)?.sequence : undefined };
      };
      const listed: number[] = [];
      let before: number | undefined = 61;
      while (before !== undefined) {
        // A page may be shorter than asked for.
        const first = pageOf(one, before, each.first);
        const second = pageOf(other, before, each.second);
        const page = mergePages(first, second, each.limit);
        expect(page.orders.length).toBeLessThanOrEqual(each.limit);
        listed.push(...page.orders.map(({ sequence }) => sequence));
        before = page.next;
      }
      expect(listed).toEqual([...new Set([...one, ...other])].sort((a, b) => b - a));
    });
    fc.assert(property, { numRuns: 500 });
  });
});
