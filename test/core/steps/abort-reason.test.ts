import { type Order, OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useFolder } from '../../sqlite/helpers.ts';

const files = useFolder();
const why = new Error('The customer has hung up');
const order: Order = { id: 'o', userId: 'u', amount: 1 };
const untilAborted: Step = {
  name: 'until aborted',
  run: (_, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    }),
};
const never = schemaOf(() => new Promise(() => {}));

type Call = (processor: OrderProcessor, signal: AbortSignal) => Promise<unknown>;
const submit: Call = (processor, signal) => processor.submit(order, { signal });
const enqueue: Call = (processor, signal) => processor.enqueue(order, { signal });
const outcome: Call = async (processor, signal) => {
  await processor.enqueue(order);
  return processor.outcome('o', { signal });
};

/** Fills the only room of a processor first. */
function behindAnother(call: Call): Call {
  return async (processor, signal) => {
    await processor.enqueue({ ...order, id: 'first' });
    return call(processor, signal);
  };
}

const one = { capacity: 1, overflow: 'wait' } as const;
const steps = [untilAborted];

describe('the reason of an abort is the `cause` of `canceled`', () => {
  it.each<[string, OrderProcessorOptions, Call]>([
    ['submit of a running order', { steps }, submit],
    ['submit of a waiting order', { steps }, behindAnother(submit)],
    [
      'submit of another caller’s order',
      { steps },
      (processor, signal) => {
        void processor.submit(order).catch(() => {});
        return submit(processor, signal);
      },
    ],
    ['submit that waits for room', { ...one, steps }, behindAnother(submit)],
    ['submit that waits for the schema', { schema: never }, submit],
    ['enqueue that waits for room', { ...one, steps }, behindAnother(enqueue)],
    ['enqueue that waits for the schema', { schema: never }, enqueue],
    ['outcome', { steps }, outcome],
  ])('%s', async (_, options, call) => {
    for (const isAborted of [false, true]) {
      const processor = new OrderProcessor(options);
      const controller = new AbortController();
      if (isAborted) controller.abort(why);
      const error = errorOf(call(processor, controller.signal));
      setTimeout(() => controller.abort(why), 10);
      expect(await error).toMatchObject({ code: 'canceled', cause: why });
      await processor.shutdown({ timeoutMs: 1 });
    }
  });

  it('with a time limit, and in the event', async () => {
    const processor = new OrderProcessor({ steps });
    const causes: unknown[] = [];
    processor.on('canceled', ({ cause }) => causes.push(cause));
    const error = await errorOf(submit(processor, AbortSignal.timeout(10)));
    expect(error.cause).toMatchObject({ name: 'TimeoutError' });
    await processor.onIdle();
    expect(causes).toEqual([error.cause]);
    await processor.shutdown();
  });

  it('of an order that is on its way into a file, or runs from it', async () => {
    const processor = new OrderProcessor({ storage: await files.open(), steps });
    for (const ms of [0, 30]) {
      const controller = new AbortController();
      const error = errorOf(
        processor.submit({ ...order, id: `o-${ms}` }, { signal: controller.signal }),
      );
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      controller.abort(why);
      expect((await error).cause).toBe(why);
    }
    await processor.shutdown();
  });

  it('and there is none where no signal has aborted', async () => {
    const processor = new OrderProcessor({ steps });
    const error = errorOf(processor.submit(order));
    await processor.cancel('o');
    expect(await error).not.toHaveProperty('cause');
    await processor.shutdown();
  });
});
