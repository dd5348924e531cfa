import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow, range } from '../../kit/helpers.ts';
import { fatesOf, keepFirst, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

describe('an order without steps that nothing keeps from beginning', () => {
  it('invariant 9: is acknowledged by `enqueue` when it is settled, by one write, and not before', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const fate = deferred<Fate>();
    storage.fate = fatesOf('settle', fate.promise);
    const enqueued = processor.enqueue(order('a'));
    await clock.settle();
    expect(await outcomeNow(enqueued)).toBe('pending');
    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(enqueued)).toMatchObject({ status: 'completed', balance: 1 });
    expect(await enqueued).toEqual(await processor.order('a'));
    expect(storage.log).toEqual(['settle a:completed']);
    await processor.shutdown();
  });

  it('invariant 10: is refused if the storage fails, and may come again', async () => {
    for (const fate of ['throws', 'rejects'] as const) {
      const storage = new KeptStorage();
      const processor = await open(storage);
      storage.fate = fatesOf('settle', fate);
      expect(await errorOf(processor.enqueue(order('a')))).toMatchObject({
        ...{ code: 'storage_failed', orderId: 'a', retryable: true },
      });
      expect(storage.disk.find('a')).toBeUndefined();
      await clock.runAll();
      expect(await processor.enqueue(order('a'))).toMatchObject({ balance: 1 });
      await processor.shutdown();
    }
  });

  it('invariant 3: is what the storage says, where the call that failed had done its work', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('settle', 'fails late');
    expect(await processor.enqueue(order('a'))).toMatchObject({ status: 'completed', balance: 1 });
    await clock.runAll();
    expect(await processor.enqueue(order('a'))).toMatchObject({ status: 'completed', balance: 1 });
    expect(storage.disk.get('u')).toBe(1);
    await processor.shutdown();
  });

  it('invariant 5: is known, or a conflict, by what the storage has', async () => {
    const first = new KeptStorage();
    const record = await (await open(first)).enqueue({ ...order('a'), priority: 'high' });
    first.cut();
    const processor = await open(new KeptStorage(first.disk));
    expect(await processor.enqueue(order('a'))).toEqual(record);
    expect(await codeOf(processor.enqueue(order('a', 'u', 7)))).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ accepted: 0, duplicates: 1, refused: 1 });
    await processor.shutdown();
  });

  it('invariant 5: is known while it is on its way', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const ways = [
      processor.enqueue(order('a')),
      processor.enqueue(order('a')),
      processor.submit(order('a')),
    ];
    const conflict = codeOf(processor.enqueue(order('a', 'v')));
    expect(await conflict).toBe('order_conflict');
    for (const way of ways) expect(await way).toMatchObject({ status: 'completed', balance: 1 });
    expect(storage.disk.get('u')).toBe(1);
    await processor.shutdown();
  });

  it('is accepted and then fails, where its balance is too low', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { minBalance: 0 });
    const failed = { status: 'failed', code: 'insufficient_funds' };
    expect(await processor.enqueue(order('a', 'u', -1))).toMatchObject(failed);
    expect(await processor.order('a')).toMatchObject(failed);
    expect(processor.stats()).toMatchObject({ accepted: 1, failed: 1 });
    await processor.shutdown();
  });

  it('invariant 1: overtakes no order of its user, handed in in any way', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = () => clock.sleep(1).then(() => 'works');
    const settled: (string | undefined)[] = [];
    processor.on('completed', ({ orderId }) => settled.push(orderId));
    const ids = range(60).map((n) => `o-${n}`);
    const all = ids.map((id, at) => {
      if (at % 7 === 3) return keepFirst(processor, order(id));
      return at % 2 === 0 ? processor.enqueue(order(id)) : processor.submit(order(id));
    });
    await clock.runAll();
    await Promise.all(all);
    expect(settled).toEqual(ids);
    expect(storage.offences).toEqual([]);
    await processor.shutdown();
  });

  it('invariant 9: is kept first while it is paused', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause('u');
    expect(await processor.enqueue(order('a'))).toMatchObject({ status: 'pending' });
    expect(storage.log).toEqual(['accept a']);
    processor.resume('u');
    await processor.onIdle();
    expect(storage.log).toEqual(['accept a', 'settle a:completed']);
    await processor.shutdown();
  });

  it('invariant 4: ends at the deadline of `shutdown` if the storage never answers', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = () => 'hangs';
    const enqueued = codeOf(processor.enqueue(order('a')));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(enqueued)).toBe('storage_failed');
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true });
  });

  it('invariant 4: ends then too where it waits to be kept behind a settlement of its user', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('settle', 'hangs');
    const submitted = codeOf(processor.submit(order('a')));
    await clock.settle();
    processor.pause('u');
    const enqueued = codeOf(processor.enqueue(order('b')));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(storage.log).toEqual(['settle a:completed']);
    expect(await outcomeNow(submitted)).toBe('storage_failed');
    expect(await outcomeNow(enqueued)).toBe('storage_failed');
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true, unsettled: ['a'] });
  });
});
