import { OrderError, type OrderOutcome, OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { errorOf, throwing } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const timesOf = ({ waitMs, durationMs }: OrderError) => ({ waitMs, durationMs });
const none = { waitMs: undefined, durationMs: undefined };

const failing: Step = {
  name: 'work',
  async run({ id }) {
    await clock.sleep(10);
    if (id !== 'first') throw { code: 'declined' };
  },
};

it.each([
  ['a MemoryStorage', () => undefined],
  ['a storage that keeps orders', () => new KeptStorage()],
])('an error says how long its order waited and was processed, with %s', async (_, make) => {
  const processor = new OrderProcessor({ storage: make(), steps: [failing] });
  await clock.runAll();
  const heard: OrderError[] = [];
  processor.on('failed', (error) => heard.push(error));
  void processor.submit(order('first'));
  const failed = errorOf(processor.submit(order('second')));
  await clock.runAll();
  const error = await failed;
  expect(timesOf(error)).toEqual({ waitMs: 10, durationMs: 10 });
  expect(error.toJSON()).toMatchObject({ waitMs: 10, durationMs: 10 });
  expect(heard.map(timesOf)).toEqual([{ waitMs: 10, durationMs: 10 }]);
  const again = errorOf(processor.submit(order('second')));
  await clock.runAll();
  expect((await again).toJSON()).toEqual(error.toJSON());
});

it('an error that comes before the settlement says how long it had been till then', async () => {
  const slow: Step = { name: 'slow', run: () => clock.sleep(50) };
  const processor = new OrderProcessor({ steps: [slow], timeoutMs: 20 });
  const heard: OrderError[] = [];
  processor.on('failed', (error) => heard.push(error));
  const told = errorOf(processor.submit(order('a')));
  await clock.advance(20);
  expect(timesOf(await told)).toEqual({ waitMs: 0, durationMs: 20 });
  await clock.runAll();
  expect(heard.map(timesOf)).toEqual([{ waitMs: 0, durationMs: 50 }]);
});

it('an order that the storage refused has times, even if it is settled at once', async () => {
  const processor = new OrderProcessor({ minBalance: 0 });
  expect(timesOf(await errorOf(processor.submit(order('a', 'u', -1))))).toEqual({
    waitMs: 0,
    durationMs: 0,
  });
});

it('an order that never began has none, nor has one that was refused', async () => {
  const processor = new OrderProcessor();
  processor.pause();
  const canceled = errorOf(processor.submit(order('a')));
  await clock.advance(5);
  await processor.cancel('a');
  expect(timesOf(await canceled)).toEqual(none);
  expect(timesOf(await errorOf(processor.submit(order('b', ''))))).toEqual(none);
  // Nor one that a host makes, unless it says so.
  expect(timesOf(new OrderError('declined', 'No'))).toEqual(none);
  expect(timesOf(new OrderError('declined', 'No', { waitMs: 1, durationMs: 2 }))).toEqual({
    waitMs: 1,
    durationMs: 2,
  });
});

it('invariant 8: a storage that freezes the error of a settlement breaks nothing', async () => {
  const storage = new KeptStorage();
  const settle = storage.settle.bind(storage);
  storage.settle = (settlements) => {
    for (const { error } of settlements) if (error) Object.freeze(error);
    return settle(settlements);
  };
  const processor = new OrderProcessor({ storage, steps: [throwing({ code: 'declined' })] });
  await clock.runAll();
  const outcomes: Promise<OrderOutcome[]> = processor.submitMany([order('a'), order('b')]);
  await clock.runAll();
  expect((await outcomes).map((outcome) => outcome.status)).toEqual(['failed', 'failed']);
});
