import { OrderProcessor, type Step } from 'order-processor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { deferred, range } from '../../kit/helpers.ts';
import { randomFrom } from '../../kit/random.ts';
import { VirtualClock } from '../../kit/virtual-clock.ts';

describe('workers', () => {
  const clock = new VirtualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  /** A step that counts how many orders it works on at a time. */
  function counting(work: (id: string) => Promise<void>): {
    step: Step;
    running: Set<string>;
    most: () => number;
  } {
    const running = new Set<string>();
    let most = 0;
    const step: Step = {
      name: 'counts',
      async run({ id }) {
        running.add(id);
        most = Math.max(most, running.size);
        await work(id);
        running.delete(id);
      },
    };
    return { step, running, most: () => most };
  }

  it('invariant 2: reach the limit and never exceed it', async () => {
    const random = randomFrom(2);
    const { step, most } = counting(() => clock.sleep(1 + random() * 20));
    const processor = new OrderProcessor({ steps: [step], concurrency: 7 });
    const submitted = range(500).map((index) =>
      processor.submit({ userId: `u-${index % 60}`, amount: 1 }),
    );
    await clock.settle();
    expect(processor.stats()).toMatchObject({ activeWorkers: 7, queueLength: 493 });
    await clock.runAll();
    await Promise.all(submitted);
    expect(most()).toBe(7);
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, completed: 500 });
  });

  it('invariant 2: are all at work for orders that come one by one', async () => {
    const { step, running } = counting(() => new Promise(() => {}));
    const processor = new OrderProcessor({ steps: [step], concurrency: 3 });
    for (const index of range(5)) {
      await processor.enqueue({ id: `o-${index}`, userId: `u-${index}`, amount: 1 });
      await clock.settle();
      expect(running.size).toBe(Math.min(3, index + 1));
    }
  });

  it('invariant 2: come back one by one after they were all free', async () => {
    const { step, running } = counting(() => clock.sleep(10));
    const processor = new OrderProcessor({ steps: [step], concurrency: 3 });
    for (const _ of range(3)) {
      for (const index of range(3)) void processor.submit({ userId: `u-${index}`, amount: 1 });
      await clock.settle();
      expect(running.size).toBe(3);
      await clock.advance(10);
      expect(running.size).toBe(0);
    }
  });

  it('invariant 2: begin at once with what `resume` sets free, of all and of one user', async () => {
    const { step, running } = counting(() => new Promise(() => {}));
    const processor = new OrderProcessor({ steps: [step], concurrency: 4 });
    processor.pause();
    processor.pause('u-0');
    for (const index of range(3)) {
      await processor.enqueue({ id: `o-${index}`, userId: `u-${index}`, amount: 1 });
    }
    await clock.settle();
    expect(running.size).toBe(0);
    processor.resume();
    await clock.settle();
    expect([...running]).toEqual(['o-1', 'o-2']);
    processor.resume('u-0');
    await clock.settle();
    expect([...running]).toEqual(['o-1', 'o-2', 'o-0']);
  });

  it('invariant 2: take the next order of a user whose last one ended late', async () => {
    const gate = deferred();
    const { step, running } = counting((id) => (id === 'a' ? gate.promise : new Promise(() => {})));
    const processor = new OrderProcessor({ steps: [step], concurrency: 2, timeoutMs: 10 });
    processor.on('failed', () => {});
    const ids = ['a', 'b'];
    for (const id of ids) await processor.enqueue({ id, userId: 'u', amount: 1 });
    await clock.advance(50);
    expect([...running]).toEqual(['a']);
    gate.resolve();
    await clock.settle();
    expect([...running]).toEqual(['b']);
  });

  it('invariant 2: never wait beside a runnable order, in a burst with random ends', async () => {
    const random = randomFrom(3);
    const { step, running } = counting(() => clock.sleep(1 + Math.floor(random() * 9)));
    const processor = new OrderProcessor({ steps: [step], concurrency: 5 });
    const pending = new Map<string, string>();
    const busy = new Map<string, string>();
    processor.on('accepted', ({ id, userId }) => pending.set(id, userId));
    processor.on('started', ({ id, userId }) => {
      pending.delete(id);
      busy.set(id, userId);
    });
    processor.on('completed', ({ orderId }) => busy.delete(orderId));
    let reached = 0;
    for (const _ of range(300)) {
      for (const __ of range(Math.floor(random() * 3))) {
        void processor.submit({ userId: `u-${Math.floor(random() * 12)}`, amount: 1 });
      }
      await clock.advance(1);
      const busyUsers = new Set(busy.values());
      const runnable = [...pending.values()].filter((userId) => !busyUsers.has(userId));
      if (running.size < 5) expect(runnable).toEqual([]);
      else reached += 1;
    }
    expect(reached).toBeGreaterThan(10);
    await clock.runAll();
    expect(processor.stats().unsettled).toBe(0);
  });
});

