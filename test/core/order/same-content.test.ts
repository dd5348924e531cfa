import { type Order, OrderProcessor, prioritize, refuse, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { all, everyWay } from '../../kit/every-way.ts';
import { codeOf, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5 };

describe('the content of an order is what its caller handed in', () => {
  const dish = () => ({ dish: 'soup' });
  const kinds = ['at once', 'later'] as const;

  /** A schema that answers so. */
  function answering(how: (typeof kinds)[number], answer: (value: unknown) => object) {
    return schemaOf((value) =>
      how === 'later' ? clock.sleep(5).then(() => answer(value)) : answer(value),
    );
  }

  it.each(kinds)(
    'invariant 5: not what a schema with another default each time made of it, %s',
    async (how) => {
      let ticket = 0;
      const schema = answering(how, (value) => {
        ticket += 1;
        return { value: { ...Object(value), ticket } };
      });
      for (const rules of [[], [() => prioritize('high', 'urgent')]]) {
        for (const runMs of [0, 10]) {
          const steps = runMs === 0 ? [] : [{ name: 'work', run: () => clock.sleep(runMs) }];
          const processor = new OrderProcessor({ schema, steps, rules });
          // In one turn, in flight, and settled.
          const submit = () => processor.submit({ ...order, payload: dish() });
          const given = [submit(), submit()];
          await clock.advance(7);
          given.push(submit());
          await clock.runAll();
          given.push(submit());
          await clock.runAll();
          const receipts = await Promise.all(given);
          expect(receipts[0]?.payload).toMatchObject(dish());
          for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
          expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 3, refused: 0 });
          const other = codeOf(processor.submit({ ...order, payload: { dish: 'stew' } }));
          await clock.runAll();
          expect(await other).toBe('order_conflict');
          // Nor is what was made of it the same as what was handed in.
          const made = codeOf(processor.submit({ ...order, payload: receipts[0]?.payload }));
          await clock.runAll();
          expect(await made).toBe('order_conflict');
        }
      }
    },
  );

  it.each(kinds)(
    'invariant 5: a schema or a rule that would refuse it now is not asked, %s',
    async (how) => {
      let isClosed = false;
      let asked = 0;
      const schema = answering(how, (value) => {
        asked += 1;
        return isClosed ? { issues: [{ message: 'Sold out' }] } : { value };
      });
      const rules = [() => isClosed && refuse('closed')];
      const processor = new OrderProcessor({ schema, rules });
      const first = processor.submit({ ...order, payload: dish() });
      await clock.runAll();
      const receipt = await first;
      isClosed = true;
      const again = { ...order, payload: dish() };
      expect(await outcomeNow(processor.submit(again))).toEqual(receipt);
      expect(await everyWay(processor, again)).toEqual(all('completed'));
      expect(asked).toBe(1);
      const fresh = codeOf(processor.submit({ ...again, id: 'b' }));
      await clock.runAll();
      expect(await fresh).toBe('invalid_order');
    },
  );

  it('invariant 5: a payload that the schema leaves out is not the same as none', async () => {
    const processor = new OrderProcessor({ schema: schemaOf(() => ({ value: undefined })) });
    const receipt = await processor.submit({ ...order, payload: dish() });
    expect(receipt.payload).toBeUndefined();
    expect(await processor.submit({ ...order, payload: dish() })).toEqual(receipt);
    expect(await codeOf(processor.submit(order))).toBe('order_conflict');
  });

  it('invariant 5: nor is no payload the same as what the schema makes of none', async () => {
    let ticket = 0;
    const processor = new OrderProcessor({
      schema: schemaOf((value) => ({ value: value ?? ++ticket })),
    });
    const receipt = await processor.submit(order);
    expect(receipt.payload).toBe(1);
    expect(await processor.submit(order)).toEqual(receipt);
    expect(await codeOf(processor.submit({ ...order, payload: 1 }))).toBe('order_conflict');
  });

  it("invariant 5: with the host's own storage too", async () => {
    let ticket = 0;
    const processor = new OrderProcessor({
      schema: schemaOf(() => ({ value: ++ticket })),
      storage: {
        get: () => 0,
        apply: async (changes) => changes.map(({ amount }) => ({ balance: amount })),
      },
    });
    const receipt = await processor.submit({ ...order, payload: dish() });
    expect(await processor.submit({ ...order, payload: dish() })).toEqual(receipt);
    expect(await codeOf(processor.submit({ ...order, payload: 1 }))).toBe('order_conflict');
  });
});

function sleeping(): { steps: Step[]; runs: () => number } {
  let runs = 0;
  const run = (): Promise<void> => {
    runs += 1;
    return clock.sleep(10);
  };
  return { steps: [{ name: 'sleeps', run }], runs: () => runs };
}
const others: Order[] = [
  { ...order, userId: 'v' },
  { ...order, amount: 6 },
  { ...order, amount: -5 },
  { ...order, payload: 1 },
  { ...order, payload: null },
];

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

it('invariant 8: a payload whose comparison throws conflicts, and breaks nothing else', async () => {
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
