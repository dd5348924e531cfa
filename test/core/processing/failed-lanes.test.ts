import {
  type Hold,
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type OrderRecord,
  type OrderStorage,
  type Step,
  type UnfulfilledOutcome,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, watch } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

/** What steps did, and whether they fail now. */
function world() {
  const log: string[] = [];
  const failing = new Set<string>();
  const steps: Step[] = [
    {
      name: 'payment',
      run({ id }, { attempt, idempotencyKey }) {
        log.push(`pay ${id}#${attempt} ${idempotencyKey}`);
        return 'charge';
      },
      compensate({ id }, { compensationKey }) {
        log.push(`refund ${id} ${compensationKey}`);
      },
    },
    {
      name: 'vendor',
      after: 'payment',
      run({ id }, { attempt }) {
        log.push(`vendor ${id}#${attempt}`);
        if (failing.has(id)) throw new OrderError('no_vendor', 'Closed');
      },
    },
  ];
  return { log, failing, steps };
}

describe.each([
  ['in memory', false],
  ['kept', true],
])('an order that fails with `onFailure: hold`, %s', (_, isKept) => {
  async function opened(steps: readonly Step[]): Promise<OrderProcessor> {
    const options = { steps, onFailure: 'hold' } as const;
    return isKept ? open(new KeptStorage(), options) : new OrderProcessor(options);
  }

  it('invariant 1: holds its lane after its compensation; nothing of it is settled, and everybody else goes on', async () => {
    const { failing, log, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const events = logOf(processor);
    const held: Hold[] = [];
    processor.on('held', (hold) => held.push(hold));
    const first = watch(processor.submit(order('a')));
    const second = watch(processor.submit(order('b')));
    const other = codeOf(processor.submit(order('x', 'v')));
    await clock.runAll();
    expect(await other).toBe('completed');
    expect([first.isSettled, second.isSettled]).toEqual([false, false]);
    expect(log.filter((line) => !line.includes(' x'))).toEqual([
      'pay a#1 a:payment',
      'vendor a#1',
      'refund a a:payment/compensate',
    ]);
    expect(held).toMatchObject([
      {
        ...{ userId: 'u', reason: undefined, orderId: 'a', code: 'no_vendor', message: 'Closed' },
        compensated: ['payment'],
      },
    ]);
    expect((await processor.holds()).holds).toEqual(held);
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 2, failed: 0 });
    expect(await processor.order('a')).toMatchObject({ status: 'pending' });
    expect(events.filter((line) => line.startsWith('failed'))).toEqual([]);
    expect(await outcomeNow(processor.onIdle())).toBeUndefined();
    await processor.shutdown();
  });

  it('is run again by `retry`: attempts go on, and a step that was compensated has another key', async () => {
    const { failing, log, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = codeOf(processor.submit(order('a')));
    const second = codeOf(processor.submit(order('b')));
    await clock.runAll();
    await processor.release('u', 'retry');
    await clock.runAll();
    // It fails once more, and holds its lane once more.
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 2 });
    failing.delete('a');
    const released = await processor.release('u', 'retry');
    expect(released).toMatchObject({ action: 'retry', orderId: 'a' });
    await clock.runAll();
    expect([await first, await second]).toEqual(['completed', 'completed']);
    // Those of the last run alone.
    const { steps: results = [] } = (await processor.order('a')) ?? {};
    expect(results.map(({ attempts }) => attempts)).toEqual([1, 1]);
    expect(log).toEqual([
      'pay a#1 a:payment',
      'vendor a#1',
      'refund a a:payment/compensate',
      'pay a#2 a:payment/2',
      'vendor a#2',
      'refund a a:payment/2/compensate',
      'pay a#3 a:payment/3',
      'vendor a#3',
      'pay b#1 b:payment',
      'vendor b#1',
    ]);
    expect(await processor.balance('u')).toBe(2);
    expect(processor.stats()).toMatchObject({ heldLanes: 0, completed: 2, failed: 0 });
    await processor.shutdown();
  });

  it('invariant 3: is settled as failed by `skip`, and the next order begins', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = errorOf(processor.submit(order('a')));
    const second = codeOf(processor.submit(order('b')));
    await clock.runAll();
    const released = processor.release('u', 'skip');
    await clock.runAll();
    expect(await released).toMatchObject({ action: 'skip', orderId: 'a' });
    const error = await first;
    expect(error).toMatchObject({ code: 'no_vendor', outcome: 'failed', message: 'Closed' });
    expect(error.steps.map(({ status }) => status)).toEqual(['compensated', 'error']);
    expect(await second).toBe('completed');
    expect(await processor.order('a')).toMatchObject({ status: 'failed', code: 'no_vendor' });
    expect(await processor.balance('u')).toBe(1);
    await processor.shutdown();
  });

  it('needs an action to be released, and a lane without a failed order has none to skip', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = codeOf(processor.submit(order('a')));
    await clock.runAll();
    await expect(processor.release('u')).rejects.toThrow(TypeError);
    await expect(processor.release('u', 'again' as never)).rejects.toThrow(RangeError);
    await processor.hold('v');
    await expect(processor.release('v', 'skip')).rejects.toThrow(TypeError);
    expect(processor.stats()).toMatchObject({ heldLanes: 2, heldOrders: 1 });
    expect((await processor.release('v', 'retry')).action).toBeUndefined();
    await processor.release('u', 'skip');
    expect(await first).toBe('no_vendor');
    await processor.shutdown();
  });

  it.each(['retry', 'skip'] as const)(
    'invariant 8: a release that names it and comes twice, by %s, does nothing to the next order that holds the lane',
    async (action) => {
      const { failing, steps } = world();
      for (const id of ['a', 'b']) failing.add(id);
      const processor = await opened(steps);
      const codes = ['a', 'b'].map((id) => codeOf(processor.submit(order(id))));
      await clock.runAll();
      const release = () => processor.release('u', action, { orderId: 'a' });
      failing.delete('a');
      expect(await release()).toMatchObject({ orderId: 'a', action });
      await clock.runAll();
      const again = await errorOf(release());
      expect(again).toMatchObject({
        code: 'not_held',
        userId: 'u',
        orderId: 'a',
        retryable: false,
      });
      expect(again.message).toBe(
        'Expected order "a" to hold the lane of user "u", but order "b" does',
      );
      expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 1 });
      expect(await processor.order('b')).toMatchObject({ status: 'pending' });
      await processor.release('u', 'skip', { orderId: 'b' });
      expect(await codeOf(release())).toBe('not_held');
      const first = action === 'skip' ? 'no_vendor' : 'completed';
      expect(await Promise.all(codes)).toEqual([first, 'no_vendor']);
      await processor.shutdown();
    },
  );

  it('a release that names an order releases no lane that is held by hand alone', async () => {
    const processor = await opened([]);
    await processor.hold('u');
    const error = await errorOf(processor.release('u', undefined, { orderId: 'a' }));
    expect(error).toMatchObject({ code: 'not_held', orderId: 'a' });
    for (const options of [{ orderId: '' }, { orderId: 5 }, { order: 'a' }, null, 'a']) {
      await expect(processor.release('u', 'skip', options as never)).rejects.toThrow(TypeError);
    }
    expect(processor.stats().heldLanes).toBe(1);
    await processor.release('u', undefined, { orderId: undefined });
    await processor.shutdown();
  });

  it('is settled as canceled by cancel, and its lane goes on', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = errorOf(processor.submit(order('a')));
    const second = codeOf(processor.submit(order('b')));
    await clock.runAll();
    expect(await processor.cancel('a')).toBe(true);
    await clock.runAll();
    expect(await first).toMatchObject({ code: 'canceled', outcome: 'canceled' });
    expect(await second).toBe('completed');
    expect(processor.stats()).toMatchObject({ heldLanes: 0, canceled: 1, completed: 1 });
    expect(await codeOf(processor.release('u'))).toBe('not_held');
    await processor.shutdown();
  });

  it.each(['while it holds it', 'while it is compensated', 'in the listener of `held`'])(
    "invariant 1: goes on to hold its lane when its caller's signal aborts %s, which ends the wait alone",
    async (when) => {
      const { failing, steps } = world();
      const [payment, vendor] = steps as [Step, Step];
      failing.add('a');
      const slow: Step = { ...payment, compensate: () => clock.sleep(50) };
      const processor = await opened([slow, vendor]);
      const giveUp = new AbortController();
      if (when === 'in the listener of `held`') processor.on('held', () => giveUp.abort('gone'));
      const first = errorOf(processor.submit(order('a'), { signal: giveUp.signal }));
      const again = codeOf(processor.submit(order('a')));
      const second = watch(processor.submit(order('b')));
      await clock.advance(20);
      if (when === 'while it is compensated') giveUp.abort('gone');
      await clock.runAll();
      if (when === 'while it holds it') giveUp.abort('gone');
      await clock.settle();
      expect(await first).toMatchObject({
        ...{ code: 'canceled', orderId: 'a', userId: 'u', outcome: undefined, cause: 'gone' },
        message: expect.stringContaining('not the order'),
      });
      expect(second.isSettled).toBe(false);
      expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 2, canceled: 0 });
      failing.clear();
      await processor.release('u', 'retry');
      await clock.runAll();
      expect(await again).toBe('completed');
      expect(processor.stats()).toMatchObject({ heldLanes: 0, completed: 2 });
      await processor.shutdown();
    },
  );

  it.each([true, false])(
    'invariant 3: runs a step again that was compensated late, with another key; `remember: %s`',
    async (remember) => {
      const { failing, log, steps } = world();
      const [payment, vendor] = steps as [Step, Step];
      const slow: Step = {
        ...payment,
        remember,
        compensation: { timeoutMs: 50 },
        compensate: () => clock.sleep(80),
      };
      failing.add('a');
      const processor = await opened([slow, vendor]);
      processor.on('error', () => {});
      const outcome = codeOf(processor.submit(order('a')));
      await clock.runAll();
      const [hold] = (await processor.holds()).holds;
      expect(hold?.compensated).toEqual(['payment']);
      failing.clear();
      log.splice(0);
      await processor.release('u', 'retry');
      await clock.runAll();
      expect(await outcome).toBe('completed');
      expect(log).toEqual(['pay a#2 a:payment/2', 'vendor a#2']);
      await processor.shutdown();
    },
  );

  it.each(['cancel', 'its signal', 'a shutdown'])(
    'invariant 3: keeps the compensation that failed if it is canceled by %s before it is tried again',
    async (how) => {
      let isOpen = false;
      const { failing, steps } = world();
      const [payment, vendor] = steps as [Step, Step];
      const compensate = (): void => {
        if (!isOpen) throw new OrderError('bank_closed', 'Closed', { retryable: false });
      };
      failing.add('a');
      const processor = await opened([{ ...payment, compensate }, vendor]);
      processor.on('error', () => {});
      const controller = new AbortController();
      const outcome = codeOf(processor.submit(order('a'), { signal: controller.signal }));
      await clock.runAll();
      const released = processor.release('u', 'retry');
      const held = processor.hold('u');
      await clock.runAll();
      await Promise.all([released, held]);
      if (how === 'cancel') await processor.cancel('a');
      else if (how === 'its signal') controller.abort();
      else await processor.shutdown();
      await clock.runAll();
      const isLeft = how === 'a shutdown' && isKept;
      expect(await outcome).toBe(isLeft ? 'shut_down' : 'canceled');
      if (how === 'a shutdown') return;
      expect(await processor.order('a')).toMatchObject({
        status: 'canceled',
        steps: [{ name: 'payment', status: 'ok', compensation: { code: 'bank_closed' } }, {}],
        results: { payment: 'charge' },
      });
      isOpen = true;
      const { steps: after } = await processor.compensate('a');
      expect(after[0]?.status).toBe('compensated');
      await processor.shutdown();
    },
  );

  it('a lane that is held by hand too stays held when the order is canceled', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = codeOf(processor.submit(order('a')));
    const second = watch(processor.submit(order('b')));
    await clock.runAll();
    await processor.hold('u', { reason: 'fraud?' });
    expect((await processor.holds()).holds).toMatchObject([{ orderId: 'a', reason: 'fraud?' }]);
    await processor.cancel('a');
    await clock.runAll();
    expect(await first).toBe('canceled');
    expect(second.isSettled).toBe(false);
    const [hold] = (await processor.holds()).holds;
    expect([hold?.reason, hold?.orderId]).toEqual(['fraud?', undefined]);
    await processor.release('u');
    await clock.runAll();
    expect(second.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 4: shutdown does not wait for it; it stays in a storage that keeps orders, and fails in any other', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const processor = await opened(steps);
    const first = codeOf(processor.submit(order('a')));
    const second = codeOf(processor.submit(order('b')));
    await clock.runAll();
    const closed = processor.shutdown();
    await clock.advance(100);
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: false, kept: isKept ? 2 : 0 });
    const codes = isKept ? ['shut_down', 'shut_down'] : ['no_vendor', 'canceled'];
    expect([await first, await second]).toEqual(codes);
  });

  it('invariant 4: one that fails while the processor shuts down does not make it wait either', async () => {
    const { steps } = world();
    const gate = deferred();
    const slow: Step = {
      name: 'slow',
      async run() {
        await gate.promise;
        throw new OrderError('no_vendor', 'Closed');
      },
    };
    const processor = await opened([...steps, slow]);
    const first = codeOf(processor.submit(order('a')));
    await clock.settle();
    const closed = processor.shutdown();
    gate.resolve();
    await clock.advance(100);
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: false, kept: isKept ? 1 : 0 });
    expect(await first).toBe(isKept ? 'shut_down' : 'no_vendor');
  });

  it('invariant 1: does not hold its lane before its functions have ended', async () => {
    const gate = deferred();
    const steps: Step[] = [
      { name: 'hangs', run: () => gate.promise },
      {
        name: 'fails',
        run() {
          throw new OrderError('no_vendor', 'Closed');
        },
      },
    ];
    const processor = await opened(steps);
    const first = codeOf(processor.submit(order('a')));
    await clock.settle();
    expect(processor.stats().heldLanes).toBe(0);
    gate.resolve();
    await clock.runAll();
    expect(processor.stats().heldLanes).toBe(1);
    await processor.release('u', 'skip');
    expect(await first).toBe('no_vendor');
    await processor.shutdown();
  });
});

