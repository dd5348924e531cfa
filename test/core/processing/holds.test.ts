import { type Hold, MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range, watch } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

/** A processor in memory, or over a storage that keeps orders. */
const kinds = [
  ['in memory, without steps', false, []],
  ['in memory, with steps', false, [sleeps]],
  ['kept, without steps', true, []],
  ['kept, with steps', true, [sleeps]],
] as const;

async function opened(isKept: boolean, steps: readonly Step[]): Promise<OrderProcessor> {
  return isKept ? open(new KeptStorage(), { steps }) : new OrderProcessor({ steps });
}

describe.each(kinds)('hold, %s', (_, isKept, steps) => {
  it('invariant 1: begins no order of the user before the release, and then all in their order', async () => {
    const processor = await opened(isKept, steps);
    const log = logOf(processor);
    await processor.hold('u', { reason: 'fraud?' });
    const all = ['a', 'b', 'c'].map((id) => codeOf(processor.submit(order(id))));
    const other = codeOf(processor.submit(order('x', 'v')));
    await clock.runAll();
    expect(await other).toBe('completed');
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 3, queueLength: 3 });
    expect(await processor.order('a')).toMatchObject({ status: 'pending' });
    const released = processor.release('u');
    await clock.runAll();
    expect(await released).toMatchObject({ userId: 'u', reason: 'fraud?' });
    expect(await Promise.all(all)).toEqual(['completed', 'completed', 'completed']);
    expect(log.filter((line) => line.startsWith('completed'))).toEqual(
      ['x', 'a', 'b', 'c'].map((id) => `completed:${id}`),
    );
    expect(processor.stats()).toMatchObject({ heldLanes: 0, heldOrders: 0, queueLength: 0 });
    await processor.shutdown();
  });

  it('a pause and its end change nothing of a hold, nor a release anything of a pause', async () => {
    const processor = await opened(isKept, steps);
    await processor.hold('u');
    processor.pause('u');
    const submitted = watch(processor.submit(order('a')));
    processor.resume('u');
    processor.resume();
    await clock.runAll();
    expect(submitted.isSettled).toBe(false);
    processor.pause('u');
    await processor.release('u');
    await clock.runAll();
    expect(submitted.isSettled).toBe(false);
    processor.resume('u');
    await clock.runAll();
    expect(submitted.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 4: is idle, though orders wait in the lane', async () => {
    const processor = await opened(isKept, steps);
    await processor.hold('u');
    const submitted = watch(processor.submit(order('a')));
    await clock.settle();
    const [idle] = [processor.onIdle()];
    expect(await outcomeNow(idle)).toBeUndefined();
    let isIdle = false;
    processor.on('idle', () => {
      isIdle = true;
    });
    await processor.release('u');
    const after = processor.onIdle();
    await clock.runAll();
    await after;
    expect([submitted.isSettled, isIdle]).toEqual([true, true]);
    await processor.shutdown();
  });

  it('cancels an order that waits in the lane', async () => {
    const processor = await opened(isKept, steps);
    await processor.hold('u');
    const first = codeOf(processor.submit(order('a')));
    const controller = new AbortController();
    const second = codeOf(processor.submit(order('b'), { signal: controller.signal }));
    await clock.settle();
    const canceled = processor.cancel('a');
    await clock.runAll();
    expect(await canceled).toBe(true);
    controller.abort();
    await clock.runAll();
    expect([await first, await second]).toEqual(['canceled', 'canceled']);
    expect(processor.stats()).toMatchObject({ heldLanes: 1, heldOrders: 0, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariant 4: no held lane makes shutdown wait for its deadline', async () => {
    const processor = await opened(isKept, steps);
    await processor.hold('u');
    const held = ['a', 'b'].map((id) => codeOf(processor.submit(order(id))));
    const other = codeOf(processor.submit(order('x', 'v')));
    await clock.settle();
    const closed = processor.shutdown();
    await clock.advance(100);
    const kept = isKept ? 2 : 0;
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: false, kept, canceled: 2 - kept });
    const code = isKept ? 'shut_down' : 'canceled';
    expect(await Promise.all([...held, other])).toEqual([code, code, 'completed']);
  });
});

