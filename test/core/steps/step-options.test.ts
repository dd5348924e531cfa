import { OrderProcessor, type RetryOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { type Bad, expectThrows, noCounts, noTimeouts } from '../../kit/bad-values.ts';
import { errorOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

function make(options: object): OrderProcessor {
  return new OrderProcessor(options as never);
}

const step: Step = { name: 'payment', run() {} };

/** Steps of these names, each after those named. */
function graph(after: Readonly<Record<string, unknown>>): object {
  return { steps: Object.entries(after).map(([name, names]) => ({ ...step, name, after: names })) };
}

/** Every place where retry options may stand, as it is called in messages. */
const places: [string, (retry: unknown) => object][] = [
  ['retry', (retry) => ({ retry })],
  ['steps[0].retry', (retry) => ({ steps: [{ ...step, retry }] })],
  [
    'steps[1].compensation.retry',
    (retry) => ({
      steps: [
        { ...step, name: 'first' },
        { ...step, compensation: { retry } },
      ],
    }),
  ],
];

describe.each(places)('the option `%s`', (at, place) => {
  it.each<[string, readonly Bad[], string]>([
    ['attempts', noCounts, 'an integer from 1 up'],
    ['delayMs', noTimeouts, 'an integer from 1 to 2147483647'],
    ['maxDelayMs', noTimeouts, 'an integer from 1 to 2147483647'],
    [
      'factor',
      [
        [0, RangeError, '0'],
        [0.99, RangeError, '0.99'],
        [-2, RangeError, '-2'],
        [Number.NaN, RangeError, 'NaN'],
        [Number.POSITIVE_INFINITY, RangeError, 'Infinity'],
        ['2', TypeError, '"2"'],
        [2n, TypeError, '2n'],
        [null, TypeError, 'null'],
      ],
      'a number from 1 up',
    ],
    [
      'jitter',
      [
        [1, TypeError, '1'],
        ['yes', TypeError, '"yes"'],
        [null, TypeError, 'null'],
      ],
      'a boolean',
    ],
    [
      'retryIf',
      [
        [true, TypeError, 'true'],
        ['always', TypeError, '"always"'],
        [null, TypeError, 'null'],
      ],
      'a function',
    ],
  ])('refuses a bad `%s`', (name, values, form) => {
    for (const [value, kind, shown] of values) {
      const message = `Expected \`${at}.${name}\` to be ${form}, got \`${shown}\``;
      expectThrows(() => make(place({ [name]: value })), kind, message);
    }
  });

  it('refuses what is no object, and what is misspelt', () => {
    for (const [value, shown] of [
      [3, '3'],
      [null, 'null'],
      [true, 'true'],
    ] as const) {
      const message = `Expected \`${at} options\` to be an object, got \`${shown}\``;
      expectThrows(() => make(place(value)), TypeError, message);
    }
    const known = 'attempts, delayMs, factor, maxDelayMs, jitter, retryIf';
    const message = `Expected the options of ${at} to be among ${known}, got \`attempt\``;
    expectThrows(() => make(place({ attempt: 3 })), TypeError, message);
  });

  it('takes what is in range, and nothing at all', () => {
    const all: (RetryOptions | undefined)[] = [
      undefined,
      {},
      { attempts: 1, delayMs: 1, factor: 1, maxDelayMs: 1, jitter: false, retryIf: () => true },
      { attempts: Number.MAX_SAFE_INTEGER, delayMs: 2_147_483_647, factor: 1.5 },
      { maxDelayMs: 2_147_483_647, factor: Number.MAX_VALUE, jitter: true, retryIf: undefined },
    ];
    for (const retry of all) make(place(retry));
  });
});

describe('a step', () => {
  it('refuses a bad `concurrency`', () => {
    for (const [concurrency, kind, shown] of noCounts) {
      const message = `Expected \`steps[0].concurrency\` to be an integer from 1 up, got \`${shown}\``;
      expectThrows(() => make({ steps: [{ ...step, concurrency }] }), kind, message);
    }
    for (const concurrency of [1, Number.MAX_SAFE_INTEGER, undefined]) {
      make({ steps: [{ ...step, concurrency }] });
    }
  });

  it("refuses a bad `timeoutMs`, its own and its compensation's", () => {
    const form = 'an integer from 1 to 2147483647';
    for (const [timeoutMs, kind, shown] of noTimeouts) {
      expectThrows(
        () => make({ steps: [{ ...step, timeoutMs }] }),
        kind,
        `Expected \`steps[0].timeoutMs\` to be ${form}, got \`${shown}\``,
      );
      expectThrows(
        () => make({ steps: [{ ...step, compensation: { timeoutMs } }] }),
        kind,
        `Expected \`steps[0].compensation.timeoutMs\` to be ${form}, got \`${shown}\``,
      );
    }
    for (const timeoutMs of [1, 2_147_483_647, undefined]) {
      make({ steps: [{ ...step, timeoutMs, compensation: { timeoutMs } }] });
    }
  });

  it.each<[object, string]>([
    [{ compensate: true }, 'Expected `steps[0].compensate` to be a function, got `true`'],
    [{ compensate: null }, 'Expected `steps[0].compensate` to be a function, got `null`'],
    [{ compensation: 5 }, 'Expected `steps[0].compensation options` to be an object, got `5`'],
    [
      { compensation: null },
      'Expected `steps[0].compensation options` to be an object, got `null`',
    ],
    [
      { compensation: { attempts: 3 } },
      'Expected the options of steps[0].compensation to be among timeoutMs, retry, got `attempts`',
    ],
  ])('refuses %o', (fields, message) => {
    expectThrows(() => make({ steps: [{ ...step, ...fields }] }), TypeError, message);
  });

  it.each<[unknown, ErrorConstructor, string]>([
    ['vendor', RangeError, 'Expected `steps[0].after` to be names of other steps, got `"vendor"`'],
    ['', RangeError, 'Expected `steps[0].after` to be names of other steps, got `""`'],
    [
      ['payment', 'vendor'],
      RangeError,
      'Expected `steps[0].after` to be names of other steps, got `"vendor"`',
    ],
    [[5], TypeError, 'Expected `steps[0].after` to be names of other steps, got `5`'],
    [
      [undefined],
      TypeError,
      'Expected `steps[0].after` to be names of other steps, got `undefined`',
    ],
    [
      new Array(1),
      TypeError,
      'Expected `steps[0].after` to be names of other steps, got `undefined`',
    ],
    [5, TypeError, 'Expected `steps[0].after` to be a name or an array of names, got `5`'],
    [null, TypeError, 'Expected `steps[0].after` to be a name or an array of names, got `null`'],
    [{}, TypeError, 'Expected `steps[0].after` to be a name or an array of names, got `{}`'],
    [
      '__proto__',
      RangeError,
      'Expected `steps[0].after` to be names of other steps, got `"__proto__"`',
    ],
  ])('refuses to come after %o', (after, kind, message) => {
    expectThrows(() => make({ steps: [{ ...step, after }] }), kind, message);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ a: 'a' }, 'a → a'],
    [{ a: 'b', b: 'a' }, 'a → b → a'],
    [{ a: 'b', b: 'c', c: 'a' }, 'a → c → b → a'],
    [{ a: [], b: ['a', 'd'], c: ['b'], d: ['c'] }, 'b → c → d → b'],
    [{ a: ['b', 'c'], b: 'd', c: 'd', d: ['e'], e: 'd' }, 'd → e → d'],
  ])('refuses to come after itself: %o', (after, cycle) => {
    let thrown: unknown;
    try {
      make(graph(after));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RangeError);
    const [, named = ''] =
      /^Expected `steps` to have no cycle, got `(.*)`$/.exec((thrown as Error).message) ?? [];
    // Any place of a cycle may come first.
    const around = (text: string): string => {
      const names = text.split(' → ').slice(1);
      const first = names.indexOf(names.toSorted()[0] as string);
      return [...names.slice(first), ...names.slice(0, first)].join(' → ');
    };
    const length = named.split(' → ').length;
    expect([length, around(named)]).toEqual([cycle.split(' → ').length, around(cycle)]);
    expect(named.split(' → ').at(0)).toBe(named.split(' → ').at(-1));
    for (const [index, name] of named.split(' → ').entries()) {
      // Each comes after the one named before it.
      if (index === 0) continue;
      expect([after[name]].flat()).toContain(named.split(' → ')[index - 1]);
    }
  });

  it('may come after one declared later, after several, and after one twice', async () => {
    const log: string[] = [];
    const logging = (name: string, after: string | string[]): Step => ({
      name,
      after,
      run: () => void log.push(name),
    });
    const steps = [
      logging('last', ['right', 'left', 'right']),
      logging('left', 'first'),
      logging('right', ['first']),
      logging('first', []),
    ];
    await using processor = new OrderProcessor({ steps });
    await processor.submit({ userId: 'u', amount: 1 });
    expect(log).toEqual(['first', 'left', 'right', 'last']);
  });

  it('is not changed by a caller who changes its lists and limits afterwards', async () => {
    const log: string[] = [];
    const retry = { attempts: 2, delayMs: 1, retryIf: () => true };
    const after = ['first'];
    const steps = [
      { name: 'second', after, run: () => log.push('second') },
      {
        name: 'first',
        retry,
        run() {
          log.push('first');
          throw Object.assign(new Error('No'), { code: 'declined' });
        },
      },
    ];
    await using processor = new OrderProcessor({ steps });
    after.length = 0;
    retry.attempts = 1;
    retry.retryIf = () => false;
    const failed = errorOf(processor.submit({ userId: 'u', amount: 1 }));
    await clock.runAll();
    const error = await failed;
    expect(log).toEqual(['first', 'first']);
    expect(error.steps.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['skipped', 0],
      ['error', 2],
    ]);
  });

  it('runs `compensate` and `run` as methods of its own object', async () => {
    class Payment implements Step {
      readonly name = 'payment';
      readonly log: string[] = [];
      run(): void {
        this.log.push('run');
      }
      compensate(): void {
        this.log.push('compensate');
      }
    }
    const payment = new Payment();
    const fails: Step = {
      name: 'fails',
      after: 'payment',
      run() {
        throw new Error('No');
      },
    };
    await using processor = new OrderProcessor({ steps: [payment, fails] });
    await errorOf(processor.submit({ userId: 'u', amount: 1 }));
    await processor.onIdle();
    expect(payment.log).toEqual(['run', 'compensate']);
  });
});
