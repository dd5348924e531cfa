import { type OrderOutcome, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, outcomeNow, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const step: Step = {
  name: 'works',
  async run({ id }) {
    await clock.sleep(5);
    if (id.startsWith('bad')) throw { code: 'declined' };
  },
};
const said = (outcomes: readonly OrderOutcome[]): string[] =>
  outcomes.map((outcome) =>
    outcome.status === 'completed'
      ? `${outcome.orderId}`
      : `${outcome.status} ${outcome.error.code}`,
  );

describe.each([[[]], [[step]]])('with the steps %j', (steps) => {
  it('invariant 3: gives one outcome for each order, in its place', async () => {
    const processor = new OrderProcessor({ steps, minBalance: 0 });
    const mixed = [
      { id: 'a', userId: 'u', amount: 5 },
      { id: 'b', userId: 'v', amount: -5 },
      { id: 'c', userId: 'u', amount: 0.5 },
      null as never,
      { id: 'a', userId: 'u', amount: 5 },
      { id: 'a', userId: 'u', amount: 6 },
      { id: 'd', userId: 'u', amount: -5 },
    ];
    const settled = processor.submitMany(mixed);
    await clock.runAll();
    expect(said(await settled)).toEqual([
      'a',
      'failed insufficient_funds',
      'refused invalid_order',
      'refused invalid_order',
      'a',
      'refused order_conflict',
      'd',
    ]);
    expect(await processor.balance('u')).toBe(0);
    expect(processor.stats()).toMatchObject({
      accepted: 3,
      refused: 3,
      duplicates: 1,
      unsettled: 0,
    });
  });

  it('invariant 6: with overflow `reject` refuses what has no room', async () => {
    const processor = new OrderProcessor({ steps, capacity: 3 });
    processor.pause();
    const settled = processor.submitMany(
      range(5).map((index) => ({ id: `o-${index}`, userId: 'u', amount: 1 })),
    );
    await clock.settle();
    processor.resume();
    await clock.runAll();
    const full = 'refused queue_full';
    expect(said(await settled)).toEqual(['o-0', 'o-1', 'o-2', full, full]);
  });

  it('invariant 6: with overflow `wait` takes them all, and keeps their order', async () => {
    const processor = new OrderProcessor({ steps, capacity: 3, overflow: 'wait' });
    processor.pause();
    const orders = range(20).map((index) => ({ id: `o-${index}`, userId: 'u', amount: 1 }));
    const settled = processor.submitMany(orders);
    await clock.settle();
    expect(processor.stats()).toMatchObject({ accepted: 3, waitingCallers: 1 });
    processor.resume();
    await clock.runAll();
    const outcomes = await settled;
    expect(said(outcomes)).toEqual(orders.map(({ id }) => id));
    expect(outcomes.map((outcome) => outcome.status === 'completed' && outcome.balance)).toEqual(
      range(20).map((at) => at + 1),
    );
  });
});

it('invariant 3: outcomes that come out of order stand in their places', async () => {
  const processor = new OrderProcessor({
    steps: [{ name: 'x', run: ({ amount }) => clock.sleep(amount) }],
  });
  const settled = processor.submitMany(
    [30, 10, 20].map((amount) => ({ userId: `u-${amount}`, amount })),
  );
  await clock.runAll();
  expect(
    (await settled).map((outcome) => outcome.status === 'completed' && outcome.amount),
  ).toEqual([30, 10, 20]);
});

it('invariant 4: nothing gives nothing', async () => {
  const processor = new OrderProcessor();
  expect(await outcomeNow(processor.submitMany([]))).toEqual([]);
  expect(await outcomeNow(processor.submitMany(new Set()))).toEqual([]);
});

it.each([undefined, null, 7, 'orders', {}, () => []])(
  'what is not iterable rejects with `invalid_order`: %s',
  async (orders) => {
    const processor = new OrderProcessor();
    expect((await errorOf(processor.submitMany(orders as never))).code).toBe('invalid_order');
  },
);

it('invariant 6: an iterable is read no further than there is room', async () => {
  const processor = new OrderProcessor({
    steps: [step],
    capacity: 4,
    concurrency: 1,
    overflow: 'wait',
  });
  let read = 0;
  function* source() {
    for (const index of range(40)) {
      read += 1;
      yield { id: `o-${index}`, userId: `u-${index}`, amount: 1 };
    }
  }
  const settled = processor.submitMany(source());
  await clock.settle();
  expect(read).toBe(5);
  await clock.advance(5);
  expect(read).toBe(6);
  await clock.runAll();
  expect(said(await settled)).toHaveLength(40);
});

it('invariant 4: an iterable that throws rejects, and the orders before it go on', async () => {
  const processor = new OrderProcessor({ steps: [step] });
  function* source() {
    yield { id: 'a', userId: 'u', amount: 1 };
    throw new Error('The source broke');
  }
  await expect(outcomeNow(processor.submitMany(source()))).rejects.toThrow();
  await clock.runAll();
  expect(await processor.order('a')).toMatchObject({ status: 'completed' });
  expect(processor.stats()).toMatchObject({ completed: 1, unsettled: 0 });
});
