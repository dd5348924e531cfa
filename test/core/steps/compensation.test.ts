import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { deferred, errorOf, logOf, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

const declined = new OrderError('declined', 'Card declined');

/** Fails after so long. */
function failing(ms: number, more: Partial<Step> = {}): Step {
  return {
    name: 'fails',
    async run() {
      await clock.sleep(ms);
      throw declined;
    },
    ...more,
  };
}

/** Steps that can be compensated, and their log. */
function undoable() {
  const log: string[] = [];
  const make = (name: string, ms: number, more: Partial<Step> = {}): Step => ({
    name,
    run: (_, { signal }) => clock.sleep(ms, signal),
    async compensate({ id }) {
      log.push(`${clock.now} undo ${name} of ${id}`);
      await clock.sleep(5);
      log.push(`${clock.now} done`);
    },
    ...more,
  });
  return { log, make };
}

async function stepsOf(processor: OrderProcessor, id = 'a') {
  return (await processor.order(id))?.steps ?? [];
}

describe('what had finished when an order fails', () => {
  it('invariant 3: is compensated one by one, the last one finished first', async () => {
    const { log, make } = undoable();
    const steps = [
      make('slow', 20),
      make('quick', 5),
      make('at-once', 0, { run: () => {} }),
      make('middle', 10),
      make('unbegun', 0, { after: 'slower' }),
      { name: 'slower', run: (_, { signal }) => clock.sleep(500, signal) } satisfies Step,
      failing(30),
    ];
    const processor = new OrderProcessor({ steps });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect(log).toEqual([
      '30 undo slow of a',
      '35 done',
      '35 undo middle of a',
      '40 done',
      '40 undo quick of a',
      '45 done',
      '45 undo at-once of a',
      '50 done',
    ]);
    const error = await failed;
    expect(error.code).toBe('declined');
    const compensation = { status: 'ok', durationMs: 5, attempts: 1 };
    expect(error.steps).toMatchObject([
      { name: 'slow', status: 'compensated', durationMs: 20, attempts: 1, compensation },
      { name: 'quick', status: 'compensated', durationMs: 5, compensation },
      { name: 'at-once', status: 'compensated', durationMs: 0, compensation },
      { name: 'middle', status: 'compensated', durationMs: 10, compensation },
      { name: 'unbegun', status: 'skipped' },
      { name: 'slower', status: 'canceled' },
      { name: 'fails', status: 'error', code: 'declined' },
    ]);
    expect(await stepsOf(processor)).toEqual(error.steps);
  });

  it('invariant 3: stays if its step has no compensation, and if the order completed', async () => {
    const { log, make } = undoable();
    const plain: Step = { name: 'plain', run: () => {} };
    const steps = [make('charge', 5), plain, failing(10, { name: 'fails' })];
    const whole = new OrderProcessor({ steps: steps.slice(0, 2) });
    const receipt = whole.submit(order);
    const broken = new OrderProcessor({ steps: steps.slice(1) });
    const failed = errorOf(broken.submit(order));
    await clock.runAll();
    expect((await receipt).steps.map(({ status }) => status)).toEqual(['ok', 'ok']);
    expect((await failed).steps.map(({ status }) => status)).toEqual(['ok', 'error']);
    expect(log).toEqual([]);
  });

  it('invariant 1: holds its user, and the balance stays as it was', async () => {
    const { log, make } = undoable();
    const storage = new MemoryStorage();
    const steps = [make('charge', 5), failing(10)];
    const processor = new OrderProcessor({ steps, storage });
    storage.apply([{ orderId: 'opening', userId: 'u', amount: 70, minBalance: undefined }]);
    const events = logOf(processor);
    processor.on('stepped', ({ orderId, step }) =>
      events.push(`${orderId} ${step.name} ${step.status}`),
    );
    const failed = ['a', 'b'].map((id) => errorOf(processor.submit({ ...order, id })));
    await clock.runAll();
    await Promise.all(failed);
    expect(log).toEqual(['10 undo charge of a', '15 done', '25 undo charge of b', '30 done']);
    expect(events.slice(2, 7)).toEqual([
      'started:a',
      'a charge ok',
      'a fails error',
      'a charge compensated',
      'failed:a:declined',
    ]);
    expect(await processor.balance('u')).toBe(70);
    expect(processor.stats()).toMatchObject({ failed: 2, unsettled: 0, activeWorkers: 0 });
  });

  it('invariant 5: is compensated once, and duplicates get the same outcome', async () => {
    const { log, make } = undoable();
    const processor = new OrderProcessor({ steps: [make('charge', 5), failing(10)] });
    const failed = [1, 2].map(() => errorOf(processor.submit(order)));
    await clock.runAll();
    const [first, second] = await Promise.all(failed);
    const third = await errorOf(processor.submit(order));
    expect(log).toHaveLength(2);
    expect(second).toBe(first);
    expect(third).toMatchObject({ code: 'declined', steps: first?.steps });
    expect(third.steps).toMatchObject([{ status: 'compensated' }, { status: 'error' }]);
  });

  it('invariant 3: is compensated when the order is canceled or out of time; the caller is notified first', async () => {
    for (const how of ['canceled', 'timeout']) {
      const { log, make } = undoable();
      const timeoutMs = how === 'timeout' ? 30 : undefined;
      const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) };
      const steps = [make('charge', 5), slow];
      const processor = new OrderProcessor({ steps, timeoutMs });
      const start = clock.now;
      const failed = errorOf(processor.submit(order));
      await clock.advance(20);
      if (how === 'canceled') expect(await processor.cancel('a')).toBe(true);
      else await clock.advance(10);
      const error = await failed;
      expect(error.code).toBe(how);
      // What was known then; the record says what came of it.
      expect(error.steps.map(({ status }) => status)).toEqual(['ok', 'canceled']);
      expect(processor.stats()).toMatchObject({ unsettled: 1, activeWorkers: 1 });
      await clock.advance(5);
      expect(log).toEqual([
        `${start + (timeoutMs ?? 20)} undo charge of a`,
        `${start + (timeoutMs ?? 20) + 5} done`,
      ]);
      const known = await stepsOf(processor);
      expect(known.map(({ status }) => status)).toEqual(['compensated', 'canceled']);
      await clock.runAll();
    }
  });

  it('invariant 4: keeps the caller waiting no longer than the `timeoutMs` of the order', async () => {
    const { make } = undoable();
    const slow = make('charge', 5, { compensate: () => clock.sleep(1_000) });
    const processor = new OrderProcessor({ steps: [slow, failing(10)], timeoutMs: 50 });
    const failed = errorOf(processor.submit(order));
    const heard = watch(failed);
    await clock.advance(49);
    expect(heard.isSettled).toBe(false);
    await clock.advance(1);
    expect((await failed).code).toBe('declined');
    expect(processor.stats()).toMatchObject({ unsettled: 1, failed: 0 });
  });
});

