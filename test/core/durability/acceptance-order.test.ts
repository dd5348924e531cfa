import { expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
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
