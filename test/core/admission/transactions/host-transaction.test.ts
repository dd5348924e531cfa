import {
  MemoryStorage,
  OrderProcessor,
  type OrderProcessorOptions,
  prioritize,
  refuse,
  type TransactionClient,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { DoubleTransaction } from '../../../kit/double-transaction.ts';
import { errorOf } from '../../../kit/helpers.ts';
import { KeptStorage } from '../../../kit/kept-storage.ts';
import { SharedDatabase } from '../../../kit/shared-database.ts';
import { SharedStorage } from '../../../kit/shared-storage.ts';
import { useVirtualClock } from '../../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'o', userId: 'u', amount: 5 };

function open(options: OrderProcessorOptions = {}) {
  const database = new SharedDatabase(1, () => clock.sleep(1));
  const storage = new SharedStorage(database);
  const ran: string[] = [];
  const run = ({ id }: { id: string }): void => void ran.push(id);
  const processor = new OrderProcessor({ storage, steps: [{ name: 'work', run }], ...options });
  database.give(0, storage);
  const heard: string[] = [];
  for (const event of ['accepted', 'refused'] as const) {
    processor.on(event, () => heard.push(event));
  }
  const client = new DoubleTransaction(database);
  const end = async (): Promise<void> => {
    const over = processor.shutdown();
    await clock.runAll();
    await over;
  };
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => {});
    await clock.runAll();
    return promise;
  };
  return { database, processor, ran, heard, client, end, settled };
}

describe('enqueue in a transaction of the host', () => {
  it('invariant 3: the order is there when that commits, and never before', async () => {
    const { processor, ran, heard, client, end, settled } = open();
    const record = await settled(processor.enqueue(order, { client }));
    expect(record).toMatchObject({ ...order, status: 'pending', postings: [] });
    expect(await settled(processor.outcome('o'))).toBeUndefined();
    expect(processor.stats()).toMatchObject({ accepted: 0, unsettled: 0, refused: 0 });
    client.commit();
    const outcome = processor.outcome('o');
    await clock.runAll();
    expect(await outcome).toMatchObject({ status: 'completed', balance: 5 });
    expect([ran, heard]).toEqual([['o'], []]);
    await end();
  });

  it('invariant 3: nothing is left of one that does not commit, and the id is free', async () => {
    const { processor, client, end, settled } = open();
    await settled(processor.enqueue(order, { client }));
    const receipt = processor.submit({ ...order, amount: 7 });
    await clock.runAll();
    expect((await receipt).balance).toBe(7);
    await end();
  });

  it('invariant 5: an id that is known is the same order, or a conflict', async () => {
    const { processor, client, heard, end, settled } = open();
    await settled(processor.submit(order));
    const known = await settled(processor.enqueue(order, { client }));
    expect(known).toMatchObject({ id: 'o', status: 'completed', balance: 5 });
    const error = await settled(errorOf(processor.enqueue({ ...order, amount: 6 }, { client })));
    expect(error.code).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ duplicates: 1, refused: 1 });
    expect(heard).toEqual(['accepted', 'refused']);
    await end();
  });

  it('invariant 8: rules and schema judge it now; a failure of the client is its own', async () => {
    const rules = [
      ({ amount }: { amount: number }) =>
        amount > 100 ? refuse('too_much') : prioritize('high', 'seen'),
    ];
    const { processor, client, heard, end, settled } = open({ rules });
    const refused = await settled(
      errorOf(processor.enqueue({ ...order, amount: 101 }, { client })),
    );
    expect(refused.code).toBe('too_much');
    const kept = await settled(processor.enqueue(order, { client }));
    expect(kept).toMatchObject({ priority: 'high', labels: ['seen'] });
    client.failure = Object.assign(new Error('Aborted'), { code: '25P02' });
    const failed = await settled(errorOf(processor.enqueue({ ...order, id: 'p' }, { client })));
    expect(failed).toMatchObject({ code: 'storage_failed', orderId: 'p', cause: client.failure });
    expect(heard).toEqual(['refused', 'refused']);
    // The storage of the processor has not failed.
    expect((await settled(processor.submit({ ...order, id: 'q' }))).balance).toBe(5);
    await end();
  });

  it('invariant 6: `capacity` bounds what is handed in here, and not what waits in the database', async () => {
    const { database, processor, ran, client, end, settled } = open({ capacity: 1 });
    for (const id of ['a', 'b', 'c']) {
      await settled(processor.enqueue({ ...order, id }, { client }));
    }
    client.commit();
    await clock.runAll();
    expect(ran).toEqual(['a', 'b', 'c']);
    expect(database.disk.get('u')).toBe(15);
    await end();
  });

  it('is refused by a signal and by a processor that is shut down', async () => {
    const { processor, client, end, settled } = open();
    const signal = AbortSignal.abort();
    const canceled = await settled(errorOf(processor.enqueue(order, { client, signal })));
    expect(canceled.code).toBe('canceled');
    await end();
    const closed = await settled(errorOf(processor.enqueue(order, { client })));
    expect(closed.code).toBe('shut_down');
  });
});

describe('a `client` that is of no use is a TypeError that says so', () => {
  const client: TransactionClient = { query: async () => ({ rows: [] }) };

  it.each([
    ['in memory', () => new MemoryStorage()],
    ['kept for one processor', () => new KeptStorage()],
  ])('%s', async (_, storageOf) => {
    const processor = new OrderProcessor({ storage: storageOf() });
    const rejected = expect(processor.enqueue(order, { client })).rejects;
    await rejected.toThrow(TypeError);
    const again = expect(processor.enqueue(order, { client })).rejects;
    await again.toThrow("the storage keeps no orders in the host's transactions");
    await processor.shutdown();
  });

  it.each([
    [{}, '`client.query` to be a function'],
    [null, '`client` to be an object'],
    [client, '`client` to be in a transaction'],
  ])('where it is shared: %j', async (wrong, message) => {
    const { processor, end } = open();
    const rejected = expect(processor.enqueue(order, { client: wrong as never })).rejects;
    await rejected.toThrow(message);
    const other = expect(processor.enqueue(order, { client: wrong as never })).rejects;
    await other.toBeInstanceOf(TypeError);
    await end();
  });

  it('`retry` has none', async () => {
    const processor = new OrderProcessor();
    const options = { client } as object;
    await expect(processor.retry('o', options)).rejects.toThrow('got `client`');
    await processor.shutdown();
  });
});