describe('a step that finishes after its order failed', () => {
  it('invariant 1: is compensated too, and first, when all others have ended as well', async () => {
    const { log, make } = undoable();
    const deaf = make('deaf', 0, { run: () => clock.sleep(40) });
    const deafer: Step = { name: 'deafer', run: () => clock.sleep(60) };
    const processor = new OrderProcessor({ steps: [make('charge', 5), deaf, deafer, failing(10)] });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect(log).toEqual(['60 undo deaf of a', '65 done', '65 undo charge of a', '70 done']);
    const statuses = (await failed).steps.map(({ status }) => status);
    expect(statuses).toEqual(['compensated', 'compensated', 'canceled', 'error']);
  });

  it('invariant 1: and after it was settled, is compensated before the next order begins', async () => {
    const { log, make } = undoable();
    const gate = deferred();
    const deaf = make('deaf', 0, { run: ({ id }) => (id === 'a' ? gate.promise : undefined) });
    const fails = failing(10, {
      run: ({ id }) => {
        if (id === 'a') throw declined;
      },
    });
    const processor = new OrderProcessor({ steps: [deaf, fails], stalledAfterMs: 50 });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    const behind = watch(processor.submit({ ...order, id: 'b' }));
    await clock.advance(60);
    expect((await failed).code).toBe('declined');
    expect(events.slice(3)).toEqual(['stalled:a', 'failed:a:declined']);
    gate.resolve();
    await clock.advance(4);
    expect(log).toEqual(['60 undo deaf of a']);
    expect(behind.isSettled).toBe(false);
    await clock.advance(1);
    expect(log).toEqual(['60 undo deaf of a', '65 done']);
    expect(behind.isSettled).toBe(true);
    expect(processor.stats()).toMatchObject({ stalled: 0, unsettled: 0, activeWorkers: 0 });
  });
});

