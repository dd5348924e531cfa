import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };

describe('overflow: reject', () => {
  it('invariant 6: refuses at once beyond `capacity`, and takes orders again later', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 3, concurrency: 1 });
    const accepted = range(3).map((index) => processor.submit({ userId: `u-${index}`, amount: 1 }));
    for (const refused of [
      processor.submit({ id: 'x', userId: 'u', amount: 1 }),
      processor.enqueue({ id: 'x', userId: 'u', amount: 1 }),
    ]) {
      const error = await outcomeNow(errorOf(refused));
      expect(error).toMatchObject({ code: 'queue_full', orderId: 'x', userId: 'u' });
      const { retryAfterMs } = error as { retryAfterMs: number };
      expect(Number.isSafeInteger(retryAfterMs) && retryAfterMs >= 1).toBe(true);
    }
    expect(processor.stats()).toMatchObject({
      accepted: 3,
      refused: 2,
      unsettled: 3,
      waitingCallers: 0,
    });
    await clock.advance(10);
    await accepted[0];
    expect(await codeOf(processor.enqueue({ id: 'x', userId: 'u', amount: 1 }))).toBe('completed');
    expect(await codeOf(processor.enqueue({ id: 'y', userId: 'u', amount: 1 }))).toBe('queue_full');
  });

  it('invariant 6: `retryAfterMs` stays an integer from 1 up under any load', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 2, concurrency: 2 });
    for (const round of range(200)) {
      for (const index of range(4)) {
        const code = processor.enqueue({ userId: `u-${index}`, amount: 1 }).catch((error) => error);
        const { retryAfterMs } = (await code) as { retryAfterMs?: number };
        if (retryAfterMs === undefined) continue;
        expect(Number.isSafeInteger(retryAfterMs) && retryAfterMs >= 1).toBe(true);
        expect(retryAfterMs).toBeLessThanOrEqual(60_000);
      }
      await clock.advance(round % 17);
    }
    expect(processor.stats().refused).toBeGreaterThan(100);
  });

  it('invariant 6: a user at `capacityPerUser` is refused, others are not', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacityPerUser: 2 });
    const codes = ['u', 'u', 'u', 'v'].map((userId) =>
      codeOf(processor.submit({ userId, amount: 1 })),
    );
    await clock.runAll();
    expect(await Promise.all(codes)).toEqual(['completed', 'completed', 'queue_full', 'completed']);
    expect(await codeOf(processor.enqueue({ userId: 'u', amount: 1 }))).toBe('completed');
  });
});

