import { mock } from 'node:test';
import { OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { run, useFolder } from '../../sqlite/helpers.ts';

const core = new URL('../../../src/index.ts', import.meta.url);
const files = useFolder();
afterEach(() => {
  vi.useRealTimers();
  mock.timers.reset();
});

const fakes: [string, () => void, (ms: number) => Promise<unknown>][] = [
  [
    'Vitest faking everything',
    () =>
      void vi.useFakeTimers({
        toFake: [
          'setTimeout',
          'clearTimeout',
          'setInterval',
          'clearInterval',
          'setImmediate',
          'clearImmediate',
          'Date',
          'performance',
        ],
      }),
    (ms) => vi.advanceTimersByTimeAsync(ms),
  ],
  [
    'node:test mocking timers',
    () => mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] }),
    async (ms) => mock.timers.tick(ms),
  ],
];

/** Holds the event loop for a real millisecond: longer than a slice, with a few orders. */
const holds: Step = {
  name: 'holds',
  run: () => {
    const end = process.hrtime.bigint() + 1_000_000n;
    while (process.hrtime.bigint() < end);
  },
};
const awaits: Step = { name: 'awaits', run: () => Promise.resolve() };

describe.each(fakes)('invariant 4: with %s', (_, fake, pass) => {
  it.each<[string, OrderProcessorOptions]>([
    ['steps that hold the event loop', { steps: [holds] }],
    ['steps that are asynchronous, and one worker', { steps: [awaits, holds], concurrency: 1 }],
    ['callers that wait for room', { steps: [awaits, holds], capacity: 2, overflow: 'wait' }],
    ['no steps', {}],
  ])('orders come to their outcome: %s', async (_name, options) => {
    fake();
    const processor = new OrderProcessor(options);
    for (const round of range(3)) {
      const codes = range(20).map((at) =>
        codeOf(processor.submit({ id: `o-${round}-${at}`, userId: `u-${at % 3}`, amount: 1 })),
      );
      expect(new Set(await Promise.all(codes))).toEqual(new Set(['completed']));
    }
    const many = range(20_000).map((at) => ({ userId: `u-${at % 3}`, amount: 1 }));
    if (options.steps === undefined) await processor.submitMany(many);
    expect((await processor.orders({ limit: 5 })).orders).toHaveLength(5);
    await processor.onIdle();
    await processor.shutdown();
  });

  it('orders on a file do', async () => {
    const storage = await files.open();
    fake();
    const processor = new OrderProcessor({ storage, steps: [awaits] });
    for (const at of range(5)) {
      await processor.enqueue({ id: `o-${at}`, userId: 'u', amount: 1 });
      await processor.outcome(`o-${at}`);
    }
    expect(await processor.balance('u')).toBe(5);
    await processor.shutdown();
  });

  it('time limits and pauses pass when the test says so', async () => {
    fake();
    const never: Step = {
      name: 'never',
      run: (_order, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    const late = new OrderProcessor({ steps: [never], timeoutMs: 60_000 });
    const started = new Promise((resolve) => late.once('started', resolve));
    const timedOut = codeOf(late.submit({ userId: 'u', amount: 1 }));
    // The limit counts from the beginning of the processing.
    await started;
    await pass(60_000);
    expect(await timedOut).toBe('timeout');
    await late.shutdown();

    const flaky: Step = {
      name: 'flaky',
      retry: { delayMs: 60_000 },
      run: (_order, { attempt }) => {
        if (attempt === 1) throw new Error('Flaky');
      },
    };
    const again = new OrderProcessor({ steps: [flaky] });
    // The pause begins when the first attempt has failed.
    const retried = new Promise((resolve) => again.once('retried', resolve));
    const completed = codeOf(again.submit({ userId: 'u', amount: 1 }));
    await retried;
    await pass(60_000);
    expect(await completed).toBe('completed');
    await again.shutdown();
  });
});

// In a process of its own: the runner's messages, which come meanwhile, need the functions that are taken away here.
it.each([
  ['with a step', "{ steps: [{ name: 'awaits', run: async () => {} }], concurrency: 1 }", true],
  ['without steps', '{}', true],
  // The thread of a file is Node's own to end, by `nextTick`.
  ['on a file', '{ storage: await SqliteStorage.open(path) }', false],
])(
  'invariant 4: orders %s come to their outcome where every function of time does nothing',
  async (_, options, isWithoutTicks) => {
    const { text } = await run(
      files.path(),
      `
      const { OrderProcessor } = await import(${JSON.stringify(core.href)});
      const processor = new OrderProcessor(${options});
      const { nextTick } = process;
      const { setTimeout, setImmediate, queueMicrotask } = globalThis;
      const nothing = () => {};
      Object.assign(globalThis, { setTimeout: nothing, setImmediate: nothing, queueMicrotask: nothing });
      performance.now = () => 0;
      if (${isWithoutTicks}) process.nextTick = nothing;
      const statuses = new Set();
      for (let round = 0; round < 3; round += 1) {
        const orders = Array.from({ length: 20 }, (_, at) => {
          return { id: round + '-' + at, userId: 'u-' + (at % 3), amount: 1 };
        });
        for (const { status } of await processor.submitMany(orders)) statuses.add(status);
      }
      Object.assign(globalThis, { setTimeout, setImmediate, queueMicrotask });
      process.nextTick = nextTick;
      await processor.shutdown();
      console.log([...statuses].join());`,
    );
    expect(text).toBe('completed\n');
  },
);
