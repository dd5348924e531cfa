import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };

describe('cancel', () => {
  it('invariant 3: settles a pending order without starting it', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 1 });
    const log = logOf(processor);
    const [first, second, third] = ['a', 'b', 'c'].map((id) =>
      codeOf(processor.submit({ id, userId: 'u', amount: 1 })),
    );
    expect(await processor.cancel('b')).toBe(true);
    expect(await second).toBe('canceled');
    expect(await processor.order('b')).toMatchObject({
      status: 'canceled',
      startedAt: undefined,
      steps: [],
      balance: undefined,
    });
    await clock.runAll();
    expect([await first, await third]).toEqual(['completed', 'completed']);
    expect(await processor.balance('u')).toBe(2);
    expect(log).not.toContain('started:b');
    expect(log.filter((line) => line.includes(':b'))).toEqual([
      'accepted:b',
      'canceled:b:canceled',
    ]);
  });

  it('invariant 3: aborts a processing one', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(4);
    expect(await processor.cancel('a')).toBe(true);
    expect(await failed).toMatchObject({
      code: 'canceled',
      orderId: 'a',
      userId: 'u',
      steps: [{ name: 'sleeps', status: 'canceled', durationMs: 4 }],
    });
    expect(await processor.cancel('a')).toBe(false);
    expect(await processor.balance('u')).toBeUndefined();
    expect(processor.stats()).toMatchObject({ canceled: 1, activeWorkers: 0, unsettled: 0 });
  });

  it('invariant 3: is false for what is unknown, settled or no id at all', async () => {
    const processor = new OrderProcessor();
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    for (const id of ['a', 'nobody', '', '__proto__', 7, null, undefined, {}]) {
      expect(await processor.cancel(id as string)).toBe(false);
    }
    expect(processor.stats()).toMatchObject({ completed: 1, canceled: 0 });
  });

  it('invariant 3: is false once the order is with the storage, and true for one call only', async () => {
    const gate = deferred<{ balance: number }[]>();
    const processor = new OrderProcessor({ storage: { get: () => 0, apply: () => gate.promise } });
    const submitted = processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await clock.settle();
    expect(await processor.cancel('a')).toBe(false);
    void processor.enqueue({ id: 'b', userId: 'u', amount: 1 });
    await clock.settle();
    const canceled = [processor.cancel('b'), processor.cancel('b')];
    gate.resolve([{ balance: 1 }]);
    expect(await Promise.all(canceled)).toEqual([true, false]);
    expect((await submitted).balance).toBe(1);
  });

  it.each(['accepted', 'started'] as const)(
    'invariant 4: works from a listener of `%s`',
    async (name) => {
      for (const steps of [[sleeps], []]) {
        const processor = new OrderProcessor({ steps });
        const canceled: Promise<boolean>[] = [];
        processor.on(name, ({ id }) => void (id === 'a' && canceled.push(processor.cancel(id))));
        const codes = ['a', 'b'].map((id) =>
          codeOf(processor.submit({ id, userId: 'u', amount: 1 })),
        );
        await clock.runAll();
        // Without steps a started order is settled at once, and too late to be canceled.
        const isLate = name === 'started' && steps.length === 0;
        expect(await outcomeNow(Promise.all(canceled))).toEqual([!isLate]);
        const expected = [isLate ? 'completed' : 'canceled', 'completed'];
        expect(await outcomeNow(Promise.all(codes))).toEqual(expected);
        const nothing = { unsettled: 0, activeWorkers: 0, queueLength: 0 };
        expect(processor.stats()).toMatchObject(nothing);
      }
    },
  );

  it('invariant 6: a hundred thousand waiting orders can all be canceled (20 000 in npm test)', async () => {
    const count = isFull ? 100_000 : 20_000;
    const processor = new OrderProcessor({ capacity: count });
    processor.pause();
    const orders = range(count).map((index) => ({
      id: `o-${index}`,
      userId: `u-${index % 7}`,
      amount: 1,
    }));
    const settled = processor.submitMany(orders);
    await clock.settle();
    const canceled = await Promise.all(orders.map(({ id }) => processor.cancel(id)));
    expect(canceled.every(Boolean)).toBe(true);
    expect((await settled).every(({ status }) => status === 'canceled')).toBe(true);
    expect(processor.stats()).toMatchObject({ queueLength: 0, unsettled: 0, canceled: count });
  });

  it.each([undefined, null, 5, ['w']])('cancel(%o) is false whatever waits', async (id) => {
    const processor = new OrderProcessor();
    processor.pause();
    await processor.enqueue({ id: 'w', userId: 'u', amount: 1 });
    expect(await processor.cancel(id as never)).toBe(false);
  });
});

