import fc from 'fast-check';
import {
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { codeOf, range } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { checkScenarios } from '../../kit/scenarios.ts';
import { useVirtualClock, type VirtualClock } from '../../kit/virtual-clock.ts';

describe('rate', () => {
  const clock = useVirtualClock();

  function noting(log: string[]): Step {
    return { name: 'notes', run: ({ id }) => void log.push(`${id}@${clock.now}`) };
  }

  const kinds: [string, () => OrderProcessorOptions][] = [
    ['in memory, with steps', () => ({})],
    ['in a storage that keeps orders, with steps', () => ({ storage: new KeptStorage() })],
  ];

  describe.each(kinds)('%s', (_, options) => {
    it('bounds how often orders of a user begin, and delays no other user', async () => {
      const log: string[] = [];
      const rate = { limit: 2, intervalMs: 1_000 };
      const processor = new OrderProcessor({ ...options(), rate, steps: [noting(log)] });
      const outcomes = range(5).map((at) =>
        codeOf(processor.submit({ id: `u${at}`, userId: 'u', amount: 1 })),
      );
      outcomes.push(codeOf(processor.submit({ id: 'v', userId: 'v', amount: 1 })));
      await clock.advance(999);
      expect(log.toSorted()).toEqual(['u0@0', 'u1@0', 'v@0']);
      await clock.advance(1);
      expect(log.slice(3)).toEqual(['u2@1000', 'u3@1000']);
      await clock.advance(1_000);
      expect(log.slice(5)).toEqual(['u4@2000']);
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['completed']));
      await processor.shutdown();
      expect(clock.timers).toBe(0);
    });

    it('is a window that slides', async () => {
      const log: string[] = [];
      const rate = { limit: 2, intervalMs: 1_000 };
      const processor = new OrderProcessor({ ...options(), rate, steps: [noting(log)] });
      const hand = (id: string) => processor.enqueue({ id, userId: 'u', amount: 1 });
      await hand('a');
      await clock.advance(600);
      for (const id of ['b', 'c', 'd']) await hand(id);
      await clock.advance(5_000);
      expect(log).toEqual(['a@0', 'b@600', 'c@1000', 'd@1600']);
      await processor.shutdown();
    });

    it('stands beside a pause: each of them alone stops a user', async () => {
      const log: string[] = [];
      const rate = { limit: 1, intervalMs: 100 };
      const processor = new OrderProcessor({ ...options(), rate, steps: [noting(log)] });
      for (const id of ['a', 'b', 'c']) await processor.enqueue({ id, userId: 'u', amount: 1 });
      await clock.advance(50);
      processor.pause('u');
      await clock.advance(100);
      expect(log).toEqual(['a@0']);
      processor.resume('u');
      await clock.advance(10);
      expect(log).toEqual(['a@0', 'b@150']);
      processor.pause('u');
      processor.resume('u');
      await clock.advance(80);
      expect(log).toEqual(['a@0', 'b@150']);
      await clock.advance(20);
      expect(log).toEqual(['a@0', 'b@150', 'c@250']);
      await processor.shutdown();
    });
  });

  it('bounds orders without steps, and accepts those that wait durably', async () => {
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage, rate: { limit: 1, intervalMs: 100 } });
    await processor.ready;
    await clock.advance(200);
    for (const id of ['a', 'b', 'c']) await processor.enqueue({ id, userId: 'u', amount: 1 });
    expect(storage.disk.find('c')).toMatchObject({ status: 'pending' });
    expect(processor.stats()).toMatchObject({ accepted: 3, completed: 1, queueLength: 2 });
    await clock.advance(100);
    expect(processor.stats()).toMatchObject({ completed: 2 });
    await clock.advance(100);
    expect(processor.stats()).toMatchObject({ completed: 3 });
    await processor.shutdown();
  });

  it('invariant 6: an idle user costs nothing, and no user has a timer', async () => {
    const processor = new OrderProcessor({ rate: { limit: 3, intervalMs: 100 } });
    for (const at of range(1_000)) await processor.submit({ userId: `u-${at}`, amount: 1 });
    expect(clock.timers).toBe(1);
    await clock.advance(200);
    expect(clock.timers).toBe(0);
    await processor.shutdown();
  });

  it('holds over a restart', async () => {
    const log: string[] = [];
    const rate = { limit: 2, intervalMs: 1_000 };
    const storage = new KeptStorage();
    const first = new OrderProcessor({ storage, rate, steps: [noting(log)] });
    for (const id of ['a', 'b', 'c']) await first.enqueue({ id, userId: 'u', amount: 1 });
    await clock.advance(300);
    storage.cut();
    await clock.hold();
    const second = new OrderProcessor({
      ...{ storage: new KeptStorage(storage.disk), rate, steps: [noting(log)] },
    });
    await second.enqueue({ id: 'd', userId: 'u', amount: 1 });
    await second.enqueue({ id: 'e', userId: 'v', amount: 1 });
    await clock.advance(500);
    expect(log).toEqual(['a@0', 'b@0', 'e@300']);
    await clock.advance(2_000);
    expect(log).toEqual(['a@0', 'b@0', 'e@300', 'c@1000', 'd@1000']);
    await second.shutdown();
  });

  it('counts an order over a restart that had failed and holds its lane', async () => {
    const log: string[] = [];
    const failing: Step = {
      name: 'fails',
      run: ({ id }) => {
        log.push(`${id}@${clock.now}`);
        if (id === 'a') throw new OrderError('no_vendor', 'None');
      },
    };
    const options = { rate: { limit: 1, intervalMs: 1_000 }, steps: [failing] };
    const disk = new MemoryStorage();
    const first = await open(new KeptStorage(disk), { ...options, onFailure: 'hold' });
    for (const id of ['a', 'b']) await first.enqueue({ id, userId: 'u', amount: 1 });
    await clock.advance(300);
    await first.shutdown();
    const second = await open(new KeptStorage(disk), options);
    await second.release('u', 'skip');
    await clock.advance(699);
    expect(log).toEqual(['a@0']);
    await clock.advance(1);
    expect(log).toEqual(['a@0', 'b@1000']);
    await second.shutdown();
  });

  it('holds over a restart with any number of orders that wait', async () => {
    const log: string[] = [];
    const options = { rate: { limit: 1, intervalMs: 1_000 }, steps: [noting(log)] };
    const disk = new MemoryStorage();
    const storage = new KeptStorage(disk);
    const first = await open(storage, options);
    const orders = range(1_200).map((at) => ({ id: `${at}`, userId: 'u', amount: 1 }));
    await Promise.all(orders.map((order) => first.enqueue(order)));
    await clock.advance(300);
    storage.cut();
    await clock.hold();
    const second = await open(new KeptStorage(disk), options);
    await clock.advance(699);
    expect(log).toEqual(['0@0']);
    await clock.advance(1);
    expect(log).toEqual(['0@0', '1@1000']);
    const closed = second.shutdown({ timeoutMs: 1 });
    await clock.advance(10_000);
    await closed;
  });

  it('waits for a storage that cannot say what had begun', async () => {
    const log: string[] = [];
    const storage = new KeptStorage();
    const list = storage.list.bind(storage);
    let isFailing = true;
    storage.list = (query) => {
      if (isFailing) throw new Error('The disk is full');
      return list(query);
    };
    storage.fate = (method, size): Fate =>
      method === 'accept' && size === 0 && isFailing ? 'rejects' : 'works';
    const rate = { limit: 1, intervalMs: 60_000 };
    const processor = new OrderProcessor({ storage, rate, steps: [noting(log)] });
    await processor.enqueue({ id: 'a', userId: 'u', amount: 1 });
    await clock.advance(1_000);
    expect(log).toEqual([]);
    isFailing = false;
    await clock.advance(10_000);
    expect(log).toHaveLength(1);
    await processor.shutdown();
  });

  it('is not lifted by `shutdown`, which leaves what waits in the storage at its deadline', async () => {
    const storage = new KeptStorage();
    const processor = new OrderProcessor({ storage, rate: { limit: 1, intervalMs: 60_000 } });
    for (const id of ['a', 'b']) await processor.enqueue({ id, userId: 'u', amount: 1 });
    const closed = processor.shutdown({ timeoutMs: 100 });
    await clock.advance(10_000);
    expect(await closed).toMatchObject({ kept: 1, timedOut: true });
    expect(storage.disk.find('b')).toMatchObject({ status: 'pending' });
  });

  it.each([
    [{ limit: 0, intervalMs: 1 }, RangeError, '`rate.limit`'],
    [{ limit: 1, intervalMs: 2_147_483_648 }, RangeError, '`rate.intervalMs`'],
    [{ limit: '1', intervalMs: 1 }, TypeError, '`rate.limit`'],
    [{ limit: 1 }, TypeError, '`rate.intervalMs`'],
    [{ limit: 1, intervalMs: 1, per: 'user' }, TypeError, '`per`'],
    [5, TypeError, 'rate'],
  ])('is refused as an option: %j', (rate, kind, name) => {
    const make = () => new OrderProcessor({ rate: rate as never });
    expect(make).toThrow(kind);
    expect(make).toThrow(name);
  });
});

