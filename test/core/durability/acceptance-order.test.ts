import { expect, it } from 'vitest';
import { deferred, range } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

it.each(['beside a pause', 'in a burst'])(
  'invariant 1: orders of a user are listed in the order in which they were processed, %s',
  async (how) => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    if (how === 'beside a pause') processor.pause();
    const burst = how === 'in a burst' ? range(1_100) : [];
    const others = burst.map((n) => processor.submit({ userId: `v-${n}`, amount: 1 }));
    const submitted = processor.submit({ id: 'first', userId: 'u', amount: 10 });
    const enqueued = processor.enqueue({ id: 'second', userId: 'u', amount: 5 });
    await clock.settle();
    processor.resume();
    await clock.runAll();
    await Promise.all([...others, submitted, enqueued]);
    const { orders } = await processor.orders({ userId: 'u' });
    await processor.shutdown();
    expect(orders.map(({ id, balance }) => `${id} ${balance}`)).toEqual(['second 15', 'first 10']);
  },
);

it('invariant 1: a pause leaves the orders of a backlog in the order in which they were submitted', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  const fate = deferred<Fate>();
  storage.fate = fatesOf('settle', fate.promise);
  const settled: string[] = [];
  processor.on('completed', ({ orderId }) => settled.push(orderId));
  // More than one call of the storage takes: the rest waits in the queue, and is not kept.
  const ids = range(2_200).map((n) => `o-${n}`);
  const all = ids.map((id) => processor.submit({ id, userId: 'u', amount: 1 }));
  await clock.settle();
  processor.pause('u');
  fate.resolve('works');
  await clock.settle();
  processor.resume('u');
  await clock.runAll();
  await Promise.all(all);
  expect(settled).toEqual(ids);
  await processor.shutdown();
});
