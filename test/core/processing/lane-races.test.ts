/** Holds, failures and delays that come while a call of the storage is under way. */
import { type Hold, OrderError, type OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, watch } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage, type Method } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

/** Its orders fail after 10 ms, as long as they are in `failing`. */
async function opened(storage: KeptStorage, failing: Set<string>, capacity = 10) {
  const work: Step = {
    name: 'work',
    async run({ id }, { signal }) {
      await clock.sleep(10, signal);
      if (failing.has(id)) throw new OrderError('no_luck', 'Not today');
    },
  };
  const processor = await open(storage, { steps: [work], onFailure: 'hold', capacity });
  const log: string[] = [];
  processor.on('held', ({ orderId }) => log.push(`held ${orderId ?? 'by hand'}`));
  processor.on('released', ({ orderId }) => log.push(`released ${orderId ?? 'by hand'}`));
  return { processor, log };
}

/** The next call of a method works when it is told to. */
function slow(storage: KeptStorage, method: Method): () => void {
  const { promise, resolve } = deferred<Fate>();
  let isNext = true;
  storage.fate = (called) => {
    if (called !== method || !isNext) return 'works';
    isNext = false;
    return promise;
  };
  return () => resolve('works');
}

async function holdsOf(processor: OrderProcessor): Promise<readonly Hold[]> {
  return (await processor.holds()).holds;
}

describe('lanes while the storage is asked', () => {
  it('invariant 1: an order that fails while its lane is held by hand holds it too', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set(['a']));
    const answer = slow(storage, 'hold');
    const first = codeOf(processor.submit(order('a')));
    await clock.advance(1);
    const held = processor.hold('u', { reason: 'chargeback' });
    await clock.advance(20);
    answer();
    await clock.advance(1);
    expect(await held).toMatchObject({ reason: 'chargeback', orderId: 'a' });
    expect(await holdsOf(processor)).toMatchObject([{ reason: 'chargeback', orderId: 'a' }]);
    await expect(processor.release('u')).rejects.toThrow(TypeError);
    await processor.release('u', 'skip');
    expect(await first).toBe('no_luck');
    await processor.shutdown();
  });

  it('invariant 1: an order that fails while the hold by hand ends holds its lane', async () => {
    const storage = new KeptStorage();
    const failing = new Set(['a']);
    const { processor, log } = await opened(storage, failing);
    const first = codeOf(processor.submit(order('a')));
    await clock.advance(1);
    await processor.hold('u');
    const answer = slow(storage, 'release');
    const released = processor.release('u');
    await clock.advance(20);
    answer();
    await clock.advance(50);
    expect(await released).toEqual(expect.not.objectContaining({ orderId: 'a' }));
    expect(log).toEqual(['held by hand', 'released by hand', 'held a']);
    const holds = await holdsOf(processor);
    expect(holds).toMatchObject([{ userId: 'u', reason: undefined, orderId: 'a' }]);
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 1 });
    failing.clear();
    await processor.release('u', 'retry');
    await clock.advance(20);
    expect(await first).toBe('completed');
    await processor.shutdown();
  });

  it('invariant 9: no hold is left in the storage of an order that was released before its hold was written', async () => {
    const storage = new KeptStorage();
    const failing = new Set(['a']);
    const { processor } = await opened(storage, failing);
    const first = codeOf(processor.submit(order('a')));
    await clock.advance(1);
    const answer = slow(storage, 'hold');
    const held = processor.hold('u');
    const released = processor.release('u', 'retry');
    await clock.advance(20);
    failing.clear();
    answer();
    await clock.advance(50);
    await held;
    expect(await released).toMatchObject({ orderId: 'a', action: 'retry' });
    expect(await first).toBe('completed');
    expect(await holdsOf(processor)).toEqual([]);
    expect(processor.stats()).toMatchObject({ heldLanes: 0, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariants 4, 6: orders of an earlier process are taken up when the order that had taken the room holds its lane', async () => {
    const storage = new KeptStorage();
    const before = await opened(storage, new Set());
    for (const each of [order('a'), order('x', 'v')]) {
      before.processor.enqueue(each).catch(() => {});
    }
    await clock.settle();
    storage.cut();
    const opening = opened(new KeptStorage(storage.disk), new Set(['a']), 1);
    const isOpen = watch(opening);
    await clock.advance(1_000);
    expect(isOpen.isSettled).toBe(true);
    const { processor } = await opening;
    expect(await processor.order('x')).toMatchObject({ status: 'completed' });
    expect(processor.stats()).toMatchObject({ storage: 'ready', heldLanes: 1 });
    await processor.release('u', 'skip');
    await processor.shutdown();
  });
});

