import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { all, everyWay } from '../../kit/every-way.ts';
import { errorOf } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

describe.each<[string, OrderProcessorOptions]>([
  ['nothing else to ask', {}],
  ['a rule', { rules: [() => undefined] }],
  ['a schema', { schema: schemaOf((value) => ({ value })) }],
  ['an asynchronous schema', { schema: schemaOf(async (value) => ({ value })) }],
])('an id that is known when the processor shuts down, with %s', (_, more) => {
  it('invariant 5: gets its outcome, meanwhile and afterwards, and a new one is refused', async () => {
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

  it('invariant 5: gets its failure too', async () => {
    const steps = [{ name: 'work', run: () => Promise.reject({ code: 'declined' }) }];
    const processor = new OrderProcessor({ steps, ...more });
    const first = await errorOf(processor.submit(order));
    await processor.shutdown();
    expect((await errorOf(processor.submit(order))).toJSON()).toEqual(first.toJSON());
  });
});