describe('many users', () => {
  it('invariant 3: 50 users with 100 concurrent orders of 1 to 100 end at 5050 each', async () => {
    const processor = new OrderProcessor({
      steps: [{ name: 'turn', run: () => Promise.resolve() }],
    });
    const orders = range(100).flatMap((index) =>
      range(50).map((user) => ({ userId: `u-${user}`, amount: index + 1 })),
    );
    const receipts = await Promise.all(orders.map((order) => processor.submit(order)));
    const balances = range(50).map((user) => processor.balance(`u-${user}`));
    expect(await Promise.all(balances)).toEqual(range(50).map(() => 5050));
    expect(receipts.filter(({ balance }) => balance === 5050)).toHaveLength(50);
  });

  it('invariant 2: 2 000 users share 16 workers', async () => {
    let running = 0;
    let most = 0;
    const step: Step = {
      name: 'turn',
      async run() {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      },
    };
    const processor = new OrderProcessor({ steps: [step], capacity: 10_000 });
    const orders = range(6_000).map((index) => ({ userId: `u-${index % 2_000}`, amount: 1 }));
    const outcomes = await processor.submitMany(orders);
    expect(outcomes.every(({ status }) => status === 'completed')).toBe(true);
    expect(most).toBe(16);
    for (const user of range(2_000)) expect(await processor.balance(`u-${user}`)).toBe(3);
  });

  it('invariant 6: 1 000 000 users have one order each (200 000 in npm test)', async () => {
    const processor = new OrderProcessor();
    const chunks = isFull ? 100 : 20;
    let sum = 0;
    for (const chunk of range(chunks)) {
      const orders = range(10_000).map((at) => ({
        userId: `u-${chunk * 10_000 + at}`,
        amount: at + 1,
      }));
      for (const outcome of await processor.submitMany(orders)) {
        if (outcome.status === 'completed' && outcome.balance === outcome.amount)
          sum += outcome.balance;
      }
    }
    expect(sum).toBe((chunks * (10_000 * 10_001)) / 2);
    expect(processor.stats()).toMatchObject({
      accepted: chunks * 10_000,
      completed: chunks * 10_000,
      unsettled: 0,
    });
    expect(await processor.balance(`u-${chunks * 10_000 - 1}`)).toBe(10_000);
  });

  it('invariant 6: 20 000 users wait and none is lost', async () => {
    const processor = new OrderProcessor({ capacity: 20_000 });
    processor.pause();
    const orders = range(20_000).map((user) => ({ userId: `u-${user}`, amount: user }));
    const settled = processor.submitMany(orders);
    await new Promise((resolve) => setTimeout(resolve, 0));
    while (processor.stats().queueLength < 20_000)
      await new Promise((resolve) => setImmediate(resolve));
    processor.resume();
    expect(
      (await settled).map((outcome) => outcome.status === 'completed' && outcome.balance),
    ).toEqual(range(20_000));
  });
});
