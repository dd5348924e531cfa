import {
  type BalanceStorage,
  type OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { FailingMemory } from '../../kit/failing-memory.ts';
import { codeOf, errorOf, logOf, outcomeNow, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const debit = { id: 'a', userId: 'u', amount: -9 };
const diskFull = new Error('Disk full');
const insufficient = 'insufficient_funds';
const skipped = ['work', 'later'].map((name) => ({ name, status: 'skipped', attempts: 0 }));

function when<T>(ms: number, value: () => T): T | Promise<T> {
  return ms === 0 ? value() : clock.sleep(ms).then(value);
}

/** A host's storage after the contract. In an earlier process it took the debit `a`, which left 3. */
class Bank implements BalanceStorage {
  readonly log: string[] = [];
  readonly balances = new Map([['u', 3]]);
  readonly applied = new Map([['a', 3]]);
  /** What its next calls of `apply` throw. */
  readonly failures: unknown[] = [];
  getMs = 0;
  applyMs = 0;

  get(userId: string) {
    return when(this.getMs, () => this.balances.get(userId));
  }

  apply(changes: Parameters<BalanceStorage['apply']>[0]) {
    for (const { orderId } of changes) this.log.push(`ask ${orderId}`);
    return when(this.applyMs, () => {
      if (this.failures.length > 0) throw this.failures.shift();
      return changes.map(({ orderId, userId, amount, minBalance = -Infinity }) => {
        const before = this.applied.get(orderId);
        if (before !== undefined) return { balance: before };
        const balance = (this.balances.get(userId) ?? 0) + amount;
        if (amount < 0 && balance < minBalance) return { refused: insufficient } as const;
        this.log.push(`change ${userId} by ${amount}`);
        this.balances.set(userId, balance);
        this.applied.set(orderId, balance);
        return { balance };
      });
    });
  }
}

/** A processor with two steps of 10 ms over a bank that takes so long. */
function make(more: OrderProcessorOptions = {}, { getMs = 0, applyMs = 0 } = {}) {
  const bank = Object.assign(new Bank(), { getMs, applyMs });
  const { log } = bank;
  const work: Step = {
    name: 'work',
    async run({ id }, { signal }) {
      log.push(`run ${id}`);
      signal.addEventListener('abort', () => log.push(`abort ${id}`));
      await clock.sleep(10, signal);
    },
    compensate: ({ id }) => void log.push(`undo ${id}`),
  };
  const later: Step = { name: 'later', after: 'work', run: () => clock.sleep(10) };
  const options = { storage: bank, steps: [work, later], minBalance: 0, stalledAfterMs: 500 };
  return { processor: new OrderProcessor({ ...options, ...more }), bank, log };
}

describe.each([
  ['at once', {}],
  ['later', { getMs: 30, applyMs: 30 }],
  ['later in `get`', { getMs: 30 }],
  ['later in `apply`', { applyMs: 30 }],
])('a debit that seems too large, over a storage that answers %s', (_, pace) => {
  it('invariant 5: completes if an earlier process applied it, and changes nothing again', async () => {
    const { processor, bank, log } = make({}, pace);
    const events = logOf(processor);
    const submitted = processor.submit(debit);
    await clock.advance(200);
    expect(await outcomeNow(submitted)).toMatchObject({
      balance: 3,
      steps: [{ status: 'ok' }, { status: 'ok' }],
    });
    // Once before the steps, and once to settle it.
    expect(log).toEqual(['ask a', 'run a', 'ask a']);
    expect(bank.balances.get('u')).toBe(3);
    expect(await processor.submit(debit)).toEqual(await submitted);
    expect(log).toHaveLength(3);
    await processor.shutdown();
    expect(clock.timers).toBe(0);
    expect(events).toEqual(['accepted:a', 'started:a', 'completed:a', 'idle', 'shutdown']);
  });

  it('invariant 3: fails if it was not, and its steps never run', async () => {
    const { processor, bank, log } = make({}, pace);
    const failed = errorOf(processor.submit({ ...debit, id: 'b' }));
    // Its user's next one finds everything as it was.
    const next = processor.submit({ id: 'c', userId: 'u', amount: -3 });
    await clock.advance(300);
    const error = await failed;
    expect(error).toMatchObject({ code: insufficient, retryable: false, steps: skipped });
    expect(await processor.order('b')).toMatchObject({ status: 'failed', steps: error.steps });
    expect((await next).balance).toBe(0);
    expect(log).toEqual(['ask b', 'run c', 'ask c', 'change u by -3']);
    expect((await errorOf(processor.submit({ ...debit, id: 'b' }))).code).toBe(insufficient);
    expect(log).toHaveLength(4);
    expect([...bank.applied.keys()]).toEqual(['a', 'c']);
    await processor.shutdown();
    expect([clock.timers, processor.stats().activeWorkers]).toEqual([0, 0]);
  });

  it('invariant 10: stays open if the storage cannot say, and completes when it works again', async () => {
    const { processor, bank, log } = make({}, pace);
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    bank.failures.push(diskFull);
    const failed = errorOf(processor.submit(debit));
    await clock.advance(100);
    expect(await failed).toMatchObject({ code: 'storage_failed', cause: diskFull });
    expect(errors).toMatchObject([{ code: 'storage_failed', cause: diskFull }]);
    const again = processor.submit(debit);
    await clock.advance(200);
    expect((await again).balance).toBe(3);
    expect(processor.stats()).toMatchObject({ accepted: 1, failed: 0, completed: 1 });
    expect(log).toEqual(['ask a', 'ask a', 'run a', 'ask a']);
  });

  it('invariant 3: is not compensated if the storage fails after it had said yes, and completes', async () => {
    const { processor, bank, log } = make({}, pace);
    processor.on('stepped', ({ step }) => {
      if (step.name === 'later') bank.failures.push(diskFull);
    });
    const failed = errorOf(processor.submit(debit));
    await clock.advance(300);
    expect(await failed).toMatchObject({ code: 'storage_failed', cause: diskFull });
    expect(await processor.order('a')).toMatchObject({ status: 'completed', balance: 3 });
    expect(log).toEqual(['ask a', 'run a', 'ask a', 'ask a']);
    expect(bank.balances.get('u')).toBe(3);
  });
});

describe('while the storage is asked', () => {
  const pace = { applyMs: 100 };

  it('invariant 2: the worker is free, and the steps wait for one', async () => {
    const { processor, log } = make({ concurrency: 1 }, pace);
    const first = processor.submit(debit);
    await clock.advance(95);
    expect(processor.stats()).toMatchObject({ unsettled: 1, activeWorkers: 0 });
    const other = processor.submit({ id: 'b', userId: 'v', amount: 1 });
    await clock.advance(10);
    expect(processor.stats()).toMatchObject({ activeWorkers: 1 });
    expect(log).toEqual(['ask a', 'run b']);
    await clock.advance(11);
    expect(log).toEqual(['ask a', 'run b', 'ask b', 'run a']);
    await clock.runAll();
    expect([(await first).balance, (await other).balance]).toEqual([3, 1]);
  });

  it.each([
    ['a', 'timeout'],
    ['b', insufficient],
  ])(
    'invariant 4: `timeoutMs` passes: %s hears with the answer, nothing begins',
    async (id, code) => {
      const { processor, log } = make({ timeoutMs: 50 }, pace);
      const failed = errorOf(processor.submit({ ...debit, id }));
      const heard = watch(failed);
      await clock.advance(99);
      expect(heard.isSettled).toBe(false);
      await clock.advance(1);
      expect(heard.isSettled).toBe(true);
      expect(await failed).toMatchObject({ code, steps: skipped });
      expect(log).toEqual([`ask ${id}`]);
      await clock.runAll();
      expect(processor.stats()).toMatchObject({ failed: 1, unsettled: 0, activeWorkers: 0 });
      expect(clock.timers).toBe(0);
    },
  );

  it('invariant 4: `timeoutMs` counts from the beginning, the question included', async () => {
    const { processor } = make({ timeoutMs: 105 }, pace);
    const failed = codeOf(processor.submit(debit));
    await clock.advance(105);
    expect(await outcomeNow(failed)).toBe('timeout');
  });

  it.each(['cancel', 'a signal'])(
    'invariant 3: %s is too late or in time, and what it says is what becomes of the order',
    async (how) => {
      const { processor, log } = make({}, pace);
      const controller = new AbortController();
      const { signal } = controller;
      const code = codeOf(processor.submit(debit, how === 'cancel' ? {} : { signal }));
      await clock.advance(50);
      let canceled: Promise<boolean> | undefined;
      if (how === 'cancel') canceled = processor.cancel('a');
      else controller.abort();
      await clock.runAll();
      const expected = log.includes('run a') ? 'completed' : 'canceled';
      expect(await code).toBe(expected);
      if (canceled !== undefined) expect(await canceled).toBe(expected === 'canceled');
      expect(log.filter((line) => line.startsWith('change'))).toEqual([]);
      expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
    },
  );

  it('invariant 3: an order that was let in and waits for a worker can be canceled', async () => {
    const { processor, log } = make({ concurrency: 1 }, pace);
    const failed = errorOf(processor.submit(debit));
    await clock.advance(95);
    const other = codeOf(processor.submit({ id: 'b', userId: 'v', amount: 1 }));
    await clock.advance(7);
    expect(await processor.cancel('a')).toBe(true);
    expect(await failed).toMatchObject({ code: 'canceled', steps: skipped });
    await clock.runAll();
    expect(await other).toBe('completed');
    expect(log).toEqual(['ask a', 'run b', 'ask b', 'change v by 1']);
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
  });

  it('invariant 4: shutdown notifies the caller at its deadline, and an answer after it starts nothing', async () => {
    const { processor, log } = make({}, { applyMs: 50_000 });
    const code = codeOf(processor.submit(debit));
    await clock.settle();
    const closed = processor.shutdown({ timeoutMs: 100 });
    await clock.advance(10_000);
    expect(await code).toBe('storage_failed');
    expect(await closed).toMatchObject({ unsettled: ['a'], timedOut: true });
    await clock.runAll();
    expect(log).toEqual(['ask a']);
  });

  it('invariant 4: after the deadline of shutdown no step begins', async () => {
    const { processor, log } = make({}, pace);
    const code = codeOf(processor.submit(debit));
    await clock.settle();
    const closed = processor.shutdown({ timeoutMs: 50 });
    await clock.runAll();
    expect(await code).toBe('canceled');
    expect(log).toEqual(['ask a']);
    expect(await closed).toMatchObject({ canceled: 1, unsettled: [], running: [] });
  });
});

it.each<[string, () => never | Promise<never>]>([
  ['throws', () => { throw diskFull; }], // biome-ignore format: short
  ['rejects', () => Promise.reject(diskFull)],
])('invariant 10: a balance whose `get` %s before the steps is told by `error`', async (_, get) => {
  const { processor, bank } = make();
  const errors: OrderError[] = [];
  processor.on('error', (error) => errors.push(error));
  bank.get = get;
  expect(await codeOf(processor.submit(debit))).toBe('storage_failed');
  expect(errors).toMatchObject([{ code: 'storage_failed', cause: diskFull }]);
  await processor.shutdown();
  expect(clock.timers).toBe(0);
});

describe('an order that failed with `storage_failed` in a storage of this process alone', () => {
  it.each([
    ['compensated', () => {}, 'compensated', true],
    ['not even that', () => Promise.reject(diskFull), 'ok', false],
  ])(
    'invariant 5: and was %s is remembered, and needs a new id',
    async (_, compensate, status, retryable) => {
      const storage = new FailingMemory(() => Promise.reject(diskFull), 1);
      const ran: string[] = [];
      const work: Step = { name: 'work', run: ({ id }) => void ran.push(id), compensate };
      const processor = new OrderProcessor({ storage, steps: [work] });
      processor.on('error', () => {});
      const order = { id: 'o', userId: 'v', amount: 7 };
      const failed = errorOf(processor.submit(order));
      await clock.runAll();
      const error = await failed;
      expect(error).toMatchObject({ code: 'storage_failed', retryable, steps: [{ status }] });
      expect(await processor.order('o')).toMatchObject({
        status: 'failed',
        code: 'storage_failed',
        retryable,
        steps: error.steps,
      });
      const again = errorOf(processor.submit(order));
      await clock.runAll();
      expect((await again).toJSON()).toEqual(error.toJSON());
      expect(ran).toEqual(['o']);
      const other = processor.submit({ ...order, id: 'new' });
      await clock.runAll();
      expect((await other).balance).toBe(7);
      await processor.shutdown();
    },
  );
});