describe('`onFailure`', () => {
  it('of a step counts for that step, whatever the processor has', async () => {
    const fails = (name: string, onFailure?: 'continue' | 'hold'): Step => ({
      name,
      onFailure,
      run({ payload }) {
        if (payload === name) throw new OrderError(`by_${name}`, 'Failed');
      },
    });
    for (const general of ['continue', 'hold', undefined] as const) {
      const steps = [fails('goes', 'continue'), fails('holds', 'hold'), fails('other')];
      const processor = new OrderProcessor({ steps, onFailure: general });
      const codes = ['goes', 'holds', 'other'].map((payload) =>
        outcomeNow(codeOf(processor.submit({ userId: payload, amount: 1, payload }))),
      );
      await clock.runAll();
      const { holds } = await processor.holds();
      expect(holds.map(({ userId }) => userId)).toEqual(
        general === 'hold' ? ['holds', 'other'] : ['holds'],
      );
      await Promise.all(codes);
      await processor.shutdown();
    }
  });

  it('of the processor counts for the time of an order', async () => {
    const steps: Step[] = [{ name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) }];
    const processor = new OrderProcessor({ steps, timeoutMs: 10, onFailure: 'hold' });
    const first = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect((await processor.holds()).holds).toMatchObject([{ orderId: 'a', code: 'timeout' }]);
    await processor.release('u', 'skip');
    expect(await first).toBe('timeout');
    await processor.shutdown();
  });

  it('holds no lane for an amount that is refused: the credit that helps waits behind it', async () => {
    const processor = new OrderProcessor({
      steps: world().steps,
      minBalance: 0,
      onFailure: 'hold',
    });
    const debit = codeOf(processor.submit({ userId: 'u', amount: -5 }));
    await clock.runAll();
    expect(await debit).toBe('insufficient_funds');
    expect(processor.stats().heldLanes).toBe(0);
    await processor.shutdown();
  });

  it.each([5, '', 'HOLD', null])('%j is an error of the constructor', (wrong) => {
    const onFailure = wrong as never;
    expect(() => new OrderProcessor({ onFailure })).toThrow(/`onFailure`/);
    const steps = [{ name: 'a', run() {}, onFailure }];
    expect(() => new OrderProcessor({ steps })).toThrow(/`steps\[0\].onFailure`/);
  });
});

