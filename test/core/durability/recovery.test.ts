import { OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, outcomeNow, range, watch } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { diskWith } from '../../kit/kept/recovering.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

function recording(log: string[], done: Promise<unknown> = Promise.resolve()): Step {
  return {
    name: 'work',
    async run({ id }, { attempt }) {
      log.push(`${id}#${attempt}`);
      await done;
    },
  };
}

const opened = (storage: KeptStorage, options: Omit<OrderProcessorOptions, 'storage'> = {}) =>
  new OrderProcessor({ storage, ...options });

describe('orders that an earlier process left unsettled', () => {
  it('invariant 9: are settled, in the order of each user, and balances are exact', async () => {
    const disk = await diskWith(order('a'), order('b', 'v', 5), order('c', 'u', 2), order('d'));
    const storage = new KeptStorage(disk);
    const processor = opened(storage);
    await processor.ready;
    expect(processor.recovered).toBe(4);
    await processor.onIdle();
    const settled = storage.log.join(' ').match(/\w(?=:completed)/g);
    expect(settled?.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    expect(settled?.filter((id) => id !== 'b')).toEqual(['a', 'c', 'd']);
    expect([disk.get('u'), disk.get('v')]).toEqual([4, 5]);
    expect(await processor.order('c')).toMatchObject({ status: 'completed', balance: 3 });
    await processor.shutdown();
  });

  it('are taken up by a processor that is given nothing to do', async () => {
    const disk = await diskWith(order('a'));
    const processor = opened(new KeptStorage(disk));
    await clock.runAll();
    expect(disk.find('a')).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it('are no new ones: they are not in `accepted`, and raise no such event', async () => {
    const disk = await diskWith(order('a'), order('b'));
    const processor = opened(new KeptStorage(disk));
    const events: string[] = [];
    processor.on('accepted', ({ id }) => events.push(`accepted ${id}`));
    processor.on('started', ({ id }) => events.push(`started ${id}`));
    processor.on('completed', ({ orderId }) => events.push(`completed ${orderId}`));
    await processor.ready;
    await processor.onIdle();
    expect(events).toEqual(['started a', 'started b', 'completed a', 'completed b']);
    expect(processor.stats()).toMatchObject({
      ...{ accepted: 0, recovered: 2, completed: 2, unsettled: 0, storage: 'ready' },
    });
    await processor.shutdown();
  });

  it('invariant 9: give their steps an attempt above 1, and new orders attempt 1', async () => {
    const disk = await diskWith(order('a'));
    const log: string[] = [];
    const processor = opened(new KeptStorage(disk), { steps: [recording(log)] });
    await processor.submit(order('b'));
    expect(log).toEqual(['a#2', 'b#1']);
    await processor.shutdown();
  });

  it('invariant 9: have their steps run again if those had finished, and their amount applied once', async () => {
    const first = new KeptStorage();
    const log: string[] = [];
    const steps = [recording(log)];
    const one = await open(first, { steps });
    first.fate = (method) => (method === 'settle' ? 'is killed before' : 'works');
    void one.submit(order('a'));
    await clock.settle();
    expect([log, first.isCut]).toEqual([['a#1'], true]);
    const processor = opened(new KeptStorage(first.disk), { steps });
    expect(await processor.submit(order('a'))).toMatchObject({ balance: 1 });
    expect(log).toEqual(['a#1', 'a#2']);
    await processor.shutdown();
  });

  it('invariant 9: are not run again if the settlement was done and not answered', async () => {
    const first = new KeptStorage();
    const log: string[] = [];
    const steps = [recording(log)];
    const one = await open(first, { steps });
    first.fate = (method) => (method === 'settle' ? 'is killed after' : 'works');
    void one.submit(order('a'));
    await clock.settle();
    const processor = opened(new KeptStorage(first.disk), { steps });
    expect(await processor.submit(order('a'))).toMatchObject({ balance: 1 });
    expect(processor.recovered).toBe(0);
    expect(log).toEqual(['a#1']);
    await processor.shutdown();
  });

  it('were accepted when they were, and have waited since', async () => {
    const disk = await diskWith(order('a'));
    const acceptedAt = disk.find('a')?.acceptedAt;
    await clock.advance(60_000);
    const processor = opened(new KeptStorage(disk));
    const receipt = await processor.submit(order('a'));
    expect(receipt).toMatchObject({ acceptedAt, waitMs: 60_000, durationMs: 0 });
    expect(disk.find('a')).toMatchObject({ acceptedAt });
    await processor.shutdown();
  });

  it('can be canceled, and asked for', async () => {
    const processor = opened(new KeptStorage(await diskWith(order('a'), order('b'))));
    processor.pause();
    await processor.ready;
    expect(await processor.order('b')).toMatchObject({ status: 'pending' });
    expect(await processor.cancel('b')).toBe(true);
    processor.resume();
    await processor.onIdle();
    expect(await processor.order('a')).toMatchObject({ status: 'completed' });
    expect(await processor.order('b')).toMatchObject({ status: 'canceled' });
    await processor.shutdown();
  });
});

/** The disk of a process that was killed with so many orders accepted. */
async function diskLeft(count: number): Promise<KeptStorage['disk']> {
  const storage = new KeptStorage();
  const processor = await open(storage);
  processor.pause();
  for (let at = 0; at < count; at += 1) await processor.enqueue(order(`left-${at}`));
  storage.cut();
  return storage.disk;
}

describe('new orders while earlier ones are taken up', () => {
  it('invariant 1: wait until all are, and come behind them, with every `overflow`', async () => {
    for (const overflow of ['reject', 'wait'] as const) {
      const storage = new KeptStorage(await diskWith(order('a'), order('b')));
      const page = deferred<Fate>();
      storage.fate = (method, size) =>
        method === 'unsettled' && size > 0 ? page.promise : 'works';
      const processor = opened(storage, { overflow });
      const ready = watch(processor.ready);
      const submitted = processor.submit(order('c'));
      const enqueued = processor.enqueue(order('d'));
      await clock.settle();
      expect(processor.stats()).toMatchObject({ storage: 'recovering', waitingCallers: 2 });
      expect([ready.isSettled, storage.log]).toEqual([false, []]);

      page.resolve('works');
      await clock.settle();
      expect(ready.isSettled).toBe(true);
      expect(processor.stats()).toMatchObject({ storage: 'ready', waitingCallers: 0 });
      expect(await outcomeNow(submitted)).toMatchObject({ balance: 3 });
      expect(await outcomeNow(enqueued)).toMatchObject({ id: 'd' });
      await processor.onIdle();
      expect(storage.disk.find('d')).toMatchObject({ balance: 4 });
      await processor.shutdown();
    }
  });

  it('invariant 6: wait up to `capacity` callers with `reject`, and as many as come with `wait`', async () => {
    for (const overflow of ['reject', 'wait'] as const) {
      const storage = new KeptStorage();
      const opening = deferred<Fate>();
      storage.fate = fatesOf('unsettled', opening.promise);
      const processor = opened(storage, { overflow, capacity: 2 });
      const codes = range(4).map((n) => codeOf(processor.submit(order(`o-${n}`))));
      await clock.settle();
      const now = await Promise.all(codes.map(outcomeNow));
      const rest = overflow === 'reject' ? 'queue_full' : 'pending';
      expect(now).toEqual(['pending', 'pending', rest, rest]);
      opening.resolve('works');
      await clock.settle();
      const then = overflow === 'reject' ? 'queue_full' : 'completed';
      expect(await Promise.all(codes)).toEqual(['completed', 'completed', then, then]);
      await processor.shutdown();
    }
  });

  it('invariant 5: are found to be among those that are taken up', async () => {
    const storage = new KeptStorage(await diskWith(order('a')));
    const processor = opened(storage);
    const again = processor.submit(order('a'));
    const other = codeOf(processor.submit(order('a', 'u', 2)));
    expect(await processor.enqueue(order('a'))).toMatchObject({ id: 'a' });
    expect(await again).toMatchObject({ balance: 1 });
    expect(await other).toBe('order_conflict');
    expect(storage.log).toEqual(['settle a:completed']);
    expect(processor.stats()).toMatchObject({ recovered: 1, accepted: 0, duplicates: 2 });
    await processor.shutdown();
  });

  it('invariant 4: a step that hands in an order is not waited for by what waits for its room', async () => {
    const disk = await diskLeft(4);
    const codes: string[] = [];
    const processor: OrderProcessor = new OrderProcessor({
      storage: new KeptStorage(disk),
      capacity: 2,
      steps: [
        {
          name: 'work',
          run: async ({ id }) => {
            if (!id.startsWith('left')) return;
            codes.push(await codeOf(processor.enqueue(order(`more-${id}`, 'other'))));
            codes.push(String(await processor.cancel('unknown')));
          },
        },
      ],
    });
    await clock.runAll();
    await processor.ready;
    expect(processor.recovered).toBe(4);
    expect(codes).toContain('queue_full');
    await processor.onIdle();
    await processor.shutdown();
  });

  it('back-pressure: with `reject`, orders beyond `capacityPerUser` are refused when recovery ends', async () => {
    const processor = new OrderProcessor({
      storage: new KeptStorage(),
      capacityPerUser: 1,
      steps: [{ name: 'slow', run: () => clock.sleep(1_000) }],
    });
    const codes = ['a', 'b', 'c'].map((id) => codeOf(processor.enqueue(order(id))));
    await clock.settle();
    expect(await Promise.all(codes)).toEqual(['completed', 'queue_full', 'queue_full']);
    await clock.runAll();
    await processor.shutdown();
  });

  it('invariant 3: `cancel` ends an order that is not taken up yet', async () => {
    const disk = await diskLeft(3);
    const processor = new OrderProcessor({
      storage: new KeptStorage(disk),
      capacity: 1,
      steps: [{ name: 'work', run: () => clock.sleep(10) }],
    });
    const canceled = processor.cancel('left-2');
    await clock.runAll();
    expect(await outcomeNow(canceled)).toBe(true);
    expect(disk.find('left-2')).toMatchObject({ status: 'canceled' });
    await processor.shutdown();
  });
});

describe('taking up', () => {
  it('invariant 6: reads no more than there is room for', async () => {
    const orders = range(10).map((n) => order(`o-${n}`));
    const storage = new KeptStorage(await diskWith(...orders));
    storage.pageSize = 2;
    const gate = deferred();
    const begun: string[] = [];
    const processor = opened(storage, { capacity: 3, steps: [recording(begun, gate.promise)] });
    await clock.settle();
    expect(processor.stats()).toMatchObject({
      ...{ unsettled: 3, recovered: 3, storage: 'recovering' },
    });
    expect(processor.recovered).toBe(3);
    gate.resolve();
    await processor.ready;
    expect(processor.recovered).toBe(10);
    await processor.onIdle();
    expect(begun).toEqual(range(10).map((n) => `o-${n}#2`));
    expect(storage.disk.get('u')).toBe(10);
    await processor.shutdown();
  });

  it('invariant 10: begins anew when reading fails, and takes up none twice', async () => {
    const orders = range(5).map((n) => order(`o-${n}`));
    const storage = new KeptStorage(await diskWith(...orders));
    storage.pageSize = 2;
    const gate = deferred();
    const begun: string[] = [];
    storage.fate = fatesOf('unsettled', 'works', 'works', 'rejects', 'throws');
    const processor = opened(storage, { steps: [recording(begun, gate.promise)] });
    const events: string[] = [];
    for (const name of ['interrupted', 'restored', 'error'] as const) {
      processor.on(name, () => events.push(name));
    }
    const ready = watch(processor.ready);
    await clock.settle();
    expect(ready.isSettled).toBe(false);
    expect(processor.stats()).toMatchObject({ recovered: 2, storage: 'failing' });
    await clock.advance(10_000);
    expect(ready.isSettled).toBe(true);
    const failure = ['error', 'interrupted', 'restored'];
    expect(events).toEqual([...failure, ...failure]);
    expect(processor.stats()).toMatchObject({ recovered: 5, storage: 'ready' });
    gate.resolve();
    await processor.onIdle();
    expect(begun.map((each) => each.slice(0, 3))).toEqual(orders.map(({ id }) => id));
    expect(storage.disk.get('u')).toBe(5);
    await processor.shutdown();
  });

  it('invariant 3: takes up nothing again that is settled while reading begins anew', async () => {
    const storage = new KeptStorage(await diskWith(order('a'), order('b')));
    storage.pageSize = 1;
    const page = deferred<Fate>();
    // The opening, `a`, then a failure; the opening again, and `a` again, slowly.
    storage.fate = fatesOf('unsettled', 'works', 'works', 'rejects', 'works', page.promise);
    const gate = deferred();
    const begun: string[] = [];
    const processor = opened(storage, { steps: [recording(begun, gate.promise)] });
    const completed: string[] = [];
    processor.on('completed', ({ orderId }) => completed.push(orderId));
    await clock.advance(1_000);
    expect(begun).toEqual(['a#2']);
    gate.resolve();
    await clock.settle();
    expect(completed).toEqual(['a']);
    page.resolve('works');
    await processor.onIdle();
    expect(completed).toEqual(['a', 'b']);
    expect(begun.map((each) => each.slice(0, 1))).toEqual(['a', 'b']);
    expect(processor.stats()).toMatchObject({ recovered: 2, completed: 2 });
    await processor.shutdown();
  });

  it('is over at once where there is nothing', async () => {
    const processor = opened(new KeptStorage());
    const idle = watch(processor.onIdle());
    await clock.settle();
    expect(await outcomeNow(processor.ready)).toBeUndefined();
    expect(processor.recovered).toBe(0);
    expect(idle.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 4: ends with the shutdown, even if the storage never answers', async () => {
    const storage = new KeptStorage(await diskWith(order('a')));
    storage.fate = () => 'hangs';
    const processor = opened(storage);
    const promises = [processor.ready, processor.onIdle()].map(watch);
    const submitted = codeOf(processor.submit(order('b')));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ kept: 0, unsettled: [], timedOut: true });
    expect(await outcomeNow(submitted)).toBe('shut_down');
    expect(promises.map(({ isSettled }) => isSettled)).toEqual([true, true]);
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending' });
  });

  it('invariant 4: ends with the shutdown, even if there is no room', async () => {
    const storage = new KeptStorage(await diskWith(order('a'), order('b')));
    const begun: string[] = [];
    const steps = [recording(begun, deferred().promise)];
    const processor = opened(storage, { capacity: 1, steps });
    const ready = watch(processor.ready);
    await clock.settle();
    expect(begun).toEqual(['a#2']);
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(ready.isSettled).toBe(true);
    // The step is deaf; what was not taken up stays where it is.
    expect(await outcomeNow(closed)).toMatchObject({ canceled: 1, running: ['a'], kept: 0 });
    expect(storage.disk.find('b')).toMatchObject({ status: 'pending' });
  });
});
