import { MemoryStorage, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';

const order = { id: 'a', userId: 'u', amount: 5 };

describe('`enqueue` without steps, where nothing is in the way', () => {
  it('invariant 3: settles at once, and gives the record that `order` gives', async () => {
    const processor = new OrderProcessor();
    const record = await processor.enqueue({ ...order, priority: 'high', payload: { n: 1 } });
    expect(record).toMatchObject({ status: 'completed', balance: 5, steps: [] });
    expect(await processor.order('a')).toEqual(record);
    expect(await processor.enqueue(order).catch(({ code }) => code)).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
  });

  it('gives the record of one that fails, too', async () => {
    const processor = new OrderProcessor({ minBalance: 0 });
    const record = await processor.enqueue({ ...order, amount: -5 });
    const facts = { status: 'failed', code: 'insufficient_funds', retryable: false };
    expect(record).toMatchObject({ ...facts, balance: undefined });
    expect(await processor.order('a')).toEqual(record);
  });

  it('invariant 6: gives it also where nothing is remembered', async () => {
    const processor = new OrderProcessor({ storage: new MemoryStorage({ retainSettled: 0 }) });
    expect(await processor.enqueue(order)).toMatchObject({ status: 'completed', balance: 5 });
    expect(await processor.order('a')).toBeUndefined();
    expect(await processor.balance('u')).toBe(5);
  });

  it.each(['accepted', 'started'] as const)('raises `%s` before the outcome', async (event) => {
    const processor = new OrderProcessor();
    const log: string[] = [];
    processor.on(event, () => log.push(event)).on('completed', () => log.push('completed'));
    await processor.enqueue(order);
    await processor.onIdle();
    expect(log).toEqual([event, 'completed']);
  });

  it('invariant 1: does not overtake an order that waits', async () => {
    const processor = new OrderProcessor();
    processor.pause('v');
    await processor.enqueue({ id: 'first', userId: 'v', amount: 1 });
    expect(await processor.enqueue({ id: 'second', userId: 'v', amount: 1 })).toMatchObject({
      status: 'pending',
    });
    processor.resume('v');
    await processor.onIdle();
    expect([await processor.order('first'), await processor.order('second')]).toMatchObject([
      { balance: 1 },
      { balance: 2 },
    ]);
  });
});
