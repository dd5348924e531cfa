import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStorage, OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { WaitingTimes } from '../src/waiting-times.ts';
import { deferred, range } from './helpers.ts';

it('invariant 8: a caller who gave up on another’s order is not told again, nor kept', async () => {
  const gate = deferred();
  const steps = [{ name: 'fails', run: () => gate.promise.then(() => Promise.reject('late')) }];
  const processor = new OrderProcessor({ steps });
  const order = { id: 'a', userId: 'u', amount: 1 };
  const first = processor.submit(order).catch((error) => error.code);
  const controller = new AbortController();
  const second = processor.submit(order, { signal: controller.signal });
  controller.abort();
  await expect(second).rejects.toMatchObject({ code: 'canceled' });
  gate.resolve();
  // An unhandled rejection would fail the run.
  expect(await first).toBe('internal');
});

it('invariant 3: a listener of `idle` that goes on submitting overflows no stack', async () => {
  const processor = new OrderProcessor();
  let left = 20_000;
  const receipts: Promise<unknown>[] = [];
  processor.on('idle', () => {
    if (left-- > 0) receipts.push(processor.submit({ userId: 'u', amount: 1 }));
  });
  await processor.submit({ userId: 'u', amount: 1 });
  while (receipts.length < 20_000) await sleep(1);
  await Promise.all(receipts);
  expect(await processor.balance('u')).toBe(20_001);
});

it.each(['submit', 'enqueue'] as const)(
  'the event loop turns under callers that await one %s after the other',
  async (how) => {
    const processor = new OrderProcessor({ capacity: 100 });
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (turns > 0) setImmediate(count).unref();
    };
    setImmediate(count).unref();
    const good = { userId: 'u', amount: 1 };
    for (const order of [good, { userId: '', amount: 1 }]) {
      turns = 1;
      const until = performance.now() + 60;
      while (performance.now() < until) await processor[how](order).catch(() => {});
      expect(turns).toBeGreaterThan(3);
    }
    expect(processor.stats().failed).toBe(0);
    turns = Number.NEGATIVE_INFINITY;
  },
);

it('runs steps in their own caller’s context, also when they had to wait for room', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const steps = [{ name: 'look', run: async () => void seen.push(context.getStore()) }];
  const processor = new OrderProcessor({ steps, capacity: 1, overflow: 'wait' });
  const submit = (name: string) =>
    context.run(name, () => processor.submit({ userId: name, amount: 1 }));
  await Promise.all(['a', 'b', 'c'].map(submit));
  expect(seen).toEqual(['a', 'b', 'c']);
});

it('finds the oldest waiting time, however many came and went meanwhile', () => {
  const times = new WaitingTimes();
  times.add(0);
  for (const ms of range(100_000)) {
    times.add(ms + 1);
    times.remove(ms + 1);
  }
  expect(times.oldest).toBe(0);
  times.remove(0);
  expect(times.oldest).toBeUndefined();
});

it('invariant 4: a signal that cannot be listened to refuses an order that has to wait', async () => {
  const processor = new OrderProcessor({ capacity: 1, overflow: 'wait' });
  processor.pause();
  await processor.enqueue({ userId: 'u', amount: 1 });
  const signal = {
    aborted: false,
    addEventListener() {
      throw new Error('No');
    },
  };
  const submitted = processor.submit({ userId: 'u', amount: 1 }, { signal: signal as never });
  await expect(submitted).rejects.toMatchObject({ name: 'OrderError' });
  expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 1 });
});

it('invariant 1: a step’s promise with a `then` of its own ends the step once', async () => {
  const gate = deferred();
  const lying = Promise.resolve();
  Object.defineProperty(lying, 'then', {
    value: (resolve: () => void) => {
      resolve();
      resolve();
      throw new Error('And then');
    },
  });
  const steps = [
    { name: 'lies', run: () => lying },
    { name: 'works', run: () => gate.promise },
  ];
  const processor = new OrderProcessor({ steps });
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  await sleep(5);
  expect(processor.stats()).toMatchObject({ unsettled: 1, activeWorkers: 1 });
  gate.resolve();
  expect((await submitted).steps.map(({ status }) => status)).toEqual(['ok', 'ok']);
});

it('invariant 8: a listener that changes its receipt does not change how its caller ends', async () => {
  const processor = new OrderProcessor({ storage: new MemoryStorage() });
  processor.on('completed', (receipt) => {
    (receipt as { status: string }).status = 'hacked';
  });
  processor.pause();
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  processor.resume();
  await expect(submitted).resolves.toMatchObject({ balance: 1 });
});

it('tells a listener that listens once more from inside itself, and then no more', async () => {
  const processor = new OrderProcessor();
  const log: string[] = [];
  processor.once('completed', () => {
    log.push('first');
    processor.once('completed', () => log.push('second'));
  });
  processor.on('completed', () => log.push('always'));
  for (const userId of ['a', 'b', 'c']) await processor.submit({ userId, amount: 1 });
  expect(log.toSorted()).toEqual(['always', 'always', 'always', 'first', 'second']);
});
