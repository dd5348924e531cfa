import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow } from '../../kit/helpers.ts';
import { fatesOf } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5 };

/** Steps whose refunds fail while the bank is closed, and what refunds were given. */
function world() {
  const log: unknown[] = [];
  const bank = { isOpen: false, gate: Promise.resolve() };
  const charge = (name: string, more: Partial<Step> = {}): Step => ({
    name,
    run: () => ({ charge: name }),
    async compensate({ id }, { attempt, compensationKey, isFinished, result, results, error }) {
      log.push({ id, attempt, compensationKey, isFinished, result, results, code: error.code });
      await bank.gate;
      if (!bank.isOpen) throw new OrderError('bank_closed', 'Closed');
    },
    ...more,
  });
  const steps: Step[] = [
    charge('pay'),
    charge('tip', { after: 'pay' }),
    charge('lost', {
      after: 'tip',
      run: () => {
        if (order.amount > 0) throw new Error('No answer');
      },
    }),
  ];
  return { bank, charge, log, steps };
}

const keysIn = (log: unknown[]): string[] =>
  log.map((each) => (each as { compensationKey: string }).compensationKey);

describe.each([
  ['in memory', () => new MemoryStorage()],
  ['kept', () => new KeptStorage()],
])('a compensation that failed, %s', (_, storageOf) => {
  async function failed(steps?: readonly Step[]) {
    const { bank, log, steps: usual } = world();
    const storage = storageOf();
    const processor = new OrderProcessor({ storage, steps: steps ?? usual });
    const events: string[] = logOf(processor);
    await processor.ready;
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('internal');
    log.splice(0);
    return { bank, events, log, processor, storage };
  }

  it('is tried again, the last step first, with the same keys and the results of its step', async () => {
    const { bank, events, log, processor } = await failed();
    const before = await processor.order('a');
    expect(before?.steps.map(({ compensation }) => compensation?.status)).toEqual(
      Array(3).fill('error'),
    );
    bank.isOpen = true;
    const record = await processor.compensate('a');
    const pay = { charge: 'pay' };
    const tip = { charge: 'tip' };
    const shared = { id: 'a', attempt: 2, code: 'internal' };
    expect(log).toEqual([
      {
        ...shared,
        compensationKey: 'a:lost/compensate',
        isFinished: false,
        result: undefined,
        results: { pay, tip },
      },
      {
        ...shared,
        compensationKey: 'a:tip/compensate',
        isFinished: true,
        result: tip,
        results: { pay },
      },
      {
        ...shared,
        compensationKey: 'a:pay/compensate',
        isFinished: true,
        result: pay,
        results: {},
      },
    ]);
    expect(record.steps).toMatchObject([
      { name: 'pay', status: 'compensated', compensation: { status: 'ok', attempts: 2 } },
      { name: 'tip', status: 'compensated', compensation: { status: 'ok', attempts: 2 } },
      { name: 'lost', status: 'error', code: 'internal', compensation: { status: 'ok' } },
    ]);
    expect(await processor.order('a')).toEqual({ ...before, steps: record.steps });
    expect(events.filter((line) => line.includes('compensation_failed'))).toHaveLength(3);
    // There is nothing left to do.
    expect(await processor.compensate('a')).toEqual(record);
    expect(log).toHaveLength(3);
    await processor.shutdown();
  });

  it('is left as failed if it fails once more, and then tried alone', async () => {
    const { bank, events, log, processor } = await failed();
    const [part, hangs] = [deferred(), deferred()];
    bank.gate = part.promise;
    const first = processor.compensate('a');
    await clock.settle();
    bank.isOpen = true;
    bank.gate = hangs.promise;
    part.resolve();
    await clock.settle();
    bank.gate = Promise.resolve();
    await clock.advance(60_000);
    const codes = (await first).steps.map(({ compensation }) => compensation?.code);
    expect(codes).toEqual([undefined, 'timeout', undefined]);
    bank.isOpen = false;
    const second = processor.compensate('a');
    // What goes on although its time was up holds its user.
    expect(await outcomeNow(second)).toBe('pending');
    log.splice(0);
    hangs.resolve();
    const record = await second;
    expect(keysIn(log)).toEqual(['a:tip/compensate']);
    expect(record.steps[1]).toMatchObject({
      status: 'ok',
      compensation: { code: 'bank_closed', attempts: 3 },
    });
    expect(events.at(-1)).toBe('error:a:compensation_failed');
    await processor.shutdown();
  });

  it('invariant 10: counts if it succeeds after its time', async () => {
    const { bank, log, processor } = await failed();
    const hangs = deferred();
    bank.gate = hangs.promise;
    const first = processor.compensate('a');
    await clock.advance(120_000);
    const codes = (await first).steps.map(({ compensation }) => compensation?.code);
    expect(codes).toEqual(Array(3).fill('timeout'));
    const second = processor.compensate('a');
    log.splice(0);
    bank.isOpen = true;
    hangs.resolve();
    const { steps } = await second;
    expect(log).toEqual([]);
    expect(steps).toMatchObject([
      { status: 'compensated', compensation: { status: 'ok', attempts: 2 } },
      { status: 'compensated', compensation: { status: 'ok', attempts: 2 } },
      { status: 'error', compensation: { status: 'ok', attempts: 2 } },
    ]);
    expect((await processor.order('a'))?.steps).toEqual(steps);
    await processor.shutdown();
  });

  it('is tried once by two callers at once', async () => {
    const { bank, log, processor } = await failed();
    bank.isOpen = true;
    const [one, other] = await Promise.all([processor.compensate('a'), processor.compensate('a')]);
    expect(one).toEqual(other);
    expect(log).toHaveLength(3);
    await processor.shutdown();
  });

  it('invariant 1: takes the lane of its user, held or not: after what runs, before what waits', async () => {
    const gate = deferred();
    const ran: string[] = [];
    const { bank, log, processor } = await failed();
    bank.isOpen = true;
    const { bank: own, charge } = world();
    own.isOpen = true;
    await processor.shutdown();
    const storage = storageOf();
    const steps: Step[] = [
      charge('pay', {
        run: ({ id }) => void ran.push(id),
        compensate: async ({ id }) => {
          ran.push(`undo ${id}`);
          await own.gate;
          if (!own.isOpen) throw new OrderError('bank_closed', 'Closed');
        },
      }),
      {
        name: 'vendor',
        after: 'pay',
        run: async ({ id }) => {
          if (id === 'a') throw new OrderError('closed', 'Closed');
          if (id === 'b') await gate.promise;
        },
      },
    ];
    const next = new OrderProcessor({ storage, steps });
    await next.ready;
    next.on('error', () => {});
    own.isOpen = false;
    expect(await codeOf(next.submit(order))).toBe('closed');
    own.isOpen = true;
    const hurdle = deferred();
    own.gate = hurdle.promise;
    const b = next.submit({ ...order, id: 'b' });
    const c = next.submit({ ...order, id: 'c' });
    const x = next.submit({ ...order, id: 'x', userId: 'v' });
    await clock.settle();
    await next.hold('u');
    const again = next.compensate('a');
    await x;
    expect(ran).toEqual(['a', 'undo a', 'b', 'x']);
    gate.resolve();
    await b;
    await clock.settle();
    await next.release('u');
    await clock.settle();
    expect(ran.slice(4)).toEqual(['undo a']);
    hurdle.resolve();
    expect((await again).steps[0]?.status).toBe('compensated');
    await c;
    expect(ran.slice(5)).toEqual(['c']);
    await next.shutdown();
    expect(log).toEqual([]);
  });

  it('is a clear error for an order that did not fail, for a step that is gone, and in a step of its user', async () => {
    const { bank, processor, storage } = await failed();
    bank.isOpen = true;
    await expect(processor.compensate('')).rejects.toBeInstanceOf(TypeError);
    expect(await codeOf(processor.compensate('none'))).toBe('not_failed');
    await processor.shutdown();
    expect(await codeOf(processor.compensate('a'))).toMatch(/^(shut_down|storage_failed)$/);
    if (!(storage instanceof KeptStorage)) return;
    let inStep: Promise<string> | undefined;
    const steps: Step[] = [
      { name: 'asks', run: () => (inStep = codeOf(next.compensate('a'))) },
      { name: 'pay', run: () => {}, compensate: () => {} },
    ];
    const next: OrderProcessor = new OrderProcessor({
      storage: new KeptStorage(storage.disk),
      steps,
    });
    await next.ready;
    await expect(next.compensate('a')).rejects.toThrow('`tip` with `compensate`');
    await next.submit({ ...order, id: 'd' });
    expect(await inStep).toBe('deadlock');
    await next.shutdown();
  });

  it('invariant 4: is a deadlock in a step of its user that joins another caller', async () => {
    let inStep: string | undefined;
    const { bank, charge } = world();
    const gate = deferred();
    const pay = charge('pay', {
      async run({ id }) {
        if (id === 'a') throw new Error('No answer');
        await gate.promise;
        inStep = await codeOf(processor.compensate('a'));
      },
    });
    const processor: OrderProcessor = new OrderProcessor({ storage: storageOf(), steps: [pay] });
    processor.on('error', () => {});
    await processor.ready;
    expect(await codeOf(processor.submit(order))).toBe('internal');
    bank.isOpen = true;
    const b = codeOf(processor.submit({ ...order, id: 'b' }));
    await clock.settle();
    const again = processor.compensate('a');
    await clock.settle();
    gate.resolve();
    await clock.settle();
    expect(inStep).toBe('deadlock');
    expect(await b).toBe('completed');
    expect((await again).steps[0]?.compensation?.status).toBe('ok');
    await processor.shutdown();
  });

  it('invariant 4: a shutdown waits for it, and gives it up at the deadline', async () => {
    const { bank, processor, storage } = await failed();
    bank.gate = deferred().promise;
    const again = processor.compensate('a');
    await clock.settle();
    const closed = processor.shutdown({ timeoutMs: 100 });
    await clock.advance(50);
    expect(await outcomeNow(closed)).toBe('pending');
    await clock.runAll();
    await closed;
    expect((await again).steps[1]?.compensation?.code).toBe('shut_down');
    const disk = storage instanceof KeptStorage ? storage.disk : storage;
    expect(disk.find('a')?.steps[1]?.compensation).toMatchObject({ status: 'error', attempts: 1 });
  });
});

