import { type BalanceStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FailingMemory } from '../../kit/failing-memory.ts';
import { codeOf, deferred, errorOf, logOf, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const noRefund = new OrderError('no_refund', 'The bank is closed');

/** Has a compensation that logs. */
function charge(log: string[], more: Partial<Step> = {}): Step {
  return {
    name: 'charge',
    run: () => {},
    compensate: ({ id }, { error }) => void log.push(`undo ${id} ${error.code}`),
    ...more,
  };
}

/** Fails the order `a` after 10 ms. */
const fails: Step = {
  name: 'fails',
  async run({ id }) {
    await clock.sleep(10);
    if (id === 'a') throw new OrderError('declined', 'Card declined');
  },
};

describe('a compensation that fails', () => {
  it('invariant 10: stands in the error and the record, is an event, and stops no other', async () => {
    const log: string[] = [];
    const steps: Step[] = [
      charge(log, { name: 'first' }),
      charge(log, {
        name: 'second',
        after: 'first',
        retry: { attempts: 2, delayMs: 10, jitter: false },
        compensate: () => Promise.reject(noRefund),
      }),
      charge(log, { name: 'third', after: 'second' }),
      fails,
    ];
    const processor = new OrderProcessor({ steps });
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    const error = await failed;
    expect(error).toMatchObject({ code: 'declined', message: 'Card declined' });
    expect(log).toEqual(['undo a declined', 'undo a declined']);
    const { code, message } = noRefund;
    expect(error.steps).toMatchObject([
      { name: 'first', status: 'compensated' },
      {
        name: 'second',
        status: 'ok',
        compensation: { status: 'error', code, message, attempts: 2, durationMs: 10 },
      },
      { name: 'third', status: 'compensated' },
      { name: 'fails', status: 'error' },
    ]);
    expect(await processor.order('a')).toMatchObject({ status: 'failed', steps: error.steps });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: 'compensation_failed', orderId: 'a', userId: 'u' });
    expect(errors[0]?.message).toContain('`second`');
    expect(errors[0]?.cause).toBe(noRefund);
  });

  it('invariant 10: names what it threw in the record, for the operator, and not in the error', async () => {
    const thrown = [
      new TypeError('fetch failed', { cause: new Error('504') }),
      new OrderError('bank_closed', 'Not on a Sunday', { cause: 'door 7' }),
      noRefund,
    ];
    const names = ['bug', 'coded', 'plain'];
    const steps = thrown.map((error, at) =>
      charge([], { name: names[at] as string, compensate: () => Promise.reject(error) }),
    );
    const processor = new OrderProcessor({ steps: [...steps, fails] });
    processor.on('error', () => {});
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    const error = await failed;
    const { steps: kept = [] } = (await processor.order('a')) ?? {};
    expect(kept.map(({ compensation }) => compensation?.cause)).toEqual([
      { name: 'TypeError', message: 'fetch failed; caused by Error: 504' },
      { name: 'string', message: '"door 7"' },
      undefined,
      undefined,
    ]);
    expect(error.steps[0]).toMatchObject({ compensation: { status: 'error', code: 'internal' } });
    expect(JSON.stringify([error.steps, error])).not.toMatch(/fetch failed|door 7/);
  });

  describe('without a listener of `error`', () => {
    afterEach(() => void vi.restoreAllMocks());

    it('invariant 10: is a warning of the process', async () => {
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const thrower = charge([], {
        compensate() {
          throw noRefund;
        },
      });
      const processor = new OrderProcessor({ steps: [thrower, fails] });
      const failed = errorOf(processor.submit(order));
      await clock.runAll();
      await failed;
      expect(warn).toHaveBeenCalledTimes(1);
      const [text, options] = warn.mock.calls[0] ?? [];
      expect(options).toMatchObject({ code: 'compensation_failed', type: 'OrderProcessorWarning' });
      for (const part of ['a', 'charge', 'no_refund']) expect(text).toContain(part);
    });
  });

  it('invariant 4: that never ends is given up, `stalled` names it, and its user waits', async () => {
    const gate = deferred();
    const log: string[] = [];
    const steps = [
      charge(log, { name: 'first' }),
      charge(log, {
        name: 'hangs',
        after: 'first',
        compensation: { timeoutMs: 50 },
        compensate: () => gate.promise,
      }),
      fails,
    ];
    const processor = new OrderProcessor({ steps, stalledAfterMs: 1_000, concurrency: 1 });
    const events = logOf(processor);
    const stalls: unknown[] = [];
    processor.on('stalled', (stall) => stalls.push(stall));
    const failed = errorOf(processor.submit(order));
    const behind = watch(processor.submit({ ...order, id: 'b' }));
    const other = watch(processor.submit({ ...order, id: 'c', userId: 'v' }));
    await clock.advance(100_000);
    expect((await failed).steps).toMatchObject([
      { status: 'compensated' },
      { status: 'ok', compensation: { status: 'error', code: 'timeout', durationMs: 50 } },
      { status: 'error' },
    ]);
    expect([other.isSettled, behind.isSettled]).toEqual([true, false]);
    expect(processor.stats()).toMatchObject({ stalled: 1, activeWorkers: 0 });
    expect(stalls).toMatchObject([{ orderId: 'a', runningMs: 1_060, steps: ['hangs'] }]);
    gate.resolve();
    await clock.runAll();
    expect(behind.isSettled).toBe(true);
    expect(events.filter((line) => line.includes(':a'))).toEqual([
      'accepted:a',
      'started:a',
      'error:a:compensation_failed',
      'stalled:a',
      'failed:a:declined',
    ]);
  });
});

