import { isOrderError, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import {
  codeOf,
  deferred,
  errorOf,
  heapUsed,
  outcomeNow,
  range,
  watch,
} from '../../kit/helpers.ts';
import { fatesOf, keepFirst, open, working } from '../../kit/kept/helpers.ts';
import { diskWith, recovering } from '../../kit/kept/recovering.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const deaf = deferred().promise;

describe('the outcome of an order that the storage keeps', () => {
  it('invariant 5: is given for one that an earlier process settled, and undefined for none', async () => {
    const first = new KeptStorage();
    const one = await open(first, { minBalance: 0 });
    const outcomes = await one.submitMany([order('a'), order('b', 'u', -5)]);
    await one.shutdown();
    const processor = await open(new KeptStorage(first.disk));
    expect(await processor.outcome('a')).toEqual(outcomes[0]);
    const again = await processor.outcome('b');
    expect(again).toMatchObject({ status: 'failed', error: { code: 'insufficient_funds' } });
    expect(await processor.outcome('unknown')).toBeUndefined();
    await processor.shutdown();
  });

  it('invariant 9: is waited for during recovery', async () => {
    const { processor, start } = await recovering(clock, ['a', 'b']);
    const waiting = ['a', 'b', 'a'].map((id) => processor.outcome(id));
    expect(await processor.outcome('unknown')).toBeUndefined();
    const hasHeard = watch(Promise.race(waiting));
    await clock.settle();
    expect(hasHeard.isSettled).toBe(false);
    start();
    await clock.settle();
    const heard = await outcomeNow(Promise.all(waiting));
    expect(heard).toMatchObject([{ balance: 1 }, { balance: 2 }, { balance: 1 }]);
    await processor.shutdown();
  });

  it('invariant 9: is found by a caller that asked before it was taken up, and given when it was settled', async () => {
    const storage = new KeptStorage(await diskWith(order('a')));
    const answer = deferred<Fate>();
    storage.fate = fatesOf('find', answer.promise);
    const processor = new OrderProcessor({ storage });
    const outcome = processor.outcome('a');
    await clock.settle();
    expect(storage.disk.find('a')).toMatchObject({ status: 'completed' });
    answer.resolve('works');
    await clock.settle();
    expect(await outcomeNow(outcome)).toMatchObject({ balance: 1 });
    await processor.shutdown();
  });

  it('invariant 10: is not guessed from an answer that was old when it came', async () => {
    const storage = new KeptStorage(await diskWith(order('a')));
    const stale = storage.disk.find('a');
    const answer = deferred();
    let asked = 0;
    storage.find = async (id) => {
      asked += 1;
      if (asked > 1) return storage.disk.find(id);
      await answer.promise;
      return stale;
    };
    const processor = new OrderProcessor({ storage });
    const outcome = processor.outcome('a');
    await processor.onIdle();
    answer.resolve();
    expect(await outcome).toMatchObject({ status: 'completed', balance: 1 });
    expect(asked).toBe(2);
    await processor.shutdown();
  });

  it('belongs to the order that has the id, and not to another that was on its way into the storage', async () => {
    const first = new KeptStorage();
    const receipt = await (await open(first)).submit(order('a'));
    first.cut();
    const processor = await open(new KeptStorage(first.disk));
    const conflict = codeOf(processor.enqueue(order('a', 'u', 7)));
    expect(processor.stats().unsettled).toBe(1);
    const outcome = processor.outcome('a');
    expect(await conflict).toBe('order_conflict');
    expect(await outcome).toEqual(receipt);
    await processor.shutdown();
  });

  it('is undefined for an order that the storage failed to keep', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('accept', 'rejects');
    const enqueued = codeOf(keepFirst(processor, order('a')));
    const outcome = processor.outcome('a');
    expect(await enqueued).toBe('storage_failed');
    expect(await outcome).toBeUndefined();
    await processor.shutdown();
  });

  it('invariant 10: is `storage_failed` for one that a failed call has kept, until it comes again', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [{ name: 'work', run: () => clock.sleep(5) }] });
    storage.fate = fatesOf('accept', 'fails late');
    const enqueued = codeOf(processor.enqueue(order('a')));
    const outcome = errorOf(processor.outcome('a'));
    expect(await enqueued).toBe('storage_failed');
    expect(await outcome).toMatchObject({ code: 'storage_failed', orderId: 'a', retryable: true });
    await clock.advance(10_000);
    await processor.enqueue(order('a'));
    const again = processor.outcome('a');
    await clock.runAll();
    expect(await outcomeNow(again)).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it('invariant 10: rejects where the storage cannot say, and asks it nothing of what is here', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [{ name: 'work', run: () => clock.sleep(5) }] });
    await processor.enqueue(order('a'));
    storage.asked.length = 0;
    storage.fate = (method) => (method === 'find' ? 'rejects' : 'works');
    const error = await errorOf(processor.outcome('b'));
    expect(error.code).toBe('storage_failed');
    expect(error.cause).toMatchObject({ message: 'The disk is full' });
    const outcome = processor.outcome('a');
    await clock.runAll();
    expect(await outcomeNow(outcome)).toMatchObject({ balance: 1 });
    expect(storage.asked).toEqual(['find b']);
    await processor.shutdown();
  });

  it('invariant 9: resolves when it is recorded, as `submit` does', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [{ name: 'deaf', run: () => deaf }] });
    const submitted = codeOf(processor.submit(order('a')));
    await clock.settle();
    const noting = deferred<Fate>();
    storage.fate = (method) => (method === 'settle' ? noting.promise : 'works');
    const outcome = processor.outcome('a');
    void processor.cancel('a');
    await clock.settle();
    expect(await outcomeNow(outcome)).toBe('pending');
    noting.resolve('works');
    await clock.settle();
    expect(await outcomeNow(outcome)).toMatchObject({ status: 'canceled' });
    expect(await outcomeNow(submitted)).toBe('canceled');
    expect(await outcomeNow(processor.outcome('a'))).toMatchObject({ status: 'canceled' });
    storage.cut();
  });
});

