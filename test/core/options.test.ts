import { type BalanceStorage, MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { type Bad, expectThrows, noCounts, noTimeouts } from '../kit/bad-values.ts';

function make(options: object): OrderProcessor {
  return new OrderProcessor(options as never);
}

const step: Step = { name: 'payment', run: () => {} };

describe('an OrderProcessor', () => {
  it.each(['concurrency', 'capacity', 'capacityPerUser'])('refuses a bad `%s`', (name) => {
    for (const [value, kind, shown] of noCounts) {
      const message = `Expected \`${name}\` to be an integer from 1 up, got \`${shown}\``;
      expectThrows(() => make({ [name]: value }), kind, message);
    }
    for (const value of [1, Number.MAX_SAFE_INTEGER, undefined]) make({ [name]: value });
  });

  it.each(['timeoutMs', 'stalledAfterMs'])('refuses a bad `%s`', (name) => {
    for (const [value, kind, shown] of noTimeouts) {
      const message = `Expected \`${name}\` to be an integer from 1 to 2147483647, got \`${shown}\``;
      expectThrows(() => make({ [name]: value }), kind, message);
    }
    for (const value of [1, 2_147_483_647, undefined]) make({ [name]: value });
  });

  it.each<Bad>([
    [0.5, RangeError, '0.5'],
    [Number.NEGATIVE_INFINITY, RangeError, '-Infinity'],
    [-(2 ** 53), RangeError, '-9007199254740992'],
    ['0', TypeError, '"0"'],
    [null, TypeError, 'null'],
  ])('refuses %o as `minBalance`', (minBalance, kind, shown) => {
    const message = `Expected \`minBalance\` to be a safe integer, got \`${shown}\``;
    expectThrows(() => make({ minBalance }), kind, message);
  });

  it.each([0, -1_000, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, undefined])(
    'takes %o as `minBalance`',
    (minBalance) => {
      make({ minBalance });
    },
  );

  it.each<Bad>([
    ['drop', RangeError, '"drop"'],
    ['', RangeError, '""'],
    [null, RangeError, 'null'],
    [true, RangeError, 'true'],
  ])('refuses %o as `overflow`', (overflow, kind, shown) => {
    const message = `Expected \`overflow\` to be 'reject' or 'wait', got \`${shown}\``;
    expectThrows(() => make({ overflow }), kind, message);
  });

  it('refuses an unknown option and names the known ones', () => {
    const known =
      'storage, concurrency, capacity, capacityPerUser, overflow, rate, minBalance, timeoutMs, stalledAfterMs, schema, rules, steps, retry, onFailure';
    for (const name of ['concurency', 'timeout', '__proto__x', 'Storage']) {
      const message = `Expected the options of OrderProcessor to be among ${known}, got \`${name}\``;
      expectThrows(() => make({ [name]: undefined }), TypeError, message);
    }
  });

  it('refuses options that are no object', () => {
    for (const [options, shown] of [
      [null, 'null'],
      [16, '16'],
      ['fast', '"fast"'],
    ] as const) {
      const message = `Expected \`OrderProcessor options\` to be an object, got \`${shown}\``;
      expectThrows(() => make(options as never), TypeError, message);
    }
  });

  it('shortens what it shows of a value', () => {
    const overflow = 'x'.repeat(10_000);
    expect(() => make({ overflow })).toThrow(/^.{1,160}…`$/);
  });

  it.each<[unknown, string]>([
    [null, 'Expected `storage` to be an object, got `null`'],
    ['memory', 'Expected `storage` to be an object, got `"memory"`'],
    [MemoryStorage, /^Expected `storage` to be an object, got `\[class MemoryStorage\]`/ as never],
    [{}, 'Expected `storage.get` to be a function, got `undefined`'],
    [{ apply: () => [] }, 'Expected `storage.get` to be a function, got `undefined`'],
    [{ get: () => 0 }, 'Expected `storage.apply` to be a function, got `undefined`'],
    [{ get: () => 0, apply: 5 }, 'Expected `storage.apply` to be a function, got `5`'],
    [
      { get: () => 0, apply: () => [], accept: () => [], settle: () => [], find: () => undefined },
      'Expected `storage.remember` to be a function, got `undefined`',
    ],
  ])('refuses %o as `storage`', (storage, message) => {
    expect(() => make({ storage })).toThrow(TypeError);
    if (typeof message === 'string') {
      expectThrows(() => make({ storage }), TypeError, message);
    } else expect(() => make({ storage })).toThrow(message);
  });

  it('takes a storage whose methods are inherited', () => {
    class Own implements BalanceStorage {
      get = () => 0;
      apply() {
        return [];
      }
    }
    make({ storage: new Own() });
    make({ storage: new MemoryStorage() });
  });

  it.each<[unknown, ErrorConstructor, string]>([
    [
      step,
      TypeError,
      "Expected `steps` to be an array, got `{ name: 'payment', run: [Function: run] }`",
    ],
    [null, TypeError, 'Expected `steps` to be an array, got `null`'],
    [
      new Set([step]),
      TypeError,
      "Expected `steps` to be an array, got `Set(1) { { name: 'payment', run: [Function: run] } }`",
    ],
    [[null], TypeError, 'Expected `steps[0]` to be an object, got `null`'],
    [[step, 5], TypeError, 'Expected `steps[1]` to be an object, got `5`'],
    [new Array(1), TypeError, 'Expected `steps[0]` to be an object, got `undefined`'],
    [[{ name: 'a' }], TypeError, 'Expected `steps[0].run` to be a function, got `undefined`'],
    [[{ name: 'a', run: 1 }], TypeError, 'Expected `steps[0].run` to be a function, got `1`'],
    [
      [{ run() {} }],
      TypeError,
      'Expected `steps[0].name` to be a well-formed string of 1 to 256 characters, got `undefined`',
    ],
    [
      [{ name: '', run() {} }],
      TypeError,
      'Expected `steps[0].name` to be a well-formed string of 1 to 256 characters, got `""`',
    ],
    [
      [step, { ...step }],
      RangeError,
      'Expected `steps[1].name` to be unlike the other names, got `"payment"`',
    ],
    [
      [{ ...step, retries: 3 }],
      TypeError,
      'Expected the options of steps[0] to be among name, run, compensate, after, when, remember, concurrency, timeoutMs, retry, compensation, onFailure, got `retries`',
    ],
  ])('refuses %o as `steps`', (steps, kind, message) => {
    expectThrows(() => make({ steps }), kind, message);
  });

  it('is not changed by a caller who changes the options, the steps or a step afterwards', async () => {
    const log: string[] = [];
    const first = { name: 'first', run: () => log.push('first') };
    const options = { steps: [first], concurrency: 1, capacity: 10, minBalance: 0 };
    await using processor = new OrderProcessor(options);
    first.name = 'renamed';
    first.run = () => log.push('replaced');
    options.steps.push({ name: 'second', run: () => log.push('second') });
    options.capacity = 0;
    options.minBalance = 1_000;
    const { steps } = await processor.submit({ userId: 'u', amount: 1 });
    await processor.submit({ userId: 'u', amount: -1 });
    options.steps.length = 0;
    await processor.submit({ userId: 'u', amount: 1 });
    expect(log).toEqual(['first', 'first', 'first']);
    expect(steps.map(({ name, status }) => `${name} ${status}`)).toEqual(['first ok']);
  });

  it('runs a step as a method of its own object, which may be of a class with fields', async () => {
    class Payment implements Step {
      readonly name = 'payment';
      readonly charged: number[] = [];
      run({ amount }: { amount: number }): void {
        this.charged.push(amount);
      }
    }
    const payment = new Payment();
    await using processor = new OrderProcessor({ steps: [payment] });
    await processor.submit({ userId: 'u', amount: 7 });
    expect(payment.charged).toEqual([7]);
  });
});

describe('stats', () => {
  it('invariant 6: give the bounds, set or by default', () => {
    expect(new OrderProcessor().stats()).toMatchObject({ capacity: 10_000, concurrency: 16 });
    const options = { capacity: 3, concurrency: 2 };
    expect(new OrderProcessor(options).stats()).toMatchObject(options);
  });
});

describe('a MemoryStorage', () => {
  it('refuses bad options', () => {
    for (const [value, kind, shown] of noCounts.slice(1)) {
      const options = { retainSettled: value as number };
      const message = `Expected \`retainSettled\` to be an integer from 0 up, got \`${shown}\``;
      expectThrows(() => new MemoryStorage(options), kind, message);
    }
    const message =
      'Expected the options of MemoryStorage to be among retainSettled, retainBytes, got `limit`';
    expectThrows(() => new MemoryStorage({ limit: 1 } as never), TypeError, message);
    expectThrows(
      () => new MemoryStorage(null as never),
      TypeError,
      'Expected `MemoryStorage options` to be an object, got `null`',
    );
    for (const retainSettled of [0, 1, undefined]) new MemoryStorage({ retainSettled });
  });
});

describe('shutdown', () => {
  it('refuses bad options and goes on running', async () => {
    const processor = new OrderProcessor();
    for (const [timeoutMs, kind, shown] of noTimeouts) {
      const message = `Expected \`timeoutMs\` to be an integer from 1 to 2147483647, got \`${shown}\``;
      expectThrows(() => processor.shutdown({ timeoutMs } as never), kind, message);
    }
    const message = 'Expected the options of shutdown to be among timeoutMs, got `timeout`';
    expectThrows(() => processor.shutdown({ timeout: 5 } as never), TypeError, message);
    expect(processor.stats().state).toBe('running');
    await processor.submit({ userId: 'u', amount: 1 });
    expect(await processor.shutdown({ timeoutMs: 1_000 })).toMatchObject({ timedOut: false });
  });
});