describe('a compensation that is tried again', () => {
  it('invariant 9: has failed as before where the process ends meanwhile', async () => {
    const { bank, log, steps } = world();
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage, steps });
    processor.on('error', () => {});
    await processor.ready;
    await codeOf(processor.submit(order));
    bank.isOpen = true;
    storage.fate = fatesOf('amend', 'is killed before');
    processor.compensate('a').catch(() => {});
    await clock.settle();
    log.splice(0);
    const next = new OrderProcessor({ storage: new KeptStorage(storage.disk), steps });
    await next.ready;
    const record = await next.compensate('a');
    expect(keysIn(log)).toEqual(['a:lost/compensate', 'a:tip/compensate', 'a:pay/compensate']);
    expect(record.steps[0]?.status).toBe('compensated');
    await next.shutdown();
  });

  it('invariant 10: is `storage_failed` if the storage did not record it', async () => {
    const { bank, steps } = world();
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage, steps });
    processor.on('error', () => {});
    await processor.ready;
    await codeOf(processor.submit(order));
    bank.isOpen = true;
    storage.fate = fatesOf('amend', 'rejects');
    const error = await errorOf(processor.compensate('a'));
    expect(error.code).toBe('storage_failed');
    expect(error.steps[0]?.status).toBe('compensated');
    expect((await processor.order('a'))?.steps[0]?.compensation?.status).toBe('error');
    expect((await processor.compensate('a')).steps[0]?.status).toBe('compensated');
    await processor.shutdown();
  });

  it('has the keys of its last try, of an order that held its lane and was tried again', async () => {
    const { bank, charge, log } = world();
    const fails: Step = {
      name: 'vendor',
      after: 'pay',
      onFailure: 'hold',
      run: () => {
        throw new OrderError('closed', 'Closed');
      },
    };
    const processor = new OrderProcessor({ steps: [charge('pay'), fails] });
    processor.on('error', () => {});
    bank.isOpen = true;
    await processor.enqueue(order);
    await clock.settle();
    bank.isOpen = false;
    await processor.release('u', 'retry');
    await clock.settle();
    // It is not settled while it holds its lane, and nothing is compensated.
    const held = await errorOf(processor.compensate('a'));
    expect([held.code, processor.stats().heldLanes]).toEqual(['not_failed', 1]);
    expect(held.message).toContain("'skip' to settle it as failed");
    await processor.release('u', 'skip');
    bank.isOpen = true;
    await processor.compensate('a');
    expect(keysIn(log)).toEqual(['a:pay/compensate', 'a:pay/2/compensate', 'a:pay/2/compensate']);
    await processor.shutdown();
  });
});
