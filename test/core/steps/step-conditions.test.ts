import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows } from '../../kit/bad-values.ts';
import { deferred, errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

function logged(log: string[], name: string, rest: Partial<Step> = {}): Step {
  return { name, run: () => void log.push(name), ...rest };
}

describe('`when`', () => {
  it('invariant 3: a step that the order does not need is skipped, and those after it go on', async () => {
    const log: string[] = [];
    const seen: unknown[] = [];
    const steps = [
      logged(log, 'last', {
        after: 'middle',
        run: (_, { results }) => void seen.push(results),
      }),
      logged(log, 'first', { run: () => 'one' }),
      logged(log, 'middle', { after: 'first', when: ({ amount }) => amount > 5, run: () => 'two' }),
    ];
    const processor = new OrderProcessor({ steps });
    const stepped: string[] = [];
    processor.on('stepped', ({ step }) => stepped.push(step.name));
    const receipts = [1, 6].map((amount) => processor.submit({ userId: 'u', amount }));
    await clock.runAll();
    const [small, large] = await Promise.all(receipts);
    const ok = { status: 'ok', durationMs: 0, attempts: 1 };
    expect(small?.steps).toEqual([
      { name: 'last', ...ok },
      { name: 'first', ...ok },
      { name: 'middle', status: 'skipped', durationMs: 0, attempts: 0 },
    ]);
    expect(large?.steps.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok']);
    expect(seen).toEqual([{ first: 'one' }, { first: 'one', middle: 'two' }]);
    expect(stepped).toEqual(['first', 'last', 'first', 'middle', 'last']);
  });

  it('invariant 4: an order that needs none of its steps completes', async () => {
    const steps = ['a', 'b', 'c'].map((name, at) =>
      logged([], name, { when: () => false, after: ['a', 'b'].slice(0, at) }),
    );
    const processor = new OrderProcessor({ steps, concurrency: 1 });
    const receipts = [1, 2].map((amount) => processor.submit({ userId: 'u', amount }));
    await clock.runAll();
    const statuses = (await Promise.all(receipts)).map(({ steps }) => steps.map((s) => s.status));
    expect(statuses).toEqual([
      ['skipped', 'skipped', 'skipped'],
      ['skipped', 'skipped', 'skipped'],
    ]);
  });

  it('invariant 3: is asked once, when the step would begin, and not of a step that waits for its permit', async () => {
    const log: string[] = [];
    const gate = deferred();
    const needed: Step = {
      name: 'needed',
      after: 'before',
      concurrency: 1,
      when: ({ id }) => log.push(`when ${id}`) > 0,
      run: ({ id }) => {
        log.push(`run ${id}`);
        return gate.promise;
      },
    };
    const before = logged(log, 'before');
    const processor = new OrderProcessor({ steps: [before, needed] });
    const receipts = ['x', 'y'].map((id) => processor.submit({ id, userId: id, amount: 1 }));
    await clock.settle();
    expect(log).toEqual(['before', 'when x', 'run x', 'before', 'when y']);
    gate.resolve();
    await clock.runAll();
    await Promise.all(receipts);
    expect(log.slice(5)).toEqual(['run y']);
  });

  it('invariant 3: a step that was skipped is not compensated, and gives up nothing of the others', async () => {
    const log: string[] = [];
    const undo = (name: string) => ({ compensate: () => void log.push(`undo ${name}`) });
    const steps: Step[] = [
      { ...logged(log, 'paid'), ...undo('paid') },
      { ...logged(log, 'skipped', { when: () => false, after: 'paid' }), ...undo('skipped') },
      {
        name: 'fails',
        after: 'skipped',
        run: () => Promise.reject(new OrderError('closed', 'Closed')),
      },
    ];
    const processor = new OrderProcessor({ steps });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).steps.map(({ status }) => status)).toEqual([
      'compensated',
      'skipped',
      'error',
    ]);
    expect(log).toEqual(['paid', 'undo paid']);
  });

  it('invariant 9: a step that the order does not need is not compensated after a restart either', async () => {
    const log: string[] = [];
    const steps: Step[] = [
      { name: 'pay', run: () => deferred().promise, compensate: () => void log.push('undo pay') },
      {
        ...logged(log, 'gift', { when: () => false }),
        compensate: () => void log.push('undo gift'),
      },
    ];
    const storage = new KeptStorage();
    const killed = await open(storage, { steps });
    await killed.enqueue(order);
    await clock.settle();
    storage.cut();
    const after = (at: number): Step[] =>
      steps.map((step, place) => (place < at ? { ...step, after: 'fails' } : step));
    const fails: Step = { name: 'fails', run: () => Promise.reject({ code: 'closed' }) };
    const processor = await open(new KeptStorage(storage.disk), { steps: [fails, ...after(2)] });
    await processor.onIdle();
    expect(log).toEqual(['undo pay']);
    await processor.shutdown();
  });

  it.each<[string, (() => unknown) | (() => never), string]>([
    [
      'throws',
      () => {
        throw new Error('No idea');
      },
      '`when` of step `asks` threw an error',
    ],
    [
      'throws undefined',
      () => {
        throw undefined;
      },
      '`when` of step `asks` threw an error',
    ],
    [
      'answers with a promise',
      () => Promise.resolve(true),
      '`when` of step `asks` gave no boolean',
    ],
    [
      'answers with a promise that rejects',
      () => Promise.reject(new Error('late')),
      '`when` of step `asks` gave no boolean',
    ],
    ['answers with undefined', () => undefined, '`when` of step `asks` gave no boolean'],
    ['answers with a word', () => 'yes', '`when` of step `asks` gave no boolean'],
  ])(
    'invariant 8: an order whose `when` %s fails with `internal`, and the others go on',
    async (_, when, message) => {
      const log: string[] = [];
      const steps = [
        { ...logged(log, 'paid'), compensate: () => void log.push('undo') },
        logged(log, 'asks', {
          after: 'paid',
          when: (given) => (given.id === 'a' ? (when() as boolean) : true),
        }),
      ];
      const processor = new OrderProcessor({ steps, retry: { attempts: 3 } });
      const failed = errorOf(processor.submit(order));
      const other = processor.submit({ userId: 'u', amount: 1 });
      await clock.runAll();
      const error = await failed;
      // Clients see the message; what is wrong in the host's code is for the host.
      expect(error).toMatchObject({
        ...{ code: 'internal', message: 'Something went wrong', retryable: false },
        cause: expect.objectContaining({ message, cause: expect.any(Error) }),
      });
      expect(error.steps).toMatchObject([
        { status: 'compensated' },
        { status: 'error', code: 'internal', attempts: 0, durationMs: 0 },
      ]);
      expect(log).toEqual(['paid', 'undo', 'paid', 'asks']);
      expect(await other).toMatchObject({ status: 'completed' });
    },
  );

  it('invariant 8: a `when` that cancels its order ends it, with every answer', async () => {
    const answers = [true, false];
    const log: string[] = [];
    const processor: OrderProcessor = new OrderProcessor({
      steps: [
        logged(log, 'asks', {
          when({ id }) {
            void processor.cancel(id);
            return answers.shift() as boolean;
          },
        }),
      ],
    });
    const failed = [1, 2].map((amount) => errorOf(processor.submit({ userId: 'u', amount })));
    await clock.runAll();
    expect((await Promise.all(failed)).map(({ code }) => code)).toEqual(['canceled', 'canceled']);
    expect(log).toEqual([]);
  });

  it('has the `this` of its step, and must be a function', () => {
    class Gift implements Step {
      readonly name = 'gift';
      readonly #least = 5;
      when({ amount }: { amount: number }): boolean {
        return amount >= this.#least;
      }
      run(): void {}
    }
    new OrderProcessor({ steps: [new Gift()] });
    for (const [when, shown] of [
      [true, 'true'],
      ['always', '"always"'],
      [null, 'null'],
    ] as const) {
      const message = `Expected \`steps[0].when\` to be a function, got \`${shown}\``;
      const steps = [{ name: 'a', run() {}, when: when as never }];
      expectThrows(() => new OrderProcessor({ steps }), TypeError, message);
    }
  });
});
