/** Guarantee 8: what fails far from its caller says, in its stack, who asked for it. */
import {
  type Order,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, errorOf, throwing } from '../../kit/helpers.ts';

const order = { id: 'a', userId: 'u', amount: -1 };

async function checkOut(processor: OrderProcessor, of: Order = order): Promise<unknown> {
  return await processor.submit(of);
}

const late = async (): Promise<never> => {
  await new Promise((resolve) => setTimeout(resolve, 1));
  throw new OrderError('declined', 'No');
};
const cases: [string, OrderProcessorOptions][] = [
  ['in a step, at once', { steps: [throwing(new Error('A bug'))] }],
  ['in a step, later', { steps: [{ name: 'late', run: late }] }],
  ['by its time limit', { steps: [{ name: 'slow', run: () => deferred().promise }], timeoutMs: 5, stalledAfterMs: 5 }], // biome-ignore format: short
  ['for want of funds', { minBalance: 0 }],
  ['in the storage', { storage: { get: () => 0, apply: () => Promise.reject(new Error('Full')) } }],
  ['before it is accepted', { rules: [() => ({ kind: 'refuse', code: 'too_late', message: '' })] }],
];

describe('the stack of an order that fails', () => {
  it.each(cases)('%s has a frame of its caller', async (_, options) => {
    const processor = new OrderProcessor(options);
    processor.on('error', () => {}).on('stalled', () => {});
    const error = await errorOf(checkOut(processor));
    expect(error.stack).toMatch(/^ {4}at (async )?checkOut \(/m);
    expect(error.stack).toMatch(/^OrderError: /);
  });

  it('that waits in the queue, and is canceled, has one', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const failed = errorOf(checkOut(processor));
    await new Promise((resolve) => setTimeout(resolve, 1));
    await processor.cancel('a');
    expect((await failed).stack).toMatch(/^ {4}at (async )?checkOut \(/m);
  });

  it('that another caller gets has a frame of that caller', async () => {
    const processor = new OrderProcessor({ minBalance: 0 });
    await errorOf(processor.submit(order));
    expect((await errorOf(checkOut(processor))).stack).toMatch(/^ {4}at (async )?checkOut \(/m);
  });

  it('of several callers has one of each, and is no longer for the same twice', async () => {
    async function repeat(processor: OrderProcessor): Promise<unknown> {
      return await processor.submit(order);
    }
    const processor = new OrderProcessor({ steps: [{ name: 'late', run: late }] });
    const failures = [checkOut, repeat, repeat].map((call) => errorOf(call(processor)));
    const [first, second, third] = await Promise.all(failures);
    expect(second).toBe(first);
    expect(third?.stack?.match(/at (async )?checkOut \(/g)).toHaveLength(1);
    expect(third?.stack?.match(/at (async )?repeat \(/g)).toHaveLength(1);
  });

  it('is left as it is where the error is frozen', async () => {
    const processor = new OrderProcessor({ steps: [{ name: 'late', run: late }] });
    processor.on('failed', (error) => void Object.freeze(error));
    expect((await errorOf(checkOut(processor))).code).toBe('declined');
  });

  it('says who enqueued, and who asked for a balance', async () => {
    async function accept(processor: OrderProcessor): Promise<unknown> {
      return await processor.enqueue(order);
    }
    async function look(processor: OrderProcessor): Promise<unknown> {
      return await processor.balance('u');
    }
    const rules = [() => ({ kind: 'refuse' as const, code: 'too_late', message: '' })];
    const get = () => new Promise<never>((_, reject) => setTimeout(reject, 1, new Error('Gone')));
    const storage = { get, apply: () => Promise.reject(new Error('Gone')) };
    const refused = await errorOf(accept(new OrderProcessor({ rules })));
    expect(refused.stack).toMatch(/^ {4}at (async )?accept \(/m);
    const full = new OrderProcessor({ capacity: 1, overflow: 'wait' });
    full.pause();
    await full.enqueue({ ...order, id: 'b' });
    const waiting = errorOf(accept(full));
    await new Promise((resolve) => setTimeout(resolve, 1));
    const closed = full.shutdown();
    expect((await waiting).stack).toMatch(/^ {4}at (async )?accept \(/m);
    await closed;
    const failed = await errorOf(look(new OrderProcessor({ storage })));
    expect(failed.stack).toMatch(/^ {4}at (async )?look \(/m);
  });
});