const scenario = fc.record({
  limit: fc.integer({ min: 1, max: 3 }),
  stepMs: fc.constantFrom(0, 0, 3),
  isKept: fc.boolean(),
  actions: fc.array(
    fc.tuple(
      fc.integer({ min: 0, max: 60 }),
      fc.constantFrom('u', 'u', 'u', 'v', 'later', 'pause', 'resume', 'restart'),
    ),
    { minLength: 1, maxLength: 40 },
  ),
});

type Plan = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

const intervalMs = 100;

/** Plays a plan; gives what is wrong. */
async function play(plan: Plan, clock: VirtualClock): Promise<string[]> {
  let storage = plan.isKept ? new KeptStorage() : undefined;
  const rate = { limit: plan.limit, intervalMs };
  const steps: Step[] = [{ name: 'works', run: () => clock.sleep(plan.stepMs) }];
  const start = () => new OrderProcessor({ storage, rate, steps: plan.stepMs === 0 ? [] : steps });
  let processor = start();
  const users = new Map<string, string>();
  for (const [ms, what] of plan.actions) {
    await clock.advance(ms);
    if (what === 'pause') processor.pause();
    else if (what === 'resume') processor.resume();
    else if (what === 'restart') {
      if (storage === undefined) continue;
      const closed = processor.shutdown({ timeoutMs: 1 });
      await clock.advance(10_000 * (users.size % 2) + 5);
      if (users.size % 2 === 0) storage.cut();
      else await closed;
      if (users.size % 2 === 0) await clock.advance(10_000);
      storage = new KeptStorage(storage.disk);
      processor = start();
    } else {
      const id = `o-${users.size}`;
      const userId = what === 'later' ? 'u' : what;
      users.set(id, userId);
      const notBefore = what === 'later' ? Date.now() + 70 : undefined;
      processor.enqueue({ id, userId, amount: 1, notBefore }).catch(() => users.delete(id));
    }
  }
  processor.resume();
  await clock.advance(20_000);
  const wrong: string[] = [];
  const starts = new Map<string, number[]>();
  for (const [id, userId] of users) {
    const record = await processor.order(id);
    if (record?.settledAt === undefined) wrong.push(`${id} is ${record?.status}`);
    else starts.set(userId, [...(starts.get(userId) ?? []), record.startedAt as number]);
  }
  for (const [userId, all] of starts) {
    all.sort((one, other) => one - other);
    for (let at = plan.limit; at < all.length; at += 1) {
      const span = (all[at] as number) - (all[at - plan.limit] as number);
      if (span < intervalMs)
        wrong.push(`${plan.limit + 1} orders of ${userId} begin in ${span} ms`);
    }
  }
  const closed = processor.shutdown();
  await clock.advance(10_000);
  await closed;
  return wrong;
}

it('no window has more beginnings of a user than its rate, over restarts and delayed orders', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 2_000 : 100, play);
});
