import { type AcceptedOrder, OrderProcessor, prioritize, type Rule, refuse } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf } from '../../kit/helpers.ts';
import { order } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

describe('a rule that misbehaves', () => {
  const cause = new Error('broken');
  const nonsense = [
    true,
    0,
    '',
    'refuse',
    Symbol('no'),
    {},
    [],
    { kind: 'accept' },
    { kind: 'refuse', code: 'Not Snake' },
    { kind: 'refuse', code: 5 },
    { kind: 'refuse', code: 'ok', message: 5 },
    { kind: 'prioritize', priority: 'urgent', label: 'x' },
    { kind: 'prioritize', priority: 'high', label: '' },
    { kind: 'prioritize', priority: 'high' },
    () => refuse(),
  ];
  const misbehaving: [string, () => unknown, unknown][] = [
    ['throws', () => { throw cause; }, cause], // biome-ignore format: short
    ['throws a string', () => { throw 'broken'; }, 'broken'], // biome-ignore format: short
    ['throws null', () => { throw null; }, null], // biome-ignore format: short
    ['throws an error with a code', () => { throw Object.assign(cause, { code: 'declined' }); }, cause], // biome-ignore format: short
    ['throws undefined', () => { throw undefined; }, expect.any(Error)], // biome-ignore format: short
    ...nonsense.map((answer): [string, () => unknown, unknown] => [
      `answers ${typeof answer === 'symbol' ? 'a symbol' : (JSON.stringify(answer) ?? 'a function')}`,
      () => answer,
      expect.any(TypeError),
    ]),
    ['is async', async () => undefined, expect.any(TypeError)],
    ['is async and refuses', async () => refuse(), expect.any(TypeError)],
    ['is async and throws', async () => { throw cause; }, expect.any(TypeError)], // biome-ignore format: short
    [
      'answers something that throws',
      () => ({ get kind(): never { throw cause; } }), // biome-ignore format: short
      cause,
    ],
  ];
  it.each(misbehaving)(
    'invariant 8: %s: refuses with `internal` and the cause',
    async (...given) => {
      const [, rule, expectedCause] = given;
      const asked: string[] = [];
      const processor = new OrderProcessor({
        rules: [
          ({ id }) => {
            asked.push(id);
            return id === 'good' ? undefined : (rule() as never);
          },
          () => prioritize('high', 'never asked'),
        ],
      });
      const log = logOf(processor);
      const error = await errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
      expect(error).toMatchObject({
        code: 'internal',
        orderId: 'a',
        userId: 'u',
        retryable: false,
      });
      expect((error.cause as Error).cause).toEqual(expectedCause);
      expect(error.message).not.toContain('broken');
      expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1, unsettled: 0 });
      expect(log).toEqual(['refused:a:internal']);
      // Nothing is lost of what comes after it.
      expect((await processor.submit({ id: 'good', userId: 'u', amount: 1 })).balance).toBe(1);
      expect(asked).toEqual(['a', 'good']);
    },
  );

  it('invariant 8: refuses that one alone, in a list and in a stream', async () => {
    const rules: Rule[] = [
      ({ id }) => {
        if (id === 'b') throw new Error('broken');
      },
    ];
    const orders = ['a', 'b', 'c'].map((id) => ({ id, userId: 'u', amount: 1 }));
    const processor = new OrderProcessor({ rules });
    const many = await processor.submitMany(orders);
    expect(many.map(({ status }) => status)).toEqual(['completed', 'refused', 'completed']);
    const streamed: string[] = [];
    for await (const { status } of new OrderProcessor({ rules }).submitStream(orders)) {
      streamed.push(status);
    }
    expect(streamed).toEqual(['completed', 'refused', 'completed']);
    expect(await codeOf(processor.enqueue({ id: 'b', userId: 'u', amount: 1 }))).toBe('internal');
    await processor.onIdle();
    expect(await processor.balance('u')).toBe(2);
  });

  it('invariant 5: may submit another order from inside, and loses neither', async () => {
    const inner: Promise<string>[] = [];
    const processor: OrderProcessor = new OrderProcessor({
      rules: [
        ({ id, userId }) => {
          if (id === 'outer') {
            inner.push(codeOf(processor.submit({ id: 'inner', userId, amount: 2 })));
          }
        },
      ],
    });
    expect((await processor.submit({ id: 'outer', userId: 'u', amount: 1 })).status).toBe(
      'completed',
    );
    expect(await Promise.all(inner)).toEqual(['completed']);
    expect(await processor.balance('u')).toBe(3);
  });

  it('invariant 5: one that submits its own order lets it in only once', async () => {
    let depth = 0;
    const inner: Promise<string>[] = [];
    const order = { id: 'a', userId: 'u', amount: 1 };
    const processor: OrderProcessor = new OrderProcessor({
      rules: [
        () => {
          depth += 1;
          if (depth === 1) inner.push(codeOf(processor.submit(order)));
        },
      ],
    });
    expect(await codeOf(processor.submit(order))).toBe('completed');
    expect(await Promise.all(inner)).toEqual(['completed']);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, duplicates: 1 });
    expect(await processor.balance('u')).toBe(1);
  });

  it("invariant 3: one that aborts its order's signal has it canceled", async () => {
    const ran: string[] = [];
    for (const steps of [[], [{ name: 'work', run: ({ id }: AcceptedOrder) => ran.push(id) }]]) {
      const controller = new AbortController();
      const { signal } = controller;
      const processor = new OrderProcessor({ rules: [() => controller.abort()], steps });
      expect(await codeOf(processor.submit({ userId: 'u', amount: 1 }, { signal }))).toBe(
        'canceled',
      );
      expect(await processor.balance('u')).toBeUndefined();
    }
    expect(ran).toEqual([]);
  });

  it('invariant 4: one that shuts the processor down is answered, and nothing is left behind', async () => {
    const applied: string[] = [];
    let isClosed = false;
    const processor: OrderProcessor = new OrderProcessor({
      storage: {
        get: () => 0,
        async apply(changes) {
          expect(isClosed).toBe(false);
          applied.push(...changes.map(({ orderId }) => orderId));
          return changes.map(({ amount }) => ({ balance: amount }));
        },
        close() {
          isClosed = true;
        },
      },
      rules: [() => void processor.shutdown()],
      steps: [{ name: 'work', run: () => clock.sleep(10) }],
    });
    const submitted = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.runAll();
    // Refused, or done before the storage closed: never a step whose order can't be settled.
    expect(await submitted).toBe(applied.length === 0 ? 'shut_down' : 'completed');
  });
});

const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

describe('a rule', () => {
  const messageOf = async (...rules: readonly unknown[]): Promise<string> => {
    const processor = new OrderProcessor({ rules: rules as Rule[] });
    const error = await errorOf(processor.submit(order('a')));
    expect([error.code, error.message]).toEqual(['internal', 'Something went wrong']);
    return (error.cause as Error).message;
  };

  it('that throws, and one that answers nonsense, have different errors, with index and name', async () => {
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
