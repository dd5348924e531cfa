import {
  type BalanceStorage,
  OrderError,
  OrderProcessor,
  type Step,
  type StepResult,
} from 'order-processor';
import PQueue from 'p-queue';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow, range, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const declined = new OrderError('declined', 'Card declined');
const noRefund = new OrderError('no_refund', 'The bank is closed');
const twice = { attempts: 2, delayMs: 100, jitter: false };

/** Is done at once, and can be taken back. */
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

function storageThat(apply: BalanceStorage['apply']): BalanceStorage {
  return { get: () => 0, apply };
}

it('invariant 3: a step begins once, though what is started just before it starts it too', async () => {
  const began: string[] = [];
  const step = (name: string, ...after: string[]): Step => ({
    name,
    after,
    run: () => void began.push(name),
  });
  // Or else all would be done before the second time.
  const slow: Step = { name: 'slow', run: () => clock.sleep(5) };
  const steps = [step('a'), step('b', 'a'), step('c', 'a', 'b'), slow];
  const processor = new OrderProcessor({ steps });
  const submitted = processor.submit(order);
  await clock.runAll();
  await submitted;
  expect(began).toEqual(['a', 'b', 'c']);
});

describe('steps that were all done at once', () => {
  const diskFull = new Error('Disk full');
  it.each<[string, BalanceStorage['apply']]>([
    ['throws', () => { throw diskFull; }], // biome-ignore format: short
    ['rejects', () => Promise.reject(diskFull)],
    ['refuses', () => [{ refused: 'balance_overflow' }]],
  ])('invariant 10: tell what became of them when the storage %s', async (_, apply) => {
    const shipped = charge({ name: 'ship', compensate: () => Promise.reject(noRefund) });
    const processor = new OrderProcessor({
      storage: storageThat(apply),
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

  it('invariant 10: tell it when a listener of the last `stepped` cancels', async () => {
    const processor = new OrderProcessor({ steps: [charge()] });
    const events: OrderError[] = [];
    processor.on('stepped', ({ orderId }) => void processor.cancel(orderId));
    processor.on('canceled', (error) => events.push(error));
    expect(await codeOf(processor.submit(order))).toBe('canceled');
    expect(events).toMatchObject([{ code: 'canceled', steps: [{ status: 'compensated' }] }]);
    expect((await processor.order('a'))?.steps).toEqual(events[0]?.steps);
  });
});

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

const ways = ["in its caller's call", 'from the queue'] as const;

/** Orders begin in this way: a listener of `accepted` must hear before they do. */
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
        // By then the order has stalled: its worker goes as soon as it is told to end.
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
    '110 c 1',
    '130 a 2',
    '180 stalled',
    '190 d 1',
    '210 undo a',
    '225 undone',
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

it('invariant 4: a refusal that comes after `timeoutMs` is told at once', async () => {
  const storage = storageThat(async () => {
    await clock.sleep(80);
    return [{ refused: 'insufficient_funds' }];
  });
  const compensation = { timeoutMs: 2_000 };
  const slow = charge({ compensation, compensate: () => clock.sleep(1_000) });
  const processor = new OrderProcessor({ storage, steps: [slow], timeoutMs: 50 });
  const times: number[] = [];
  const own = globalThis.setTimeout;
  // No spy of Vitest: it would be restored once more when the clock's own is gone.
  globalThis.setTimeout = ((task: () => void, ms = 0) => {
    times.push(ms);
    return own(task, ms);
  }) as typeof setTimeout;
  const failed = watch(processor.submit(order));
  await clock.advance(79);
  expect(failed.isSettled).toBe(false);
  await clock.advance(1);
  expect(failed.isSettled).toBe(true);
  // Of a negative time Node.js warns.
  expect(times.length).toBeGreaterThan(0);
  expect(times.filter((ms) => ms < 1)).toEqual([]);
  globalThis.setTimeout = own;
  await clock.runAll();
});

it('invariant 1: `stalled` names what pauses and what waits for a place, not what is done', async () => {
  const steps: Step[] = [
    { name: 'done', run: () => {} },
    { name: 'runs', run: (_, { signal }) => clock.sleep(1_000, signal) },
    { name: 'pauses', retry: twice, run: () => Promise.reject(declined) },
    { name: 'waits', concurrency: 1, run: (_, { signal }) => clock.sleep(1_000, signal) },
    { name: 'later', after: ['done', 'runs'], run: () => {} },
  ];
  const processor = new OrderProcessor({ steps, stalledAfterMs: 50 });
  const stalls: unknown[] = [];
  processor.on('stalled', (stall) => stalls.push(stall));
  const first = codeOf(processor.submit({ ...order, id: 'first', userId: 'v' }));
  const second = codeOf(processor.submit(order));
  await clock.advance(50);
  expect(stalls).toEqual(
    ['v', 'u'].map((userId) => ({
      orderId: userId === 'v' ? 'first' : 'a',
      userId,
      labels: [],
      runningMs: 50,
      steps: ['runs', 'pauses', 'waits'],
    })),
  );
  await clock.runAll();
  expect([await first, await second]).toEqual(['declined', 'declined']);
});

it('asks p-queue once for a run of one user’s orders and not once for each', async () => {
  const add = vi.spyOn(PQueue.prototype, 'add');
  // The library's slices of time end now and then, and it goes on in a new one.
  clock.msPerReading = 0.1;
  const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => Promise.resolve() }] });
  const settled = processor.submitMany(range(1_000).map(() => ({ userId: 'u', amount: 1 })));
  await clock.runAll();
  await settled;
  expect(add.mock.calls.length).toBeLessThan(30);
  add.mockRestore();
});
