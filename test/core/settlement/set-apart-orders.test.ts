/** An order that the storage can never settle holds up no other (invariant 2), and says so. */
import type { AcceptResult, NewOrder, Settlement, SettlementResult } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../../../src/core/lifecycle/entry.ts';
import { Job } from '../../../src/core/lifecycle/job.ts';
import { nothingToDo } from '../../../src/core/order/decision.ts';
import { Clock } from '../../../src/core/runtime/clock.ts';
import { SetApartOrders } from '../../../src/core/settlement/set-apart-orders.ts';
import { OrderSettlement } from '../../../src/core/settlement/settlement.ts';
import { deferred, errorOf, range } from '../../kit/helpers.ts';
import { keepFirst, open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const nothing = { name: 'nothing', run() {} };
const order = (id: string, userId = id) => ({ id, userId, amount: 1 });
const isBad = ({ userId }: { userId: string }): boolean => userId.startsWith('bad');

/** Each call of `settle` with an order of a bad user fails as a whole. */
class Poisoned extends KeptStorage {
  isPoisoned = true;

  override settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    if (!this.isPoisoned || !settlements.some(isBad)) return super.settle(settlements);
    this.log.push(`fails ${settlements.length}`);
    return Promise.reject(new Error('A row cannot be read'));
  }
}

/** Such an order is answered with `failed`, the others of the call are treated. */
class Discerning extends KeptStorage {
  override async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    const rest = settlements.filter((settlement) => !isBad(settlement));
    const results = rest.length === 0 ? [] : [...(await super.settle(rest))];
    return settlements.map((settlement) =>
      isBad(settlement) ? failed : (results.shift() as SettlementResult),
    );
  }

  override async accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    const isRefused = ({ id }: NewOrder): boolean => id.startsWith('never');
    const results = [...(await super.accept(orders.filter((each) => !isRefused(each))))];
    return orders.map((each) => (isRefused(each) ? failed : (results.shift() as AcceptResult)));
  }
}

const failed = { status: 'failed', error: new Error('A row cannot be read') } as const;

describe.each([
  ['fails whole calls', Poisoned],
  ['answers it with `failed`', Discerning],
])('where the storage %s', (_, Storage) => {
  it('the others are settled, and the order waits alone, over restarts', async () => {
    const storage = new Storage();
    const processor = await open(storage, { steps: [nothing], concurrency: 1_000 });
    const errors: unknown[] = [];
    processor.on('error', (error) => errors.push(error));
    const ids = range(40).map((n) => (n === 17 ? 'bad' : `o-${n}`));
    await Promise.all(ids.map((id) => processor.enqueue(order(id))));
    await clock.advance(5_000);
    expect(processor.stats()).toMatchObject({ completed: 39, unsettled: 1, storage: 'ready' });
    expect(errors).toContainEqual(
      expect.objectContaining({
        code: 'storage_failed',
        orderId: 'bad',
        message: expect.stringContaining('waits alone'),
      }),
    );
    // While it waits, new orders are settled.
    expect(await processor.submit(order('later'))).toMatchObject({ balance: 1 });
    await clock.advance(300_000);
    const alone = errors.filter((error) => (error as { orderId?: string }).orderId === 'bad');
    expect(alone).toHaveLength(1);
    expect(processor.stats()).toMatchObject({ completed: 40, unsettled: 1, storage: 'ready' });
    const shut = processor.shutdown({ timeoutMs: 1_000 });
    await clock.advance(6_000);
    expect(await shut).toMatchObject({ timedOut: true });

    const again = await open(new Storage(storage.disk), { steps: [nothing] });
    again.on('error', () => {});
    await clock.advance(1_000);
    expect(await again.submit(order('other'))).toMatchObject({ balance: 1 });
    expect(await again.order('bad')).toMatchObject({ status: 'processing' });
    const over = again.shutdown({ timeoutMs: 1_000 });
    await clock.advance(6_000);
    await over;
    expect(storage.disk.find('bad')).toMatchObject({ status: 'pending' });
  });
});

it('its caller gets the failure, and the error says that the order is not settled', async () => {
  const processor = await open(new Discerning(), { steps: [nothing] });
  processor.on('error', () => {});
  const error = await errorOf(processor.submit(order('bad')));
  expect(error).toMatchObject({ code: 'storage_failed', orderId: 'bad', cause: failed.error });
  const shut = processor.shutdown({ timeoutMs: 1 });
  await clock.advance(6_000);
  await shut;
});

it('is settled when the storage can, and then its user goes on', async () => {
  const storage = new Poisoned();
  const processor = await open(storage, { steps: [nothing] });
  processor.on('error', () => {});
  await processor.enqueue(order('a', 'bad'));
  await clock.advance(5_000);
  await processor.enqueue(order('b', 'bad'));
  await clock.advance(5_000);
  expect(processor.stats()).toMatchObject({ completed: 0, unsettled: 2, storage: 'ready' });
  storage.isPoisoned = false;
  await clock.advance(60_000);
  expect(storage.disk.get('bad')).toBe(2);
  expect(processor.stats()).toMatchObject({ completed: 2, unsettled: 0 });
  await processor.shutdown();
});

it('a storage that fails as a whole is not taken for many such orders', async () => {
  const storage = new Poisoned();
  const processor = await open(storage, { steps: [nothing], concurrency: 100 });
  let interruptions = 0;
  processor.on('error', () => {});
  processor.on('interrupted', () => {
    interruptions += 1;
  });
  await Promise.all(range(50).map((n) => processor.enqueue(order(`bad-${n}`))));
  await clock.advance(120_000);
  expect(interruptions).toBeGreaterThan(5);
  const calls = storage.log.filter((entry) => entry.startsWith('fails')).length;
  expect(calls).toBeLessThan(600);
  storage.isPoisoned = false;
  await clock.advance(200_000);
  expect(processor.stats()).toMatchObject({ completed: 50, unsettled: 0, storage: 'ready' });
  await processor.shutdown();
});