describe('hold', () => {
  it('invariant 1: what is being processed goes on to its end, and nothing begins after it', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const first = watch(processor.submit(order('a')));
    const second = watch(processor.submit(order('b')));
    await clock.settle();
    const held = processor.hold('u');
    await clock.advance(100);
    await held;
    expect([first.isSettled, second.isSettled]).toEqual([true, false]);
    await processor.release('u');
    await clock.runAll();
    expect(second.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('stops the lane with the call, before the storage has answered', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const fate = deferred<Fate>();
    storage.fate = fatesOf('hold', fate.promise);
    const held = watch(processor.hold('u'));
    const submitted = watch(processor.submit(order('a')));
    await clock.runAll();
    expect([held.isSettled, submitted.isSettled]).toEqual([false, false]);
    fate.resolve('works');
    await clock.runAll();
    expect([held.isSettled, submitted.isSettled]).toEqual([true, false]);
    await processor.shutdown();
  });

  it('raises `held` and `released`, and nothing for a hold that is there', async () => {
    const processor = new OrderProcessor();
    const events: unknown[] = [];
    processor.on('held', (hold) => events.push(['held', hold]));
    processor.on('released', (released) => events.push(['released', released]));
    const first = await processor.hold('u', { reason: 'one' });
    await clock.advance(1_000);
    expect(await processor.hold('u')).toEqual(first);
    expect(await processor.hold('u', { reason: 'two' })).toEqual({ ...first, reason: 'two' });
    expect(processor.stats().oldestHoldMs).toBe(1_000);
    const released = await processor.release('u');
    expect(released).toEqual({ ...first, reason: 'two', releasedAt: first.heldAt + 1_000 });
    expect(events).toEqual([
      ['held', first],
      ['released', released],
    ]);
    await processor.shutdown();
  });

  it('holds and releases that are not awaited count in the order of the calls', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const codes = [
      codeOf(processor.hold('u')),
      codeOf(processor.release('u')),
      codeOf(processor.release('u')),
      codeOf(processor.hold('u')),
      codeOf(processor.release('v')),
    ];
    const submitted = watch(processor.submit(order('a')));
    await clock.runAll();
    const done = 'completed';
    expect(await Promise.all(codes)).toEqual([done, done, 'not_held', done, 'not_held']);
    expect(storage.log.filter((call) => call !== 'accept a')).toEqual([
      'hold u',
      'release u',
      'hold u',
    ]);
    expect(submitted.isSettled).toBe(false);
    await processor.shutdown();
  });

  it('lists the holds in pages, each once', async () => {
    const processor = new OrderProcessor();
    for (const at of range(25)) await processor.hold(`u-${at}`, { reason: `${at}` });
    const all: Hold[] = [];
    let cursor: string | undefined;
    do {
      const page = await processor.holds({ limit: 10, cursor });
      expect(page.holds.length).toBeLessThanOrEqual(10);
      all.push(...page.holds);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(all.map(({ userId }) => userId).toSorted()).toEqual(
      range(25)
        .map((at) => `u-${at}`)
        .toSorted(),
    );
    expect((await processor.holds()).holds).toEqual(all);
    const one = await processor.holds({ userId: all[1]?.userId });
    expect(one).toEqual({ holds: [all[1]], cursor: undefined });
    expect((await processor.holds({ userId: 'nobody' })).holds).toEqual([]);
    await processor.shutdown();
  });

  it.each<[string, (processor: OrderProcessor) => Promise<unknown>]>([
    ['no user', (processor) => processor.hold('')],
    ['a user that is none', (processor) => processor.hold(5 as never)],
    ['a lone surrogate', (processor) => processor.release('\ud800')],
    ['a reason that is none', (processor) => processor.hold('u', { reason: 5 as never })],
    ['a long reason', (processor) => processor.hold('u', { reason: 'x'.repeat(1_025) })],
    ['a reason that is not well-formed', (processor) => processor.hold('u', { reason: '\udc00' })],
    ['an unknown option', (processor) => processor.hold('u', { why: '' } as never)],
    ['a limit of 0', (processor) => processor.holds({ limit: 0 })],
    ['a limit beyond 1 000', (processor) => processor.holds({ limit: 1_001 })],
    ['a cursor of another list', (processor) => processor.holds({ cursor: 'YmVmb3JlIDU' })],
    ['a cursor that is none', (processor) => processor.holds({ cursor: 5 as never })],
  ])('rejects with an error for %s, and holds nothing', async (_, call) => {
    const processor = new OrderProcessor();
    await expect(call(processor)).rejects.toThrow(/^Expected/);
    expect(processor.stats().heldLanes).toBe(0);
    await processor.shutdown();
  });

  it('a release of a lane that is not held is `not_held`, and once the processor shuts down `shut_down`', async () => {
    const processor = new OrderProcessor();
    expect(await errorOf(processor.release('u'))).toMatchObject({
      code: 'not_held',
      userId: 'u',
      retryable: false,
      message: expect.stringContaining('"u"'),
    });
    await processor.hold('u');
    await processor.shutdown();
    expect(await codeOf(processor.release('u'))).toBe('shut_down');
    expect(await codeOf(processor.hold('v'))).toBe('shut_down');
  });

  it('invariant 10: a hold that the storage does not keep rejects, and the lane goes on', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('hold', 'rejects', 'throws');
    const held = codeOf(processor.hold('u'));
    const submitted = codeOf(processor.submit(order('a')));
    await clock.runAll();
    expect([await held, await submitted]).toEqual(['storage_failed', 'completed']);
    expect(await codeOf(processor.hold('u'))).toBe('storage_failed');
    expect(processor.stats()).toMatchObject({ heldLanes: 0 });
    await processor.shutdown();
  });

  it('invariant 10: a release that the storage does not note rejects, and the lane stays held', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    await processor.hold('u');
    storage.fate = fatesOf('release', 'rejects');
    const submitted = watch(processor.submit(order('a')));
    expect(await codeOf(processor.release('u'))).toBe('storage_failed');
    await clock.runAll();
    expect([submitted.isSettled, processor.stats().heldLanes]).toEqual([false, 1]);
    await processor.release('u');
    await clock.runAll();
    expect(submitted.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 9: a lane is held that is held again after its release failed, though the release was done', async () => {
    const disk = new MemoryStorage();
    const storage = new KeptStorage(disk);
    const first = await open(storage);
    await first.hold('u', { reason: 'fraud?' });
    storage.fate = fatesOf('release', 'fails late');
    expect(await codeOf(first.release('u'))).toBe('storage_failed');
    expect(await first.hold('u')).toMatchObject({ reason: 'fraud?' });
    storage.cut();
    const second = await open(new KeptStorage(disk));
    expect(second.stats()).toMatchObject({ heldLanes: 1 });
    await second.shutdown();
  });

  it('invariant 9: a hold that the storage kept, and did not answer so, is ended by a release', async () => {
    const disk = new MemoryStorage();
    const storage = new KeptStorage(disk);
    const processor = await open(storage);
    storage.fate = fatesOf('hold', 'fails late');
    expect(await codeOf(processor.hold('u', { reason: 'fraud?' }))).toBe('storage_failed');
    expect((await processor.holds()).holds).toMatchObject([{ userId: 'u' }]);
    expect(await processor.release('u')).toMatchObject({ reason: 'fraud?', action: undefined });
    expect(disk.holds({ limit: 1 })).toEqual([]);
    expect(await codeOf(processor.release('u'))).toBe('not_held');
    await processor.shutdown();
  });

  it('invariant 4: a hold that the storage never answers rejects when the processor has closed', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('hold', 'hangs');
    const held = codeOf(processor.hold('u'));
    await clock.settle();
    const closed = processor.shutdown();
    await clock.runAll();
    await closed;
    expect(await held).toBe('storage_failed');
  });
});

