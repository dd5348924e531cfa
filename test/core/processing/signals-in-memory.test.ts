import { getEventListeners } from 'node:events';
import { type Order, OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { collect } from '../../kit/collect.ts';
import { isFull } from '../../kit/full.ts';
import { codeOf, range } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useFolder } from '../../sqlite/helpers.ts';

const files = useFolder();
const slow = schemaOf(async (value) => ({ value }));
const later: Step = { name: 'later', run: () => new Promise((resolve) => setImmediate(resolve)) };

type Call = (processor: OrderProcessor, order: Order, signal: AbortSignal) => Promise<unknown>;

const submit: Call = (processor, order, signal) => processor.submit(order, { signal });
const enqueue: Call = (processor, order, signal) => processor.enqueue(order, { signal });

/** How many calls are under way at once. */
const atOnce = isFull ? 500 : 200;

/** How many of the signals are still in memory, each given to one call. */
async function signalsLeft(
  options: OrderProcessorOptions,
  call: Call,
  orders = isFull ? 20_000 : atOnce,
): Promise<number> {
  const processor = new OrderProcessor(options);
  const shared = new AbortController();
  const refs: WeakRef<AbortSignal>[] = [];
  for (let first = 0; first < orders; first += atOnce) {
    await Promise.all(
      range(Math.min(atOnce, orders - first)).map((at) => {
        const number = first + at;
        const signal =
          number % 2 === 0 ? AbortSignal.any([shared.signal]) : AbortSignal.timeout(3_600_000);
        refs.push(new WeakRef(signal));
        const order = { id: `o-${number}`, userId: `u-${number % 50}`, amount: 1 };
        return codeOf(call(processor, order, signal));
      }),
    );
  }
  await processor.onIdle();
  let left = orders;
  // A `WeakRef` holds its target until the turn of the event loop is over, and what a collection frees may hold others.
  for (let tries = 0; left > 0 && tries < 10; tries += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    // A signal that a timer holds is freed in a turn of its own.
    await new Promise((resolve) => setImmediate(resolve));
    left = refs.filter((ref) => ref.deref() !== undefined).length;
  }
  expect(getEventListeners(shared.signal, 'abort')).toEqual([]);
  await processor.shutdown();
  return left;
}

describe('invariant 6: no signal is kept in memory by an order that has ended', () => {
  it.each<[string, OrderProcessorOptions, Call]>([
    ['submit with steps', { steps: [later] }, submit],
    ['submit that waits for room', { capacity: 20, overflow: 'wait', steps: [later] }, submit],
    [
      'submit that waits for room of its user',
      { capacityPerUser: 2, overflow: 'wait', steps: [later] },
      submit,
    ],
    ['submit that is refused', { capacity: 20, steps: [later] }, submit],
    ['submit with a slow schema', { schema: slow, steps: [later] }, submit],
    ['enqueue that waits for room', { capacity: 20, overflow: 'wait', steps: [later] }, enqueue],
    ['enqueue with a slow schema', { schema: slow, steps: [later] }, enqueue],
  ])('%s', async (_, options, call) => {
    expect(await signalsLeft(options, call)).toBe(0);
  });

  it('outcome', async () => {
    const call: Call = async (processor, order, signal) => {
      await processor.enqueue(order);
      await processor.outcome(order.id as string, { signal });
    };
    expect(await signalsLeft({ steps: [later] }, call)).toBe(0);
  });

  it('submit of an order that another caller has handed in', async () => {
    const call: Call = async (processor, order, signal) => {
      const first = processor.submit(order);
      await Promise.all([first, processor.submit(order, { signal })]);
      await processor.submit(order, { signal });
    };
    expect(await signalsLeft({ steps: [later] }, call)).toBe(0);
  });

  it.each<[string, OrderProcessorOptions]>([
    ['without steps', {}],
    ['with steps', { steps: [later] }],
  ])('submit, enqueue and outcome on a file, %s', async (_, options) => {
    const storage = await files.open();
    const call: Call = async (processor, order, signal) => {
      await processor.enqueue(order, { signal });
      await Promise.all([
        processor.submit(order, { signal }),
        processor.outcome(order.id as string, { signal }),
      ]);
      await processor.submit({ ...order, id: `${order.id}-2` }, { signal });
    };
    expect(await signalsLeft({ ...options, storage }, call, 2 * atOnce)).toBe(0);
  });
});