describe('a failed order that holds its lane, and a restart', () => {
  it.each(['retry', 'skip', 'cancel'] as const)(
    'invariant 9: holds it after the restart, and ends by %s',
    async (how) => {
      const disk = new MemoryStorage();
      const { failing, log, steps } = world();
      failing.add('a');
      const first = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
      await first.enqueue(order('a'));
      await first.enqueue(order('b'));
      await clock.runAll();
      await first.shutdown();
      log.length = 0;
      const second = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
      const outcome = second.outcome('a');
      await clock.runAll();
      expect(log).toEqual([]);
      expect(second.stats()).toMatchObject({ heldLanes: 1, heldOrders: 2, recovered: 2 });
      failing.delete('a');
      if (how === 'cancel') expect(await second.cancel('a')).toBe(true);
      else await second.release('u', how);
      await clock.runAll();
      const status = { retry: 'completed', skip: 'failed', cancel: 'canceled' }[how];
      expect(await outcome).toMatchObject({ status });
      expect(await second.order('a')).toMatchObject({ status });
      expect(await second.order('b')).toMatchObject({ status: 'completed' });
      const again = how === 'retry' ? ['pay a#2 a:payment/2', 'vendor a#2'] : [];
      expect(log.slice(0, again.length)).toEqual(again);
      await second.shutdown();
      expect(disk.holds({ limit: 9 })).toEqual([]);
    },
  );

  it('invariant 9: its hold has the cause of its error before and after the restart', async () => {
    const disk = new MemoryStorage();
    const steps = [
      {
        name: 'payment',
        run() {
          throw new TypeError('socket hang up');
        },
      },
    ];
    const first = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
    const held: Hold[] = [];
    first.on('held', (hold) => held.push(hold));
    await first.enqueue(order('a'));
    await clock.runAll();
    const cause = { name: 'TypeError', message: 'socket hang up' };
    expect(held).toMatchObject([{ orderId: 'a', code: 'internal', cause }]);
    await first.shutdown();
    const second = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
    expect((await second.holds()).holds).toEqual(held);
    expect(await second.release('u', 'skip')).toMatchObject({ cause });
    await second.shutdown();
  });

  describe.each(['any', 'json'] as const)('in a storage that keeps %s', (payloads) => {
    const steps: Step[] = [
      { name: 'quote', run: () => ({ price: 5, left: undefined }), compensate() {} },
      { name: 'stamp', after: 'quote', run: () => ['red'] },
      {
        name: 'vendor',
        after: 'stamp',
        run({ payload }, { results }) {
          const cause = new RangeError('Too late');
          if (payload === 'odd') (results.stamp as unknown[]).push(results);
          throw new OrderError('no_vendor', 'Closed', { retryable: false, cause });
        },
      },
    ];

    /** What becomes of an order that holds its lane, and ends after a restart if there is one. */
    async function endOf(how: 'skip' | 'cancel', payload: unknown, restarts: boolean) {
      const storage = new KeptStorage(undefined, payloads);
      let processor = await open(storage, { steps, onFailure: 'hold' });
      await processor.enqueue({ ...order('a'), payload });
      await clock.runAll();
      if (restarts) {
        await processor.shutdown();
        const again = new KeptStorage(storage.disk, payloads);
        processor = await open(again, { steps, onFailure: 'hold' });
      }
      const outcome = processor.outcome('a');
      const holds: Hold[] = [...(await processor.holds()).holds];
      if (how === 'skip') holds.push(await processor.release('u', how));
      else await processor.cancel('a');
      await clock.runAll();
      const { error } = (await outcome) as UnfulfilledOutcome;
      const record = (await processor.order('a')) as OrderRecord;
      await processor.shutdown();
      for (const hold of holds) expect(hold).not.toHaveProperty('failure');
      const waitMs = (record.startedAt ?? Number.NaN) - record.acceptedAt;
      const times = { acceptedAt: 0, startedAt: 0, settledAt: 0 };
      const shown = { ...error.toJSON(), waitMs: 0, durationMs: 0 };
      return { record: { ...record, ...times }, error: shown, waitMs };
    }

    it.each(['skip', 'cancel'] as const)(
      'invariant 9: it ends by %s as without the restart: steps, their results, times and cause',
      async (how) => {
        const end = await endOf(how, 'even', true);
        expect(end).toEqual(await endOf(how, 'even', false));
        expect(end.record).toMatchObject({
          results: { quote: { price: 5 }, stamp: ['red'] },
          steps: [{ status: 'compensated' }, { status: 'ok' }, { status: 'error' }],
          retryable: how !== 'skip',
        });
      },
    );

    it('invariant 1: a result that the storage cannot keep does not end its hold', async () => {
      const { record } = await endOf('skip', 'odd', true);
      expect(record).toMatchObject({ code: 'no_vendor', results: { quote: { price: 5 } } });
      const kept = payloads === 'json' ? ['quote'] : ['quote', 'stamp'];
      expect(Object.keys(record.results)).toEqual(kept);
    });
  });

  it('invariant 9: keeps the keys of an order that is tried again, though the process ends before its end', async () => {
    const disk = new MemoryStorage();
    const { failing, log, steps } = world();
    failing.add('a');
    const storage = new KeptStorage(disk);
    const first = await open(storage, { steps, onFailure: 'hold' });
    await first.enqueue(order('a'));
    await clock.runAll();
    storage.fate = (method) => (method === 'settle' ? 'hangs' : 'works');
    failing.delete('a');
    await first.release('u', 'retry');
    await clock.runAll();
    storage.cut();
    log.length = 0;
    const second = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
    await clock.runAll();
    expect(log).toEqual(['pay a#2 a:payment/2', 'vendor a#2']);
    expect(await second.order('a')).toMatchObject({ status: 'completed' });
    await second.shutdown();
  });

  it('invariant 9: is held after a restart between its compensation and its hold', async () => {
    const disk = new MemoryStorage();
    const { failing, log, steps } = world();
    failing.add('a');
    const storage = new KeptStorage(disk);
    const first = await open(storage, { steps, onFailure: 'hold' });
    storage.fate = fatesOf('hold', 'is killed before');
    await first.enqueue(order('a'));
    await clock.runAll();
    log.length = 0;
    const second = await open(new KeptStorage(disk), { steps, onFailure: 'hold' });
    await clock.runAll();
    // What may have been done is compensated once more, and not done again.
    expect(log).toEqual(['refund a a:payment/compensate']);
    expect(await second.order('a')).toMatchObject({ status: 'pending' });
    expect((await second.holds()).holds).toMatchObject([{ orderId: 'a', code: 'no_vendor' }]);
    await second.release('u', 'skip');
    expect(await second.order('a')).toMatchObject({ status: 'failed', code: 'no_vendor' });
    await second.shutdown();
  });

  it('invariant 10: a skip whose end the storage did not note can be repeated', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const storage = new KeptStorage();
    const processor = await open(storage, { steps, onFailure: 'hold' });
    const first = codeOf(processor.submit(order('a')));
    const second = codeOf(processor.submit(order('b')));
    await clock.runAll();
    storage.fate = fatesOf('release', 'rejects');
    expect(await codeOf(processor.release('u', 'skip'))).toBe('storage_failed');
    expect(await first).toBe('no_vendor');
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 1 });
    await processor.release('u', 'skip');
    await clock.runAll();
    expect(await second).toBe('completed');
    await processor.shutdown();
  });

  it('invariant 10: the hold is written again until the storage works, and the lane is held meanwhile', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const storage = new KeptStorage();
    const processor = await open(storage, { steps, onFailure: 'hold' });
    processor.on('error', () => {});
    storage.fate = fatesOf('hold', 'rejects', 'rejects');
    const first = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect(storage.log.filter((call) => call === 'hold u')).toHaveLength(3);
    expect(storage.disk.holds({ limit: 1 })).toMatchObject([{ orderId: 'a' }]);
    await processor.release('u', 'skip');
    expect(await first).toBe('no_vendor');
    await processor.shutdown();
  });
});

