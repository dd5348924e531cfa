import { readFileSync } from 'node:fs';
import { MessageChannel } from 'node:worker_threads';
import {
  type BalanceStorage,
  isOrderError,
  type Order,
  OrderError,
  OrderProcessor,
  refuse,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, throwing } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order: Order = { id: 'a', userId: 'u', amount: 1 };

/** The rows of the table in the documentation of `OrderErrorCode`, and the codes of the type. */
function documented(): { rows: Map<string, readonly string[]>; codes: string[] } {
  const source = readFileSync(
    new URL('../../../src/core/order/order-error.ts', import.meta.url),
    'utf8',
  );
  const [, before = '', after = ''] =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\s*export type OrderErrorCode =([^;]*);/.exec(source) ?? [];
  const rows = new Map<string, readonly string[]>();
  for (const line of before.split('\n')) {
    const [code, ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (code !== undefined && cells.length > 0) rows.set(code.replaceAll('`', ''), cells);
  }
  return { rows, codes: [...after.matchAll(/'(\w+)'/g)].map(([, code]) => code as string) };
}

describe('the table of codes', () => {
  const { rows, codes } = documented();

  it('names every code of the type, once, and says of each when, whether to try again and the HTTP status', () => {
    expect(codes).toContain('invalid_order');
    expect(codes).toHaveLength(17);
    const own = ['code', '---', "a rule's own", "a step's own"];
    expect([...rows.keys()].filter((code) => !own.includes(code)).toSorted()).toEqual(
      codes.toSorted(),
    );
    for (const [code, cells] of rows) {
      expect([code, cells.length]).toEqual([code, 4]);
      const [which, because, retryable, status] = cells as [string, string, string, string];
      expect([code, which !== '', because !== '']).toEqual([code, true, true]);
      if (code === 'compensation_failed' || code === 'code' || code === '---') continue;
      expect([code, retryable]).toEqual([code, expect.stringMatching(/^(yes|no)/)]);
      expect([code, status]).toEqual([code, expect.stringMatching(/^[45]\d\d/)]);
    }
  });

  it('says which HTTP status each maps to, as hosts were promised', () => {
    const statuses = Object.fromEntries(
      [...rows].filter(([code]) => codes.includes(code)).map(([code, cells]) => [code, cells[3]]),
    );
    expect(statuses).toEqual({
      invalid_order: '400',
      order_conflict: '409',
      rule_refused: '422',
      queue_full: '503',
      shut_down: '503',
      insufficient_funds: '422',
      balance_overflow: '422',
      timeout: '422',
      canceled: '408, or 409 if it was accepted',
      expired: '409',
      history_forgotten: '410',
      storage_failed: '503',
      deadlock: '500',
      not_held: '409',
      not_failed: '409',
      compensation_failed: '',
      internal: '500, or 422 if it failed',
    });
  });

  it.each(codes)('says of `%s` what an OrderError has as `retryable`', (code) => {
    const cell = rows.get(code)?.[2] ?? '';
    expect(new OrderError(code, 'No').retryable).toBe(cell.startsWith('yes'));
    for (const retryable of [true, false]) {
      expect(new OrderError(code, 'No', { retryable }).retryable).toBe(retryable);
    }
  });
});

describe('retryable', () => {
  const never: Step = { name: 'never', run: (_, { signal }) => clock.sleep(1e6, signal) };
  const failing: BalanceStorage = {
    get: () => 0,
    apply() {
      throw new Error('disk full');
    },
  };
  const late = (processor: OrderProcessor): Promise<OrderError> => {
    const failed = errorOf(processor.submit(order));
    return clock.runAll().then(() => failed);
  };
  /** An order that ends with each code. */
  const situations: [string, boolean, () => Promise<OrderError>][] = [
    ['invalid_order', false, () => errorOf(new OrderProcessor().submit({} as never))],
    [
      'order_conflict',
      false,
      async () => {
        const processor = new OrderProcessor();
        await processor.submit(order);
        return errorOf(processor.submit({ ...order, amount: 2 }));
      },
    ],
    [
      'rule_refused',
      false,
      () => errorOf(new OrderProcessor({ rules: [() => refuse()] }).submit(order)),
    ],
    [
      'too_late',
      false,
      () => errorOf(new OrderProcessor({ rules: [() => refuse('too_late')] }).submit(order)),
    ],
    [
      'queue_full',
      true,
      async () => {
        const processor = new OrderProcessor({ capacity: 1 });
        processor.pause();
        await processor.enqueue(order);
        return errorOf(processor.submit({ ...order, id: 'b' }));
      },
    ],
    [
      'shut_down',
      true,
      async () => {
        const processor = new OrderProcessor();
        await processor.shutdown();
        return errorOf(processor.submit(order));
      },
    ],
    [
      'insufficient_funds',
      false,
      () => errorOf(new OrderProcessor({ minBalance: 0 }).submit({ ...order, amount: -1 })),
    ],
    [
      'balance_overflow',
      false,
      async () => {
        const processor = new OrderProcessor();
        await processor.submit({ ...order, amount: Number.MAX_SAFE_INTEGER });
        return errorOf(processor.submit({ ...order, id: 'b' }));
      },
    ],
    ['timeout', true, () => late(new OrderProcessor({ timeoutMs: 5, steps: [never] }))],
    ['timeout', true, () => late(new OrderProcessor({ steps: [{ ...never, timeoutMs: 5 }] }))],
    [
      'canceled',
      true,
      async () => {
        const processor = new OrderProcessor();
        processor.pause();
        const failed = errorOf(processor.submit(order));
        await processor.cancel('a');
        return failed;
      },
    ],
    ['storage_failed', true, () => errorOf(new OrderProcessor({ storage: failing }).submit(order))],
    [
      'internal',
      false,
      () => errorOf(new OrderProcessor({ steps: [throwing(new Error())] }).submit(order)),
    ],
    [
      'payment_declined',
      true,
      () =>
        errorOf(
          new OrderProcessor({ steps: [throwing({ code: 'payment_declined' })] }).submit(order),
        ),
    ],
  ];

  it.each(situations)('of an order that ended with `%s` is %s', async (code, retryable, make) => {
    const error = await make();
    expect([error.code, error.retryable]).toEqual([code, retryable]);
  });

  it('of a compensation that failed is false', async () => {
    const undoable: Step = {
      name: 'payment',
      run() {},
      compensate() {
        throw Object.assign(new Error('No'), { code: 'refund_failed', retryable: true });
      },
    };
    const failing: Step = { ...throwing({ code: 'declined' }), after: 'payment' };
    const processor = new OrderProcessor({ steps: [undoable, failing] });
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).code).toBe('declined');
    expect(errors).toMatchObject([
      { code: 'compensation_failed', retryable: false, orderId: 'a', userId: 'u' },
    ]);
  });

  it.each<[unknown, string, boolean]>([
    [{ code: 'declined', retryable: false }, 'declined', false],
    [{ code: 'declined', retryable: true }, 'declined', true],
    [{ code: 'declined', retryable: 'no' }, 'declined', true],
    [{ code: 'declined', retryable: undefined }, 'declined', true],
    [{ code: 'declined', get retryable() { throw new Error('no'); } }, 'declined', true], // biome-ignore format: short
    [Object.assign(new Error('x'), { retryable: true }), 'internal', false],
    [{ code: 'Not Snake', retryable: true }, 'internal', false],
    [new OrderError('declined', 'No'), 'declined', true],
    [new OrderError('declined', 'No', { retryable: false }), 'declined', false],
    [new OrderError('insufficient_funds', 'No'), 'internal', false],
    [new OrderError('timeout', 'No', { retryable: true }), 'internal', false],
  ])("of a step's error is its own, where it is a boolean: %#", async (...given) => {
    const [thrown, code, retryable] = given;
    const processor = new OrderProcessor({ steps: [throwing(thrown)] });
    const error = await errorOf(processor.submit(order));
    expect([error.code, error.retryable]).toEqual([code, retryable]);
    expect(error.cause).toBe(thrown);
    expect(await processor.order('a')).toMatchObject({ code, retryable });
  });
});

