import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStorage, OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { WaitingTimes } from '../../src/core/queue/waiting-times.ts';
import { codeOf, deferred, range } from '../kit/helpers.ts';

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

it.each<[string, (processor: OrderProcessor, id: string) => Promise<unknown>]>([
  ['cancel', (processor, id) => processor.cancel(id)],
  ['order', (processor, id) => processor.order(id)],
  ['outcome', (processor, id) => processor.outcome(id)],
  ['submit with bad options', (processor) => processor.submit(null as never, null as never)],
])('the event loop turns under callers that await one %s after the other', async (_, ask) => {
  const processor = new OrderProcessor();
  await processor.submit({ id: 'o-1', userId: 'u', amount: 1 });
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const until = performance.now() + 60;
  while (performance.now() < until) await ask(processor, 'o-1').catch(() => {});
  clearInterval(timer);
  expect(turns).toBeGreaterThan(3);
});

it('invariant 6: a step that begins inside `submit` hands in no more than `capacityPerUser`', async () => {
  const codes: Promise<string>[] = [];
  const processor: OrderProcessor = new OrderProcessor({
    capacityPerUser: 1,
    steps: [
      {
        name: 'more',
        run: ({ id, userId }) => {
          if (id !== 'x') return;
          for (const amount of [1, 2]) {
            codes.push(codeOf(processor.enqueue({ userId, amount })));
          }
        },
      },
    ],
  });
  await processor.submit({ id: 'x', userId: 'u', amount: 1 });
  await processor.shutdown();
  expect(await Promise.all(codes)).toEqual(['queue_full', 'queue_full']);
  expect(processor.stats().accepted).toBe(1);
});

it('invariant 6: what a listener of `completed` hands in has the place of the order that completed', async () => {
  const processor: OrderProcessor = new OrderProcessor({
    capacityPerUser: 1,
    steps: [{ name: 'nothing', run: () => {} }],
  });
  let again: Promise<unknown> | undefined;
  processor.once('completed', ({ userId }) => {
    again = processor.submit({ userId, amount: 2 });
  });
  await processor.submit({ userId: 'u', amount: 1 });
  await again;
  expect(await processor.balance('u')).toBe(3);
});

it.each(['submit', 'enqueue'] as const)(
  'tells of an order that begins by `%s` that it is processed by a worker, and since when',
  async (how) => {
    const seen: unknown[] = [];
    const processor: OrderProcessor = new OrderProcessor({
      steps: [
        {
          name: 'look',
          run: async ({ id }) => {
            seen.push(processor.stats().activeWorkers);
            const record = await processor.order(id);
            seen.push(record?.status, typeof record?.startedAt);
          },
        },
      ],
    });
    await processor[how]({ userId: 'u', amount: 1 });
    await processor.onIdle();
    expect(seen).toEqual([1, 'processing', 'number']);
  },
);

it('gives the record of an enqueued order that is settled at once, and not remembered', async () => {
  const steps = [{ name: 'nothing', run: () => {} }];
  const down = (): never => {
    throw new Error('down');
  };
  for (const storage of [
    new MemoryStorage({ retainSettled: 0 }),
    { get: () => 0, apply: down, retainSettled: 0 },
  ]) {
    for (const options of [{ steps }, {}]) {
      const processor = new OrderProcessor({ ...options, storage });
      processor.on('accepted', () => {});
      // As it was when it was accepted: `processing` would have its caller wait for ever.
      const record = await processor.enqueue({ userId: 'u', amount: 1 });
      expect(record).toMatchObject({ status: 'pending', settledAt: undefined });
      await processor.shutdown();
    }
  }
});

it('invariant 8: a listener that writes over a receipt fails nobody’s order', async () => {
  for (const steps of [[], [{ name: 'waits', run: async () => {} }]]) {
    const processor = new OrderProcessor({ steps });
    processor.on('completed', (receipt) => {
      (receipt as { status: string }).status = 'archived';
    });
    const options = { signal: new AbortController().signal };
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await processor.submit({ id: 'b', userId: 'u', amount: 1 }, options);
    expect(await processor.order('b')).toMatchObject({ status: 'completed', balance: 2 });
  }
});

it('refuses a signal in the place of the options, where it would be ignored', async () => {
  const processor = new OrderProcessor();
  const { signal } = new AbortController();
  const order = { id: 'a', userId: 'u', amount: 1 };
  const message = expect.stringMatching(/^Expected `.* options` to be `{ signal }`, got `AbortSig/);
  await expect(processor.submit(order, signal as never)).rejects.toMatchObject({ message });
  await expect(processor.enqueue(order, signal as never)).rejects.toMatchObject({ message });
  await expect(processor.outcome('a', signal as never)).rejects.toMatchObject({ message });
  expect(processor.stats().accepted).toBe(0);
});

it('shows a bad value as what it is, on one line', async () => {
  const processor = new OrderProcessor();
  const messageOf = (order: unknown) =>
    processor.submit(order as never).catch(({ message }) => /got `(.*)`$/.exec(message)?.[1]);
  const amounts = [100n, [100], [], Object(1), { toString: () => 'a\nb' }, () => 1, { a: 'b\nc' }];
  expect(await Promise.all(amounts.map((amount) => messageOf({ userId: 'u', amount })))).toEqual([
    '100n',
    '[ 100 ]',
    '[]',
    '[Number: 1]',
    '{ toString: [Function: toString] }',
    '[Function (anonymous)]',
    "{ a: 'b\\nc' }",
  ]);
  expect(await messageOf({ userId: ['u-1'], amount: 1 })).toBe("[ 'u-1' ]");
});

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
