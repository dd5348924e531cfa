import {
  type BalanceStorage,
  MemoryStorage,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** A processor with a step of 10 ms that logs its user and can be compensated. */
function make(options: OrderProcessorOptions = {}) {
  const log: string[] = [];
  const step: Step = {
    name: 'work',
    async run({ id }, { signal }) {
      log.push(`run ${id}`);
      await clock.sleep(10, signal);
    },
    compensate: ({ id }) => void log.push(`undo ${id}`),
  };
  const later: Step = { name: 'later', after: 'work', run: () => {} };
  const processor = new OrderProcessor({ minBalance: 0, steps: [step, later], ...options });
  return { processor, log };
}

const skipped = [
  { name: 'work', status: 'skipped', durationMs: 0, attempts: 0 },
  { name: 'later', status: 'skipped', durationMs: 0, attempts: 0 },
];

describe('a debit', () => {
  it('invariant 3: that cannot succeed fails at its turn, and no step of it is run', async () => {
    const { processor, log } = make();
    const events = logOf(processor);
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: -1 }));
    await clock.runAll();
    expect(await failed).toMatchObject({
      code: 'insufficient_funds',
      retryable: false,
      orderId: 'a',
      userId: 'u',
      steps: skipped,
    });
    expect(log).toEqual([]);
    expect(events).toEqual(['accepted:a', 'started:a', 'failed:a:insufficient_funds', 'idle']);
    expect(await processor.order('a')).toMatchObject({ status: 'failed', steps: skipped });
    expect(await processor.balance('u')).toBeUndefined();
  });

  it("invariant 3: is judged by what the user's earlier orders have left, failed ones too", async () => {
    const { processor, log } = make({ minBalance: -5 });
    const amounts = [10, -16, -15, -1, 1, -1];
    const codes = amounts.map((amount, at) =>
      codeOf(processor.submit({ id: `o-${at}`, userId: 'u', amount })),
    );
    await clock.runAll();
    const refused = 'insufficient_funds';
    expect(await Promise.all(codes)).toEqual([
      'completed',
      refused,
      'completed',
      refused,
      'completed',
      'completed',
    ]);
    expect(log).toEqual(['run o-0', 'run o-2', 'run o-4', 'run o-5']);
    expect(await processor.balance('u')).toBe(-5);
  });

  it('invariant 2: is judged for each user alone, and frees its worker at once', async () => {
    const { processor } = make({ concurrency: 1 });
    const outcomes = processor.submitMany(
      range(100).map((at) => ({ userId: `u-${at % 10}`, amount: at < 10 ? 4 : -1 })),
    );
    await clock.runAll();
    const completed = (await outcomes).filter(({ status }) => status === 'completed');
    expect(completed).toHaveLength(50);
    for (const at of range(10)) expect(await processor.balance(`u-${at}`)).toBe(0);
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
    // Only what ran took time.
    expect(clock.now).toBe(500);
  });

  it('invariant 10: is refused by the storage all the same if the balance has changed since', async () => {
    const storage = new MemoryStorage();
    storage.apply([{ orderId: 'opening', userId: 'u', amount: 5, minBalance: undefined }]);
    const { processor, log } = make({ storage });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: -5 }));
    await clock.advance(5);
    storage.apply([{ orderId: 'other', userId: 'u', amount: -1, minBalance: undefined }]);
    await clock.runAll();
    expect(await failed).toMatchObject({
      code: 'insufficient_funds',
      steps: [{ status: 'compensated' }, { status: 'ok' }],
    });
    expect(log).toEqual(['run a', 'undo a']);
    expect(await processor.balance('u')).toBe(4);
  });
});

describe('what is no debit, or has no bound', () => {
  it('invariant 3: passes without the balance being asked for', async () => {
    let asked = 0;
    const storage: BalanceStorage = {
      get() {
        asked += 1;
        return -100;
      },
      apply: (changes) => changes.map(({ amount }) => ({ balance: amount - 100 })),
    };
    const { processor } = make({ storage });
    const credits = [0, 7].map((amount) => processor.submit({ userId: 'u', amount }));
    await clock.runAll();
    expect((await Promise.all(credits)).map(({ balance }) => balance)).toEqual([-100, -93]);
    const unbound = make({ storage, minBalance: undefined });
    const debit = unbound.processor.submit({ userId: 'u', amount: -7 });
    await clock.runAll();
    expect((await debit).balance).toBe(-107);
    expect(asked).toBe(0);
  });
});

