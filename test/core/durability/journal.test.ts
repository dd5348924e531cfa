import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow, range } from '../../kit/helpers.ts';
import { fatesOf, keepFirst, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const nothing = { name: 'nothing', run() {} };

describe('an order on its way into the storage', () => {
  it('invariant 9: is acknowledged by `enqueue` when `accept` has answered, and not before', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    const accepted: string[] = [];
    processor.on('accepted', ({ id }) => accepted.push(id));
    const enqueued = processor.enqueue(order('a'));
    await clock.settle();
    expect(await outcomeNow(enqueued)).toBe('pending');
    expect(storage.log).toEqual(['accept a']);
    expect(accepted).toEqual([]);
    expect(processor.stats()).toMatchObject({ accepted: 0, unsettled: 1 });

    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(enqueued)).toMatchObject({ id: 'a', status: 'pending' });
    expect(accepted).toEqual(['a']);
    expect(processor.stats()).toMatchObject({ accepted: 1 });
    await processor.shutdown();
  });

  it('invariant 9: is unknown to `order(id)` until it is kept', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause();
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    void processor.enqueue(order('a'));
    await clock.settle();
    expect(await processor.order('a')).toBeUndefined();
    fate.resolve('works');
    await clock.settle();
    expect(await processor.order('a')).toMatchObject({ id: 'a', status: 'pending' });
    await processor.shutdown();
  });

  it('invariant 9: has no step begun before it is kept', async () => {
    const storage = new KeptStorage();
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    const begun: string[] = [];
    const steps = [{ name: 'work', run: ({ id }: { id: string }) => void begun.push(id) }];
    const processor = await open(storage, { steps });
    const submitted = codeOf(processor.submit(order('a')));
    await clock.settle();
    expect([storage.log, begun]).toEqual([['accept a'], []]);
    fate.resolve('works');
    await clock.settle();
    expect(begun).toEqual(['a']);
    expect(await outcomeNow(submitted)).toBe('completed');
    expect(storage.log).toEqual(['accept a', 'settle a:completed']);
    await processor.shutdown();
  });

  it('invariant 11: a listener of `accepted` or `started` changes neither its way nor what is written', async () => {
    for (const name of ['accepted', 'started'] as const) {
      const storage = new KeptStorage();
      const processor = await open(storage);
      const heard: string[] = [];
      processor.on(name, ({ id }) => heard.push(`${name} ${id} after ${storage.log.join()}`));
      await processor.submit(order('a'));
      expect(heard).toEqual([`${name} a after settle a:completed`]);
      expect(storage.log).toEqual(['settle a:completed']);
      await processor.shutdown();
    }
  });

  it('is settled by one write where it has no steps', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    await processor.submit(order('a'));
    expect(storage.log).toEqual(['settle a:completed']);
    expect(storage.disk.find('a')).toMatchObject({ status: 'completed', balance: 1 });
    await processor.shutdown();
  });

  it('invariant 1: does not overtake an earlier one of its user that is being kept', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    void keepFirst(processor, order('a'));
    const mine = processor.submit(order('b'));
    const anothers = processor.submit(order('c', 'v'));
    await clock.settle();
    expect(await outcomeNow(anothers)).toMatchObject({ balance: 1 });
    expect(await outcomeNow(mine)).toBe('pending');
    expect(storage.log).toEqual(['accept a b', 'settle c:completed']);

    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(mine)).toMatchObject({ balance: 2 });
    expect(storage.log).toEqual([
      'accept a b',
      'settle c:completed',
      'settle a:completed b:completed',
    ]);
    await processor.shutdown();
  });

  it('invariant 9: is canceled as soon as it is kept', async () => {
    for (const isKept of [true, false]) {
      const storage = new KeptStorage();
      const processor = await open(storage);
      const fate = deferred<Fate>();
      storage.fate = fatesOf('accept', fate.promise);
      void keepFirst(processor, order('a'));
      // Behind `a`, it is kept too.
      const last = codeOf(processor.submit(order('b')));
      await clock.settle();
      const id = isKept ? 'a' : 'b';
      const canceled = processor.cancel(id);
      await clock.settle();
      expect(await outcomeNow(canceled), id).toBe('pending');
      fate.resolve('works');
      await clock.settle();
      expect(await outcomeNow(canceled), id).toBe(true);
      expect(storage.disk.find(id), id).toMatchObject({ status: 'canceled' });
      expect(await outcomeNow(last)).toBe(isKept ? 'completed' : 'canceled');
      await processor.shutdown();
    }
  });

  it('invariant 9: is canceled by its signal as soon as it is kept', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    const controller = new AbortController();
    const submitted = codeOf(processor.submit(order('a'), { signal: controller.signal }));
    await clock.settle();
    controller.abort();
    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(submitted)).toBe('canceled');
    expect(storage.log).toEqual(['accept a', 'settle a:canceled']);
    await processor.shutdown();
  });

  it('invariant 6: counts against `capacity` and `capacityPerUser`', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { capacity: 3, capacityPerUser: 2 });
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    void keepFirst(processor, order('a'));
    void keepFirst(processor, order('b'));
    expect(await codeOf(keepFirst(processor, order('c')))).toBe('queue_full');
    void keepFirst(processor, order('d', 'v'));
    expect(await codeOf(processor.submit(order('e', 'v')))).toBe('queue_full');
    fate.resolve('works');
    await clock.settle();
    expect(await processor.submit(order('e', 'v'))).toMatchObject({ balance: 2 });
    await processor.shutdown();
  });
});

