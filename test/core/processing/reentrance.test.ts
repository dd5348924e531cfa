import {
  OrderError,
  type OrderOutcome,
  OrderProcessor,
  type Step,
  type StepContext,
} from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { codeOf, errorOf, logOf, range, watch } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

describe('a step that cancels its own order before it returns', () => {
  const no = new OrderError('declined', 'No');
  type Work = (context: StepContext, cancel: () => void) => unknown;
  const works: [string, Work][] = [
    ['and is done', (_, cancel) => cancel()],
    ['and throws', (_, cancel) => { cancel(); throw no; }], // biome-ignore format: short
    ['and rejects', async (_, cancel) => { cancel(); throw no; }], // biome-ignore format: short
    [
      'and then looks at its signal',
      async (context, cancel) => {
        cancel();
        context.signal.throwIfAborted();
        await clock.sleep(1_000, context.signal);
      },
    ],
    [
      'and has listened to its signal before',
      async ({ signal }, cancel) => {
        const slept = clock.sleep(1_000, signal);
        cancel();
        await slept;
      },
    ],
  ];
  const kinds: [string, Partial<Step>][] = [
    ['plain', {}],
    ['bounded', { concurrency: 1 }],
    ['limited in time', { timeoutMs: 500 }],
  ];
  const cases = kinds.flatMap(([kind, more]) =>
    works.map(([how, work]): [string, string, Partial<Step>, Work] => [kind, how, more, work]),
  );
  it.each(cases)(
    'invariant 3: %s, %s: is canceled, and not tried again',
    async (_kind, _how, more, work) => {
      for (const isQueued of [false, true]) {
        const log: string[] = [];
        const step: Step = {
          name: 'work',
          retry: { attempts: 3, delayMs: 10 },
          ...more,
          run({ id }, context) {
            log.push('run');
            return work(context, () => void processor.cancel(id));
          },
        };
        const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
        // Its listener must be called before the steps begin, so they begin later.
        if (isQueued) processor.on('accepted', () => {});
        processor.on('retried', () => log.push('retried'));
        processor.on('stepped', ({ step: { status } }) => log.push(status));
        const failed = errorOf(processor.submit(order));
        await clock.settle();
        expect(processor.stats()).toMatchObject({ canceled: 1, unsettled: 0, activeWorkers: 0 });
        expect(await failed).toMatchObject({ code: 'canceled', orderId: 'a' });
        const steps = [{ name: 'work', status: 'canceled', durationMs: 0, attempts: 1 }];
        expect(await processor.order('a')).toMatchObject({ status: 'canceled', steps });
        expect(log).toEqual(['run', 'canceled']);
      }
      expect(clock.timers).toBe(0);
    },
  );
});

it('invariant 1: a listener of `stalled` that cancels gives the steps time to end', async () => {
  const log: string[] = [];
  const charge: Step = {
    name: 'charge',
    run: () => {},
    compensate: () => void log.push(`${clock.now} undo`),
  };
  const slow: Step = {
    name: 'slow',
    async run(_, { signal }) {
      await clock.sleep(1_000, signal).catch(() => clock.sleep(10));
      log.push(`${clock.now} ended`);
    },
  };
  const processor = new OrderProcessor({ steps: [charge, slow], stalledAfterMs: 50 });
  processor.on('stalled', ({ orderId }) => void processor.cancel(orderId));
  processor.on('canceled', () => log.push(`${clock.now} canceled`));
  const failed = codeOf(processor.submit(order));
  await clock.runAll();
  expect(await failed).toBe('canceled');
  expect(log).toEqual(['60 ended', '60 undo', '60 canceled']);
});

it('invariant 4: a listener of `refused` may call `shutdown` while that refuses who waits', async () => {
  const close = vi.fn();
  const processor = new OrderProcessor({
    storage: {
      get: () => 0,
      apply: (all) => all.map(({ amount }) => ({ balance: amount })),
      close,
    },
    steps: [{ name: 'slow', run: () => clock.sleep(10) }],
    capacity: 1,
    overflow: 'wait',
  });
  const log = logOf(processor);
  const again: unknown[] = [];
  processor.on('refused', () => again.push(processor.shutdown({ timeoutMs: 60_000 })));
  const codes = range(3).map((at) => codeOf(processor.submit({ userId: `u-${at}`, amount: 1 })));
  await clock.settle();
  const done = processor.shutdown();
  await clock.runAll();
  expect(await Promise.all(codes)).toEqual(['completed', 'shut_down', 'shut_down']);
  expect(again.map((promise) => promise === done)).toEqual([true, true]);
  expect(await done).toMatchObject({ completed: 1, timedOut: false });
  expect(log.filter((line) => line === 'shutdown')).toHaveLength(1);
  expect(close).toHaveBeenCalledTimes(1);
});

