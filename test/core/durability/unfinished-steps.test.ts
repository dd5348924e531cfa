import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: -1 };
const endless = deferred().promise;

/** A payment, and the log of it. */
function payment(log: unknown[], run: Step['run'], more: Partial<Step> = {}): Step {
  return {
    name: 'pay',
    run(given, context) {
      log.push(`pay ${context.attempt}`);
      return run(given, context);
    },
    compensate: (_, { isFinished, result, attempt, idempotencyKey, error, results }) =>
      void log.push([isFinished, result, attempt, idempotencyKey, error.code, results]),
    ...more,
  };
}

/** The disk that a process leaves which is killed while it pays. */
async function killedWhilePaying(log: unknown[]) {
  const storage = new KeptStorage();
  const processor = await open(storage, { steps: [payment(log, () => endless)] });
  await processor.enqueue(order);
  await clock.settle();
  expect(log.splice(0)).toEqual(['pay 1']);
  storage.cut();
  return storage.disk;
}

const closed: Step = {
  name: 'vendor',
  run() {
    throw new OrderError('no_vendor', 'The kitchen is closed');
  },
};

const notFinished = (code: string) => [false, undefined, 2, 'a:pay', code, {}];

describe('a step that had begun when its process was killed', () => {
  it('invariant 3: is compensated if another step fails before it begins again', async () => {
    const log: unknown[] = [];
    const disk = await killedWhilePaying(log);
    const pay = payment(log, () => {}, { after: 'vendor' });
    const processor = await open(new KeptStorage(disk), { steps: [closed, pay] });
    await processor.onIdle();
    expect(log).toEqual([notFinished('no_vendor')]);
    expect(disk.find('a')?.steps).toMatchObject([
      { status: 'error', code: 'no_vendor' },
      { status: 'skipped', attempts: 0, compensation: { status: 'ok' } },
    ]);
    await processor.shutdown();
  });

  it('invariant 3: is compensated if it says now that nothing was charged', async () => {
    const log: unknown[] = [];
    const disk = await killedWhilePaying(log);
    const no = Promise.reject(new OrderError('declined', 'No', { retryable: false }));
    const processor = await open(new KeptStorage(disk), { steps: [payment(log, () => no)] });
    await processor.onIdle();
    expect(log).toEqual(['pay 2', notFinished('declined')]);
    await processor.shutdown();
  });

  it('invariant 3: is compensated if the balance does not bear its order any more', async () => {
    const log: unknown[] = [];
    const disk = await killedWhilePaying(log);
    const options = { steps: [payment(log, () => {})], minBalance: 0 };
    const processor = await open(new KeptStorage(disk), options);
    await processor.onIdle();
    expect(log).toEqual([notFinished('insufficient_funds')]);
    await processor.shutdown();
  });

  it('invariant 3: is not compensated if its order completes', async () => {
    const log: unknown[] = [];
    const disk = await killedWhilePaying(log);
    const processor = await open(new KeptStorage(disk), { steps: [payment(log, () => {})] });
    await processor.onIdle();
    expect(log).toEqual(['pay 2']);
    expect(disk.find('a')).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it('invariant 3: is compensated before the steps that it comes after', async () => {
    const log: string[] = [];
    const undo = (name: string, more: Partial<Step> = {}): Step => ({
      name,
      run: () => {},
      compensate: (_, { isFinished }) => void log.push(`${name} ${isFinished}`),
      ...more,
    });
    const disk = await killedWhilePaying([]);
    const steps = [
      undo('ship', { after: 'pay' }),
      undo('pay', { after: 'reserve' }),
      undo('reserve'),
      closed,
    ];
    const processor = await open(new KeptStorage(disk), { steps });
    await processor.onIdle();
    expect(log).toEqual(['ship true', 'pay true', 'reserve true']);
    await processor.shutdown();

    log.length = 0;
    const other = await killedWhilePaying([]);
    const again = await open(new KeptStorage(other), { steps: [closed, ...steps.slice(0, 3)] });
    await again.onIdle();
    expect(log).toEqual(['ship false', 'pay false', 'reserve false']);
    await again.shutdown();
  });
});

describe('an order that waits after a restart and is canceled', () => {
  async function waiting(log: unknown[]) {
    const disk = await killedWhilePaying(log);
    const storage = new KeptStorage(disk);
    const processor = new OrderProcessor({ storage, steps: [payment(log, () => {})] });
    processor.pause();
    await processor.ready;
    return { storage, processor, disk };
  }

  it('invariant 9: is recorded first, then its callers are notified, and it is compensated in its turn', async () => {
    const log: unknown[] = [];
    const { storage, processor, disk } = await waiting(log);
    const submitted = errorOf(processor.submit(order));
    await clock.settle();
    const noting = deferred<'works'>();
    storage.fate = (method) => (method === 'settle' ? noting.promise : 'works');
    const canceled = [processor.cancel('a'), processor.cancel('a')] as const;
    await clock.settle();
    expect(await outcomeNow(canceled[0])).toBe('pending');
    expect(await outcomeNow(canceled[1])).toBe(false);
    noting.resolve('works');
    expect(await canceled[0]).toBe(true);
    expect((await submitted).code).toBe('canceled');
    expect(disk.find('a')).toMatchObject({ status: 'pending', decided: { outcome: 'canceled' } });
    expect(log).toEqual([]);
    processor.resume();
    await processor.onIdle();
    expect(log).toEqual([notFinished('canceled')]);
    expect(disk.find('a')).toMatchObject({ status: 'canceled', code: 'canceled' });
    expect(processor.stats()).toMatchObject({ canceled: 1, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariant 9: is compensated after another restart, if that comes first', async () => {
    const log: unknown[] = [];
    const { storage, processor, disk } = await waiting(log);
    expect(await processor.cancel('a')).toBe(true);
    storage.cut();
    const again = await open(new KeptStorage(disk), { steps: [payment(log, () => {})] });
    await again.onIdle();
    expect(log).toEqual([[false, undefined, 3, 'a:pay', 'canceled', {}]]);
    await again.shutdown();
  });

  it('invariant 3: has nothing to be compensated if it was accepted by this process', async () => {
    const log: unknown[] = [];
    const processor = await open(new KeptStorage(), { steps: [payment(log, () => {})] });
    processor.pause();
    await processor.enqueue(order);
    expect(await processor.cancel('a')).toBe(true);
    processor.resume();
    await processor.onIdle();
    expect(log).toEqual([]);
    await processor.shutdown();
  });
});

describe('a step that goes on in spite of its signal, with a storage that keeps orders', () => {
  it('invariant 3: keeps its order unsettled until it has ended and is compensated', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const ended = deferred();
    const steps = [payment(log, () => ended.promise)];
    const options = { steps, timeoutMs: 20, stalledAfterMs: 50, concurrency: 1 };
    const processor = await open(storage, options);
    processor.on('stalled', () => {});
    const submitted = codeOf(processor.submit(order));
    await clock.advance(20);
    expect(await outcomeNow(submitted)).toBe('timeout');
    await clock.advance(100);
    expect(storage.disk.find('a')).toMatchObject({
      status: 'pending',
      decided: { code: 'timeout' },
    });
    expect(processor.stats()).toMatchObject({ unsettled: 1, stalled: 1, activeWorkers: 0 });
    ended.resolve();
    await clock.settle();
    expect(log).toEqual(['pay 1', [true, undefined, 1, 'a:pay', 'timeout', {}]]);
    expect(storage.disk.find('a')).toMatchObject({ status: 'failed', code: 'timeout' });
    expect(processor.stats()).toMatchObject({ unsettled: 0, stalled: 0, failed: 1 });
    await processor.shutdown();
  });

  it('invariant 3: is compensated by the next process if this one is killed meanwhile', async () => {
    const log: unknown[] = [];
    const storage = new KeptStorage();
    const steps = [payment(log, () => endless)];
    const processor = await open(storage, { steps, timeoutMs: 20, stalledAfterMs: 50 });
    processor.on('stalled', () => {});
    const submitted = codeOf(processor.submit(order));
    await clock.advance(200);
    expect(await submitted).toBe('timeout');
    storage.cut();
    const again = await open(new KeptStorage(storage.disk), { steps });
    await again.onIdle();
    expect(log).toEqual(['pay 1', notFinished('timeout')]);
    await again.shutdown();
  });
});
