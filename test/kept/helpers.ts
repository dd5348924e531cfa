import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
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