const failure = new Error('Disk full');

/** A storage of which only `get` fails, the first time. */
function withGet(first: () => unknown): BalanceStorage {
  let calls = 0;
  return {
    get() {
      calls += 1;
      return calls === 1 ? (first() as number) : 100;
    },
    apply: (changes) => changes.map(({ amount }) => ({ balance: 100 + amount })),
  };
}

describe('a storage whose `get`', () => {
  it.each<[string, () => unknown]>([
    ['answers', () => 9],
    ['answers later', () => clock.sleep(30).then(() => 9)],
    ['answers that there is none', () => undefined],
    ['answers so later', async () => undefined],
  ])('%s is asked first, and `apply` last', async (_, get) => {
    const { processor, log } = make({ storage: withGet(get) });
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: -9 }));
    await clock.runAll();
    expect(await code).toBe('completed');
    expect(log).toEqual(['run a']);
  });

  it.each<[string, () => unknown, boolean]>([
    [
      'throws',
      () => {
        throw failure;
      },
      true,
    ],
    ['rejects', () => Promise.reject(failure), true],
    ['rejects later', () => clock.sleep(30).then(() => Promise.reject(failure)), true],
    ['answers NaN', () => Number.NaN, false],
    ['promises a string', async () => '100', false],
    ['answers null', () => null, false],
  ])(
    'invariant 10: %s fails the order, whose steps are not run, and no other',
    async (_, get, isCause) => {
      const { processor, log } = make({ storage: withGet(get) });
      const debit = { id: 'a', userId: 'u', amount: -9 };
      const failed = errorOf(processor.submit(debit));
      const next = processor.submit({ id: 'b', userId: 'u', amount: -1 });
      await clock.runAll();
      const error = await failed;
      expect(error).toMatchObject({ code: 'storage_failed', retryable: true, steps: skipped });
      if (isCause) expect(error.cause).toBe(failure);
      else expect(error.cause).toBeInstanceOf(TypeError);
      expect((await next).balance).toBe(99);
      expect(log).toEqual(['run b']);
      // What a storage failed is not remembered: it may come again.
      const again = processor.submit(debit);
      await clock.runAll();
      expect((await again).balance).toBe(91);
    },
  );

  const never = () => new Promise(() => {});

  it.each<[string, OrderProcessorOptions, string]>([
    ['`timeoutMs`', { timeoutMs: 50 }, 'timeout'],
    ['`cancel`', {}, 'canceled'],
    ['the deadline of `shutdown`', {}, 'canceled'],
  ])('invariant 4: never answers is ended by %s', async (how, options, code) => {
    const { processor, log } = make({ storage: withGet(never), concurrency: 1, ...options });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: -9 }));
    const other = codeOf(processor.submit({ id: 'b', userId: 'v', amount: -9 }));
    await clock.advance(10);
    if (how === '`cancel`') expect(await processor.cancel('a')).toBe(true);
    const closed = how.includes('shutdown') ? processor.shutdown({ timeoutMs: 50 }) : undefined;
    await clock.runAll();
    expect(await failed).toMatchObject({ code, steps: skipped });
    expect(await other).toBe(closed === undefined ? 'completed' : 'canceled');
    expect(log).toEqual(closed === undefined ? ['run b'] : []);
    if (closed !== undefined) expect(await closed).toMatchObject({ running: [], unsettled: [] });
  });

  it('invariant 4: never answers raises `stalled`, where nothing else would report it', async () => {
    const { processor } = make({ storage: withGet(never), stalledAfterMs: 100 });
    const events = logOf(processor);
    void codeOf(processor.submit({ id: 'a', userId: 'u', amount: -9 }));
    await clock.advance(10_000);
    const told = ['error:-:storage_failed', 'stalled:a'];
    expect(events).toEqual(['accepted:a', 'started:a', ...told]);
  });

  it('invariant 3: answers too late starts nothing any more', async () => {
    const storage = withGet(() => clock.sleep(100).then(() => 100));
    const { processor, log } = make({ storage, timeoutMs: 50 });
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: -9 }));
    await clock.runAll();
    expect(await code).toBe('timeout');
    expect(log).toEqual([]);
  });
});
