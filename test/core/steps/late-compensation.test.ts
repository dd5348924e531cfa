import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type BalanceStorage,
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type OrderRecord,
  type OrderStorage,
  type Step,
} from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { FailingMemory } from '../../kit/failing-memory.ts';
import { codeOf, deferred, errorOf, logOf, outcomeNow } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const declined = new OrderError('declined', 'Card declined');
const noRefund = new OrderError('no_refund', 'The bank is closed');
const never = () => new Promise<never>(() => {});
const ignore = (): void => {};

/** Is done at once, and can be compensated. */
function charge(more: Partial<Step> = {}): Step {
  return { name: 'charge', run: ignore, compensate: ignore, ...more };
}

/** Fails the order `a` at once. */
const fails: Step = {
  name: 'fails',
  run({ id }) {
    if (id === 'a') throw declined;
  },
};

describe('a compensation whose time was up, and that ends later', () => {
  it.each<[string, () => void, object]>([
    [
      'well',
      ignore,
      { status: 'compensated', compensation: { status: 'ok', durationMs: 80, attempts: 1 } },
    ],
    [
      'badly',
      () => { throw noRefund; }, // biome-ignore format: short
      { status: 'ok', compensation: { status: 'error', code: 'timeout', durationMs: 50 } },
    ],
  ])('%s, invariant 1: frees its order, user and worker at once', async (_, end, result) => {
    const slow = charge({
      compensation: { timeoutMs: 50 },
      compensate: () => clock.sleep(80).then(end),
    });
    const processor = new OrderProcessor({ steps: [slow, fails], concurrency: 1 });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    const behind = processor.submit({ ...order, id: 'b' });
    await clock.advance(79);
    expect(processor.stats()).toMatchObject({ failed: 0, activeWorkers: 1, queueLength: 1 });
    await clock.advance(1);
    expect((await outcomeNow(behind)) === 'pending').toBe(false);
    expect((await failed).steps).toMatchObject([result, { status: 'error' }]);
    expect(processor.stats()).toMatchObject({ stalled: 0, activeWorkers: 0, unsettled: 0 });
    await clock.runAll();
    expect(events.filter((line) => line.includes('stalled'))).toEqual([]);
    expect(clock.timers).toBe(0);
  });

  it.each<[string, () => OrderStorage]>([
    ['memory', () => new MemoryStorage()],
    ['a storage that keeps orders', () => new KeptStorage()],
  ])(
    'invariant 10: counts if it succeeds after its order was settled: the record in %s learns of it',
    async (_, storage) => {
      let calls = 0;
      const slow = charge({
        compensation: { timeoutMs: 50 },
        async compensate() {
          calls += 1;
          await clock.sleep(200);
        },
      });
      const options = { storage: storage(), steps: [slow, fails], stalledAfterMs: 20 };
      const processor = new OrderProcessor(options);
      await processor.ready;
      processor.on('stalled', ignore).on('error', ignore);
      const said: unknown[] = [];
      processor.on('stepped', ({ step }) => said.push(step.compensation?.status));
      const failed = errorOf(processor.submit(order));
      await clock.advance(100);
      const late = { name: 'charge', status: 'ok', compensation: { code: 'timeout', attempts: 1 } };
      expect((await failed).steps).toMatchObject([late, {}]);
      expect((await processor.order('a'))?.steps).toMatchObject([late, {}]);
      const again = processor.compensate('a');
      await clock.runAll();
      const compensation = { status: 'ok', durationMs: 200, attempts: 1 };
      const steps = [{ name: 'charge', status: 'compensated', compensation }, { status: 'error' }];
      expect((await again).steps).toMatchObject(steps);
      expect((await processor.order('a'))?.steps).toMatchObject(steps);
      expect(said).toEqual([undefined, undefined, 'error', 'ok']);
      expect(calls).toBe(1);
      await processor.shutdown();
    },
  );

  it('is final if what it throws in the end says so', async () => {
    const final = Object.assign(new Error('No'), { code: 'never_paid', retryable: false });
    let attempts = 0;
    const slow = charge({
      compensation: { timeoutMs: 50, retry: { attempts: 3, delayMs: 10 } },
      async compensate() {
        attempts += 1;
        await clock.sleep(80);
        throw final;
      },
    });
    const processor = new OrderProcessor({ steps: [slow, fails] });
    processor.on('error', ignore);
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    const compensation = { status: 'error', code: 'never_paid', attempts: 1, durationMs: 80 };
    expect((await failed).steps).toMatchObject([{ compensation }, {}]);
    expect(attempts).toBe(1);
  });
});

