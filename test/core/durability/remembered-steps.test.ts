import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf } from '../../kit/helpers.ts';
import { broken, fatesOf, open, working } from '../../kit/kept/helpers.ts';
import { KeptStorage, never } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 10 };
const closed: Step = {
  name: 'vendor',
  after: 'pay',
  run: () => Promise.reject(new OrderError('closed', 'Closed')),
};

function payment(log: unknown[], more: Partial<Step> = {}): Step {
  return {
    name: 'pay',
    remember: true,
    run: (_, { attempt }) => {
      log.push(`pay ${attempt}`);
      return { chargeId: 'c-1' };
    },
    compensate: (_, { isFinished, result }) => void log.push(['undo', isFinished, result]),
    ...more,
  };
}

const hangs: Step = { name: 'vendor', after: 'pay', run: never };

/** The disk that a process leaves which was killed in the step after the payment. */
async function killedAfterPaying(log: unknown[], more: Partial<Step> = {}) {
  const storage = new KeptStorage();
  const processor = await open(storage, { steps: [payment(log, more), hangs] });
  await processor.enqueue(order);
  await clock.settle();
  storage.cut();
  return storage;
}

describe('a step with `remember`', () => {
  it('invariant 9: its result is on disk before what comes after it begins', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const gate = deferred<'works'>();
    storage.fate = fatesOf('remember', gate.promise);
    const after: Step = {
      name: 'vendor',
      after: 'pay',
      run: (_, { results }) => void log.push(results, storage.disk.find('a')?.remembered),
    };
    const processor = await open(storage, { steps: [payment(log), after] });
    const receipt = processor.submit(order);
    await clock.settle();
    expect(log).toEqual(['pay 1']);
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, unsettled: 1 });
    gate.resolve('works');
    await clock.runAll();
    const result = { chargeId: 'c-1' };
    expect(log.slice(1)).toEqual([{ pay: result }, [{ step: 'pay', result, amount: undefined }]]);
    expect(await receipt).toMatchObject({ results: { pay: result } });
    expect(storage.log).toEqual(['accept a', 'remember a:1', 'settle a:completed']);
    expect(storage.disk.find('a')?.remembered).toEqual([]);
    await processor.shutdown();
    expect(storage.offences).toEqual([]);
  });

  it('is run again in an order that is tried again after it was compensated', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const steps = [payment(log), { ...closed, onFailure: 'hold' as const }];
    const first = await open(storage, { steps });
    await first.enqueue(order);
    await clock.runAll();
    await first.release('u', 'retry');
    await clock.runAll();
    expect(log).toEqual(['pay 1', ['undo', true, { chargeId: 'c-1' }], 'pay 2', log[1]]);
    storage.cut();

    const next = new KeptStorage(storage.disk);
    const second = await open(next, { steps: [payment(log), hangs] });
    await second.release('u', 'retry');
    await clock.settle();
    expect(log.slice(4)).toEqual(['pay 2']);
    next.cut();

    const last = await open(new KeptStorage(next.disk), { steps: [payment(log)] });
    await last.onIdle();
    expect(log).toHaveLength(5);
    await last.shutdown();
  });

  it('invariant 9: is not run again after a kill, and what comes after it has its result', async () => {
    const log: unknown[] = [];
    const { disk } = await killedAfterPaying(log);
    const vendor: Step = {
      name: 'vendor',
      after: 'pay',
      run: (_, { attempt, results }) => void log.push(attempt, results),
    };
    const storage = new KeptStorage(disk);
    const processor = await open(storage, { steps: [payment(log), vendor] });
    await processor.onIdle();
    expect(log).toEqual(['pay 1', 2, { pay: { chargeId: 'c-1' } }]);
    expect(disk.find('a')).toMatchObject({
      status: 'completed',
      results: { pay: { chargeId: 'c-1' } },
      steps: [
        { name: 'pay', status: 'ok', attempts: 0, durationMs: 0 },
        { name: 'vendor', status: 'ok', attempts: 1 },
      ],
    });
    await processor.shutdown();
  });

  it('invariant 3: its compensation has the result after a restart', async () => {
    const log: unknown[] = [];
    const { disk } = await killedAfterPaying(log);
    const processor = await open(new KeptStorage(disk), { steps: [payment(log), closed] });
    await processor.onIdle();
    expect(log).toEqual(['pay 1', ['undo', true, { chargeId: 'c-1' }]]);
    expect(disk.find('a')).toMatchObject({
      status: 'failed',
      code: 'closed',
      results: { pay: { chargeId: 'c-1' } },
      steps: [{ status: 'compensated' }, { status: 'error' }],
    });
    await processor.shutdown();
  });

  it('invariant 3: its compensation has the result where the order was decided before the kill', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const steps = [payment(log, { compensate: never }), closed];
    const killed = await open(storage, { steps });
    await killed.enqueue(order);
    await clock.settle();
    storage.cut();
    expect(storage.disk.find('a')?.decided?.code).toBe('closed');
    const processor = await open(new KeptStorage(storage.disk), { steps: [payment(log), closed] });
    await processor.onIdle();
    expect(log).toEqual(['pay 1', ['undo', true, { chargeId: 'c-1' }]]);
    await processor.shutdown();
  });

  it('invariant 3: what it said is settled stands after a restart', async () => {
    const log: unknown[] = [];
    const more: Partial<Step> = { run: (_, { setAmount }) => setAmount(6) };
    const { disk } = await killedAfterPaying(log, more);
    const vendor: Step = { name: 'vendor', after: 'pay', run() {} };
    const processor = await open(new KeptStorage(disk), { steps: [payment(log, more), vendor] });
    await processor.onIdle();
    expect(disk.find('a')).toMatchObject({ amount: 6, orderedAmount: 10, balance: 6, results: {} });
    await processor.shutdown();
  });

  it('invariant 2: several results of one moment go in one call, and those meanwhile in the next', async () => {
    const storage = new KeptStorage();
    storage.fate = (method) => (method === 'remember' ? clock.sleep(5).then(working) : 'works');
    const steps: Step[] = [
      { name: 'one', remember: true, run: () => 1 },
      { name: 'two', remember: true, run: () => clock.sleep(2).then(() => 2) },
      { name: 'last', after: ['one', 'two'], run() {} },
    ];
    const processor = await open(storage, { steps });
    const receipts = ['a', 'b', 'c'].map((id) => processor.submit({ id, userId: id, amount: 1 }));
    await clock.runAll();
    expect((await Promise.all(receipts)).map(({ results }) => results)).toEqual(
      ['a', 'b', 'c'].map(() => ({ one: 1, two: 2 })),
    );
    expect(storage.log.filter((call) => call.startsWith('remember'))).toEqual([
      'remember a:1 b:1 c:1',
      'remember a:2 b:2 c:2',
    ]);
    await processor.shutdown();
  });

  it('invariant 2: its worker is free while the storage is asked', async () => {
    const storage = new KeptStorage();
    storage.fate = (method) => (method === 'remember' ? clock.sleep(50).then(working) : 'works');
    const began: string[] = [];
    const steps: Step[] = [
      { name: 'pay', remember: true, run: ({ id }) => void began.push(`${clock.now} ${id}`) },
      { name: 'last', after: 'pay', run() {} },
    ];
    const processor = await open(storage, { steps, concurrency: 1 });
    const receipts = ['a', 'b'].map((id) => processor.submit({ id, userId: id, amount: 1 }));
    await clock.runAll();
    await Promise.all(receipts);
    expect(began).toEqual(['0 a', '0 b']);
    await processor.shutdown();
  });

  it('invariant 10: a storage that fails is asked again, and nothing that comes after begins meanwhile', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const steps = [payment(log), { ...closed, run: () => void log.push('vendor') }];
    const processor = await open(storage, { steps });
    const receipt = processor.submit(order);
    storage.fate = (method) => (method === 'remember' ? 'rejects' : 'works');
    await clock.advance(5);
    storage.fate = broken;
    await clock.advance(200);
    expect(log).toEqual(['pay 1']);
    expect(processor.stats().storage).toBe('failing');
    storage.fate = working;
    await clock.runAll();
    expect(log).toEqual(['pay 1', 'vendor']);
    expect(await receipt).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it.each(['cancel', 'shutdown'] as const)(
    'invariant 4: %s ends an order whose result is on its way, and compensates it with that',
    async (how) => {
      const log: unknown[] = [];
      const storage = new KeptStorage();
      const processor = await open(storage, { steps: [payment(log), hangs] });
      const failed = errorOf(processor.submit(order));
      const gate = deferred<'works'>();
      storage.fate = fatesOf('remember', gate.promise);
      await clock.settle();
      const ended = how === 'cancel' ? processor.cancel('a') : processor.shutdown({ timeoutMs: 5 });
      await clock.advance(10);
      expect(log).toEqual(['pay 1', ['undo', true, { chargeId: 'c-1' }]]);
      gate.resolve('works');
      await clock.runAll();
      await ended;
      expect(await failed).toMatchObject({ code: 'canceled' });
      expect(storage.disk.find('a')).toMatchObject({
        status: 'canceled',
        steps: [{ status: 'compensated' }, { status: 'skipped' }],
      });
      await processor.shutdown();
    },
  );

  it('invariant 3: a result that the storage can never keep fails the step, which is compensated', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    storage.remember = async (orders) =>
      orders.map(() => ({ status: 'failed', error: new Error('Too long') }));
    const processor = await open(storage, { steps: [payment(log), hangs] });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect(await failed).toMatchObject({
      code: 'internal',
      message: 'Something went wrong',
      cause: {
        message: 'Step `pay` returned what the storage cannot keep',
        cause: { message: 'Too long' },
      },
    });
    expect(log).toEqual(['pay 1', ['undo', true, { chargeId: 'c-1' }]]);
    await processor.shutdown();
  });

  it('needs no storage in memory, and must be a boolean', async () => {
    const log: unknown[] = [];
    const processor = new OrderProcessor({ steps: [payment(log), closed] });
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('closed');
    const steps = [payment(log, { remember: 1 as never })];
    expect(() => new OrderProcessor({ steps })).toThrow(
      new TypeError('Expected `steps[0].remember` to be a boolean, got `1`'),
    );
  });
});
