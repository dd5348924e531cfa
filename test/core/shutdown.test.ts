import { MemoryStorage, OrderProcessor, type ShutdownSummary, type Step } from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, errorOf, range, watch } from '../kit/helpers.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const sleepsLong: Step = {
  name: 'sleeps',
  run: (_, { signal }) => clock.sleep(100_000, signal),
};
const never: Step = { name: 'never', run: () => new Promise(() => {}) };

describe('shutdown', () => {
  it('invariant 4: finishes what was accepted, refuses what comes, and counts', async () => {
    const storage = { ...memory(), close: vi.fn() };
    const processor = new OrderProcessor({ storage, steps: [sleeps], concurrency: 2 });
    await Promise.all([processor.submit({ userId: 'u', amount: 1 }), clock.advance(10)]);
    const submitted = range(9).map((index) =>
      codeOf(processor.submit({ id: `o-${index}`, userId: `u-${index % 3}`, amount: 1 })),
    );
    await clock.settle();
    void processor.cancel('o-8');
    const summaries: ShutdownSummary[] = [];
    processor.on('shutdown', (summary) => summaries.push(summary));
    const done = processor.shutdown();
    expect(processor.stats().state).toBe('draining');
    // Not a new order.
    const again = codeOf(processor.submit({ id: 'o-0', userId: 'u-0', amount: 1 }));
    for (const refused of [
      processor.submit({ userId: 'u', amount: 1 }),
      processor.enqueue({ userId: 'u', amount: 1 }),
    ]) {
      expect((await errorOf(refused)).code).toBe('shut_down');
    }
    expect(await processor.submitMany([{ userId: 'u', amount: 1 }])).toMatchObject([
      { status: 'refused', error: { code: 'shut_down' } },
    ]);
    expect(storage.close).not.toHaveBeenCalled();
    await clock.runAll();
    const summary = await done;
    expect(await again).toBe('completed');
    // Nine orders on two workers, one of them canceled, of 10 ms each.
    expect(summary).toEqual({
      completed: 8,
      failed: 0,
      canceled: 0,
      unsettled: [],
      running: [],
      kept: 0,
      timedOut: false,
      storageError: undefined,
      durationMs: 40,
    });
    expect(summaries).toEqual([summary]);
    expect(await Promise.all(submitted)).toEqual([...range(8).map(() => 'completed'), 'canceled']);
    expect(storage.close).toHaveBeenCalledTimes(1);
    expect(processor.stats()).toMatchObject({
      state: 'closed',
      unsettled: 0,
      completed: 9,
      canceled: 1,
    });
    expect(clock.timers).toBe(0);
  });

  it('invariant 4: called again gives the same promise, in every state', async () => {
    const close = vi.fn();
    const processor = new OrderProcessor({ storage: { ...memory(), close }, steps: [sleeps] });
    void processor.submit({ userId: 'u', amount: 1 });
    const first = processor.shutdown();
    expect(processor.shutdown({ timeoutMs: 60_000 })).toBe(first);
    await clock.runAll();
    expect((await first).completed).toBe(1);
    expect(processor.shutdown()).toBe(first);
    await processor[Symbol.asyncDispose]();
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('invariant 4: at the deadline aborts what runs and cancels what waits', async () => {
    const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(10_000, signal) };
    const processor = new OrderProcessor({ steps: [slow], concurrency: 2 });
    const codes = range(6).map((index) =>
      codeOf(processor.submit({ userId: `u-${index % 3}`, amount: 1 })),
    );
    const done = processor.shutdown({ timeoutMs: 50 });
    await clock.advance(49);
    expect(processor.stats().canceled).toBe(0);
    await clock.advance(1);
    expect(await Promise.all(codes)).toEqual(range(6).map(() => 'canceled'));
    expect(await done).toMatchObject({
      canceled: 6,
      timedOut: true,
      running: [],
      unsettled: [],
      durationMs: 50,
    });
    expect(clock.timers).toBe(0);
  });

  it('invariant 4: resolves although steps never end, and names their orders', async () => {
    const processor = new OrderProcessor({ steps: [never], concurrency: 2 });
    processor.on('stalled', () => {});
    const codes = range(3).map((index) =>
      codeOf(processor.submit({ id: `o-${index}`, userId: `u-${index}`, amount: 1 })),
    );
    const idle = watch(processor.onIdle());
    const done = processor.shutdown({ timeoutMs: 50 });
    await clock.advance(50);
    expect(await Promise.all(codes)).toEqual(['canceled', 'canceled', 'canceled']);
    await clock.advance(2_000);
    expect(await done).toMatchObject({
      canceled: 3,
      timedOut: true,
      running: ['o-0', 'o-1'],
      unsettled: [],
    });
    expect(idle.isSettled).toBe(true);
    expect(await processor.order('o-1')).toMatchObject({ status: 'canceled', code: 'canceled' });
  });

  it.each(['whole', 'a user'])('invariant 4: ends a pause of %s', async (what) => {
    const processor = new OrderProcessor();
    processor.pause(what === 'whole' ? undefined : 'u');
    const submitted = processor.submit({ userId: 'u', amount: 3 });
    await clock.settle();
    const done = processor.shutdown();
    processor.pause();
    processor.pause('u');
    await clock.runAll();
    expect((await submitted).balance).toBe(3);
    expect(await done).toMatchObject({ completed: 1, timedOut: false });
  });

  it('invariant 4: works from inside a listener', async () => {
    const processor = new OrderProcessor();
    let done: Promise<ShutdownSummary> | undefined;
    processor.once('completed', () => {
      done = processor.shutdown();
      void processor.submit({ userId: 'u', amount: 1 }).catch(() => {});
    });
    const codes = range(5).map(() => codeOf(processor.submit({ userId: 'u', amount: 1 })));
    await clock.runAll();
    expect((await done)?.timedOut).toBe(false);
    // The first went at once and shut the door behind it.
    expect(await Promise.all(codes)).toEqual(['completed', ...range(4).map(() => 'shut_down')]);
  });

  it('invariant 4: works from inside a step that does not await it', async () => {
    let done: Promise<ShutdownSummary> | undefined;
    const step: Step = {
      name: 'ends it all',
      async run() {
        done ??= processor.shutdown();
        await clock.sleep(5);
      },
    };
    const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
    processor.pause();
    const submitted = range(3).map(() => processor.submit({ userId: 'u', amount: 1 }));
    processor.resume();
    await clock.runAll();
    expect((await Promise.all(submitted)).at(-1)?.balance).toBe(3);
    expect(await done).toMatchObject({ completed: 3, timedOut: false, durationMs: 15 });
  });

  it('invariant 4: awaited inside a step it resolves after the deadline', async () => {
    let summary: ShutdownSummary | undefined;
    const step: Step = {
      name: 'waits for itself',
      async run() {
        summary = await processor.shutdown({ timeoutMs: 20 });
      },
    };
    const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.runAll();
    expect(await code).toBe('canceled');
    expect(summary).toMatchObject({ canceled: 1, timedOut: true, running: ['a'] });
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, unsettled: 0 });
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('No');
      },
    ],
    [
      'throws undefined',
      () => {
        throw undefined;
      },
    ],
    ['rejects', () => Promise.reject(new Error('No'))],
    ['never ends', () => new Promise<void>(() => {})],
  ])('invariant 4: resolves although `close` %s', async (_, close) => {
    const processor = new OrderProcessor({ storage: { ...memory(), close } });
    await processor.submit({ userId: 'u', amount: 1 });
    const done = processor.shutdown();
    await clock.runAll();
    expect((await done).storageError).toBeInstanceOf(Error);
    expect(processor.stats().state).toBe('closed');
  });

  it('invariant 4: `await using` drains', async () => {
    let submitted: Promise<unknown>;
    let stats: () => unknown;
    {
      await using processor = new OrderProcessor({
        steps: [{ name: 'turn', run: () => Promise.resolve() }],
      });
      submitted = processor.submit({ userId: 'u', amount: 1 });
      stats = () => processor.stats();
    }
    expect(await submitted).toMatchObject({ balance: 1 });
    expect(stats()).toMatchObject({ state: 'closed', completed: 1 });
  });

  it('invariant 10: `balance` and `order` go on answering afterwards', async () => {
    const processor = new OrderProcessor();
    await processor.submit({ id: 'a', userId: 'u', amount: 4 });
    await processor.shutdown();
    expect(await processor.balance('u')).toBe(4);
    expect(await processor.order('a')).toMatchObject({ status: 'completed', balance: 4 });
    expect(await processor.cancel('a')).toBe(false);
    await processor.onIdle();
  });

  it.each([
    { timeoutMs: 0 },
    { timeoutMs: 1.5 },
    { timeoutMs: '5' },
    { timeoutMs: 2 ** 31 },
    { timeout: 5 },
    null,
  ])('refuses the options %j, and stays open', async (options) => {
    const processor = new OrderProcessor();
    expect(() => processor.shutdown(options as never)).toThrow(/Expected/);
    expect((await processor.submit({ userId: 'u', amount: 1 })).balance).toBe(1);
    expect(processor.stats().state).toBe('running');
  });
});

/** A host's storage as small as can be. */
function memory() {
  const balances = new MemoryStorage();
  return {
    get: (userId: string) => balances.get(userId),
    apply: balances.apply.bind(balances),
  };
}

it('invariant 4: a later `shutdown` with less time brings the deadline forward, for both callers', async () => {
  const processor = new OrderProcessor({ steps: [sleepsLong] });
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
    const processor = new OrderProcessor({ steps: [sleepsLong] });
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