describe('calls of the storage', () => {
  it('are one `accept` and one `settle` at a time; what comes meanwhile goes into the next', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const fates = range(4).map(() => deferred<Fate>());
    const [accept1, accept2, settle1, settle2] = fates;
    const all = {
      accept: [accept1, accept2],
      settle: [settle1, settle2],
    } as const;
    const next = { accept: 0, settle: 0 };
    storage.fate = (method) => {
      if (method !== 'accept' && method !== 'settle') return 'works';
      next[method] += 1;
      return all[method][next[method] - 1]?.promise ?? 'works';
    };
    void keepFirst(processor, order('a'));
    await clock.settle();
    for (const id of ['b', 'c']) void keepFirst(processor, order(id));
    await clock.settle();
    expect(storage.log).toEqual(['accept a']);
    accept1?.resolve('works');
    await clock.settle();
    expect(storage.log.toSorted()).toEqual(['accept a', 'accept b c', 'settle a:completed']);
    accept2?.resolve('works');
    await clock.settle();
    expect(storage.log).toHaveLength(3);
    settle1?.resolve('works');
    await clock.settle();
    expect(storage.log.slice(3)).toEqual(['settle b:completed c:completed']);
    settle2?.resolve('works');
    await processor.onIdle();
    expect(storage.offences).toEqual([]);
    await processor.shutdown();
  });

  it('invariant 6: have at most 1 024 orders each', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const sizes: string[] = [];
    storage.fate = (method, size) => {
      sizes.push(`${method} ${size}`);
      return 'works';
    };
    const enqueued = range(3_000).map((n) => keepFirst(processor, order(`o-${n}`)));
    await Promise.all(enqueued);
    await processor.onIdle();
    const sizesOf = (name: string) =>
      sizes.filter((each) => each.startsWith(name)).map((each) => Number(each.split(' ')[1]));
    expect(Math.max(...sizesOf('accept'))).toBe(1_024);
    expect(Math.max(...sizesOf('settle'))).toBeLessThanOrEqual(1_024);
    expect(storage.disk.get('u')).toBe(3_000);
    await processor.shutdown();
  });

  it.each([
    ['too few results', () => []],
    ['nothing', () => undefined],
    ['no results', () => [undefined]],
    ['a known order that is none', () => [{ status: 'known', order: undefined }]],
  ])('invariant 10: that answer %s are failures', async (_, answer) => {
    for (const method of ['accept', 'settle'] as const) {
      const storage = new KeptStorage();
      const processor = await open(storage);
      const works = storage[method].bind(storage) as (given: readonly unknown[]) => unknown;
      let isLying = true;
      Object.assign(storage, {
        [method]: (given: readonly unknown[]) =>
          isLying && given.length > 0 ? answer() : works(given),
      });
      const handIn = () =>
        method === 'accept' ? keepFirst(processor, order('a')) : processor.submit(order('a'));
      expect(await outcomeNow(errorOf(handIn()))).toMatchObject({ code: 'storage_failed' });
      expect(processor.stats().storage).toBe('failing');
      isLying = false;
      await clock.runAll();
      expect(processor.stats().storage).toBe('ready');
      expect(await codeOf(handIn())).toBe('completed');
      await processor.shutdown();
    }
  });
});
