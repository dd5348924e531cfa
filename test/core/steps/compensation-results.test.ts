import {
  type BalanceStorage,
  OrderError,
  OrderProcessor,
  type Step,
  type StepResult,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { FailingMemory } from '../../kit/failing-memory.ts';
import { codeOf, deferred, errorOf, outcomeNow, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const noRefund = new OrderError('no_refund', 'The bank is closed');

/** Is done at once, and can be compensated. */
function charge(more: Partial<Step> = {}): Step {
  return { name: 'charge', run: () => {}, compensate: () => {}, ...more };
}

describe('steps that were all done at once', () => {
  const diskFull = new Error('Disk full');
  it.each<[string, BalanceStorage]>([
    ['throws', new FailingMemory(() => { throw diskFull; })], // biome-ignore format: short
    ['rejects', new FailingMemory(() => Promise.reject(diskFull))],
    ['refuses', { get: () => 0, apply: () => [{ refused: 'balance_overflow' }] }],
  ])('invariant 10: tell what became of them when the storage %s', async (_, storage) => {
    const shipped = charge({ name: 'ship', compensate: () => Promise.reject(noRefund) });
    const processor = new OrderProcessor({
      storage,
      steps: [charge(), shipped],
    });
    const events: OrderError[] = [];
    processor.on('error', () => {}).on('failed', (error) => events.push(error));
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).steps).toMatchObject([
      { name: 'charge', status: 'compensated' },
      { name: 'ship', status: 'ok', compensation: { status: 'error', code: 'no_refund' } },
    ]);
    expect(events).toEqual([await failed]);
  });

  it('invariant 10: show it when a listener of the last `stepped` cancels', async () => {
    const processor = new OrderProcessor({ steps: [charge()] });
    const events: OrderError[] = [];
    processor.on('stepped', ({ orderId }) => void processor.cancel(orderId));
    processor.on('canceled', (error) => events.push(error));
    expect(await codeOf(processor.submit(order))).toBe('canceled');
    expect(events).toMatchObject([{ code: 'canceled', steps: [{ status: 'compensated' }] }]);
    expect((await processor.order('a'))?.steps).toEqual(events[0]?.steps);
  });
});

const declined = new OrderError('declined', 'Card declined');
const twice = { attempts: 2, delayMs: 100, jitter: false };

/** Fails the order `a` at once. */
const fails: Step = {
  name: 'fails',
  run({ id }) {
    if (id === 'a') throw declined;
  },
};

it('invariant 10: a compensation that shutdown gives up has lasted until then', async () => {
  const compensation = { timeoutMs: 1_000_000 };
  const hangs = charge({ compensation, compensate: () => new Promise(() => {}) });
  const processor = new OrderProcessor({ steps: [hangs, fails] });
  processor.on('error', () => {}).on('stalled', () => {});
  const failed = watch(processor.submit(order));
  const closed = processor.shutdown({ timeoutMs: 100 });
  await clock.advance(1_099);
  expect(failed.isSettled).toBe(false);
  await clock.runAll();
  expect((await closed).running).toEqual(['a']);
  expect((await processor.order('a'))?.steps).toMatchObject([
    { compensation: { status: 'error', code: 'shut_down', durationMs: 1_100 } },
    { status: 'error' },
  ]);
});

it('invariant 10: shutdown drops no compensation of what ended after its order was settled', async () => {
  const gate = deferred();
  const deaf = charge({
    name: 'deaf',
    run: () => gate.promise,
    compensation: { retry: { ...twice, delayMs: 1_000_000 } },
    compensate: () => Promise.reject(noRefund),
  });
  const processor = new OrderProcessor({ steps: [deaf, fails], stalledAfterMs: 50 });
  const errors: string[] = [];
  const steps: StepResult[] = [];
  processor.on('error', ({ orderId, code }) => errors.push(`${orderId} ${code}`));
  processor.on('stepped', ({ step }) => steps.push(step)).on('stalled', () => {});
  const failed = codeOf(processor.submit(order));
  await clock.advance(60);
  expect(await failed).toBe('declined');
  gate.resolve();
  await clock.settle();
  expect(processor.stats()).toMatchObject({ unsettled: 0, stalled: 1 });
  const closed = processor.shutdown({ timeoutMs: 100 });
  await clock.advance(5_000);
  expect(await outcomeNow(closed)).toMatchObject({ timedOut: true, failed: 0, running: [] });
  const compensation = { status: 'error', code: 'shut_down', attempts: 1 };
  expect(steps.at(-1)).toMatchObject({ name: 'deaf', status: 'ok', compensation });
  expect(errors).toEqual(['a compensation_failed']);
  expect(processor.stats()).toMatchObject({ stalled: 0, activeWorkers: 0 });
  expect(clock.timers).toBe(0);
});