describe('signal', () => {
  it('invariant 4: aborted before, the order is not accepted', async () => {
    const processor = new OrderProcessor();
    const order = { id: 'a', userId: 'u', amount: 1 };
    const refused = processor.submit(order, { signal: AbortSignal.abort() });
    expect((await errorOf(refused)).code).toBe('canceled');
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1 });
    expect((await processor.submit(order)).balance).toBe(1);
  });

  it('invariant 4: aborted while the order waits or runs, the order is canceled', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 1 });
    for (const abortMs of [5, 15]) {
      const controllers = range(3).map(() => new AbortController());
      const codes = controllers.map(({ signal }) =>
        codeOf(processor.submit({ userId: 'u', amount: 1 }, { signal })),
      );
      await clock.advance(abortMs);
      controllers[1]?.abort();
      await clock.runAll();
      expect(await Promise.all(codes)).toEqual(['completed', 'canceled', 'completed']);
    }
    expect(processor.stats()).toMatchObject({ completed: 4, canceled: 2, unsettled: 0 });
  });

  it('invariant 4: aborted by a listener of `accepted`, the order is canceled', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const controller = new AbortController();
    processor.on('accepted', () => controller.abort());
    const code = codeOf(
      processor.submit({ userId: 'u', amount: 1 }, { signal: controller.signal }),
    );
    await clock.runAll();
    expect(await code).toBe('canceled');
  });

  it('invariant 4: shared by many orders cancels them all, and afterwards changes nothing', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 2 });
    const controller = new AbortController();
    const { signal } = controller;
    const codes = range(50).map((index) =>
      codeOf(processor.submit({ userId: `u-${index}`, amount: 1 }, { signal })),
    );
    await clock.advance(10);
    controller.abort();
    await clock.runAll();
    const expected = range(50).map((index) => (index < 2 ? 'completed' : 'canceled'));
    expect(await Promise.all(codes)).toEqual(expected);
    controller.abort();
    expect(processor.stats()).toMatchObject({
      completed: 2,
      canceled: 48,
      unsettled: 0,
      activeWorkers: 0,
    });
  });

  it('invariant 4: shared by callers that wait for room ends them all', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 1, overflow: 'wait' });
    const controller = new AbortController();
    const { signal } = controller;
    const codes = range(20).map((index) =>
      codeOf(processor.submit({ userId: `u-${index}`, amount: 1 }, { signal })),
    );
    await clock.advance(5);
    controller.abort();
    await clock.runAll();
    expect(await outcomeNow(Promise.all(codes))).toEqual(range(20).map(() => 'canceled'));
    const nothing = { completed: 0, unsettled: 0, waitingCallers: 0 };
    expect(processor.stats()).toMatchObject(nothing);
  });

  it.each([undefined, null, 'thrown'])(
    'invariant 8: that cannot be read refuses the order: %s is thrown',
    async (thrown) => {
      const processor = new OrderProcessor();
      const options = {
        get signal(): never {
          throw thrown;
        },
      };
      const error = await errorOf(processor.submit({ userId: 'u', amount: 1 }, options));
      expect(error.code).toBe('invalid_order');
      expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1 });
    },
  );
});
