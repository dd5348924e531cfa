import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

describe('invariant 6: `capacityPerUser` bounds the unsettled orders of a user', () => {
  it('of orders without steps that a slow storage settles', async () => {
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage, capacityPerUser: 2 });
    await clock.settle();
    storage.fate = () => clock.sleep(10).then(() => 'works');
    const codes = range(20).map((index) =>
      codeOf(processor.submit({ id: `o-${index}`, userId: 'u', amount: 1 })),
    );
    expect(processor.stats()).toMatchObject({ unsettled: 2 });
    await clock.runAll();
    expect(processor.stats()).toMatchObject({ unsettled: 0, refused: 18 });
    expect((await Promise.all(codes)).filter((code) => code === 'completed')).toHaveLength(2);
    await processor.shutdown();
  });

  it('of orders that were canceled and are on their way into a slow storage', async () => {
    const storage = new KeptStorage();
    const gate = Promise.withResolvers<'works'>();
    storage.fate = (method) => (method === 'settle' ? gate.promise : 'works');
    const steps = [{ name: 'nothing', run() {} }];
    const processor = new OrderProcessor({ storage, steps, capacityPerUser: 2, capacity: 100 });
    void codeOf(processor.submit({ id: 'first', userId: 'u', amount: 1 }));
    await clock.settle();
    for (const index of range(50)) {
      void codeOf(processor.submit({ id: `o-${index}`, userId: 'u', amount: 1 }));
      await clock.settle();
      void processor.cancel(`o-${index}`);
      await clock.settle();
    }
    expect(processor.stats().unsettled).toBe(2);
    gate.resolve('works');
    await clock.runAll();
    await processor.shutdown();
  });
});

it('invariant 6: a step that begins inside `submit` hands in no more than `capacityPerUser`', async () => {
  const codes: Promise<string>[] = [];
  const processor: OrderProcessor = new OrderProcessor({
    capacityPerUser: 1,
    steps: [
      {
        name: 'more',
        run: ({ id, userId }) => {
          if (id !== 'x') return;
          for (const amount of [1, 2]) {
            codes.push(codeOf(processor.enqueue({ userId, amount })));
          }
        },
      },
    ],
  });
  await processor.submit({ id: 'x', userId: 'u', amount: 1 });
  await processor.shutdown();
  expect(await Promise.all(codes)).toEqual(['queue_full', 'queue_full']);
  expect(processor.stats().accepted).toBe(1);
});

it('invariant 6: what a listener of `completed` hands in has the place of the order that completed', async () => {
  const processor: OrderProcessor = new OrderProcessor({
    capacityPerUser: 1,
    steps: [{ name: 'nothing', run: () => {} }],
  });
  let again: Promise<unknown> | undefined;
  processor.once('completed', ({ userId }) => {
    again = processor.submit({ userId, amount: 2 });
  });
  await processor.submit({ userId: 'u', amount: 1 });
  await again;
  expect(await processor.balance('u')).toBe(3);
});
