import { MemoryStorage, OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5 };

function sleeping(): { steps: Step[]; runs: () => number } {
  let runs = 0;
  const run = (): Promise<void> => {
    runs += 1;
    return clock.sleep(10);
  };
  return { steps: [{ name: 'sleeps', run }], runs: () => runs };
}

describe('the same id with the same content', () => {
  it('invariant 5: gives the same receipt, in flight and settled, and is applied once', async () => {
    const { steps, runs } = sleeping();
    const processor = new OrderProcessor({ steps });
    const completed: string[] = [];
    processor.on('completed', ({ orderId }) => completed.push(orderId));
    const inFlight = [processor.submit(order), processor.submit({ ...order })];
    await clock.advance(5);
    inFlight.push(processor.submit({ ...order }));
    await clock.runAll();
    const receipts = await Promise.all([...inFlight, processor.submit(order)]);
    for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
    expect(receipts[0]).toMatchObject({ balance: 5, steps: [{ name: 'sleeps', status: 'ok' }] });
    expect([runs(), completed]).toEqual([1, ['a']]);
    expect(processor.stats()).toMatchObject({
      accepted: 1,
      completed: 1,
      duplicates: 3,
      refused: 0,
    });
    expect(await processor.balance('u')).toBe(5);
  });

  it('invariant 5: holds for every way of handing in, mixed', async () => {
    for (const steps of [[], sleeping().steps]) {
      const processor = new OrderProcessor({ steps });
      const record = await processor.enqueue(order);
      expect(record).toMatchObject({ ...order, priority: 'medium' });
      expect(await processor.enqueue(order)).toMatchObject({ id: 'a' });
      const submitted = processor.submit(order);
      const many = processor.submitMany([order, order]);
      await clock.runAll();
      const receipt = await submitted;
      expect(await many).toEqual([receipt, receipt]);
      for await (const outcome of processor.submitStream([order, order])) {
        expect(outcome).toEqual(receipt);
      }
      const settled = await processor.enqueue(order);
      expect(settled).toMatchObject({ id: 'a', status: 'completed', balance: 5 });
      expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, duplicates: 7 });
    }
  });

  it('invariant 5: gives the same failure again', async () => {
    const step: Step = {
      name: 'fails',
      run() {
        throw new OrderError('declined', 'Card declined');
      },
    };
    const processor = new OrderProcessor({ steps: [step] });
    const failures = [
      await errorOf(processor.submit(order)),
      await errorOf(processor.submit(order)),
    ];
    for (const failure of failures) {
      expect(failure).toMatchObject({
        code: 'declined',
        message: 'Card declined',
        orderId: 'a',
        userId: 'u',
      });
      expect(failure.steps).toMatchObject([{ name: 'fails', status: 'error', code: 'declined' }]);
    }
    expect(processor.stats()).toMatchObject({ accepted: 1, failed: 1, duplicates: 1 });
  });

  it('invariant 5: gives `insufficient_funds` again although the funds have come', async () => {
    const processor = new OrderProcessor({ minBalance: 0 });
    const debit = { id: 'a', userId: 'u', amount: -5 };
    expect(await codeOf(processor.submit(debit))).toBe('insufficient_funds');
    await processor.submit({ userId: 'u', amount: 100 });
    expect(await codeOf(processor.submit(debit))).toBe('insufficient_funds');
    expect(await processor.balance('u')).toBe(100);
  });

  it('invariant 5: gives `canceled` again', async () => {
    const processor = new OrderProcessor({ steps: sleeping().steps });
    const code = codeOf(processor.submit(order));
    await processor.cancel('a');
    expect([await code, await codeOf(processor.submit(order))]).toEqual(['canceled', 'canceled']);
  });

  it('invariant 5: an order that was refused may come again', async () => {
    const processor = new OrderProcessor({ capacity: 1 });
    processor.pause();
    void processor.submit({ id: 'first', userId: 'u', amount: 1 });
    expect(await codeOf(processor.submit(order))).toBe('queue_full');
    processor.resume();
    await processor.onIdle();
    expect(await codeOf(processor.submit(order))).toBe('completed');
  });
});

it("invariant 5: a joined caller's signal ends its own waiting only", async () => {
  const processor = new OrderProcessor({ steps: sleeping().steps });
  const owner = processor.submit(order);
  const controller = new AbortController();
  const joined = errorOf(processor.submit(order, { signal: controller.signal }));
  await clock.advance(5);
  controller.abort();
  expect(await joined).toMatchObject({ code: 'canceled', orderId: 'a' });
  await clock.runAll();
  expect((await owner).balance).toBe(5);
  expect(processor.stats()).toMatchObject({ completed: 1, canceled: 0, duplicates: 1 });
});

it("invariant 5: when the owner's signal cancels the order, callers that joined are notified", async () => {
  const processor = new OrderProcessor({ steps: sleeping().steps });
  const controller = new AbortController();
  const codes = [
    codeOf(processor.submit(order, { signal: controller.signal })),
    codeOf(processor.submit(order)),
  ];
  await clock.advance(5);
  controller.abort();
  await clock.runAll();
  expect(await Promise.all(codes)).toEqual(['canceled', 'canceled']);
});

it('invariant 8: a caller who gave up on another’s order is notified once, and is not kept', async () => {
  const gate = deferred();
  const steps = [{ name: 'fails', run: () => gate.promise.then(() => Promise.reject('late')) }];
  const processor = new OrderProcessor({ steps });
  const shared = { id: 'a', userId: 'u', amount: 1 };
  const first = processor.submit(shared).catch((error) => error.code);
  const controller = new AbortController();
  const second = processor.submit(shared, { signal: controller.signal });
  controller.abort();
  await expect(second).rejects.toMatchObject({ code: 'canceled' });
  gate.resolve();
  // An unhandled rejection would fail the run.
  expect(await first).toBe('internal');
});

describe('retention', () => {
  it('invariant 6: the last `retainSettled` orders are known, older ones are not', async () => {
    const processor = new OrderProcessor({ storage: new MemoryStorage({ retainSettled: 300 }) });
    const orders = range(1_000).map((index) => ({ id: `o-${index}`, userId: 'u', amount: 1 }));
    await processor.submitMany(orders);
    const known = await Promise.all(orders.map(({ id }) => processor.order(id)));
    expect(known.map((record) => record !== undefined)).toEqual(
      range(1_000).map((index) => index >= 700),
    );
    expect(known[999]).toMatchObject({ id: 'o-999', balance: 1_000 });
    expect(await codeOf(processor.submit({ id: 'o-700', userId: 'u', amount: 2 }))).toBe(
      'order_conflict',
    );
    // Forgotten: it is a new order.
    expect((await processor.submit({ id: 'o-0', userId: 'u', amount: 2 })).balance).toBe(1_002);
  });

  it('invariant 6: 0 keeps nothing but what is in flight', async () => {
    const { steps, runs } = sleeping();
    const processor = new OrderProcessor({
      storage: new MemoryStorage({ retainSettled: 0 }),
      steps,
    });
    const submitted = [processor.submit(order), processor.submit(order)];
    await clock.runAll();
    await Promise.all(submitted);
    expect(runs()).toBe(1);
    expect(await processor.order('a')).toBeUndefined();
    const again = processor.submit(order);
    await clock.runAll();
    expect((await again).balance).toBe(10);
  });
});
