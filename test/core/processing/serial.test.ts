import { AsyncLocalStorage } from 'node:async_hooks';
import { MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, range, watch } from '../../kit/helpers.ts';
import { randomFrom } from '../../kit/random.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

describe('one user', () => {
  it('invariant 1: settles an order before one that a listener of its `started` event submits', async () => {
    const processor = new OrderProcessor();
    const settled: string[] = [];
    processor.once('started', () => void processor.submit({ id: 'b', userId: 'u', amount: 2 }));
    processor.on('completed', ({ orderId, balance }) => settled.push(`${orderId} ${balance}`));
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await clock.runAll();
    expect(settled).toEqual(['a 1', 'b 3']);
    await processor.shutdown();
  });

  it('invariant 1: processes in the order accepted, one at a time, with steps of any duration', async () => {
    const random = randomFrom(1);
    const log: string[] = [];
    const step: Step = {
      name: 'work',
      async run({ id }) {
        log.push(`begin ${id}`);
        await clock.sleep(random() * 50);
        log.push(`end ${id}`);
      },
    };
    const priorities = ['low', 'medium', 'high'] as const;
    const processor = new OrderProcessor({ steps: [step], concurrency: 8 });
    const orders = range(400).map((index) => {
      const priority = priorities[Math.floor(random() * 3)];
      return { id: `o-${index}`, userId: `u-${Math.floor(random() * 20)}`, amount: 1, priority };
    });
    const submitted = Promise.all(orders.map((order) => processor.submit(order)));
    await clock.runAll();
    await submitted;

    for (const user of range(20).map((index) => `u-${index}`)) {
      const own = new Set(orders.filter(({ userId }) => userId === user).map(({ id }) => id));
      const expected = [...own].flatMap((id) => [`begin ${id}`, `end ${id}`]);
      expect(log.filter((line) => own.has(line.slice(line.indexOf(' ') + 1)))).toEqual(expected);
    }
  });

  it('invariant 1: a failing order makes way only when all of its steps have ended', async () => {
    const gate = deferred();
    const log: string[] = [];
    const steps: Step[] = [
      {
        name: 'fails',
        run({ id }) {
          log.push(`fails ${id}`);
          throw Object.assign(new Error('No'), { code: 'declined' });
        },
      },
    ];
    steps.unshift({
      name: 'slow',
      async run({ id }) {
        log.push(`slow begins ${id}`);
        await gate.promise;
        log.push(`slow ends ${id}`);
      },
    });
    const processor = new OrderProcessor({ steps });
    const first = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    const second = codeOf(processor.submit({ id: 'b', userId: 'u', amount: 1 }));

    expect(await first).toBe('declined');
    await clock.settle();
    expect(log).toEqual(['slow begins a', 'fails a']);
    gate.resolve();
    expect(await second).toBe('declined');
    await clock.settle();
    expect(log.slice(2)).toEqual(['slow ends a', 'slow begins b', 'fails b', 'slow ends b']);
  });

  it.each(['timed out', 'canceled'])(
    'invariant 1: a %s order holds its user until its steps have ended',
    async (how) => {
      const gate = deferred();
      const steps: Step[] = [
        { name: 'deaf', run: ({ id }) => (id === 'a' ? gate.promise : undefined) },
      ];
      const processor = new OrderProcessor({ steps, timeoutMs: 100, stalledAfterMs: 10_000 });
      const log = logOf(processor);
      const first = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
      const second = processor.submit({ id: 'b', userId: 'u', amount: 1 });
      const other = processor.submit({ id: 'c', userId: 'v', amount: 1 });
      await other;
      if (how === 'canceled') expect(await processor.cancel('a')).toBe(true);
      await clock.advance(5_000);

      expect(await first).toBe(how === 'canceled' ? 'canceled' : 'timeout');
      expect(log).not.toContain('started:b');
      expect(await processor.order('b')).toMatchObject({ status: 'pending' });
      gate.resolve();
      await second;
      expect(log.indexOf('started:b')).toBeGreaterThan(
        log.findIndex((line) => /^(failed|canceled):a/.test(line)),
      );
      expect(await processor.balance('u')).toBe(1);
    },
  );
});