describe('an OrderError', () => {
  it('has empty lists where nothing is said', () => {
    const error = new OrderError('declined', 'No');
    expect(error).toMatchObject({
      name: 'OrderError',
      message: 'No',
      steps: [],
      labels: [],
      issues: [],
    });
    for (const fact of ['orderId', 'userId', 'retryAfterMs', 'cause'] as const) {
      expect([fact, error[fact]]).toEqual([fact, undefined]);
    }
    expect(isOrderError(error)).toBe(true);
  });

  it('has its facts', () => {
    const facts = {
      orderId: 'a',
      userId: 'u',
      retryAfterMs: 5,
      steps: [{ name: 'work', status: 'ok' as const, durationMs: 1, attempts: 1 }],
      labels: ['urgent'],
      issues: [{ path: 'items[0]', message: 'No' }],
      retryable: false,
      cause: new Error('underneath'),
    };
    const error = new OrderError('declined', 'No', facts);
    for (const [fact, value] of Object.entries(facts)) {
      expect([fact, error[fact as keyof typeof facts]]).toEqual([fact, value]);
    }
  });

  it('goes to another thread by its JSON, and comes back as it was', async () => {
    const processor = new OrderProcessor({ minBalance: 0 });
    const error = await errorOf(processor.submit({ ...order, amount: -1 }));
    const { port1, port2 } = new MessageChannel();
    const arrived = new Promise((resolve) => port2.once('message', resolve));
    port1.postMessage(error.toJSON());
    const copies = [
      await arrived,
      structuredClone(error.toJSON()),
      JSON.parse(JSON.stringify(error)),
    ];
    port1.close();
    for (const copy of copies) {
      const back = OrderError.from(copy);
      expect(isOrderError(back)).toBe(true);
      expect(back.toJSON()).toEqual(error.toJSON());
      expect(back).toMatchObject({ code: 'insufficient_funds', outcome: 'failed', orderId: 'a' });
    }
    const full = new OrderError('declined', 'No', { retryAfterMs: 5, cause: new Error('secret') });
    expect(OrderError.from({ ...full.toJSON(), cause: 'x' })).toMatchObject({ retryAfterMs: 5 });
    expect(OrderError.from({ ...full.toJSON(), cause: 'x' }).cause).toBe(undefined);
  });

  it.each([undefined, null, 'declined', {}, { code: 'declined', message: 'No' }, new Error('No')])(
    'is not made of %j',
    (json) => expect(() => OrderError.from(json)).toThrow(TypeError),
  );

  it('gives all of them to JSON, without the cause', () => {
    const steps = [
      { name: 'work', status: 'error' as const, durationMs: 1, attempts: 2, code: 'declined' },
    ];
    const issues = [{ path: 'items[0]', message: 'No' }];
    const error = new OrderError('declined', 'Card declined', {
      orderId: 'a',
      userId: 'u',
      retryAfterMs: 5,
      steps,
      labels: ['urgent'],
      issues,
      retryable: false,
      cause: new Error('secret'),
    });
    expect(JSON.parse(JSON.stringify({ error }))).toEqual({
      error: {
        code: 'declined',
        message: 'Card declined',
        orderId: 'a',
        userId: 'u',
        retryable: false,
        retryAfterMs: 5,
        issues,
        labels: ['urgent'],
        steps,
      },
    });
  });

  it('gives an error to JSON with its message and without its cause', () => {
    const error = new OrderError('declined', 'No', { orderId: 'a', cause: new Error('secret') });
    expect(isOrderError(error)).toBe(true);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'declined',
      message: 'No',
      orderId: 'a',
      retryable: true,
      issues: [],
      labels: [],
      steps: [],
    });
  });
});