describe('overflow: wait', () => {
  const options = { steps: [sleeps], overflow: 'wait', concurrency: 1 } as const;

  it('invariant 6: admits callers in the order they came, `enqueue` too', async () => {
    const processor = new OrderProcessor({ ...options, capacity: 2 });
    const log = logOf(processor);
    const handedIn = range(8).map((index) => {
      const order = { id: `o-${index}`, userId: `u-${index % 3}`, amount: 1 };
      return index % 2 === 0 ? processor.submit(order) : processor.enqueue(order);
    });
    await clock.settle();
    expect(processor.stats()).toMatchObject({ accepted: 2, waitingCallers: 6, unsettled: 2 });
    const enqueued = watch(handedIn[3] as Promise<unknown>);
    await clock.advance(19);
    expect(enqueued.isSettled).toBe(false);
    await clock.advance(1);
    expect(enqueued.isSettled).toBe(true);
    await clock.runAll();
    await Promise.all(handedIn);
    const accepted = log.filter((line) => line.startsWith('accepted'));
    expect(accepted).toEqual(range(8).map((index) => `accepted:o-${index}`));
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, completed: 8, refused: 0 });
  });

  it('invariant 6: never accepts more than `capacity`, and no newcomer overtakes a waiting caller', async () => {
    const processor = new OrderProcessor({ ...options, capacity: 3, concurrency: 3 });
    const accepted: string[] = [];
    processor.on('accepted', ({ id }) => {
      accepted.push(id);
      expect(processor.stats().unsettled).toBeLessThanOrEqual(3);
    });
    // A new caller comes exactly when room has come.
    processor.on('completed', ({ orderId }) => {
      if (!orderId.startsWith('late'))
        void processor.submit({ id: `late-${orderId}`, userId: orderId, amount: 1 });
    });
    const submitted = range(12).map((index) =>
      processor.submit({ id: `o-${index}`, userId: `u-${index}`, amount: 1 }),
    );
    await clock.runAll();
    await Promise.all(submitted);
    const firsts = accepted.filter((id) => !id.startsWith('late'));
    expect(firsts).toEqual(range(12).map((index) => `o-${index}`));
    expect(accepted).toHaveLength(24);
    expect(accepted.indexOf('late-o-0')).toBeGreaterThan(accepted.indexOf('o-11'));
  });

  it('invariant 6: a user at its bound delays no other user', async () => {
    const processor = new OrderProcessor({ ...options, capacityPerUser: 1, capacity: 10 });
    const stuck = range(4).map((index) =>
      processor.submit({ id: `u-${index}`, userId: 'u', amount: 1 }),
    );
    const other = watch(processor.enqueue({ userId: 'v', amount: 1 }));
    await clock.settle();
    expect(other.isSettled).toBe(true);
    expect(processor.stats()).toMatchObject({ waitingCallers: 3, unsettled: 2 });
    await clock.runAll();
    const receipts = await outcomeNow(Promise.all(stuck));
    expect(receipts).toMatchObject(range(4).map((index) => ({ balance: index + 1 })));
  });

  it.each(['fails', 'is canceled', 'times out'])(
    'invariant 4: a caller is admitted though the order before it %s',
    async (how) => {
      const gate = deferred();
      const steps: Step[] = [
        {
          name: 'fails',
          async run({ id }) {
            await clock.sleep(5);
            if (id === 'a' && how === 'fails') throw { code: 'declined' };
          },
        },
        { name: 'deaf', run: ({ id }) => (id === 'a' ? gate.promise : undefined) },
      ];
      const timeoutMs = how === 'times out' ? 20 : undefined;
      const processor = new OrderProcessor({
        steps,
        overflow: 'wait',
        capacityPerUser: 1,
        timeoutMs,
      });
      const first = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
      const second = codeOf(processor.submit({ id: 'b', userId: 'u', amount: 1 }));
      await clock.settle();
      if (how === 'is canceled') expect(await processor.cancel('a')).toBe(true);
      await clock.advance(1_000);
      expect(await outcomeNow(first)).not.toBe('pending');
      gate.resolve();
      await clock.runAll();
      expect(await outcomeNow(second)).toBe('completed');
    },
  );

  it("invariant 4: a caller's signal ends its waiting, and the others move up", async () => {
    const processor = new OrderProcessor({ ...options, capacity: 1 });
    const controller = new AbortController();
    const { signal } = controller;
    const first = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    const gaveUp = range(2).map((index) =>
      errorOf(processor.submit({ id: `x-${index}`, userId: 'v', amount: 1 }, { signal })),
    );
    const last = codeOf(processor.submit({ userId: 'w', amount: 1 }));
    await clock.advance(5);
    controller.abort();
    expect(await outcomeNow(Promise.all(gaveUp))).toMatchObject([
      { code: 'canceled', orderId: 'x-0' },
      { code: 'canceled', orderId: 'x-1' },
    ]);
    expect(processor.stats()).toMatchObject({ waitingCallers: 1, accepted: 1, refused: 2 });
    await clock.runAll();
    expect(await Promise.all([first, last])).toEqual(['completed', 'completed']);
    expect(await processor.balance('v')).toBeUndefined();
  });

  it('invariant 4: the signal still cancels an order that was admitted after waiting', async () => {
    const processor = new OrderProcessor({ ...options, capacity: 1 });
    const controller = new AbortController();
    const first = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    const second = codeOf(
      processor.submit({ userId: 'v', amount: 1 }, { signal: controller.signal }),
    );
    await clock.advance(15);
    expect(processor.stats().accepted).toBe(2);
    controller.abort();
    await clock.runAll();
    expect(await Promise.all([first, second])).toEqual(['completed', 'canceled']);
  });

  it('invariant 4: `shutdown` refuses who waits, at once', async () => {
    const processor = new OrderProcessor({ ...options, capacity: 1, capacityPerUser: 1 });
    const first = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    const waiting = ['u', 'v', 'w'].flatMap((userId) => [
      codeOf(processor.submit({ userId, amount: 1 })),
      codeOf(processor.enqueue({ userId, amount: 1 })),
    ]);
    const many = processor.submitMany(range(3).map(() => ({ userId: 'u', amount: 1 })));
    await clock.settle();
    const done = processor.shutdown();
    expect(await outcomeNow(Promise.all(waiting))).toEqual(range(6).map(() => 'shut_down'));
    expect(await outcomeNow(many)).toMatchObject(
      range(3).map(() => ({ status: 'refused', error: { code: 'shut_down' } })),
    );
    await clock.runAll();
    expect(await first).toBe('completed');
    expect(await done).toMatchObject({ completed: 1 });
    expect(processor.stats().waitingCallers).toBe(0);
  });

  it('invariant 5: callers with the same id wait once each, and share one order', async () => {
    const processor = new OrderProcessor({ ...options, capacity: 1 });
    const first = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    const order = { id: 'a', userId: 'v', amount: 2 };
    const same = [processor.submit(order), processor.submit(order)];
    const other = codeOf(processor.submit({ ...order, amount: 3 }));
    await clock.runAll();
    const [receipt, again] = await Promise.all(same);
    expect(again).toEqual(receipt);
    expect([await first, await other]).toEqual(['completed', 'order_conflict']);
    expect(await processor.balance('v')).toBe(2);
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 0 });
  });

  it('invariant 8: however many wait, a listener that cancels each overflows no stack', async () => {
    const processor = new OrderProcessor({ capacity: 1, overflow: 'wait' });
    processor.pause();
    const count = 2_000;
    const codes = range(count).map((index) =>
      codeOf(processor.submit({ id: `o-${index}`, userId: `u-${index}`, amount: 1 })),
    );
    processor.on('accepted', ({ id }) => void processor.cancel(id));
    await clock.settle();
    expect(await processor.cancel('o-0')).toBe(true);
    await clock.settle();
    expect(await outcomeNow(Promise.all(codes))).toEqual(range(count).map(() => 'canceled'));
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 0, canceled: count });
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
});

it('invariant 4: what a listener enqueues is accepted though the order before it needs no room', async () => {
  const processor = new OrderProcessor({ steps: [sleeps], capacity: 1, overflow: 'wait' });
  const order = (id: string) => ({ id, userId: id, amount: 1 });
  let enqueued: Promise<unknown> | undefined;
  processor.on('completed', ({ orderId }) => {
    if (orderId === 'b') enqueued = processor.enqueue(order('c'));
  });
  // The second `b` still waits when the first is settled, and is the same order.
  const all = ['a', 'b', 'b'].map((id) => processor.submit(order(id)));
  await clock.advance(20);
  await Promise.all(all);
  expect(await outcomeNow(enqueued as Promise<unknown>)).toMatchObject({ id: 'c' });
  all.push(processor.submit(order('d')), processor.submit(order('e')));
  await clock.advance(30);
  for (const receipt of await Promise.all(all)) expect(receipt).toMatchObject({ balance: 1 });
  await processor.shutdown();
});