describe('steps that never end', () => {
  const never: Step = {
    name: 'never',
    run: ({ id }) => (id.startsWith('x') ? new Promise(() => {}) : 0),
  };

  it('invariant 1: raise `stalled` once, show in the stats, and give their worker back', async () => {
    const options = { steps: [never], concurrency: 1, timeoutMs: 100, stalledAfterMs: 50 };
    const processor = new OrderProcessor(options);
    const log = logOf(processor);
    const stalls: unknown[] = [];
    processor.on('stalled', (stall) => stalls.push(stall));
    const stuck = codeOf(processor.submit({ id: 'x', userId: 'u', amount: 1 }));
    const behind = watch(processor.submit({ id: 'b', userId: 'u', amount: 1 }));
    const other = watch(processor.submit({ id: 'c', userId: 'v', amount: 1 }));

    await clock.advance(149);
    expect(await stuck).toBe('timeout');
    expect(processor.stats()).toMatchObject({ stalled: 0, activeWorkers: 1, queueLength: 2 });
    expect(other.isSettled).toBe(false);
    await clock.advance(1);
    expect(stalls).toEqual([
      { orderId: 'x', userId: 'u', labels: [], runningMs: 150, steps: ['never'] },
    ]);
    expect(other.isSettled).toBe(true);
    expect(processor.stats()).toMatchObject({ stalled: 1, activeWorkers: 0, queueLength: 1 });
    await clock.advance(100_000);
    expect(log.filter((line) => line.startsWith('stalled'))).toEqual(['stalled:x']);
    expect(behind.isSettled).toBe(false);
  });

  it('invariant 1: raise `stalled` without `timeoutMs` too, counted from their beginning', async () => {
    const processor = new OrderProcessor({ steps: [never], stalledAfterMs: 50 });
    const log = logOf(processor);
    const stuck = codeOf(processor.submit({ id: 'x', userId: 'u', amount: 1 }));
    await clock.advance(49);
    expect(processor.stats().stalled).toBe(0);
    await clock.advance(1);
    expect(processor.stats()).toMatchObject({ stalled: 1, unsettled: 1 });
    expect(log.at(-1)).toBe('stalled:x');
    expect(await processor.cancel('x')).toBe(true);
    expect(await stuck).toBe('canceled');
    await clock.advance(100_000);
    expect(log.filter((line) => line.startsWith('stalled'))).toEqual(['stalled:x']);
    expect(processor.stats().activeWorkers).toBe(0);
  });

  it('invariant 1: end late all the same, and then let the next order of the user go', async () => {
    const gate = deferred();
    const late: Step = { name: 'late', run: ({ id }) => (id === 'x' ? gate.promise : undefined) };
    const processor = new OrderProcessor({ steps: [late], timeoutMs: 10, stalledAfterMs: 10 });
    processor.on('stalled', () => {});
    const stuck = codeOf(processor.submit({ id: 'x', userId: 'u', amount: 1 }));
    const behind = processor.submit({ id: 'b', userId: 'u', amount: 2 });
    await clock.advance(100);
    expect(processor.stats().stalled).toBe(1);
    gate.resolve();
    expect((await behind).balance).toBe(2);
    expect(await stuck).toBe('timeout');
    expect(processor.stats()).toMatchObject({ stalled: 0, activeWorkers: 0, unsettled: 0 });
  });
});

describe('submit inside a step of the same user', () => {
  it('invariant 4: runs after the step if it is not awaited', async () => {
    let inner: Promise<unknown> | undefined;
    const step: Step = {
      name: 'nests',
      async run({ id }) {
        if (id === 'outer') inner = processor.submit({ id: 'inner', userId: 'u', amount: 2 });
        await clock.sleep(10);
      },
    };
    const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
    const log = logOf(processor);
    const outer = processor.submit({ id: 'outer', userId: 'u', amount: 1 });
    await clock.runAll();
    expect((await outer).balance).toBe(1);
    expect(await inner).toMatchObject({ balance: 3 });
    expect(log.indexOf('started:inner')).toBeGreaterThan(log.indexOf('completed:outer'));
  });

  it('invariant 4: is a `deadlock` at once if it is awaited, and runs after the step', async () => {
    const step: Step = {
      name: 'nests',
      async run({ id }, { signal }) {
        if (id !== 'outer') return;
        const inner = processor.submit({ id: 'inner', userId: 'u', amount: 2 }, { signal });
        await inner;
      },
    };
    const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
    const outer = errorOf(processor.submit({ id: 'outer', userId: 'u', amount: 1 }));
    const cause = { code: 'deadlock', orderId: 'inner' };
    expect(await outer).toMatchObject({ code: 'internal', orderId: 'outer', cause });
    await processor.onIdle();
    // The signal of the step that has failed cancels it, as it would any other.
    expect(await processor.order('inner')).toMatchObject({ status: 'canceled' });
    expect(await processor.balance('u')).toBeUndefined();
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, queueLength: 0 });
  });

  it('invariant 4: raises `stalled` if it is awaited outside of the async context, and `cancel` ends it', async () => {
    let submit: () => Promise<unknown> = () => Promise.resolve();
    const step: Step = {
      name: 'nests',
      async run({ id }) {
        if (id !== 'outer') return;
        // In the async context of no step.
        await exitScope(() => submit().then(() => {}));
      },
    };
    const exitScope = AsyncLocalStorage.snapshot();
    const processor: OrderProcessor = new OrderProcessor({ steps: [step], stalledAfterMs: 1_000 });
    submit = () => processor.submit({ id: 'inner', userId: 'u', amount: 2 });
    const log = logOf(processor);
    const outer = codeOf(processor.submit({ id: 'outer', userId: 'u', amount: 1 }));
    await clock.advance(1_000);
    expect(log).toContain('stalled:outer');
    expect(await processor.cancel('inner')).toBe(true);
    // That another order was canceled is a failure of this one.
    expect(await outer).toBe('internal');
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, unsettled: 0, stalled: 0 });
  });
});

it('invariant 3: an order without steps goes the same way', async () => {
  const processor = new OrderProcessor({ storage: new MemoryStorage() });
  const receipts = await Promise.all(
    range(100).map((index) => processor.submit({ userId: 'u', amount: index })),
  );
  const sums = range(100).map((index) => (index * (index + 1)) / 2);
  expect(receipts.map(({ balance }) => balance)).toEqual(sums);
});