describe('orders that stay in the storage at the deadline of `shutdown`', () => {
  const left = { status: 'failed', error: { code: 'shut_down', retryable: true, userId: 'u' } };

  it('invariant 4: give `shut_down`, as to the callers of `submit`', async () => {
    const processor = await open(new KeptStorage(), {
      steps: [{ name: 'work', run: (_, { signal }) => clock.sleep(10_000, signal) }],
    });
    for (const id of ['a', 'b']) await processor.enqueue(order(id));
    const outcomes = ['a', 'b'].map((id) => processor.outcome(id));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ canceled: 1, kept: 1 });
    expect(await outcomeNow(Promise.all(outcomes))).toMatchObject([{ status: 'canceled' }, left]);
    expect(await codeOf(processor.outcome('b'))).toBe('storage_failed');
  });

  it('invariant 4: give it too if they had not been taken up', async () => {
    const { storage, processor } = await recovering(clock, ['a', 'b']);
    const outcomes = ['a', 'b'].map((id) => processor.outcome(id));
    await clock.settle();
    // Nothing is left to be asked.
    storage.fate = (method) => (method === 'find' ? 'hangs' : 'works');
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true });
    const heard = await outcomeNow(Promise.all(outcomes));
    expect(heard).toMatchObject([left, left]);
    expect(heard).toMatchObject([{ error: { orderId: 'a' } }, { error: { orderId: 'b' } }]);
  });

  it('invariant 4: reject with `storage_failed` if the storage never answers', async () => {
    const storage = new KeptStorage(await diskWith(order('a')));
    storage.fate = () => 'hangs';
    const processor = new OrderProcessor({ storage });
    const error = errorOf(processor.outcome('a'));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true });
    expect(await outcomeNow(error)).toMatchObject({ code: 'storage_failed' });
  });

  it('invariant 4: reject so if they were on their way into it', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = () => 'hangs';
    const enqueued = codeOf(keepFirst(processor, order('a')));
    const error = codeOf(processor.outcome('a'));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true });
    expect(await outcomeNow(Promise.all([enqueued, error]))).toEqual([
      'storage_failed',
      'storage_failed',
    ]);
  });
});

describe('the signal of `outcome`', () => {
  it('invariant 4: ends the waiting for a storage that does not answer, or takes orders up', async () => {
    for (const fate of ['hangs', 'works'] as const) {
      const { storage, processor, start } = await recovering(clock, ['a']);
      if (fate === 'hangs') storage.fate = () => fate;
      const controller = new AbortController();
      const gaveUp = errorOf(processor.outcome('a', { signal: controller.signal }));
      await clock.settle();
      controller.abort();
      expect(await outcomeNow(gaveUp)).toMatchObject({ code: 'canceled', orderId: 'a' });
      storage.fate = working;
      start();
      await clock.settle();
      expect(storage.disk.find('a')).toMatchObject({ status: 'completed' });
      const closed = processor.shutdown({ timeoutMs: 5 });
      await clock.runAll();
      await closed;
    }
  });

  it('invariant 4: ends it between two of these, too', async () => {
    for (const ticks of range(25)) {
      const { processor } = await recovering(clock, ['a']);
      const controller = new AbortController();
      const gaveUp = codeOf(processor.outcome('a', { signal: controller.signal }));
      for (const _ of range(ticks)) await undefined;
      controller.abort();
      await clock.settle();
      expect([ticks, await outcomeNow(gaveUp)]).toEqual([ticks, 'canceled']);
      const closed = processor.shutdown({ timeoutMs: 1 });
      await clock.runAll();
      await closed;
    }
  });

  it('invariant 6: gives back what the waiting took during recovery', async () => {
    const { storage, processor, start } = await recovering(clock, ['a', 'b']);
    const stays = processor.outcome('a');
    const round = async (): Promise<void> => {
      const controller = new AbortController();
      const waiting = range(5_000).map((n) => {
        const id = n % 2 === 0 ? 'a' : 'b';
        return processor.outcome(id, { signal: controller.signal }).catch((error) => {
          if (!isOrderError(error)) throw error;
        });
      });
      await clock.settle();
      controller.abort();
      await Promise.all(waiting);
      storage.asked.length = 0;
    };
    await round();
    const before = heapUsed();
    for (const _ of range(4)) await round();
    expect(heapUsed() - before).toBeLessThan(2_000_000);
    start();
    expect(await stays).toMatchObject({ balance: 1 });
    await processor.shutdown();
  });
});
