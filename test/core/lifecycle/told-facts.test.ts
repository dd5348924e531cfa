import {
  isOrderError,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  prioritize,
  type Rule,
  refuse,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf, range } from '../../kit/helpers.ts';
import { order, schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const ignore = (): void => {};
const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

it('invariant 5: an `idempotencyKey` is unlike any other, whatever ids and steps are called', async () => {
  const parts = ['a', 'b', 'a:b', 'b:c', 'a/b', 'a%3Ab', 'a%2Fb', '%3A', ':', '/', 'ä'];
  const names = [
    ...parts,
    ...parts.flatMap((part) => [`${part}:compensate`, `${part}/compensate`]),
  ];
  const keys: string[] = [];
  const steps = names.map((name): Step => {
    return {
      name,
      run: (_, { idempotencyKey }) => void keys.push(idempotencyKey),
      compensate: (_, { compensationKey }) => void keys.push(compensationKey),
    };
  });
  steps.push({ name: 'fails', run: () => Promise.reject({ code: 'declined' }) });
  const processor = new OrderProcessor({ steps });
  for (const id of [...names, ...names.map((name) => `a:${name}`)]) {
    const failed = codeOf(processor.submit({ ...order(id) }));
    await clock.runAll();
    expect(await failed).toMatch(/declined|order_conflict/);
  }
  const ids = new Set([...names, ...names.map((name) => `a:${name}`)]);
  expect(keys).toHaveLength(ids.size * names.length * 2);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toContain('a:b:b%3Ac');
  expect(keys).toContain('a:b:b%3Ac/compensate');
});

describe('an OrderError', () => {
  it.each([
    'NotSnake',
    '',
    '1st',
    '_a',
    'a-b',
    'a b',
    'a\n',
    'a'.repeat(65),
    undefined,
    null,
    5,
    {},
  ])('with the code %j is a TypeError', (code) => {
    expect(() => new OrderError(code as never, 'No')).toThrow(TypeError);
    expect(() => new OrderError(code as never, 'No')).toThrow('lower snake case');
  });

  it('takes any code that a step may give', () => {
    for (const code of ['a', 'card_declined_2', 'a'.repeat(64)]) {
      expect(new OrderError(code, 'No').code).toBe(code);
    }
  });
});

describe('`isOrderError`', () => {
  const traps = ['getPrototypeOf', 'get', 'has', 'getOwnPropertyDescriptor', 'ownKeys'] as const;
  const hostile = traps.map((trap) => new Proxy(new OrderError('x', 'X'), { [trap]: raise }));
  const throwing = Object.fromEntries(traps.map((trap) => [trap, raise]));
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  it('invariant 8: never throws, and says no to what does', () => {
    // What can be asked is one, though it is a proxy.
    const answers = hostile.map(isOrderError);
    expect(answers).toEqual([false, false, true, true, true]);
    expect(isOrderError(new Proxy(new OrderError('x', 'X'), throwing))).toBe(false);
    expect(isOrderError(revoked.proxy)).toBe(false);
  });

  it('invariant 8: nor does an order whose step throws one', async () => {
    for (const thrown of [...hostile, revoked.proxy]) {
      const processor = new OrderProcessor({
        steps: [{ name: 'x', run: () => Promise.reject(thrown) }],
      });
      const error = await errorOf(processor.submit(order('a')));
      expect(error).toMatchObject({ orderId: 'a', steps: [{ status: 'error' }] });
    }
  });
});

describe('a rule', () => {
  const messageOf = async (...rules: readonly unknown[]): Promise<string> => {
    const processor = new OrderProcessor({ rules: rules as Rule[] });
    const error = await errorOf(processor.submit(order('a')));
    expect(error.code).toBe('internal');
    return error.message;
  };

  it('that throws, and one that answers nonsense, are told apart, by place and name', async () => {
    const pass = (): void => {};
    const opening = (): unknown => ({ kind: 'accept' });
    const nonsense = await messageOf(pass, opening);
    const threw = await messageOf(pass, function opening() { raise(); }); // biome-ignore format: short
    expect(threw).toMatch(/^Rule 1\b.*\bopening\b.*\bthrew$/);
    expect(nonsense).toMatch(/^Rule 1\b.*\bopening\b.*\banswer\b/);
    expect(nonsense).not.toContain('threw');
    for (const message of [threw, nonsense]) expect(message).not.toContain('roken');
    // What is no refusal is an answer, though reading it throws.
    expect(await messageOf(pass, () => ({ kind: 'refuse', code: 'Not Snake' }))).toContain(
      'answer',
    );
    expect(await messageOf(pass, () => raise())).toBe('Rule 1 threw');
  });
});

describe('the labels of an order', () => {
  const rules: Rule[] = [() => prioritize('high', 'first'), () => prioritize('low', 'second')];
  const labels = ['first', 'second'];

  it('stand on `stepped`, `retried`, `stalled`, and on errors about its steps', async () => {
    const told: [string, readonly string[]][] = [];
    const undoes: Step = {
      name: 'undoes',
      run: ignore,
      compensation: { retry: { attempts: 2, delayMs: 5 } },
      compensate: () => Promise.reject(broken),
    };
    const fails: Step = {
      name: 'fails',
      after: 'undoes',
      retry: { attempts: 3, delayMs: 5, retryIf: (_, attempt) => attempt === 1 || raise() },
      timeoutMs: 100,
      async run(_, { attempt }) {
        await clock.sleep(50);
        if (attempt === 1) throw broken;
        await clock.sleep(500);
      },
    };
    const processor = new OrderProcessor({ rules, steps: [undoes, fails], stalledAfterMs: 100 });
    processor
      .on('stepped', ({ step, labels }) => told.push([`stepped ${step.name}`, labels]))
      .on('retried', ({ step, labels }) => told.push([`retried ${step}`, labels]))
      .on('stalled', ({ labels }) => told.push(['stalled', labels]))
      .on('error', ({ code, labels }) => told.push([code, labels]));
    const failed = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(await failed).toBe('timeout');
    expect(told.map(([what]) => what)).toEqual([
      'stepped undoes',
      'retried fails',
      'stalled',
      'internal',
      'stepped fails',
      'retried undoes',
      'stepped undoes',
      'compensation_failed',
    ]);
    for (const [what, its] of told) expect([what, its]).toEqual([what, labels]);
  });

  /** A processor that has room for one, which is taken. */
  const full = (more: OrderProcessorOptions = {}): OrderProcessor => {
    const processor = new OrderProcessor({ rules, capacity: 1, ...more });
    processor.pause();
    void codeOf(processor.submit({ ...order('first'), userId: 'v' }));
    return processor;
  };

  it('stand on `queue_full`, however the order came', async () => {
    const processor = full();
    const refused: OrderError[] = [];
    processor.on('refused', (error) => refused.push(error));
    const { signal } = new AbortController();
    await codeOf(processor.submit(order('a')));
    await codeOf(processor.submit(order('b'), { signal }));
    await codeOf(processor.enqueue(order('c')));
    await processor.submitMany([order('d')]);
    const facts = { code: 'queue_full', userId: 'u', labels, retryAfterMs: expect.any(Number) };
    expect(refused).toMatchObject(['a', 'b', 'c', 'd'].map((orderId) => ({ ...facts, orderId })));
  });

  it('stand on `canceled` of a caller that gave up: waiting for room, or for another caller', async () => {
    const processor = full({ overflow: 'wait' });
    const controller = new AbortController();
    const { signal } = controller;
    const waits = errorOf(processor.submit(order('a'), { signal }));
    const joins = errorOf(processor.submit({ ...order('first'), userId: 'v' }, { signal }));
    await clock.settle();
    controller.abort();
    expect(await waits).toMatchObject({ code: 'canceled', orderId: 'a', userId: 'u', labels });
    expect(await joins).toMatchObject({ code: 'canceled', orderId: 'first', userId: 'v', labels });
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 1 });
  });
});