describe('no timer is left when shutdown resolves', () => {
  const diskFull = new Error('Disk full');
  it.each<[string, () => BalanceStorage]>([
    ['throws', () => new FailingMemory(() => { throw diskFull; })], // biome-ignore format: short
    ['rejects', () => new FailingMemory(() => Promise.reject(diskFull))],
    ['refuses', () => ({ get: () => 0, apply: () => [{ refused: 'balance_overflow' }] })],
  ])(
    'invariant 4: of an order with `timeoutMs` whose storage %s after steps that return at once',
    async (_, storage) => {
      for (const compensate of [ignore, () => clock.sleep(20)]) {
        const options: OrderProcessorOptions = {
          storage: storage(),
          steps: [charge({ compensate })],
          timeoutMs: 1_000,
        };
        const processor = new OrderProcessor(options);
        const events = logOf(processor);
        const failed = errorOf(processor.submit(order));
        const closed = processor.shutdown();
        await clock.advance(30);
        expect(await outcomeNow(closed)).toMatchObject({ failed: 1, timedOut: false });
        expect((await failed).steps).toMatchObject([{ status: 'compensated' }]);
        expect(clock.timers).toBe(0);
        await clock.runAll();
        expect(events.at(-1)).toBe('shutdown');
      }
    },
  );
});

describe('the async context of a compensation', () => {
  const caller = new AsyncLocalStorage<string>();

  it.each(['at once', 'from the queue'])(
    "invariant 8: is that of the order's own submit, not of whoever cancels; begun %s",
    async (how) => {
      const seen: unknown[] = [];
      const looks = charge({
        async compensate({ id }) {
          seen.push([id, caller.getStore()]);
          await clock.sleep(1);
          seen.push([id, caller.getStore()]);
        },
      });
      const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) };
      const processor = new OrderProcessor({ steps: [looks, slow] });
      if (how !== 'at once') processor.on('accepted', ignore);
      const codes = ['a', 'b'].map((id) =>
        caller.run(`caller of ${id}`, () =>
          codeOf(processor.submit({ id, userId: id, amount: 1 })),
        ),
      );
      await clock.advance(5);
      const canceled = caller.run('stranger', () => processor.cancel('a'));
      await clock.advance(5);
      expect(await canceled).toBe(true);
      const closed = caller.run('host', () => processor.shutdown({ timeoutMs: 10 }));
      await clock.runAll();
      await closed;
      expect(await Promise.all(codes)).toEqual(['canceled', 'canceled']);
      const twice = (id: string) => [1, 2].map(() => [id, `caller of ${id}`]);
      expect(seen).toEqual([...twice('a'), ...twice('b')]);
    },
  );

  it.each<[string, Partial<Step>]>([
    ['pauses', { retry: { attempts: 2, delayMs: 100 }, run: () => Promise.reject(declined) }],
    ['waits for a place', { concurrency: 1 }],
  ])('invariant 8: also where nothing runs: a step %s', async (_, more) => {
    const seen: unknown[] = [];
    const looks = charge({ compensate: () => void seen.push(caller.getStore()) });
    const slow: Step = { name: 'slow', run: () => clock.sleep(50), ...more };
    const processor = new OrderProcessor({ steps: [looks, slow] });
    void codeOf(processor.submit({ ...order, id: 'holds', userId: 'v' }));
    const code = caller.run('caller', () => codeOf(processor.submit(order)));
    await clock.advance(10);
    await caller.run('stranger', () => processor.cancel('a'));
    expect(await outcomeNow(code)).toBe('canceled');
    expect(seen).toEqual(['caller']);
    await clock.runAll();
  });
});

describe('a step that finishes after its order was settled', () => {
  const batched: BalanceStorage = {
    get: () => 0,
    apply: async (changes) => {
      await clock.sleep(200);
      return changes.map(({ amount }) => ({ balance: amount }));
    },
  };
  const compensated = { name: 'deaf', status: 'compensated', compensation: { status: 'ok' } };
  const broken = {
    name: 'deaf',
    status: 'ok',
    compensation: { status: 'error', code: 'no_refund', message: 'The bank is closed' },
  };

  it.each<[string, BalanceStorage | undefined, 'ok' | 'error']>([
    ['memory', undefined, 'ok'],
    ['memory', undefined, 'error'],
    ["the host's storage, under way,", batched, 'ok'],
    ["the host's storage, under way,", batched, 'error'],
  ])('invariant 10: the record in %s learns of its compensation: %#', async (_, storage, how) => {
    const gate = deferred();
    const deaf = charge({
      name: 'deaf',
      run: ({ id }) => (id === 'a' ? gate.promise : undefined),
      compensate: () => (how === 'ok' ? undefined : Promise.reject(noRefund)),
    });
    const processor = new OrderProcessor({ storage, steps: [deaf, fails], stalledAfterMs: 50 });
    processor.on('stalled', ignore).on('error', ignore);
    // With the host's storage this is with it while `a` is settled and amended.
    const other = processor.submit({ ...order, id: 'other', userId: 'v' });
    const failed = errorOf(processor.submit(order));
    await clock.advance(60);
    const known = async (): Promise<OrderRecord | undefined> => processor.order('a');
    expect((await known())?.steps).not.toMatchObject([{ compensation: {} }, {}]);
    gate.resolve();
    await clock.runAll();
    const expected = [how === 'ok' ? compensated : broken, { name: 'fails', status: 'error' }];
    expect(await known()).toMatchObject({ status: 'failed', code: 'declined', steps: expected });
    expect((await failed).code).toBe('declined');
    // A caller that comes again gets it too, and the other order is unchanged.
    expect((await errorOf(processor.submit(order))).steps).toMatchObject(expected);
    expect((await processor.order('other'))?.steps).toEqual((await other).steps);
    expect(processor.stats()).toMatchObject({ stalled: 0, unsettled: 0 });
  });
});