describe('a compensation', () => {
  it('invariant 8: gets what was done, why it is undone, the key of its step and one of its own', async () => {
    const seen = vi.fn();
    const charge: Step<unknown, { id: number }> = {
      name: 'charge',
      run: () => ({ id: 7 }),
      compensate(given, context) {
        const { error, signal, order: same, results, isFinished, result } = context;
        const { attempt, idempotencyKey, compensationKey } = context;
        seen(isFinished, result, error.code, error.message, error.orderId, results);
        seen(attempt, idempotencyKey, compensationKey);
        expect(same).toBe(given);
        expect(signal.aborted).toBe(false);
      },
    };
    const first: Step = { name: 'first', run: () => 1 };
    const steps = [first, { ...charge, after: 'first' } as Step, failing(10)];
    const processor = new OrderProcessor({ steps });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).steps[1]?.status).toBe('compensated');
    expect(seen.mock.calls).toEqual([
      [true, { id: 7 }, 'declined', 'Card declined', 'a', { first: 1 }],
      [1, 'a:charge', 'a:charge/compensate'],
    ]);
  });

  it('invariant 3: is tried again as `compensation.retry` says, else as the step is', async () => {
    const retry = { attempts: 3, delayMs: 10, factor: 1, jitter: false };
    const ofStep = { retry };
    const own = { retry: { attempts: 1 }, compensation: { retry: { ...retry, attempts: 4 } } };
    for (const [limits, attempts] of [
      [ofStep, 3],
      [own, 4],
      [{}, 1],
    ] as const) {
      const keys: string[] = [];
      const charge: Step = {
        name: 'charge',
        ...limits,
        run: () => {},
        compensate(_, { attempt, compensationKey }) {
          keys.push(compensationKey);
          if (attempt < attempts) throw new Error('Flaky');
        },
      };
      const processor = new OrderProcessor({ steps: [charge, failing(10)] });
      const retried: unknown[] = [];
      processor.on('retried', ({ isCompensation, step }) => retried.push([step, isCompensation]));
      const failed = errorOf(processor.submit(order));
      await clock.runAll();
      expect(retried).toEqual(new Array(attempts - 1).fill(['charge', true]));
      const compensation = { status: 'ok', attempts, durationMs: (attempts - 1) * 10 };
      expect((await failed).steps[0]).toMatchObject({ status: 'compensated', compensation });
      expect(keys).toEqual(new Array(attempts).fill('a:charge/compensate'));
    }
  });

  it('invariant 2: frees the worker in its pauses, and holds the user', async () => {
    const charge: Step = {
      name: 'charge',
      compensation: { retry: { attempts: 2, delayMs: 100, jitter: false } },
      run: () => {},
      compensate(_, { attempt }) {
        if (attempt === 1) throw new Error('Flaky');
      },
    };
    const fails = failing(10, {
      run: ({ id }) => {
        if (id === 'a') throw declined;
      },
    });
    const processor = new OrderProcessor({ steps: [charge, fails], concurrency: 1 });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    const rest = [
      processor.submit({ ...order, id: 'b' }),
      processor.submit({ ...order, id: 'c', userId: 'v' }),
    ];
    await clock.advance(99);
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, unsettled: 2, completed: 1 });
    await clock.runAll();
    await Promise.all(rest);
    expect((await failed).code).toBe('declined');
    const started = events.filter((line) => line.startsWith('started'));
    expect(started).toEqual(['started:a', 'started:c', 'started:b']);
  });
});
