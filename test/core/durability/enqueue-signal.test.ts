import { refuse } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { broken, fatesOf, keepFirst, open, working } from '../../kit/kept/helpers.ts';
import { recovering } from '../../kit/kept/recovering.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

describe('the signal of `enqueue`', () => {
  it('invariant 9: does not end an order that is on its way into the storage', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const keeping = deferred<Fate>();
    storage.fate = fatesOf('accept', keeping.promise);
    const controller = new AbortController();
    const { signal } = controller;
    const enqueued = keepFirst(processor, order('a'), { signal });
    const again = keepFirst(processor, order('a'), { signal });
    await clock.settle();
    controller.abort();
    expect(await outcomeNow(enqueued)).toBe('pending');
    keeping.resolve('works');
    expect(await enqueued).toMatchObject({ id: 'a', status: 'pending' });
    expect(await again).toMatchObject({ id: 'a' });
    await processor.onIdle();
    expect(storage.disk.find('a')).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it('invariant 4: ends the waiting for a storage that takes orders up', async () => {
    for (const overflow of ['wait', 'reject'] as const) {
      const { storage, processor, start } = await recovering(clock, ['a'], { overflow });
      const controller = new AbortController();
      const gaveUp = errorOf(processor.enqueue(order('b'), { signal: controller.signal }));
      const stays = processor.enqueue(order('c'));
      await clock.settle();
      expect(processor.stats().waitingCallers).toBe(2);
      controller.abort();
      expect(await outcomeNow(gaveUp)).toMatchObject({ code: 'canceled', orderId: 'b' });
      expect(processor.stats()).toMatchObject({ waitingCallers: 1, refused: 1 });
      start();
      expect(await stays).toMatchObject({ id: 'c' });
      await processor.onIdle();
      expect(storage.disk.find('b')).toBeUndefined();
      await processor.shutdown();
    }
  });

  it('invariant 4: ends the question whether a refused order is known', async () => {
    for (const fate of [broken, working, () => 'hangs' as const]) {
      const rules = [() => refuse('never')];
      const { storage, processor, start } = await recovering(clock, ['a'], { rules });
      storage.fate = fate;
      const controller = new AbortController();
      const { signal } = controller;
      const code = codeOf(processor.enqueue(order('a'), { signal }));
      await clock.settle();
      controller.abort();
      const expected = fate === broken ? 'storage_failed' : 'canceled';
      expect(await outcomeNow(code)).toBe(expected);
      expect(processor.stats().refused).toBe(1);
      storage.fate = working;
      start();
      const closed = processor.shutdown({ timeoutMs: 5 });
      await clock.runAll();
      await closed;
    }
  });

  it('invariant 8: refuses an order whose payload aborts it when it is copied', async () => {
    const storage = new KeptStorage(undefined, 'json');
    const processor = await open(storage);
    const controller = new AbortController();
    const payload = new Proxy(
      {},
      {
        ownKeys() {
          controller.abort();
          return [];
        },
      },
    );
    const { signal } = controller;
    expect(await codeOf(processor.enqueue({ ...order('a'), payload }, { signal }))).toBe(
      'canceled',
    );
    expect([signal.aborted, storage.log]).toEqual([true, []]);
    await processor.shutdown();
  });
});
