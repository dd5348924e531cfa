import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const ignore = (): void => {};
const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

/** A promise of 7 with one own property that is a trap. */
function trapped(name: 'constructor' | 'then', get: () => unknown): Promise<number> {
  return Object.defineProperty(Promise.resolve(7), name, { get });
}

/** Gives an honest `then` so often, and then throws. */
function thenTimes(times: number): Promise<number> {
  let reads = 0;
  return trapped('then', () => {
    reads += 1;
    return reads > times ? raise() : Promise.prototype.then;
  });
}

const traps: [string, () => Promise<number>][] = [
  ['getter of `constructor` that throws', () => trapped('constructor', raise)],
  ['`constructor` that is no class', () => trapped('constructor', () => 5)],
  [
    '`constructor` whose species throws',
    () => trapped('constructor', () => Object.defineProperty({}, Symbol.species, { get: raise })),
  ],
  ['getter of `then` that throws', () => thenTimes(0)],
  ['getter of `then` that throws the second time', () => thenTimes(1)],
  ['getter of `then` that throws the third time', () => thenTimes(2)],
];
/** A step starts in another way where it has limits. */
const limits: [string, Partial<Step>][] = [
  ['a plain step', {}],
  ['a step with limits', { timeoutMs: 1_000, retry: { attempts: 2, delayMs: 5 }, concurrency: 1 }],
];

describe.each(limits)('%s', (_, more) => {
  it.each(traps)(
    'invariant 8: that returns a promise with a %s loses no worker, and hurts nobody',
    async (_name, make) => {
      for (const way of ['at once', 'from the queue']) {
        const step: Step = { name: 'lies', run: ({ id }) => (id === 'a' ? make() : 7), ...more };
        const processor = new OrderProcessor({ steps: [step], concurrency: 1 });
        processor.on('error', ({ message }) => expect(message).toBe('no error event'));
        if (way === 'from the queue') processor.on('accepted', ignore);
        const first = errorOf(processor.submit(order)).catch(() => undefined);
        const others = ['u', 'v', 'w'].map((userId) =>
          codeOf(processor.submit({ userId, amount: 1 })),
        );
        await clock.runAll();
        const error = await first;
        if (error !== undefined) expect(error).toMatchObject({ code: 'internal', orderId: 'a' });
        expect(await Promise.all(others)).toEqual(Array(3).fill('completed'));
        expect(processor.stats()).toMatchObject({
          completed: error === undefined ? 4 : 3,
          unsettled: 0,
          activeWorkers: 0,
        });
        await processor.shutdown();
        expect(clock.timers).toBe(0);
      }
    },
  );
});

it.each(traps)('invariant 8: a compensation that returns one with a %s, too', async (_, make) => {
  const undoes: Step = { name: 'undoes', run: ignore, compensate: make };
  const fails: Step = { name: 'fails', run: () => Promise.reject({ code: 'declined' }) };
  const processor = new OrderProcessor({ steps: [undoes, fails], concurrency: 1 });
  processor.on('error', ignore);
  const codes = ['u', 'v'].map((userId) => codeOf(processor.submit({ userId, amount: 1 })));
  await clock.runAll();
  expect(await Promise.all(codes)).toEqual(['declined', 'declined']);
  expect(processor.stats()).toMatchObject({ failed: 2, unsettled: 0, activeWorkers: 0 });
});

describe('a step that throws what only this processor says', () => {
  it.each(['storage_failed', 'compensation_failed'])(
    'invariant 5: `%s` is `internal`, remembered, and its steps do not run again',
    async (code) => {
      let runs = 0;
      // The error of another processor, most likely.
      const thrown = new OrderError(code, 'The other one failed', { orderId: 'other' });
      const step: Step = {
        name: 'asks another',
        run() {
          runs += 1;
          throw thrown;
        },
      };
      const processor = new OrderProcessor({ steps: [step] });
      const error = await errorOf(processor.submit(order));
      expect(error).toMatchObject({
        code: 'internal',
        retryable: false,
        orderId: 'a',
        steps: [{ status: 'error', code: 'internal', attempts: 1 }],
      });
      expect(error.cause).toBe(thrown);
      expect((await errorOf(processor.submit(order))).toJSON()).toEqual(error.toJSON());
      expect(await processor.order('a')).toMatchObject({ status: 'failed', code: 'internal' });
      expect([runs, processor.stats()]).toMatchObject([1, { accepted: 1, duplicates: 1 }]);
    },
  );
});

describe('a step that holds the event loop before it waits', () => {
  /** Holds it for 50 ms, and then takes 10 ms. */
  const blocks = (): Promise<void> => {
    clock.now += 50;
    return clock.sleep(10);
  };
  const slow = () => clock.sleep(10);

  it.each(limits)('is not charged to %s beside it, at the beginning or later', async (_, more) => {
    for (const after of [[], ['first']]) {
      const processor = new OrderProcessor({
        steps: [
          { name: 'first', run: () => (after.length > 0 ? slow() : undefined) },
          { ...more, name: 'blocks', after, run: blocks },
          { ...more, name: 'beside', after, run: slow },
          { ...more, name: 'at once', after, run: ignore },
        ],
      });
      const submitted = processor.submit(order);
      await clock.runAll();
      const took = (await submitted).steps.map(({ name, durationMs }) => [name, durationMs]);
      expect(took.slice(1)).toEqual([
        ['blocks', 60],
        ['beside', 10],
        ['at once', 0],
      ]);
    }
  });

  it('nor does it bring the time limit of the step beside it nearer', async () => {
    const beside: Step = { name: 'beside', timeoutMs: 20, run: slow };
    const processor = new OrderProcessor({ steps: [{ name: 'blocks', run: blocks }, beside] });
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('completed');
  });
});

describe('as many steps as there may be', () => {
  const chain = (length: number, more: Partial<Step> = {}): Step[] =>
    range(length).map((at) => ({
      name: `s${at}`,
      after: at === 0 ? [] : `s${at - 1}`,
      run: () => at,
      ...more,
    }));

  it('are 100, and one more is a RangeError', () => {
    expect(() => new OrderProcessor({ steps: chain(100) })).not.toThrow();
    const steps = chain(101);
    const message = 'Expected `steps.length` to be at most 100, got `101`';
    expect(() => new OrderProcessor({ steps })).toThrow(new RangeError(message));
  });

  it.each(['in its caller’s call', 'from the queue'])(
    'invariant 3: in a chain of steps that return at once, run %s and are compensated',
    async (way) => {
      const undone: string[] = [];
      const steps = chain(99).map((step): Step => {
        return { ...step, compensate: () => void undone.push(step.name) };
      });
      steps.push({
        name: 'last',
        after: 's98',
        run({ id }, { results }) {
          expect(results.s98).toBe(98);
          if (id === 'bad') throw { code: 'declined' };
        },
      });
      const processor = new OrderProcessor({ steps });
      if (way === 'from the queue') processor.on('accepted', ignore);
      expect((await processor.submit(order)).steps).toHaveLength(100);
      const error = await errorOf(processor.submit({ ...order, id: 'bad' }));
      expect(error.code).toBe('declined');
      expect(error.steps.map(({ status }) => status)).toEqual([
        ...Array(99).fill('compensated'),
        'error',
      ]);
      expect(undone).toEqual(range(99).map((at) => `s${98 - at}`));
    },
  );
});
