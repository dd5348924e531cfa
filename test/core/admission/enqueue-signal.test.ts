import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf, outcomeNow, range, watch } from '../../kit/helpers.ts';
import { order, schemaOf, slow } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };

/** A processor with room for one order, which is taken. */
async function full(): Promise<OrderProcessor> {
  const processor = new OrderProcessor({ capacity: 1, overflow: 'wait', steps: [sleeps] });
  await processor.enqueue({ ...order('first'), userId: 'v' });
  return processor;
}

describe('a signal given to `enqueue`', () => {
  it('invariant 4: ends the waiting for room at once, and the others move up', async () => {
    const processor = await full();
    const log = logOf(processor);
    const controller = new AbortController();
    const { signal } = controller;
    const gaveUp = range(3).map((n) => errorOf(processor.enqueue(order(`x-${n}`), { signal })));
    const last = processor.enqueue(order('last'));
    await clock.advance(5);
    expect(processor.stats().waitingCallers).toBe(4);
    controller.abort();
    expect(processor.stats()).toMatchObject({ waitingCallers: 1, refused: 3, unsettled: 1 });
    const errors = await outcomeNow(Promise.all(gaveUp));
    const facts = { code: 'canceled', userId: 'u', retryable: true };
    expect(errors).toMatchObject(range(3).map((n) => ({ ...facts, orderId: `x-${n}` })));
    await clock.runAll();
    expect((await last).id).toBe('last');
    expect(log.filter((line) => line.includes('x-'))).toEqual(
      range(3).map((n) => `refused:x-${n}:canceled`),
    );
    expect(processor.stats()).toMatchObject({ accepted: 2, completed: 2, refused: 3 });
    expect(await processor.order('x-0')).toBeUndefined();
  });

  it('invariant 6: gives no room to an order of its own that it has made by canceling another', async () => {
    const processor = new OrderProcessor({ capacity: 1, overflow: 'wait' });
    processor.pause();
    const controller = new AbortController();
    const { signal } = controller;
    const first = codeOf(processor.submit(order('first'), { signal }));
    const second = codeOf(processor.enqueue(order('second'), { signal }));
    await clock.settle();
    controller.abort();
    await clock.settle();
    expect(await Promise.all([first, second])).toEqual(['canceled', 'canceled']);
    expect(processor.stats()).toMatchObject({ accepted: 1, unsettled: 0, waitingCallers: 0 });
  });

  it('invariant 3: does not cancel an order that is accepted, at once or after waiting', async () => {
    const processor = await full();
    const controller = new AbortController();
    const { signal } = controller;
    const enqueued = processor.enqueue(order('a'), { signal });
    await clock.advance(10);
    expect(await outcomeNow(enqueued)).toMatchObject({ id: 'a' });
    controller.abort();
    await clock.runAll();
    expect(await processor.order('a')).toMatchObject({ status: 'completed' });

    const other = new AbortController();
    const atOnce = processor.enqueue(order('b'), { signal: other.signal });
    other.abort();
    expect(await atOnce).toMatchObject({ id: 'b' });
    await clock.runAll();
    expect(await processor.order('b')).toMatchObject({ status: 'completed' });
  });

  it('invariant 4: ends the waiting for a schema at once', async () => {
    const { schema, open } = slow();
    const processor = new OrderProcessor({ schema });
    const log = logOf(processor);
    const controller = new AbortController();
    const enqueued = errorOf(processor.enqueue(order('a', 'slow'), { signal: controller.signal }));
    await clock.settle();
    expect(processor.stats().waitingCallers).toBe(1);
    controller.abort();
    expect(await outcomeNow(enqueued)).toMatchObject({ code: 'canceled', orderId: 'a' });
    expect(processor.stats().waitingCallers).toBe(0);
    open('slow');
    await clock.settle();
    expect(log).toEqual(['refused:a:canceled']);
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1, unsettled: 0 });
  });

  it('invariant 3: that aborts while the check ends refuses the order, or comes too late', async () => {
    const heard = new Set<string>();
    for (const ticks of range(12)) {
      const { schema, open } = slow();
      const processor = new OrderProcessor({ schema });
      const controller = new AbortController();
      const { signal } = controller;
      const enqueued = codeOf(processor.enqueue(order('a', 'slow'), { signal }));
      open('slow');
      for (const _ of range(ticks)) await undefined;
      const { accepted } = processor.stats();
      controller.abort();
      heard.add(`${accepted} ${await enqueued}`);
      await processor.onIdle();
      expect(await processor.balance('u')).toBe(accepted === 1 ? 1 : undefined);
    }
    expect([...heard]).toEqual(['0 canceled', '1 completed']);
  });

  it('invariant 8: that a schema or a rule aborts refuses the order', async () => {
    const ways = [
      (abort: () => void) => ({ schema: schemaOf((value) => abort() ?? { value }) }),
      (abort: () => void) => ({ rules: [abort] }),
    ];
    for (const way of ways) {
      const controller = new AbortController();
      const { signal } = controller;
      const processor = new OrderProcessor(way(() => controller.abort()));
      expect(await codeOf(processor.enqueue(order('a'), { signal }))).toBe('canceled');
      expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1 });
    }
  });

  it('that aborted before refuses the order before anything else, but for what is none', async () => {
    const asked: string[] = [];
    const rule = (): void => void asked.push('rule');
    const processor = new OrderProcessor({ rules: [rule] });
    const signal = AbortSignal.abort();
    const error = await errorOf(processor.enqueue(order('a'), { signal }));
    expect(error).toMatchObject({ code: 'canceled', orderId: 'a', userId: 'u' });
    expect(asked).toEqual([]);
    expect(await codeOf(processor.enqueue({} as never, { signal }))).toBe('invalid_order');
    expect(processor.stats()).toMatchObject({ refused: 2, accepted: 0, duplicates: 0 });
  });

  it('invariant 6: costs nothing once the orders are accepted, however many share it', async () => {
    const processor = new OrderProcessor({ capacity: 2, overflow: 'wait', steps: [sleeps] });
    const controller = new AbortController();
    const { signal } = controller;
    const enqueued = range(50).map((n) => processor.enqueue(order(`o-${n}`), { signal }));
    const all = watch(Promise.all(enqueued));
    await clock.runAll();
    expect(all.isSettled).toBe(true);
    controller.abort();
    await clock.runAll();
    expect(processor.stats()).toMatchObject({ completed: 50, canceled: 0, refused: 0 });
  });

  it('invariant 4: leaves `shutdown` to refuse who waits still', async () => {
    const processor = await full();
    const { signal } = new AbortController();
    const code = codeOf(processor.enqueue(order('a'), { signal }));
    const closed = processor.shutdown();
    expect(await outcomeNow(code)).toBe('shut_down');
    await clock.runAll();
    await closed;
  });

  it('invariant 4: which can’t be listened to refuses an order that has to wait', async () => {
    const processor = await full();
    const signal = {
      aborted: false,
      addEventListener() {
        throw new Error('No');
      },
    };
    await errorOf(processor.enqueue(order('a'), { signal: signal as never }));
    expect(processor.stats()).toMatchObject({ waitingCallers: 0, unsettled: 1, refused: 1 });
    await clock.runAll();
  });
});