describe('at the deadline of shutdown', () => {
  it('invariant 10: a compensation that hangs keeps no other from being tried', async () => {
    const log: string[] = [];
    const step = (name: string, compensate: () => unknown, after?: string): Step =>
      charge({
        name,
        after,
        compensation: { timeoutMs: 1_000_000 },
        compensate() {
          log.push(`undo ${name}`);
          return compensate();
        },
      });
    const steps = [
      step('first', ignore),
      step('second', () => clock.sleep(100), 'first'),
      step('hangs', never, 'second'),
      step('last', ignore, 'hangs'),
      { ...fails, after: 'last' },
    ];
    const processor = new OrderProcessor({ steps });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    const closed = processor.shutdown({ timeoutMs: 10 });
    await clock.advance(20_000);
    expect(await outcomeNow(closed)).toMatchObject({ failed: 1, unsettled: [], running: ['a'] });
    expect(log).toEqual(['undo last', 'undo hangs', 'undo second', 'undo first']);
    expect((await failed).steps).toMatchObject([
      { status: 'compensated' },
      { status: 'compensated' },
      { status: 'ok', compensation: { status: 'error', code: 'shut_down' } },
      { status: 'compensated' },
      { status: 'error' },
    ]);
    expect(events.filter((line) => line.startsWith('error'))).toEqual([
      'error:a:compensation_failed',
    ]);
    expect(clock.timers).toBe(0);
  });
});

describe('`retryable` of an order whose compensation failed', () => {
  const undoes = charge({ compensate: () => Promise.reject(noRefund) });
  const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) };
  const throws = (retryable?: boolean): Step => ({
    name: 'throws',
    run: () => Promise.reject({ code: 'declined', retryable }),
  });
  const diskFull = new FailingMemory(() => Promise.reject('Disk full'), 1);

  it.each<[string, OrderProcessorOptions]>([
    ['declined', { steps: [undoes, throws()] }],
    ['declined', { steps: [undoes, throws(true)] }],
    ['timeout', { steps: [undoes, slow], timeoutMs: 50 }],
    ['canceled', { steps: [undoes, slow] }],
    ['storage_failed', { steps: [undoes], storage: diskFull }],
  ])('invariant 10: is false: %s, %#', async (code, options) => {
    const processor = new OrderProcessor(options);
    const settled: OrderError[] = [];
    processor.on('error', ignore);
    processor.on('failed', (error) => settled.push(error));
    processor.on('canceled', (error) => settled.push(error));
    const heard = codeOf(processor.submit(order));
    await clock.advance(10);
    if (code === 'canceled') void processor.cancel('a');
    await clock.runAll();
    expect(await heard).toBe(code);
    expect(settled.map((error) => [error.code, error.retryable])).toEqual([[code, false]]);
    expect(await processor.order('a')).toMatchObject({ code, retryable: false });
    expect((await errorOf(processor.submit(order))).retryable).toBe(false);
  });

  it.each([charge(), { name: 'charge', run: ignore }])(
    'is what it was where nothing was left undone: %#',
    async (step) => {
      const processor = new OrderProcessor({ steps: [step, fails] });
      expect(await errorOf(processor.submit(order))).toMatchObject({ retryable: true });
    },
  );
});

it('invariant 3: after the `shutdown` event nothing more is raised of an order, and a failed compensation is a warning', async () => {
  const warnings: string[] = [];
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation((text) => {
    warnings.push(String(text));
  });
  const gate = deferred();
  const slow = charge({
    run: () => gate.promise,
    compensate: () => {
      throw noRefund;
    },
  });
  const processor = new OrderProcessor({ steps: [slow] });
  const log: string[] = [];
  for (const name of ['stepped', 'retried', 'error', 'failed', 'canceled', 'shutdown'] as const) {
    processor.on(name, () => log.push(name));
  }
  const canceled = codeOf(processor.submit(order));
  await clock.settle();
  const closed = processor.shutdown({ timeoutMs: 1 });
  await clock.runAll();
  await closed;
  expect(await canceled).toBe('canceled');
  expect(log.at(-1)).toBe('shutdown');
  const atTheEnd = log.length;
  gate.resolve();
  await clock.runAll();
  expect(log.slice(atTheEnd)).toEqual([]);
  expect(warnings.join()).toContain('could not be compensated');
  // A call that comes after it is answered, and that is raised.
  processor.on('refused', ({ code }) => log.push(code));
  expect(await codeOf(processor.submit({ ...order, id: 'b' }))).toBe('shut_down');
  expect(log.at(-1)).toBe('shut_down');
  warn.mockRestore();
});