/** A storage that answers `apply` like this, at once or later. */
function storageThat(apply: BalanceStorage['apply']): BalanceStorage {
  return { get: () => 100, apply };
}

/** A storage of this process alone, which says at once that it has not settled an order of a call that failed. */
function memoryThat(fails: () => unknown): BalanceStorage {
  return Object.assign(new FailingMemory(fails), { get: () => 100 });
}

const refusals: [string, string, BalanceStorage][] = [
  [
    'refuses the amount',
    'insufficient_funds',
    storageThat(() => [{ refused: 'insufficient_funds' }]),
  ],
  [
    'refuses it later',
    'balance_overflow',
    storageThat(async () => [{ refused: 'balance_overflow' }]),
  ],
  ['rejects', 'storage_failed', memoryThat(() => Promise.reject(new Error('Disk full')))],
  [
    'throws',
    'storage_failed',
    memoryThat(() => {
      throw new Error('Disk full');
    }),
  ],
];

describe.each(refusals)('a storage that %s after the steps have finished', (_, code, storage) => {
  it('invariant 10: has the steps compensated, and the order fails', async () => {
    const log: string[] = [];
    const slow = charge(log, { name: 'slow', after: 'charge', run: () => clock.sleep(5) });
    const options = { storage, steps: [charge(log), slow], minBalance: 0 };
    const processor = new OrderProcessor(options);
    const events = logOf(processor);
    const failed = errorOf(processor.submit({ ...order, amount: -9 }));
    await clock.runAll();
    const error = await failed;
    expect(error).toMatchObject({ code, orderId: 'a', userId: 'u' });
    expect(error.steps.map(({ status }) => status)).toEqual(['compensated', 'compensated']);
    expect(log).toEqual([`undo a ${code}`, `undo a ${code}`]);
    expect(events.filter((line) => /^(failed|completed)/.test(line))).toEqual([`failed:a:${code}`]);
    expect(processor.stats()).toMatchObject({ failed: 1, unsettled: 0, activeWorkers: 0 });
  });
});

it('invariant 10: a plain memory refuses too, and its balance stays', async () => {
  const log: string[] = [];
  const processor = new OrderProcessor({ steps: [charge(log)] });
  await processor.submit({ id: 'b', userId: 'u', amount: Number.MAX_SAFE_INTEGER });
  const error = await errorOf(processor.submit(order));
  expect(error).toMatchObject({ code: 'balance_overflow', steps: [{ status: 'compensated' }] });
  expect(log).toEqual(['undo a balance_overflow']);
  expect(await processor.balance('u')).toBe(Number.MAX_SAFE_INTEGER);
  expect(await processor.order('a')).toMatchObject({ status: 'failed', steps: error.steps });
});

