import { type Order, OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { deferred } from '../helpers.ts';
import { type Fate, KeptStorage } from '../kept-storage.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import { fatesOf, open } from './helpers.ts';

/** The disk of a process that was killed with these orders accepted. */
export async function diskWith(...orders: readonly Order[]) {
  const storage = new KeptStorage();
  const processor = await open(storage);
  processor.pause();
  for (const order of orders) await processor.enqueue(order);
  storage.cut();
  return storage.disk;
}

/** A processor that reads nothing that an earlier process left before the gate is open. */
export async function recovering(
  clock: VirtualClock,
  ids: readonly string[],
  options: OrderProcessorOptions = {},
) {
  const storage = new KeptStorage(
    await diskWith(...ids.map((id) => ({ id, userId: 'u', amount: 1 }))),
  );
  const gate = deferred<Fate>();
  storage.fate = fatesOf('unsettled', gate.promise);
  const processor = new OrderProcessor({ storage, ...options });
  await clock.settle();
  return { storage, processor, start: () => gate.resolve('works') };
}
