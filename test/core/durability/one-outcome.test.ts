import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: -5 };

// Both need settlements that stay open until the storage has answered for the id, whatever the storage keeps: the one
// way of an order through settlement. Till then an order that was not accepted fails with its call.
it.fails('invariant 3: a settled order that comes again while the storage fails has no second end', async () => {
  const first = new KeptStorage();
  const before = await open(first);
  await before.submit(order);
  first.cut();
  const storage = new KeptStorage(first.disk);
  const processor = await open(storage);
  const ends: string[] = [];
  processor.on('failed', ({ orderId, code }) => ends.push(`${orderId} failed ${code}`));
  storage.fate = fatesOf('settle', 'throws');
  expect(await codeOf(processor.submit(order))).toBe('storage_failed');
  await clock.runAll();
  expect(ends).toEqual([]);
  expect(processor.stats()).toMatchObject({ accepted: 0, failed: 0 });
  await processor.shutdown();
});

it.fails.each(['the step declines', 'it is canceled'])(
  'invariant 3: an order whose balance storage applied it and then failed does not end otherwise, though %s',
  async (how) => {
    const memory = new MemoryStorage();
    let fails = true;
    const storage = {
      get: (userId: string) => memory.get(userId),
      async apply(changes: Parameters<MemoryStorage['apply']>[0]) {
        const results = memory.apply(changes);
        if (!fails) return results;
        fails = false;
        throw new Error('The connection broke after the commit');
      },
    };
    let runs = 0;
    const steps: Step[] = [
      {
        name: 'pay',
        async run() {
          runs += 1;
          if (runs === 1) return;
          if (how === 'the step declines') throw new OrderError('declined', 'No');
          await clock.sleep(100);
        },
      },
    ];
    const processor = new OrderProcessor({ storage, steps });
    expect(await codeOf(processor.submit(order))).toBe('storage_failed');
    const again = codeOf(processor.submit(order));
    await clock.settle();
    if (how === 'it is canceled') void processor.cancel('a');
    await clock.runAll();
    expect(await again).toBe('completed');
    expect(await processor.balance('u')).toBe(-5);
    expect(await processor.order('a')).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  },
);
