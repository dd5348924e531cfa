import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, outcomeNow, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const declined = new OrderError('declined', 'Card declined');
const noRefund = new OrderError('no_refund', 'The bank is closed');
const twice = { attempts: 2, delayMs: 100, jitter: false };

/** Is done at once, and can be compensated. */
function charge(more: Partial<Step> = {}): Step {
  return { name: 'charge', run: () => {}, compensate: () => {}, ...more };
}

/** Fails the order `a` at once. */
const fails: Step = {
  name: 'fails',
  run({ id }) {
    if (id === 'a') throw declined;
  },
};
const ways = ["in its caller's call", 'from the queue'] as const;

/** Orders begin in this way: a listener of `accepted` must be called before. */
function begun(
  way: (typeof ways)[number],
  options: ConstructorParameters<typeof OrderProcessor>[0],
) {
  const processor = new OrderProcessor(options);
  return way === 'from the queue' ? processor.on('accepted', () => {}) : processor;
}

describe.each(ways)('decided while its steps are started %s', (way) => {
  const flaky = charge({
    compensation: { retry: twice },
    compensate(_, { attempt }) {
      if (attempt === 1) throw noRefund;
    },
  });
  it.each([
    ['a step fails at once', 'declined', [flaky, fails]],
    ['the storage refuses', 'balance_overflow', [flaky]],
    ['it refuses, after a step without compensation', 'balance_overflow', [flaky, fails]],
  ])('invariant 2: %s: its compensation has no worker in a pause', async (_, code, steps) => {
    const processor = begun(way, { steps, concurrency: 1 });
    const id = code === 'declined' ? 'a' : 'b';
    if (id === 'b') await processor.submit({ userId: 'u', amount: Number.MAX_SAFE_INTEGER });
    const failed = errorOf(processor.submit({ ...order, id }));
    await clock.advance(50);
    expect(processor.stats()).toMatchObject({ unsettled: 1, activeWorkers: 0 });
    const other = watch(processor.submit({ id: 'c', userId: 'v', amount: 1 }));
    await clock.settle();
    expect(other.isSettled).toBe(true);
    await clock.runAll();
    const compensation = { status: 'ok', attempts: 2, durationMs: 100 };
    expect(await failed).toMatchObject({
      code,
      steps: [{ compensation }, {}].slice(0, steps.length),
    });
  });

  it('invariant 4: its caller waits no longer than `timeoutMs`', async () => {
    const compensation = { timeoutMs: 2_000 };
    const slow = charge({ compensation, compensate: () => clock.sleep(1_000) });
    const processor = begun(way, { steps: [slow, fails], timeoutMs: 50 });
    const failed = codeOf(processor.submit(order));
    const heard = watch(failed);
    await clock.advance(49);
    expect(heard.isSettled).toBe(false);
    await clock.advance(1);
    expect(await outcomeNow(failed)).toBe('declined');
    expect(processor.stats()).toMatchObject({ unsettled: 1, failed: 0 });
    await clock.runAll();
  });
});

it('invariant 2: nothing is compensated without a worker, though a stalled attempt cancels', async () => {
  const log: string[] = [];
  const slow = charge({
    async compensate() {
      log.push(`${clock.now} undo a`);
      await clock.sleep(15);
      log.push(`${clock.now} undone`);
    },
  });
  const flaky: Step = {
    name: 'flaky',
    retry: twice,
    async run({ id }, { attempt }) {
      log.push(`${clock.now} ${id} ${attempt}`);
      if (id !== 'a') return clock.sleep(20);
      if (attempt === 2) {
        await clock.sleep(60);
        // By then the order has stalled: it loses its worker as soon as it is aborted.
        void processor.cancel(id);
      }
      throw declined;
    },
  };
  const options = { steps: [slow, flaky], concurrency: 1, stalledAfterMs: 50 };
  const processor: OrderProcessor = new OrderProcessor(options);
  processor.on('stalled', () => log.push(`${clock.now} stalled`));
  const codes = [codeOf(processor.submit(order))];
  await clock.advance(90);
  // One has the worker when the pause is over, and the others wait for it too.
  for (const id of ['b', 'c', 'd'])
    codes.push(codeOf(processor.submit({ ...order, id, userId: id })));
  await clock.runAll();
  expect(await Promise.all(codes)).toEqual(['canceled', 'completed', 'completed', 'completed']);
  expect(log).toEqual([
    '0 a 1',
    '90 b 1',
    '110 a 2',
    '160 stalled',
    '170 c 1',
    '190 undo a',
    '205 undone',
    '205 d 1',
  ]);
});