it('invariant 5: an order that a storage failed may come again under its id, unless it was compensated', async () => {
  for (const compensate of [undefined, () => {}]) {
    const storage = new FailingMemory(() => Promise.reject(new Error('Disk full')), 1);
    const step: Step = { name: 'charge', run: () => {} };
    const processor = new OrderProcessor({
      storage,
      steps: [compensate === undefined ? step : { ...step, compensate }],
    });
    expect(await codeOf(processor.submit(order))).toBe('storage_failed');
    // A payment provider would take the same idempotency key for the charge that was refunded.
    const again = compensate === undefined ? 'completed' : 'storage_failed';
    expect(await codeOf(processor.submit(order))).toBe(again);
    expect(await processor.balance('u')).toBe(compensate === undefined ? 1 : undefined);
  }
});

it('invariant 4: after a refusal too, the caller waits no longer than `timeoutMs`', async () => {
  const compensation = { timeoutMs: 2_000 };
  const steps = [
    charge([], { run: () => clock.sleep(10), compensation, compensate: () => clock.sleep(1_000) }),
  ];
  const storage = storageThat(() => [{ refused: 'insufficient_funds' }]);
  const processor = new OrderProcessor({ storage, steps, timeoutMs: 50 });
  const failed = watch(processor.submit({ ...order, amount: -1 }));
  await clock.advance(49);
  expect(failed.isSettled).toBe(false);
  await clock.advance(1);
  expect(failed.isSettled).toBe(true);
});

describe("shutdown's deadline", () => {
  const closing = (processor: OrderProcessor) => processor.shutdown({ timeoutMs: 100 });

  it('invariant 4: what runs is canceled and compensated before the storage closes', async () => {
    const log: string[] = [];
    const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(5_000, signal) };
    const close = () => void log.push(`close ${clock.now}`);
    const storage = { ...storageThat(() => []), close };
    const compensate: Step['compensate'] = async () => {
      await clock.sleep(300);
      log.push(`undone ${clock.now}`);
    };
    const processor = new OrderProcessor({ storage, steps: [charge([], { compensate }), slow] });
    const failed = codeOf(processor.submit(order));
    await clock.settle();
    const closed = closing(processor);
    await clock.runAll();
    expect(await failed).toBe('canceled');
    expect(log).toEqual(['undone 400', 'close 400']);
    expect(await closed).toMatchObject({ canceled: 1, unsettled: [], running: [], timedOut: true });
  });

  it('invariant 4: a compensation that never ends does not hold it', async () => {
    const compensate = () => new Promise(() => {});
    const slow: Step = { name: 'slow', run: (_, { signal }) => clock.sleep(5_000, signal) };
    const processor = new OrderProcessor({ steps: [charge([], { compensate }), slow] });
    processor.on('stalled', () => {}).on('error', () => {});
    const failed = codeOf(processor.submit(order));
    await clock.settle();
    const closed = watch(closing(processor));
    await clock.advance(5_000);
    expect(closed.isSettled).toBe(true);
    expect(await failed).toBe('canceled');
    expect(await closing(processor)).toMatchObject({ canceled: 1, running: ['a'] });
  });

  it('invariant 4: a step that never ends does not keep the finished ones from being compensated', async () => {
    const log: string[] = [];
    const never: Step = { name: 'never', run: () => new Promise(() => {}) };
    const processor = new OrderProcessor({ steps: [charge(log), never] });
    processor.on('stalled', () => {});
    const failed = codeOf(processor.submit(order));
    await clock.settle();
    const closed = closing(processor);
    await clock.advance(5_000);
    expect(await failed).toBe('canceled');
    expect(await closed).toMatchObject({ canceled: 1, running: ['a'] });
    expect(log).toEqual(['undo a canceled']);
  });
});