describe('a hold and a restart', () => {
  it('invariant 9: nothing of the lane begins after the restart, and nothing of it is lost', async () => {
    const disk = new MemoryStorage();
    const begun: string[] = [];
    const work: Step = { name: 'work', run: ({ id }) => void begun.push(id) };
    const first = await open(new KeptStorage(disk), { steps: [work] });
    await first.hold('u', { reason: 'fraud?' });
    for (const id of ['a', 'b']) await first.enqueue(order(id));
    await first.shutdown();
    const second = await open(new KeptStorage(disk), { steps: [work] });
    await second.enqueue(order('c'));
    await second.submit(order('x', 'v'));
    await clock.runAll();
    expect(begun).toEqual(['x']);
    expect(second.stats()).toMatchObject({ recovered: 2, heldLanes: 1, heldOrders: 3 });
    expect((await second.holds()).holds).toMatchObject([{ userId: 'u', reason: 'fraud?' }]);
    await second.shutdown();
    const third = await open(new KeptStorage(disk), { steps: [work] });
    await third.release('u');
    await clock.runAll();
    expect(begun).toEqual(['x', 'a', 'b', 'c']);
    expect(disk.get('u')).toBe(3);
    await third.shutdown();
    const fourth = await open(new KeptStorage(disk), { steps: [work] });
    expect(fourth.stats()).toMatchObject({ recovered: 0, heldLanes: 0 });
    await fourth.shutdown();
  });

  it('invariant 6: orders of held lanes leave room for those that are recovered after them', async () => {
    const disk = new MemoryStorage();
    const first = await open(new KeptStorage(disk));
    await first.hold('u');
    first.pause();
    for (const id of range(5)) await first.enqueue(order(`a-${id}`));
    for (const id of range(5)) await first.enqueue(order(`b-${id}`, `v-${id}`));
    const storage = new KeptStorage(disk);
    // As if the process had been killed.
    const second = await open(storage, { capacity: 4 });
    await clock.runAll();
    expect(second.stats()).toMatchObject({ recovered: 10, completed: 5, heldOrders: 5 });
    await second.release('u');
    await clock.runAll();
    expect(second.stats()).toMatchObject({ completed: 10, unsettled: 0 });
    await second.shutdown();
  });

  it('a `MemoryStorage` keeps a hold for its next processor', async () => {
    const storage = new MemoryStorage();
    const first = new OrderProcessor({ storage });
    await first.hold('u');
    await first.shutdown();
    const second = new OrderProcessor({ storage });
    const submitted = watch(second.submit(order('a')));
    await clock.runAll();
    expect(submitted.isSettled).toBe(false);
    await second.release('u');
    await clock.runAll();
    expect(submitted.isSettled).toBe(true);
    await second.shutdown();
  });

  it('invariant 1: an order that a step hands in while the processor shuts down waits in its held lane, too', async () => {
    const disk = new MemoryStorage();
    const gate = deferred();
    const steps: Step[] = [
      {
        name: 'hands in',
        async run({ id }) {
          if (id !== 'x') return;
          await gate.promise;
          await processor.enqueue(order('b'));
        },
      },
    ];
    const processor = await open(new KeptStorage(disk), { steps });
    await processor.hold('u');
    await processor.enqueue(order('a'));
    const running = codeOf(processor.submit(order('x', 'v')));
    await clock.settle();
    const closed = processor.shutdown();
    gate.resolve();
    await clock.advance(100);
    expect(await outcomeNow(closed)).toMatchObject({ kept: 2, completed: 1, timedOut: false });
    expect(await running).toBe('completed');
    const next = await open(new KeptStorage(disk), { steps: [] });
    await next.release('u');
    await clock.runAll();
    expect(disk.list({ limit: 9 }).orders.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'b completed',
      'x completed',
      'a completed',
    ]);
    await next.shutdown();
  });

  it('holds that cannot be read are read again, and nothing begins before', async () => {
    const disk = new MemoryStorage();
    const first = await open(new KeptStorage(disk));
    await first.hold('u');
    await first.enqueue(order('a'));
    await first.shutdown();
    const storage = new KeptStorage(disk);
    storage.fate = fatesOf('holds', 'rejects', 'rejects');
    const second = new OrderProcessor({ storage });
    second.on('error', () => {});
    const held = second.hold('w');
    await clock.runAll();
    await second.ready;
    await held;
    expect(second.stats()).toMatchObject({ recovered: 1, heldLanes: 2, heldOrders: 1 });
    await second.shutdown();
  });
});
