import { setTimeout as sleep } from 'node:timers/promises';
import { isOrderError, OrderProcessor, type Step } from 'order-processor';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { deferred, errorOf, thenable } from '../../kit/helpers.ts';

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on('unhandledRejection', hear));
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off('unhandledRejection', hear);
  expect(unhandled.splice(0)).toEqual([]);
});

const frozen = Object.freeze(Object.assign(new Error('Frozen'), { code: 'frozen_solid' }));
const proxy = new Proxy(
  {},
  {
    get() {
      throw new Error('Do not touch');
    },
  },
);
const trap = (name: string): object =>
  Object.defineProperty(new Error('Trapped'), name, {
    get() {
      throw new Error('A getter that throws');
    },
  });

/** What is thrown, and the code that must come of it. */
const thrown: [name: string, value: unknown, code: string][] = [
  ['a string', 'oops', 'internal'],
  ['undefined', undefined, 'internal'],
  ['null', null, 'internal'],
  ['0', 0, 'internal'],
  ['a symbol', Symbol('s'), 'internal'],
  ['an error without a code', new Error('Bare'), 'internal'],
  ['a frozen error', frozen, 'frozen_solid'],
  ['an object with a code', { code: 'plain_object' }, 'plain_object'],
  ['an upper-case code', Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'internal'],
  ['a code with a hyphen', { code: 'not-snake' }, 'internal'],
  ['an empty code', { code: '' }, 'internal'],
  ['a code of number', { code: 404 }, 'internal'],
  ['a code far too long', { code: 'a'.repeat(10_000) }, 'internal'],
  ['a code with a line break', { code: 'declined\n' }, 'internal'],
  ['a getter of `code` that throws', trap('code'), 'internal'],
  [
    'a getter of `message` that throws',
    Object.assign(trap('message'), { code: 'no_message' }),
    'no_message',
  ],
  [
    'a getter of `stack` that throws',
    Object.assign(trap('stack'), { code: 'no_stack' }),
    'no_stack',
  ],
  ['a proxy that throws at every touch', proxy, 'internal'],
  ['a promise', Promise.resolve(1), 'internal'],
  ['an AbortError', new DOMException('Aborted', 'AbortError'), 'internal'],
];

for (const how of ['throws', 'rejects with'] as const) {
  it.each(thrown)(
    `invariant 8: a step that ${how} %s fails its order alone`,
    async (_, value, code) => {
      const step: Step = {
        name: 'hostile',
        run({ id }) {
          if (id !== 'hostile') return;
          if (how === 'throws') throw value;
          return Promise.reject(value);
        },
      };
      const processor = new OrderProcessor({ steps: [step] });
      const error = await errorOf(processor.submit({ id: 'hostile', userId: 'u', amount: 1 }));
      expect(error.code).toBe(code);
      expect(error.steps).toMatchObject([{ name: 'hostile', status: 'error', code }]);
      if (value !== undefined) expect(error.cause === value).toBe(true);
      else expect(error.cause).toBeInstanceOf(Error);
      if (code === 'internal') expect(error.message).not.toContain('oops');
      expect((await processor.submit({ userId: 'u', amount: 2 })).balance).toBe(2);
      expect(processor.stats()).toMatchObject({
        failed: 1,
        completed: 1,
        unsettled: 0,
        activeWorkers: 0,
      });
    },
  );
}

/** What is returned, and what the order comes to. */
const returned: [name: string, make: () => unknown, code: string][] = [
  [
    'calls back twice',
    () =>
      thenable((resolve) => {
        resolve(1);
        resolve(2);
      }),
    'completed',
  ],
  [
    'fulfills and then rejects',
    () =>
      thenable((resolve, reject) => {
        resolve(1);
        reject(new Error('x'));
      }),
    'completed',
  ],
  [
    'rejects and then fulfills',
    () =>
      thenable((resolve, reject) => {
        reject({ code: 'first' });
        resolve(1);
      }),
    'first',
  ],
  [
    'fulfills and then throws',
    () =>
      thenable((resolve) => {
        resolve(1);
        throw new Error('x');
      }),
    'completed',
  ],
  [
    'throws',
    () =>
      thenable(() => {
        throw { code: 'then_threw' };
      }),
    'then_threw',
  ],
  [
    'is a function',
    () =>
      thenable(
        (_, reject) => reject({ code: 'called' }),
        () => {},
      ),
    'called',
  ],
  [
    'has a getter of `then` that throws',
    () =>
      Object.defineProperty({}, 'then', {
        get() {
          throw { code: 'no_then' };
        },
      }),
    'no_then',
  ],
  [
    'fulfills with one that rejects',
    () => thenable((resolve) => resolve(Promise.reject({ code: 'nested' }))),
    'nested',
  ],
  ['fulfills late', () => thenable((resolve) => setImmediate(resolve)), 'completed'],
];

it.each(returned)('invariant 8: a step that returns a thenable that %s', async (_, make, code) => {
  const step: Step = { name: 'lies', run: ({ id }) => (id === 'a' ? make() : undefined) };
  const processor = new OrderProcessor({ steps: [step] });
  const outcomes: string[] = [];
  processor.on('completed', ({ orderId }) => outcomes.push(`${orderId} completed`));
  processor.on('failed', ({ orderId, code: why }) => outcomes.push(`${orderId} ${why}`));
  const first = processor.submit({ id: 'a', userId: 'u', amount: 1 }).catch(isOrderError);
  const second = await processor.submit({ id: 'b', userId: 'u', amount: 10 });
  await first;
  expect(outcomes).toEqual([`a ${code}`, 'b completed']);
  expect(second.balance).toBe(code === 'completed' ? 11 : 10);
  expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
});

it('invariant 8: a step cannot change its order, its results or its context', async () => {
  const step: Step = {
    name: 'meddles',
    run(order, context) {
      expect(() => Object.assign(order, { amount: 1_000_000 })).toThrow(TypeError);
      expect(() => Object.assign(context, { signal: undefined })).toThrow(TypeError);
    },
  };
  const processor = new OrderProcessor({ steps: [step] });
  expect((await processor.submit({ userId: 'u', amount: 1 })).balance).toBe(1);
});

it('invariant 8: a step is called with its own `this`', async () => {
  class Payment {
    readonly name = 'payment';
    charged = 0;
    run({ amount }: { amount: number }): void {
      this.charged += amount;
    }
  }
  const payment = new Payment();
  const processor = new OrderProcessor({ steps: [payment] });
  await processor.submit({ userId: 'u', amount: 3 });
  expect(payment.charged).toBe(3);
});

it('invariant 1: a step’s promise with a `then` of its own ends the step once', async () => {
  const gate = deferred();
  const lying = Promise.resolve();
  Object.defineProperty(lying, 'then', {
    value: (resolve: () => void) => {
      resolve();
      resolve();
      throw new Error('And then');
    },
  });
  const steps = [
    { name: 'lies', run: () => lying },
    { name: 'works', run: () => gate.promise },
  ];
  const processor = new OrderProcessor({ steps });
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  await sleep(5);
  expect(processor.stats()).toMatchObject({ unsettled: 1, activeWorkers: 1 });
  gate.resolve();
  expect((await submitted).steps.map(({ status }) => status)).toEqual(['ok', 'ok']);
});
