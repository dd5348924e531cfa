import { OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { errorOf } from '../kit/helpers.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(100_000, signal) };

it('invariant 4: a later `shutdown` with less time brings the deadline forward, for both callers', async () => {
  const processor = new OrderProcessor({ steps: [sleeps] });
  const canceled = errorOf(processor.submit({ userId: 'u', amount: 1 }));
  const first = processor.shutdown({ timeoutMs: 60_000 });
  await clock.advance(5_000);
  const second = processor.shutdown({ timeoutMs: 1_000 });
  expect(second).toBe(first);
  await clock.advance(999);
  expect(processor.stats()).toMatchObject({ state: 'draining', unsettled: 1 });
  await clock.advance(1);
  expect(await canceled).toMatchObject({
    code: 'canceled',
    message: 'The processor shut down after 6000 ms',
  });
  const summary = await first;
  expect(summary).toMatchObject({ canceled: 1, timedOut: true, durationMs: 6_000 });
  expect(await second).toBe(summary);
  expect(clock.timers).toBe(0);
});

it.each([{ timeoutMs: 50_000 }, {}, undefined])(
  'a later `shutdown` never postpones it: %o',
  async (options) => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const canceled = errorOf(processor.submit({ userId: 'u', amount: 1 }));
    const first = processor.shutdown({ timeoutMs: 40_000 });
    void processor.shutdown(options);
    await clock.advance(39_999);
    expect(processor.stats().unsettled).toBe(1);
    await clock.advance(1);
    expect((await canceled).message).toBe('The processor shut down after 40000 ms');
    await first;
    expect(await processor.shutdown({ timeoutMs: 1 })).toBe(await first);
    expect(clock.timers).toBe(0);
  },
);

it('a later `shutdown` has its options checked, too', async () => {
  const processor = new OrderProcessor();
  const first = processor.shutdown();
  expect(() => processor.shutdown({ timeoutMs: 0 })).toThrow(RangeError);
  await first;
});
