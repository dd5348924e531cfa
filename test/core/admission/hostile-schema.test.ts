import { type OrderOutcome, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf, range } from '../../kit/helpers.ts';
import { order, schemaOf, wordOf } from '../../kit/schemas.ts';

describe('a schema that misbehaves', () => {
  const cause = new Error('broken');
  const late = (answer: () => unknown) => async () => answer();
  const raise = (thrown: unknown) => () => {
    throw thrown;
  };
  const bad: [string, () => unknown, unknown][] = [
    ['throws', raise(cause), cause],
    ['throws a string', raise('broken'), 'broken'],
    ['throws undefined', raise(undefined), expect.any(Error)],
    ['answers undefined', () => undefined, expect.any(TypeError)],
    ['answers null', () => null, expect.any(TypeError)],
    ['answers a number', () => 5, expect.any(TypeError)],
    ['answers nothing', () => ({}), expect.any(TypeError)],
    ['answers issues that are no list', () => ({ issues: 5n }), expect.any(Error)],
    ['answers an issue that is null', () => ({ issues: [null] }), expect.any(TypeError)],
    [
      'answers a path that is no list',
      () => ({ issues: [{ message: 'No', path: 5 }] }),
      expect.any(TypeError),
    ],
    ['answers something that throws', () => ({ get issues() { throw cause; } }), cause], // biome-ignore format: short
  ];

  it.each([
    ...bad.map(([how, validate, expected]) => [how, validate, expected] as const),
    ...bad.map(([how, validate, expected]) => [`${how}, later`, late(validate), expected] as const),
  ])('invariant 8: %s: refuses with `internal` and the cause', async (...given) => {
    const [, validate, expected] = given;
    const schema = schemaOf((value) => (value === 'good' ? { value } : validate()));
    const processor = new OrderProcessor({ schema });
    const log = logOf(processor);
    const error = await errorOf(processor.submit(order('a')));
    expect(error).toMatchObject({ code: 'internal', orderId: 'a', userId: 'u', retryable: false });
    expect(error.cause).toEqual(expected);
    expect(error.message).not.toContain('broken');
    expect(log).toEqual(['refused:a:internal']);
    // Nothing is lost of what comes after it.
    expect((await processor.submit(order('b', 'good'))).balance).toBe(1);
    expect(await codeOf(processor.enqueue(order('c')))).toBe('internal');
    expect((await processor.submitMany([order('d')])).map(wordOf)).toEqual(['internal']);
    expect(processor.stats()).toMatchObject({ accepted: 1, refused: 3, unsettled: 0 });
  });

  it.each(['at once', 'later'])(
    'invariant 4: one that shuts the processor down and answers %s lets nothing in',
    async (when) => {
      const ran: string[] = [];
      for (const way of ['submit', 'enqueue'] as const) {
        const processor: OrderProcessor = new OrderProcessor({
          schema: schemaOf((value) => {
            void processor.shutdown();
            return when === 'later' ? Promise.resolve({ value }) : { value };
          }),
          steps: [{ name: 'work', run: ({ id }) => ran.push(id) }],
        });
        expect(await codeOf(processor[way](order(way)))).toBe('shut_down');
        expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1 });
      }
      expect(ran).toEqual([]);
    },
  );

  it('invariant 4: one that never answers holds its user alone, until shutdown', async () => {
    const schema = schemaOf((value) => (value === 'never' ? new Promise(() => {}) : { value }));
    const processor = new OrderProcessor({ schema });
    const never = codeOf(processor.submit(order('a', 'never')));
    const behind = [
      codeOf(processor.submit(order('b'))),
      codeOf(processor.enqueue(order('c'))),
      processor.submitMany([order('d')]).then(([outcome]) => wordOf(outcome as OrderOutcome)),
    ];
    expect((await processor.submit({ userId: 'v', amount: 1 })).status).toBe('completed');
    // Nothing of it is accepted.
    await processor.onIdle();
    expect(await processor.order('b')).toBeUndefined();
    expect(await processor.shutdown()).toMatchObject({ timedOut: false, unsettled: [] });
    expect(await Promise.all([never, ...behind])).toEqual(Array(4).fill('shut_down'));
    expect(processor.stats()).toMatchObject({ accepted: 1, refused: 4, unsettled: 0 });
  });

  it('invariant 4: an order that its caller gives up makes way for those behind it', async () => {
    const schema = schemaOf((value) => (value === 'never' ? new Promise(() => {}) : { value }));
    const processor = new OrderProcessor({ schema });
    const controller = new AbortController();
    const { signal } = controller;
    const never = codeOf(processor.submit(order('a', 'never'), { signal }));
    const behind = codeOf(processor.submit(order('b')));
    controller.abort();
    expect(await never).toBe('canceled');
    await new Promise((resolve) => setImmediate(resolve));
    const heard = await Promise.race([behind, 'still waiting']);
    await processor.shutdown();
    expect(heard).toBe('completed');
  });
});

const ignore = (): void => {};
const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

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
        const facts = { code: 'internal', orderId: 'a', userId: 'u' };
        expect(error).toMatchObject({ ...facts, message: 'Something went wrong' });
        expect(error.cause).toBe(broken);
        const other = { ...order('b', 'good'), userId: 'v' };
        expect((await processor.submit(other)).balance).toBe(1);
        await processor.shutdown();
      }
    },
  );
});