describe('the hold of a failed order that is settled', () => {
  /** A processor whose order `a` holds the lane of `u`, by hand as well if there is a reason. */
  async function heldIn(storage: OrderStorage, reason?: string) {
    const { failing, steps } = world();
    failing.add('a');
    const options = { steps, onFailure: 'hold' } as const;
    const processor = new OrderProcessor({ ...options, storage });
    await processor.ready;
    const outcome = codeOf(processor.submit(order('a')));
    await clock.runAll();
    if (reason !== undefined) await processor.hold('u', { reason });
    expect((await processor.holds()).holds).toMatchObject([{ orderId: 'a', reason }]);
    return { outcome, processor, options };
  }

  const isHeldByHand = (holds: readonly Hold[]): unknown[] =>
    holds.map(({ orderId, code, compensated, reason }) => [orderId, code, compensated, reason]);

  it.each<['skip' | 'cancel', string | undefined]>([
    ['skip', undefined],
    ['skip', 'fraud?'],
    ['cancel', undefined],
    ['cancel', 'fraud?'],
  ])(
    'invariant 9: ends with the settlement: `%s` of a lane, held by hand too: %s, and a kill after it',
    async (how, reason) => {
      const storage = new KeptStorage();
      const { processor, options } = await heldIn(storage, reason);
      storage.fate = (method) =>
        method === 'hold' || method === 'release' ? 'is killed before' : 'works';
      if (how === 'skip') processor.release('u', 'skip').catch(() => {});
      else processor.cancel('a').catch(() => {});
      await clock.runAll();
      expect(storage.isCut).toBe(true);
      const next = await open(new KeptStorage(storage.disk), options);
      const status = how === 'skip' ? 'failed' : 'canceled';
      expect(await next.order('a')).toMatchObject({ status });
      const { holds } = await next.holds();
      const byHand = reason === undefined ? [] : [[undefined, undefined, undefined, reason]];
      expect(isHeldByHand(holds)).toEqual(byHand);
      const later = codeOf(next.submit(order('b')));
      await clock.runAll();
      if (reason !== undefined) await next.release('u');
      await clock.runAll();
      expect(await later).toBe('completed');
      await next.shutdown();
    },
  );

  it.each([undefined, 'fraud?'])(
    'invariant 1: ends with the shutdown of a processor in memory, unless it is held by hand: %s',
    async (reason) => {
      const storage = new MemoryStorage();
      const { outcome, processor, options } = await heldIn(storage, reason);
      const closed = processor.shutdown();
      await clock.runAll();
      await closed;
      expect(await outcome).toBe('no_vendor');
      const next = new OrderProcessor({ ...options, storage });
      const { holds } = await next.holds();
      const byHand = reason === undefined ? [] : [[undefined, undefined, undefined, reason]];
      expect(isHeldByHand(holds)).toEqual(byHand);
      await next.shutdown();
    },
  );

  it('invariant 2: a lane goes on whose order is canceled, though the storage fails to end the hold', async () => {
    const { failing, steps } = world();
    failing.add('a');
    const storage = new KeptStorage();
    const processor = await open(storage, { steps, onFailure: 'hold' });
    const errors: string[] = [];
    processor.on('error', ({ code }) => errors.push(code));
    const [first, second] = ['a', 'b'].map((id) => codeOf(processor.submit(order(id))));
    await clock.runAll();
    storage.fate = fatesOf('release', 'rejects', 'throws');
    expect(await processor.cancel('a')).toBe(true);
    await clock.runAll();
    expect([await first, await second]).toEqual(['canceled', 'completed']);
    expect(errors).toEqual(['storage_failed', 'storage_failed']);
    expect(processor.stats()).toMatchObject({ heldLanes: 0 });
    await processor.shutdown();
  });
});