describe("a schema that aborts its order's signal", () => {
  it.each([
    ['at once', (value: unknown) => ({ value })],
    ['later', async (value: unknown) => ({ value })],
    ['never', () => new Promise(() => {})],
  ])(
    'invariant 3: and answers %s: the caller hears `canceled`, nothing is accepted',
    async (...given) => {
      const [, answer] = given;
      const ran: string[] = [];
      for (const steps of [[], [{ name: 'work', run: ({ id }) => ran.push(id) } satisfies Step]]) {
        const controller = new AbortController();
        const { signal } = controller;
        const schema = schemaOf((value) => {
          controller.abort();
          return answer(value);
        });
        const processor = new OrderProcessor({ schema, steps });
        const log = logOf(processor);
        const heard = codeOf(processor.submit(order, { signal }));
        const isHeard = watch(heard);
        await clock.settle();
        expect(isHeard.isSettled).toBe(true);
        expect(await heard).toBe('canceled');
        expect(log).toEqual(['refused:a:canceled']);
        expect(await processor.order('a')).toBeUndefined();
        expect(processor.stats()).toMatchObject({ refused: 1, accepted: 0, waitingCallers: 0 });
      }
      expect(ran).toEqual([]);
    },
  );
});

describe('an order whose caller was notified before it was settled', () => {
  const steps: Step[] = [
    { name: 'charge', run: () => {}, compensate: () => clock.sleep(30) },
    { name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) },
  ];
  const known = ['ok', 'canceled'];
  const final = ['compensated', 'canceled'];
  const statusesOf = (outcomes: OrderOutcome[]) =>
    outcomes.map((outcome) =>
      outcome.status === 'failed' ? outcome.error.steps.map(({ status }) => status) : outcome,
    );

  it.each([
    ['without a signal', undefined],
    ['with a signal', { signal: new AbortController().signal }],
  ])('invariant 5: tells a duplicate %s the same, and at once', async (_, options) => {
    const processor = new OrderProcessor({ steps, stalledAfterMs: 500 });
    const first = errorOf(processor.submit(order));
    await clock.advance(10);
    expect(await processor.cancel('a')).toBe(true);
    const error = await first;
    expect(error.steps.map(({ status }) => status)).toEqual(known);
    const second = errorOf(processor.submit(order, options));
    const heard = watch(second);
    await clock.settle();
    expect(heard.isSettled).toBe(true);
    expect(await second).toBe(error);
    expect(processor.stats()).toMatchObject({ duplicates: 1, unsettled: 1, canceled: 0 });
    await clock.runAll();
  });

  it('invariant 10: lists and streams wait for its settlement, and say what became of it', async () => {
    const processor = new OrderProcessor({ steps, timeoutMs: 50 });
    const of = (userId: string) => ({ id: `of-${userId}`, userId, amount: 1 });
    const streamOf = async (userId: string): Promise<OrderOutcome[]> => {
      const outcomes: OrderOutcome[] = [];
      for await (const outcome of processor.submitStream([of(userId)])) outcomes.push(outcome);
      return outcomes;
    };
    const one = errorOf(processor.submit(of('u')));
    const waiting = [
      processor.submitMany([of('v')]),
      streamOf('w'),
      processor.submitMany([of('u')]),
      streamOf('u'),
    ];
    await clock.advance(50);
    const error = await one;
    expect(error).toMatchObject({ code: 'timeout' });
    expect(error.steps.map(({ status }) => status)).toEqual(known);
    // They come to an order whose callers have been notified already.
    waiting.push(processor.submitMany([of('u')]), streamOf('u'));
    const watched = waiting.map(watch);
    await clock.advance(29);
    expect(watched.map(({ isSettled }) => isSettled)).toEqual(watched.map(() => false));
    await clock.advance(1);
    expect(watched.map(({ isSettled }) => isSettled)).toEqual(watched.map(() => true));
    for (const outcomes of waiting) expect(statusesOf(await outcomes)).toEqual([final]);
  });
});

it('invariant 3: an order that a listener ends while it starts is run and settled once', async () => {
  const runs: string[] = [];
  const processor = new OrderProcessor({
    steps: [{ name: 'work', run: ({ id }) => void runs.push(id) }],
  });
  const settled: string[] = [];
  processor.on('completed', ({ orderId }) => settled.push(String(orderId)));
  processor.on('canceled', ({ orderId }) => settled.push(String(orderId)));
  processor.on('stepped', ({ orderId }) => {
    if (orderId === 'a') void processor.cancel('a');
  });
  let isFirst = true;
  let inner: Promise<unknown> | undefined;
  processor.on('stepped', () => {
    if (isFirst) inner = processor.submit({ id: 'b', userId: 'v', amount: 1 });
    isFirst = false;
  });
  await processor.submit({ id: 'a', userId: 'u', amount: 1 }).catch(() => {});
  await inner;
  await processor.onIdle();
  expect(runs.toSorted()).toEqual(['a', 'b']);
  expect(settled.toSorted()).toEqual(['a', 'b']);
  await processor.shutdown();
});