describe('shutdown while a hold is written', () => {
  it('invariants 4, 9: leaves the orders of the lane in the storage', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set());
    const answer = slow(storage, 'hold');
    const held = processor.hold('u');
    await processor.enqueue(order('a'));
    const outcome = processor.outcome('a');
    const closed = processor.shutdown();
    await clock.advance(10);
    answer();
    await clock.runAll();
    await held;
    expect(await outcome).toMatchObject({ error: { code: 'shut_down' } });
    expect(await closed).toMatchObject({ kept: 1, unsettled: [], timedOut: false });
  });
});

describe('an order that holds its lane while the processor shuts down', () => {
  it('invariants 1, 4, 9: leaves the orders behind it in the storage, and its hold is there when the storage closes', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set(['a']), 1_000);
    storage.fate = (method) => (method === 'hold' ? clock.sleep(500).then(() => 'works') : 'works');
    const waiting = Array.from({ length: 100 }, (_, at) => `b${at}`);
    const outcomes = ['a', ...waiting].map((id) => codeOf(processor.submit(order(id))));
    const other = codeOf(processor.submit(order('x', 'v')));
    await clock.advance(1);
    const closed = processor.shutdown();
    await clock.runAll();
    expect(await closed).toMatchObject({ kept: 101, unsettled: [], timedOut: false });
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['shut_down']));
    expect(await other).toBe('completed');
    expect(storage.disk.holds({ limit: 9 })).toMatchObject([{ userId: 'u', orderId: 'a' }]);
    const next = await opened(new KeptStorage(storage.disk), new Set(), 1_000);
    const started: string[] = [];
    next.processor.on('started', ({ id }) => started.push(id));
    await clock.advance(100);
    expect(started).toEqual([]);
    await next.processor.release('u', 'skip');
    await clock.runAll();
    expect(started).toEqual(waiting);
    await next.processor.shutdown();
  });
});

describe('delayed orders while the storage is asked', () => {
  it('invariants 3, 4: an order that is accepted while the storage is asked for an id begins when its time comes', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set());
    await processor.enqueue({ ...order('first'), notBefore: Date.now() + 1 });
    const answer = slow(storage, 'find');
    const asked = processor.cancel('unknown');
    await clock.settle();
    await processor.enqueue({ ...order('a'), notBefore: Date.now() + 5 });
    await clock.advance(50);
    answer();
    await asked;
    await clock.advance(50);
    expect(await processor.order('a')).toMatchObject({ status: 'completed' });
    expect(processor.stats()).toMatchObject({ scheduled: 0, unsettled: 0, completed: 2 });
    await processor.shutdown();
  });

  it('invariant 11: no order is counted as scheduled that the storage kept though its call failed', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set());
    storage.fate = (method, size) => (method === 'accept' && size > 0 ? 'fails late' : 'works');
    expect(await codeOf(processor.enqueue({ ...order('a'), notBefore: Date.now() + 50 }))).toBe(
      'storage_failed',
    );
    storage.fate = () => 'works';
    await clock.advance(30_000);
    await processor.enqueue({ ...order('b'), notBefore: Date.now() + 50 });
    await clock.advance(100);
    expect(processor.stats()).toMatchObject({ scheduled: 0, completed: 2 });
    await processor.shutdown();
  });

  it('invariant 4: the outcome of an order that the storage kept though its call failed comes at its time', async () => {
    const storage = new KeptStorage();
    const { processor } = await opened(storage, new Set());
    storage.fate = (method, size) => (method === 'accept' && size > 0 ? 'fails late' : 'works');
    const enqueued = codeOf(processor.enqueue({ ...order('a'), notBefore: Date.now() + 50 }));
    await clock.settle();
    expect(await enqueued).toBe('storage_failed');
    storage.fate = () => 'works';
    const outcome = watch(processor.outcome('a'));
    await clock.advance(10_000);
    expect(outcome.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 11: a delayed order that held its lane leaves nothing in `oldestWaitMs`', async () => {
    const { processor } = await opened(new KeptStorage(), new Set(['a']));
    const first = codeOf(processor.submit({ ...order('a'), notBefore: Date.now() + 50 }));
    await clock.advance(100);
    await processor.hold('v');
    await processor.enqueue(order('b', 'v'));
    await processor.release('u', 'skip');
    await processor.release('v');
    await clock.advance(50);
    expect(await first).toBe('no_luck');
    expect(processor.stats()).toMatchObject({ oldestWaitMs: 0, queueLength: 0, completed: 1 });
    await processor.shutdown();
  });
});
