import { OrderProcessor, type Step, type StepContext } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows } from '../../kit/bad-values.ts';
import { codeOf, deferred, errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

function setting(name: string, amount: number, rest: Partial<Step> = {}): Step {
  return { name, run: (_, { setAmount }) => setAmount(amount), ...rest };
}

describe('`context.setAmount`', () => {
  it('invariant 3: what it says is settled, and both amounts stand everywhere', async () => {
    const processor = new OrderProcessor({ steps: [setting('meter', -640)] });
    const seen: unknown[] = [];
    processor.on('started', ({ amount, orderedAmount }) => seen.push([amount, orderedAmount]));
    processor.on('completed', ({ amount, orderedAmount }) => seen.push([amount, orderedAmount]));
    const receipt = await processor.submit({ id: 'a', userId: 'u', amount: -1_000 });
    expect(receipt).toMatchObject({ amount: -640, orderedAmount: -1_000, balance: -640 });
    expect(seen).toEqual([
      [-1_000, -1_000],
      [-640, -1_000],
    ]);
    const record = { amount: -640, orderedAmount: -1_000, balance: -640 };
    expect(await processor.order('a')).toMatchObject(record);
    expect((await processor.orders()).orders[0]).toMatchObject(record);
    expect(await processor.balance('u')).toBe(-640);
  });

  it('invariant 5: the id stands for what was ordered', async () => {
    const storage = new KeptStorage();
    for (const processor of [
      new OrderProcessor({ steps: [setting('meter', 6)] }),
      await open(storage, { steps: [setting('meter', 6)] }),
    ]) {
      const order = { id: 'a', userId: 'u', amount: 10 };
      const receipt = await processor.submit(order);
      expect(await processor.submit(order)).toEqual(receipt);
      expect(await codeOf(processor.submit({ ...order, amount: 6 }))).toBe('order_conflict');
      await processor.shutdown();
    }
  });

  it('an order without it settles what was ordered', async () => {
    const processor = new OrderProcessor({ steps: [{ name: 'a', run() {} }] });
    const receipt = await processor.submit({ userId: 'u', amount: 7 });
    expect(receipt).toMatchObject({ amount: 7, orderedAmount: 7 });
    const plain = await new OrderProcessor().submit({ userId: 'u', amount: 7 });
    expect(plain).toMatchObject({ amount: 7, orderedAmount: 7 });
  });

  it('the last call counts, of those in attempts that finished', async () => {
    const gates = [deferred(), deferred()];
    const steps: Step[] = [
      {
        name: 'retried',
        retry: { attempts: 2, delayMs: 1, jitter: false },
        run(_, { setAmount, attempt }) {
          if (attempt > 1) return;
          setAmount(1);
          throw new Error('Once');
        },
      },
      {
        name: 'twice',
        run: async (_, { setAmount }) => {
          setAmount(2);
          setAmount(3);
          await gates[0]?.promise;
        },
      },
      setting('between', 4),
    ];
    const processor = new OrderProcessor({ steps });
    const receipt = processor.submit({ userId: 'u', amount: 10 });
    await clock.advance(5);
    gates[0]?.resolve();
    await clock.runAll();
    expect((await receipt).amount).toBe(4);
    const failed = new OrderProcessor({ steps: steps.slice(0, 1) });
    const whole = failed.submit({ userId: 'u', amount: 10 });
    await clock.runAll();
    expect((await whole).amount).toBe(10);
  });

  it('nothing at all may be owed, and that is no debit', async () => {
    const processor = new OrderProcessor({ steps: [setting('free', -0)], minBalance: 0 });
    expect(await codeOf(processor.submit({ userId: 'u', amount: -5 }))).toBe('insufficient_funds');
    await processor.submit({ userId: 'u', amount: 0 });
    const rich = new OrderProcessor({ steps: [setting('free', -0)], minBalance: -5 });
    const receipt = await rich.submit({ userId: 'u', amount: -5 });
    expect(Object.is(receipt.amount, 0)).toBe(true);
    expect(receipt).toMatchObject({ orderedAmount: -5, balance: 0 });
  });

  it('invariant 3: what was ordered must be there before the steps run, and what is owed after them', async () => {
    const ran: number[] = [];
    const processor = new OrderProcessor({
      minBalance: 0,
      steps: [
        setting('meter', 0, {
          run({ amount }, { setAmount }) {
            ran.push(amount);
            setAmount(amount === 3 ? 3 : -1);
          },
        }),
      ],
    });
    await processor.submit({ userId: 'u', amount: 3 });
    expect(await codeOf(processor.submit({ userId: 'u', amount: -5 }))).toBe('insufficient_funds');
    expect(await processor.submit({ userId: 'u', amount: -2 })).toMatchObject({ balance: 2 });
    expect(ran).toEqual([3, -2]);
  });

  it('invariant 3: what the storage refuses or a step fails is recorded with what was ordered', async () => {
    const storage = new KeptStorage();
    const log: unknown[] = [];
    const processor = await open(storage, {
      minBalance: 0,
      steps: [
        {
          name: 'meter',
          run(given, { setAmount }) {
            setAmount(given.amount / 2);
            // Somebody else takes the money meanwhile.
            storage.disk.apply([
              { orderId: `other-${given.id}`, userId: 'u', amount: -8, minBalance: undefined },
            ]);
          },
          compensate: (given) => void log.push(given.amount),
        },
      ],
    });
    storage.disk.apply([{ orderId: 'start', userId: 'u', amount: 10, minBalance: undefined }]);
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: -10 }));
    await clock.runAll();
    expect((await failed).code).toBe('insufficient_funds');
    expect(log).toEqual([-10]);
    expect(await processor.order('a')).toMatchObject({ amount: -10, orderedAmount: -10 });
    await processor.shutdown();
  });

  it.each<[number, readonly (readonly [unknown, ErrorConstructor, string])[], string]>([
    [
      10,
      [
        [-1, RangeError, '-1'],
        [11, RangeError, '11'],
        [0.5, RangeError, '0.5'],
        [Number.NaN, RangeError, 'NaN'],
        ['5', TypeError, '"5"'],
        [5n, TypeError, '5n'],
        [undefined, TypeError, 'undefined'],
      ],
      '0 to 10',
    ],
    [
      -10,
      [
        [1, RangeError, '1'],
        [-11, RangeError, '-11'],
      ],
      '-10 to 0',
    ],
    [
      0,
      [
        [1, RangeError, '1'],
        [-1, RangeError, '-1'],
      ],
      '0 to 0',
    ],
  ])(
    'invariant 8: of %i, a wrong one throws in the step and changes nothing',
    async (amount, bad, range) => {
      const steps: Step[] = [
        {
          name: 'meter',
          run(_, { setAmount }) {
            for (const [value, kind, shown] of bad) {
              const message = `Expected \`amount\` to be an integer from ${range}, got \`${shown}\``;
              expectThrows(() => setAmount(value as never), kind, message);
            }
          },
        },
      ];
      const processor = new OrderProcessor({ steps });
      expect(await processor.submit({ userId: 'u', amount })).toMatchObject({ amount });
      const careless = new OrderProcessor({ steps: [setting('meter', 99)] });
      expect(await codeOf(careless.submit({ userId: 'u', amount }))).toBe('internal');
      expect(await careless.balance('u')).toBeUndefined();
    },
  );

  it('invariant 3: after the end of its attempt it throws, and changes nothing', async () => {
    const contexts: StepContext[] = [];
    const gate = deferred();
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'first',
          run: (_, context) => void contexts.push(context),
        },
        { name: 'second', after: 'first', run: () => gate.promise },
      ],
    });
    const receipt = processor.submit({ userId: 'u', amount: 10 });
    await clock.settle();
    const message = 'Expected `setAmount` to be called before its attempt has ended';
    expectThrows(() => contexts[0]?.setAmount(5), TypeError, message);
    gate.resolve();
    await clock.runAll();
    expect((await receipt).amount).toBe(10);
    expectThrows(() => contexts[0]?.setAmount(5), TypeError, message);
  });

  it('invariant 8: a step that was told to end may still call it, and keeps its result for the compensation', async () => {
    const results: unknown[] = [];
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'pay',
          run: (_, { signal, setAmount }) =>
            new Promise((resolve) =>
              signal.addEventListener('abort', () => {
                setAmount(1);
                resolve('c-1');
              }),
            ),
          compensate: (_, { result }) => void results.push(result),
        },
      ],
    });
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 10 }));
    await clock.settle();
    void processor.cancel('a');
    await clock.runAll();
    expect(await code).toBe('canceled');
    expect(results).toEqual(['c-1']);
    expect(await processor.order('a')).toMatchObject({ amount: 10, orderedAmount: 10 });
  });
});
