import { MemoryStorage, OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';

const traceOf = (at: number) => ({
  traceparent: `00-${String(at).padStart(32, '0')}-b7ad6b7169203331-01`,
});

it('invariant 6: the traces of remembered orders go with them, by number and by bytes', async () => {
  // A trace takes 79 bytes of these.
  const storage = new MemoryStorage({ retainSettled: 4, retainBytes: 200 });
  const processor = new OrderProcessor({ storage });
  const kept = async (): Promise<unknown[]> => {
    const found = await Promise.all(
      Array.from({ length: 9 }, (_, at) => storage.find(`o-${at + 1}`)),
    );
    return found.map((order) => order && (order.traceContext ?? 'none'));
  };
  for (let at = 1; at <= 5; at += 1) {
    // The first trace comes when orders without one are remembered already.
    const traced = at === 3 || at === 4 ? { traceContext: traceOf(at) } : undefined;
    await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, ...traced });
  }
  const gone = undefined;
  expect((await kept()).slice(0, 5)).toEqual([gone, 'none', traceOf(3), traceOf(4), 'none']);
  for (let at = 6; at <= 7; at += 1) {
    await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, traceContext: traceOf(at) });
  }
  // Two traces fit: the older ones are forgotten with their orders.
  expect((await kept()).slice(3, 7)).toEqual([gone, 'none', traceOf(6), traceOf(7)]);
  await processor.shutdown();
});