describe('a submit whose signal has aborted before', () => {
  it.each<[string, OrderProcessorOptions]>([
    ['no rules', {}],
    ['rules', { rules: [() => refuse('never_asked')] }],
    ['a schema', { schema: schemaOf(raise) }],
    ['steps', { steps: [{ name: 'never', run: raise }] }],
  ])('invariant 8: is told whose it was, with %s', async (_, options) => {
    const processor = new OrderProcessor(options);
    const events = logOf(processor);
    const signal = AbortSignal.abort();
    const error = await errorOf(processor.submit(order('a'), { signal }));
    expect(error).toMatchObject({ code: 'canceled', orderId: 'a', userId: 'u', steps: [] });
    const unnamed = await errorOf(processor.submit({ userId: 'u', amount: 1 }, { signal }));
    expect(unnamed).toMatchObject({ code: 'canceled', userId: 'u' });
    expect(unnamed.orderId).toMatch(/^[0-9a-f-]{36}$/);
    expect(events).toEqual(['refused:a:canceled', `refused:${unnamed.orderId}:canceled`]);
    // What is no order at all is that first.
    expect(await codeOf(processor.submit({} as never, { signal }))).toBe('invalid_order');
  });
});

describe('a schema that answers with an object whose `then` throws', () => {
  it.each(range(2))(
    'invariant 8: when it is read for time %i, refuses with `internal`',
    async (times) => {
      for (const way of ['submit', 'enqueue'] as const) {
        let reads = 0;
        const answer = Object.defineProperty({ value: 1 }, 'then', {
          get() {
            reads += 1;
            return reads > times ? raise() : ignore;
          },
        });
        const schema = schemaOf((value) => (value === 'good' ? { value } : answer));
        const processor = new OrderProcessor({ schema });
        let submitted: Promise<unknown> | undefined;
        expect(() => {
          submitted = processor[way](order('a'));
        }).not.toThrow();
        const error = await errorOf(submitted as Promise<unknown>);
        const facts = { code: 'internal', message: 'The schema threw', orderId: 'a', userId: 'u' };
        expect(error).toMatchObject(facts);
        expect(error.cause).toBe(broken);
        const other = { ...order('b', 'good'), userId: 'v' };
        expect((await processor.submit(other)).balance).toBe(1);
        await processor.shutdown();
      }
    },
  );
});
