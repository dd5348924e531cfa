import {
  type EnqueueOptions,
  type Order,
  OrderProcessor,
  type OrderProcessorOptions,
  type OrderRecord,
} from 'order-processor';
import type { Fate, KeptStorage, Method } from '../kept-storage.ts';

/** A processor over this storage that has taken up what there was. */
export async function open(
  storage: KeptStorage,
  options: Omit<OrderProcessorOptions, 'storage'> = {},
): Promise<OrderProcessor> {
  const processor = new OrderProcessor({ storage, ...options });
  await processor.ready;
  return processor;
}

/** Enqueues an order that is kept before it is settled, as one that has steps or must wait is. */
export function keepFirst(
  processor: OrderProcessor,
  order: Order,
  options?: EnqueueOptions,
): Promise<OrderRecord> {
  processor.pause();
  const enqueued = processor.enqueue(order, options);
  processor.resume();
  return enqueued;
}

/** Fates of the calls of one method, in turn; after them, and for all other methods, it works. */
export function fatesOf(method: Method, ...fates: (Fate | Promise<Fate>)[]): KeptStorage['fate'] {
  return (called, size) => {
    // A question is not counted.
    if (called !== method || (method === 'accept' && size === 0)) return 'works';
    return fates.shift() ?? 'works';
  };
}

/** The whole storage fails, the question whether it works included. */
export const broken = (): Fate => 'rejects';

export const working = (): Fate => 'works';
