import { MemoryStorage, type Order, OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, range } from '../../kit/helpers.ts';
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

describe('properties that are `undefined`', () => {
  const circular: Record<string, unknown> = { note: undefined };
  circular.self = circular;
  const ring: Record<string, unknown> = {};
  ring.self = ring;
  const bare = Object.assign(Object.create(null), { a: 1, note: undefined });
  it.each<[string, unknown, unknown, boolean]>([
    ['count as absent', { a: 1, note: undefined }, { a: 1 }, true],
    ['inside too', { a: [{ b: undefined }] }, { a: [{}] }, true],
    ['beside what is more than JSON', { at: new Date(0), b: undefined }, { at: new Date(0) }, true],
    ['beside what differs', { at: new Date(0), b: undefined }, { at: new Date(1) }, false],
    ['in what is part of itself', circular, ring, true],
    ['without a prototype', bare, Object.assign(Object.create(null), { a: 1 }), true],
    ['count as places of an array', [undefined], [], false],
    ['are not null', { a: null }, {}, false],
  ])('invariant 5: %s, in memory as in a file', async (_, payload, other, isSame) => {
    const processor = new OrderProcessor();
    const code = isSame ? 'completed' : 'order_conflict';
    await processor.submit({ ...order, payload });
    expect(await codeOf(processor.submit({ ...order, payload: other }))).toBe(code);
    await processor.submit({ ...order, id: 'b', payload: other });
    expect(await codeOf(processor.submit({ ...order, id: 'b', payload }))).toBe(code);
  });
});

const others: Order[] = [
  { ...order, userId: 'v' },
  { ...order, amount: 6 },
  { ...order, amount: -5 },
  { ...order, payload: 1 },
  { ...order, payload: null },
];

it.each(others)(
  'invariant 5: other content conflicts, in flight and settled: %j',
  async (other) => {
    const { steps, runs } = sleeping();
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit(order);
    const conflicts = async (): Promise<void> => {
      const conflict = await errorOf(processor.submit(other));
      expect(conflict).toMatchObject({
        code: 'order_conflict',
        orderId: 'a',
        userId: other.userId,
      });
      expect(await codeOf(processor.enqueue(other))).toBe('order_conflict');
      expect(await processor.submitMany([other])).toMatchObject([
        { error: { code: 'order_conflict' } },
      ]);
    };
    await conflicts();
    await clock.runAll();
    await submitted;
    await conflicts();
    expect(runs()).toBe(1);
    expect(await processor.balance('u')).toBe(5);
    expect(await processor.balance('v')).toBeUndefined();
  },
);

it('invariant 5: payloads are compared in depth', async () => {
  const processor = new OrderProcessor();
  const payload = () => ({
    items: [{ sku: 'x', tags: new Set([1, 2]) }],
    at: new Date(5),
    big: 1n,
  });
  await processor.submit({ ...order, payload: payload() });
  expect(await codeOf(processor.submit({ ...order, payload: payload() }))).toBe('completed');
  const differences = [
    { ...payload(), big: 2n },
    { ...payload(), items: [] },
    { ...payload(), more: 1 },
    undefined,
  ];
  for (const other of differences) {
    expect(await codeOf(processor.submit({ ...order, payload: other }))).toBe('order_conflict');
  }
});

it('invariant 8: a payload whose comparison throws conflicts, and hurts nobody', async () => {
  const processor = new OrderProcessor();
  const evil = () => ({
    get trap(): never {
      throw new Error('Do not touch');
    },
  });
  await processor.submit({ ...order, payload: evil() });
  expect(await codeOf(processor.submit({ ...order, payload: evil() }))).toBe('order_conflict');
  expect(await codeOf(processor.submit({ userId: 'u', amount: 1 }))).toBe('completed');
});

it('invariant 5: priority is not content', async () => {
  const { steps } = sleeping();
  const processor = new OrderProcessor({ steps });
  const submitted = [
    processor.submit({ ...order, priority: 'low' }),
    processor.submit({ ...order, priority: 'high' }),
  ];
  await clock.runAll();
  const [first, second] = await Promise.all(submitted);
  expect(second).toEqual(first);
  expect(await processor.order('a')).toMatchObject({ priority: 'low' });
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

it("invariant 5: when the owner's signal cancels the order, those who joined hear of it", async () => {
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
