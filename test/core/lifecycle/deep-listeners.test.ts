import { setTimeout as sleep } from 'node:timers/promises';
import { type EventName, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';

/** Deeper than the stack is, if each called the next. */
const many = 5_000;

describe('invariant 8: what a listener changes is notified after it, at a bounded depth', () => {
  it("canceling a user's next order in `canceled`", async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ id: `o-${at}`, userId: 'u', amount: 1 })),
    );
    let next = 0;
    processor.on('canceled', () => {
      next += 1;
      void processor.cancel(`o-${next}`);
    });
    expect(await processor.cancel('o-0')).toBe(true);
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['canceled']));
    expect(processor.stats()).toMatchObject({ canceled: many, unsettled: 0 });
    await processor.shutdown();
  });

  it.each<EventName>(['accepted', 'refused', 'completed', 'idle'])(
    'submitting in `%s`',
    async (name) => {
      const processor = new OrderProcessor({ capacity: 2 * many });
      const codes: Promise<string>[] = [];
      const errors: unknown[] = [];
      let left = many;
      processor.on('error', (error) => errors.push(error));
      processor.on(name, () => {
        left -= 1;
        const userId = name === 'refused' ? '' : 'u';
        if (left > 0) codes.push(codeOf(processor.submit({ userId, amount: 1 })));
      });
      const first = codeOf(processor.submit({ userId: name === 'refused' ? '' : 'u', amount: 1 }));
      while (left > 0) await new Promise((resolve) => setImmediate(resolve));
      const expected = name === 'refused' ? 'invalid_order' : 'completed';
      expect(new Set(await Promise.all([first, ...codes]))).toEqual(new Set([expected]));
      expect(errors).toEqual([]);
      const { completed, refused } = processor.stats();
      expect(completed + refused).toBe(many);
      await processor.shutdown();
    },
  );

  it("canceling another order when a step's signal aborts", async () => {
    const uncaught: unknown[] = [];
    const hear = (error: unknown): void => void uncaught.push(error);
    process.on('uncaughtException', hear);
    const ended = Promise.withResolvers<void>();
    let started = 0;
    let aborted = 0;
    const steps: Step[] = [
      {
        name: 'waits',
        run: ({ id }, { signal }) => {
          started += 1;
          signal.addEventListener('abort', () => {
            aborted += 1;
            void processor.cancel(`${Number(id) + 1}`);
          });
          return ended.promise;
        },
      },
    ];
    const processor: OrderProcessor = new OrderProcessor({ steps, concurrency: many });
    const codes = range(many).map((at) =>
      codeOf(processor.submit({ id: `${at}`, userId: `u-${at}`, amount: 1 })),
    );
    while (started < many) await new Promise((resolve) => setImmediate(resolve));
    void processor.cancel('0');
    while (aborted < many) await new Promise((resolve) => setImmediate(resolve));
    ended.resolve();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['canceled']));
    await processor.shutdown();
    process.off('uncaughtException', hear);
    expect(uncaught).toEqual([]);
  });

  it('lets timers run beside a listener that goes on for ever', async () => {
    const processor = new OrderProcessor();
    let isOver = false;
    processor.on('refused', () => {
      if (!isOver) processor.submit({ userId: '', amount: 1 }).catch(() => {});
    });
    processor.submit({ userId: '', amount: 1 }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
    isOver = true;
    await processor.shutdown();
  });
});

it('events come in the order of the changes, even if a listener makes changes', async () => {
  const processor = new OrderProcessor();
  const log: string[] = [];
  processor.on('accepted', ({ id }) => {
    log.push(`1 ${id}`);
    if (id === 'a') void processor.submit({ id: 'b', userId: 'u', amount: 1 }).catch(() => {});
    if (id === 'a') void processor.cancel('a');
  });
  processor.on('accepted', ({ id }) => log.push(`2 ${id}`));
  processor.on('canceled', ({ orderId }) => log.push(`canceled ${orderId}`));
  processor.on('completed', ({ orderId }) => log.push(`completed ${orderId}`));
  await codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
  await processor.onIdle();
  expect(log).toEqual(['1 a', '2 a', '1 b', '2 b', 'canceled a', 'completed b']);
  await processor.shutdown();
});

it('invariant 3: a listener of `idle` that goes on submitting overflows no stack', async () => {
  const processor = new OrderProcessor();
  let left = 10_000;
  const receipts: Promise<unknown>[] = [];
  processor.on('idle', () => {
    if (left-- > 0) receipts.push(processor.submit({ userId: 'u', amount: 1 }));
  });
  await processor.submit({ userId: 'u', amount: 1 });
  while (receipts.length < 10_000) await sleep(1);
  await Promise.all(receipts);
  expect(await processor.balance('u')).toBe(10_001);
});
