import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: -5 };

it('invariant 3: a settled order that comes again while the storage fails has no second end', async () => {
  const first = new KeptStorage();
  const before = await open(first);
  await before.submit(order);
  first.cut();
  await clock.advance(1);
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

it.each(['the step declines', 'it is canceled'])(
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

it('invariant 3: an order whose settlement was recorded by a call that failed completes once, and is counted', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  const ends: string[] = [];
  processor.on('failed', ({ orderId }) => ends.push(`${orderId} failed`));
  processor.on('completed', ({ orderId }) => ends.push(`${orderId} completed`));
  storage.fate = fatesOf('settle', 'fails late');
  expect(await codeOf(processor.submit(order))).toBe('storage_failed');
  await clock.runAll();
  expect(ends).toEqual(['a completed']);
  expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, failed: 0, unsettled: 0 });
  expect(storage.disk.get('u')).toBe(-5);
  await processor.shutdown();
});

it('invariant 10: an order that comes while the storage fails, and was in no call, is refused', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  const ends: string[] = [];
  processor.on('failed', ({ orderId }) => ends.push(`${orderId} failed`));
  processor.on('refused', ({ orderId }) => ends.push(`${orderId} refused`));
  storage.fate = fatesOf(
    'settle',
    clock.sleep(5).then(() => 'rejects' as const),
  );
  const first = codeOf(processor.submit(order));
  await clock.settle();
  const second = codeOf(processor.submit({ ...order, id: 'b' }));
  await clock.advance(5);
  expect([await first, await second]).toEqual(['storage_failed', 'storage_failed']);
  expect(ends).toEqual(['b refused']);
  await clock.runAll();
  expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, refused: 1, unsettled: 0 });
  expect(storage.disk.find('b')).toBeUndefined();
  await processor.shutdown();
});

it('invariant 3: an order that comes again in the millisecond of its settlement completes once, though its call fails', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  storage.fate = fatesOf('settle', 'works', 'throws');
  const completed: string[] = [];
  processor.on('completed', ({ orderId }) => completed.push(orderId));
  const order = { id: 'a', userId: 'u', amount: 1 };
  expect(await codeOf(processor.submit(order))).toBe('completed');
  expect(await codeOf(processor.submit(order))).toBe('storage_failed');
  await clock.advance(1_000);
  expect(completed).toEqual(['a']);
  expect(processor.stats()).toMatchObject({
    accepted: 1,
    completed: 1,
    duplicates: 1,
    unsettled: 0,
  });
  expect(storage.disk.get('u')).toBe(1);
  await processor.shutdown();
});

it('invariant 3: the same holds for one that waits for room, and is admitted by the settlement itself', async () => {
  const storage = new KeptStorage();
  // Until the orders of an earlier process are taken up, new ones wait for room.
  storage.fate = fatesOf(
    'unsettled',
    clock.sleep(5).then(() => 'works' as const),
  );
  const processor = new OrderProcessor({ storage, capacityPerUser: 1, overflow: 'wait' });
  const completed: string[] = [];
  processor.on('completed', ({ orderId }) => completed.push(orderId));
  const codes = [codeOf(processor.submit(order)), codeOf(processor.submit(order))];
  await clock.settle();
  storage.fate = fatesOf('settle', 'works', 'throws');
  await clock.advance(1_000);
  expect(await Promise.all(codes)).toEqual(['completed', 'storage_failed']);
  expect(completed).toEqual(['a']);
  expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
  await processor.shutdown();
});