it('an order that cannot be accepted is refused, and the others of its call are accepted', async () => {
  const storage = new Discerning();
  const processor = await open(storage, { steps: [nothing] });
  const events: string[] = [];
  processor.on('interrupted', () => events.push('interrupted'));
  const all = ['a', 'never', 'b'].map((id) => processor.enqueue(order(id)));
  const [a, never, b] = await Promise.allSettled(all);
  expect([a?.status, b?.status]).toEqual(['fulfilled', 'fulfilled']);
  expect(never).toMatchObject({
    reason: { code: 'storage_failed', orderId: 'never', cause: failed.error },
  });
  await processor.onIdle();
  expect(events).toEqual([]);
  expect(processor.stats()).toMatchObject({ completed: 2, refused: 1, unsettled: 0 });
  await processor.shutdown();
});

it('invariant 1: later orders of its user wait behind it', async () => {
  const storage = new Poisoned();
  const processor = await open(storage);
  processor.on('error', () => {});
  processor.pause();
  for (const id of ['a', 'b', 'c']) await processor.enqueue(order(id, 'bad'));
  for (const id of ['d', 'e']) await processor.enqueue(order(id));
  processor.resume();
  await clock.advance(10_000);
  expect(processor.stats()).toMatchObject({ completed: 2, unsettled: 3, storage: 'ready' });
  storage.isPoisoned = false;
  await clock.advance(60_000);
  const balances = ['a', 'b', 'c'].map((id) => storage.disk.find(id)?.balance);
  expect(balances).toEqual([1, 2, 3]);
  expect(processor.stats()).toMatchObject({ completed: 5, unsettled: 0 });
  await processor.shutdown();
});

describe('invariant 1: what was decided while the call with it was under way', () => {
  /** Answers with `failed` for one user, until that is over; the test says when a call is answered. */
  class Slow extends Discerning {
    isPoisoned = true;
    readonly answered = deferred();

    override async settle(
      settlements: readonly Settlement[],
    ): Promise<readonly SettlementResult[]> {
      if (!this.isPoisoned) return KeptStorage.prototype.settle.call(this, settlements);
      await this.answered.promise;
      return super.settle(settlements);
    }
  }

  it('is settled after it', async () => {
    const storage = new Slow();
    const processor = await open(storage);
    processor.on('error', () => {});
    // So that they are accepted before they are settled.
    for (const id of ['a', 'b', 'c']) await keepFirst(processor, order(id, 'bad'));
    await clock.settle();
    // From now on the storage can settle them all.
    const settle = storage.settle.bind(storage);
    storage.settle = (settlements) => {
      storage.isPoisoned = false;
      return settle(settlements);
    };
    storage.answered.resolve();
    await clock.advance(60_000);
    const balances = ['a', 'b', 'c'].map((id) => storage.disk.find(id)?.balance);
    expect(balances).toEqual([1, 2, 3]);
    await processor.shutdown();
  });

  it('is settled after each that failed in that call', async () => {
    const storage = new Slow();
    const processor = await open(storage);
    processor.on('error', () => {});
    processor.pause();
    for (const id of ['a', 'b']) await processor.enqueue(order(id, 'bad'));
    processor.resume();
    await clock.settle();
    await keepFirst(processor, order('c', 'bad'));
    await clock.settle();
    storage.answered.resolve();
    await clock.settle();
    storage.isPoisoned = false;
    await clock.advance(60_000);
    const balances = ['a', 'b', 'c'].map((id) => storage.disk.find(id)?.balance);
    expect(balances).toEqual([1, 2, 3]);
    await processor.shutdown();
  });
});

function settlementOf(id: string, userId: string): OrderSettlement {
  const job = new Job(id, userId, 1, 1, undefined, []);
  const clock = new Clock();
  job.acceptNow(clock);
  job.entry = entryOf(1);
  return new OrderSettlement(job, nothingToDo, clock, undefined, undefined);
}

it('invariant 4: an order that is set apart after the processor has closed is not tried again', async () => {
  let tries = 0;
  const suspects = new SetApartOrders(nothing as never, nothing as never, () => {
    tries += 1;
    if (tries === 3) suspects.close();
  });
  suspects.setApart(new Map([[settlementOf('a', 'u'), 'down']]), []);
  await clock.advance(10_000);
  expect(tries).toBe(3);
  suspects.setApart(new Map([[settlementOf('b', 'v'), 'down']]), []);
  await clock.advance(10_000);
  expect(tries).toBe(3);
});

it('invariant 3: the steps of an accepted order that `settle` answers as known and unsettled run once', async () => {
  const storage = new KeptStorage();
  const settle = storage.settle.bind(storage);
  let lies = 2;
  storage.settle = async (settlements) => {
    lies -= 1;
    if (lies < 0) return settle(settlements);
    return settlements.map(({ id }) => ({
      status: 'known',
      order: storage.disk.find(id) as never,
    }));
  };
  const runs: string[] = [];
  const processor = await open(storage, {
    steps: [{ name: 'work', run: ({ id }: { id: string }) => void runs.push(id) }],
  });
  const error = errorOf(processor.submit(order('a')));
  await clock.runAll();
  expect(await error).toMatchObject({ code: 'storage_failed', orderId: 'a' });
  expect(runs).toEqual(['a']);
  expect(await processor.order('a')).toMatchObject({ status: 'completed', balance: 1 });
  expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1 });
  await processor.shutdown();
});
