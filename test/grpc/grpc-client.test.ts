/** Every call of the contract, by a client of another make: `@grpc/grpc-js`, over real connections. */
import { status } from '@grpc/grpc-js';
import { OrderError, prioritize } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { gates } from '../http/helpers.ts';
import { SharedDatabase } from '../kit/shared-database.ts';
import { SharedStorage } from '../kit/shared-storage.ts';
import { detailsOf, type Json, refusalOf, useServers } from './helpers.ts';

const start = useServers();
const time = { seconds: expect.stringMatching(/^\d{10}$/), nanos: expect.any(Number) };
const duration = { seconds: '0', nanos: expect.any(Number) };
const payload = {
  structValue: {
    fields: {
      dish: { stringValue: 'soup' },
      spicy: { boolValue: true },
      none: { nullValue: 'NULL_VALUE' },
      counts: { listValue: { values: [{ numberValue: 1 }, { numberValue: 2.5 }] } },
    },
  },
};

describe('@grpc/grpc-js', () => {
  it('SubmitOrder gives the receipt of the completed order, with all that it has', async () => {
    const seen: unknown[] = [];
    const { grpc } = await start({
      processor: {
        steps: [{ name: 'payment', run: (order) => void seen.push(order) }],
        rules: [() => prioritize('high', 'vip')],
      },
    });
    const order = { id: 'o-1', userId: 'u-1', amount: 1200, priority: 'PRIORITY_HIGH', payload };
    const { receipt } = await grpc.call('submitOrder', { order });
    expect(receipt).toMatchObject({
      orderId: 'o-1',
      userId: 'u-1',
      amount: '1200',
      balance: '1200',
      acceptedAt: time,
      wait: duration,
      duration,
      steps: [{ name: 'payment', status: 'STEP_STATUS_OK', attempts: 1, duration }],
      payload,
      labels: ['vip'],
    });
    expect(seen).toEqual([
      expect.objectContaining({
        id: 'o-1',
        userId: 'u-1',
        amount: 1200,
        priority: 'high',
        payload: { dish: 'soup', spicy: true, none: null, counts: [1, 2.5] },
      }),
    ]);
  });

  it('SubmitOrder generates an id, and takes an order without payload or priority', async () => {
    const { grpc, processor } = await start();
    const { receipt } = await grpc.call('submitOrder', { order: { userId: 'u-1', amount: -5 } });
    expect(receipt).toMatchObject({ amount: '-5', balance: '-5' });
    expect(receipt).not.toHaveProperty('payload');
    const record = await processor.order(receipt.orderId);
    expect(record).toMatchObject({ priority: 'medium', payload: undefined });
  });

  it('SubmitOrder gives the same receipt for the same id and content', async () => {
    const { grpc, processor } = await start();
    const order = { id: 'o-1', userId: 'u-1', amount: 1200 };
    const first = await grpc.call('submitOrder', { order });
    expect(await grpc.call('submitOrder', { order })).toEqual(first);
    expect(await processor.balance('u-1')).toBe(1200);
  });

  it('keeps amounts to the last unit', async () => {
    const { grpc } = await start();
    const amount = String(Number.MAX_SAFE_INTEGER);
    const first = await grpc.call('submitOrder', { order: { userId: 'u-1', amount } });
    expect(first.receipt.balance).toBe(amount);
    const second = await grpc.call('submitOrder', {
      order: { userId: 'u-1', amount: `-${amount}` },
    });
    expect(second.receipt).toMatchObject({ amount: `-${amount}`, balance: '0' });
  });

  it('EnqueueOrder gives the record of the accepted order, and GetOrder what became of it', async () => {
    const work = gates();
    const { grpc, processor } = await start({ processor: { steps: [work.step] } });
    const order = { id: 'o-1', userId: 'u-1', amount: 700, payload };
    const { record } = await grpc.call('enqueueOrder', { order });
    expect(record).toMatchObject({
      id: 'o-1',
      userId: 'u-1',
      amount: '700',
      priority: 'PRIORITY_MEDIUM',
      payload,
      acceptedAt: time,
      steps: [],
    });
    for (const name of ['settledAt', 'balance', 'code']) expect(record).not.toHaveProperty(name);
    work.open('o-1');
    await processor.onIdle();
    const settled = await grpc.call('getOrder', { id: 'o-1' });
    expect(settled.record).toMatchObject({
      status: 'ORDER_STATUS_COMPLETED',
      balance: '700',
      startedAt: time,
      settledAt: time,
      steps: [{ name: 'work', status: 'STEP_STATUS_OK' }],
    });
  });

  it('GetOrder says why an order failed, and what became of its steps', async () => {
    const { grpc } = await start({
      processor: {
        steps: [
          { name: 'payment', run: () => 'paid', compensate: () => {} },
          {
            name: 'kitchen',
            after: ['payment'],
            run: () => Promise.reject(new OrderError('closed', 'Closed')),
          },
          { name: 'courier', after: ['kitchen'], run: () => {} },
        ],
      },
    });
    await refusalOf(grpc.call('submitOrder', { order: { id: 'o-1', userId: 'u-1', amount: 1 } }));
    const { record } = await grpc.call('getOrder', { id: 'o-1' });
    expect(record).toMatchObject({
      status: 'ORDER_STATUS_FAILED',
      code: 'closed',
      message: 'Closed',
      isRetryable: true,
      steps: [
        {
          name: 'payment',
          status: 'STEP_STATUS_COMPENSATED',
          compensation: { isOk: true, attempts: 1, duration },
        },
        { name: 'kitchen', status: 'STEP_STATUS_ERROR', code: 'closed', attempts: 1 },
        { name: 'courier', status: 'STEP_STATUS_SKIPPED', attempts: 0 },
      ],
    });
    expect(record).not.toHaveProperty('balance');
  });

  it('ListOrders gives pages, the order accepted last first', async () => {
    const { grpc } = await start();
    for (const id of ['o-1', 'o-2', 'o-3']) {
      await grpc.call('submitOrder', { order: { id, userId: 'u-1', amount: 1 } });
    }
    await grpc.call('submitOrder', { order: { id: 'o-4', userId: 'u-2', amount: 1 } });
    const ids = ({ records }: Json): string[] => records.map(({ id }: Json) => id);
    const first = await grpc.call('listOrders', { userId: 'u-1', pageSize: 2 });
    expect(ids(first)).toEqual(['o-3', 'o-2']);
    const rest = await grpc.call('listOrders', {
      userId: 'u-1',
      pageSize: 2,
      pageToken: first.nextPageToken,
    });
    expect([ids(rest), rest.nextPageToken]).toEqual([['o-1'], '']);
    expect(ids(await grpc.call('listOrders', {}))).toEqual(['o-4', 'o-3', 'o-2', 'o-1']);
    expect(ids(await grpc.call('listOrders', { status: 'ORDER_STATUS_FAILED' }))).toEqual([]);
    expect(ids(await grpc.call('listOrders', { status: 'ORDER_STATUS_COMPLETED' }))).toHaveLength(
      4,
    );
    const { acceptedAt } = first.records[0];
    expect(ids(await grpc.call('listOrders', { acceptedBefore: { seconds: 0 } }))).toEqual([]);
    expect(ids(await grpc.call('listOrders', { acceptedFrom: acceptedAt }))).toContain('o-3');
    const later = { seconds: Number(acceptedAt.seconds) + 60 };
    expect(ids(await grpc.call('listOrders', { acceptedFrom: later }))).toEqual([]);
  });

  it('CancelOrder cancels an order that waits, and one whose steps run', async () => {
    const work = gates();
    const { grpc, processor } = await start({ processor: { steps: [work.step], concurrency: 1 } });
    for (const id of ['o-1', 'o-2']) {
      await grpc.call('enqueueOrder', { order: { id, userId: 'u-1', amount: 1 } });
    }
    const waiting = await grpc.call('cancelOrder', { id: 'o-2' });
    expect(waiting.record).toMatchObject({ id: 'o-2', status: 'ORDER_STATUS_CANCELED' });
    await grpc.call('cancelOrder', { id: 'o-1' });
    await processor.onIdle();
    expect((await grpc.call('cancelOrder', { id: 'o-1' })).record).toMatchObject({
      status: 'ORDER_STATUS_CANCELED',
      code: 'canceled',
    });
    expect(await processor.balance('u-1')).toBe(undefined);
  });

  it('CancelOrder leaves a completed order alone', async () => {
    const { grpc } = await start();
    await grpc.call('submitOrder', { order: { id: 'o-1', userId: 'u-1', amount: 1 } });
    const refusal = await refusalOf(grpc.call('cancelOrder', { id: 'o-1' }));
    expect(refusal.code).toBe(status.FAILED_PRECONDITION);
    expect(detailsOf(refusal).order).toMatchObject({ code: 'order_settled', isRetryable: false });
  });

  it('GetBalance gives the balance of a user that has one', async () => {
    const { grpc } = await start();
    await grpc.call('submitOrder', { order: { userId: 'u-1', amount: 42 } });
    expect(await grpc.call('getBalance', { userId: 'u-1' })).toEqual({ balance: '42' });
    const refusal = await refusalOf(grpc.call('getBalance', { userId: 'u-2' }));
    expect(refusal.code).toBe(status.NOT_FOUND);
    expect(detailsOf(refusal).order?.code).toBe('not_found');
  });

  it.each(['getOrder', 'cancelOrder'])('%s knows no order that is unknown', async (method) => {
    const { grpc } = await start();
    const refusal = await refusalOf(grpc.call(method, { id: 'o-404' }));
    expect(refusal.code).toBe(status.NOT_FOUND);
  });

  it('GetStats gives what stats() does, of a new processor and of one that has worked', async () => {
    const { grpc, processor } = await start({ processor: { capacity: 50, concurrency: 7 } });
    expect(await grpc.call('getStats', {})).toMatchObject({ accepted: '0', wait: { p99: {} } });
    await grpc.call('submitOrder', { order: { id: 'o-1', userId: 'u-1', amount: 1 } });
    await grpc.call('submitOrder', { order: { id: 'o-1', userId: 'u-1', amount: 1 } });
    await refusalOf(grpc.call('submitOrder', { order: { id: 'o-1', userId: 'u-1', amount: 2 } }));
    const stats = await grpc.call('getStats', {});
    const { accepted, completed, refused, duplicates } = processor.stats();
    expect([accepted, completed, refused, duplicates]).toEqual([1, 1, 1, 1]);
    expect(stats).toMatchObject({
      state: 'running',
      storage: 'ready',
      isPaused: false,
      capacity: '50',
      concurrency: '7',
      accepted: '1',
      completed: '1',
      refused: '1',
      duplicates: '1',
      failed: '0',
      unsettled: '0',
      wait: { p50: duration, p95: duration, p99: duration, max: duration, mean: duration },
      uptime: duration,
    });
  });

  it('GetStats tells of all processors where several share the storage', async () => {
    const database = new SharedDatabase(2);
    const storage = new SharedStorage(database);
    for (const partition of [0, 1]) database.give(partition, storage);
    const { grpc, processor } = await start({ processor: { storage } });
    await processor.ready;
    const { cluster } = await grpc.call('getStats', {});
    expect(cluster).toEqual({
      ...{ age: duration, isMember: true, partitions: '2', ownedPartitions: '2' },
      ...{ freePartitions: '0', backlog: '0', oldestWait: duration },
      processors: [
        {
          ...{ name: 'double', isSelf: true, beatAge: duration, partitions: '2' },
          joinedAt: { seconds: '0', nanos: 0 },
        },
      ],
    });
  });

  it('a method that is none is UNIMPLEMENTED', async () => {
    const { grpc } = await start();
    const refusal = await refusalOf(
      new Promise((resolve, reject) =>
        grpc.orders.makeUnaryRequest(
          '/orderprocessor.v1.OrderService/DeleteEverything',
          () => Buffer.alloc(0),
          (bytes: Buffer) => bytes,
          {},
          (error: unknown, answer: unknown) => (error ? reject(error) : resolve(answer)),
        ),
      ),
    );
    expect(refusal.code).toBe(status.UNIMPLEMENTED);
  });
});
