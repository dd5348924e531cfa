import {
  type Order,
  OrderProcessor,
  type OrderProcessorOptions,
  prioritize,
  refuse,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

/** What each way of handing in an order comes to, in this turn. */
function everyWay(processor: OrderProcessor, given: Order): Promise<string[] | 'pending'> {
  return outcomeNow(handIn(processor, given));
}

async function handIn(processor: OrderProcessor, given: Order): Promise<string[]> {
  const words = [codeOf(processor.submit(given)), codeOf(processor.enqueue(given))];
  const { signal } = new AbortController();
  words.push(codeOf(processor.submit(given, { signal })));
  const [many] = await processor.submitMany([given]);
  const outcomes = [many];
  for await (const outcome of processor.submitStream([given])) outcomes.push(outcome);
  return [
    ...(await Promise.all(words)),
    ...outcomes.map((outcome) =>
      outcome?.status === 'completed' ? 'completed' : `${outcome?.error.code}`,
    ),
  ];
}

const all = (word: string): string[] => Array(5).fill(word);

describe.each<[string, OrderProcessorOptions]>([
  ['nothing else to ask', {}],
  ['a rule', { rules: [() => undefined] }],
  ['a schema', { schema: schemaOf((value) => ({ value })) }],
  ['a schema that takes its time', { schema: schemaOf(async (value) => ({ value })) }],
])('an id that is known when the processor shuts down, with %s', (_, more) => {
  it('invariant 5: hears its outcome, meanwhile and afterwards, and a new one is refused', async () => {
    const steps = [{ name: 'work', run: () => clock.sleep(10) }];
    const processor = new OrderProcessor({ steps, ...more });
    const settled = processor.submit({ ...order, id: 'settled' });
    await clock.runAll();
    const first = processor.submit(order);
    await clock.advance(5);
    const closed = processor.shutdown();
    const meanwhile = processor.submit(order);
    const record = await processor.enqueue(order);
    expect(record.status).toBe('processing');
    expect(await processor.submit({ ...order, id: 'settled' })).toEqual(await settled);
    expect(await everyWay(processor, { ...order, id: 'b' })).toEqual(all('shut_down'));
    await clock.runAll();
    await closed;
    expect(await meanwhile).toEqual(await first);
    expect(await everyWay(processor, order)).toEqual(all('completed'));
    expect(await processor.submit(order)).toEqual(await first);
    expect(await everyWay(processor, { ...order, id: 'c' })).toEqual(all('shut_down'));
    expect(await everyWay(processor, { ...order, amount: 2 })).toEqual(all('order_conflict'));
    expect(processor.stats()).toMatchObject({ accepted: 2, completed: 2, unsettled: 0 });
  });

  it('invariant 5: hears its failure too', async () => {
    const steps = [{ name: 'work', run: () => Promise.reject({ code: 'declined' }) }];
    const processor = new OrderProcessor({ steps, ...more });
    const first = await errorOf(processor.submit(order));
    await processor.shutdown();
    expect((await errorOf(processor.submit(order))).toJSON()).toEqual(first.toJSON());
  });
});

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
