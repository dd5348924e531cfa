/**
 * A client that waits no longer takes its order back: the signal of the steps aborts, and nothing is applied
 * (invariants 3 and 4).
 */
import { fromBinary } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { Code, type ConnectError } from '@connectrpc/connect';
import { status } from '@grpc/grpc-js';
import { OrderErrorDetailSchema } from 'order-processor/grpc';
import { describe, expect, it } from 'vitest';
import { gates } from '../http/helpers.ts';
import { deferred } from '../kit/helpers.ts';
import { codeOf, type Json, refusalOf, until, useServers } from './helpers.ts';

const start = useServers();
const order = { id: 'o-1', userId: 'u-1', amount: 100 };
const dayMs = 86_400_000;

/** A server whose step only ends when it is aborted, and says that it has begun and how it ended. */
async function startSlow() {
  const begun = deferred();
  const aborted = deferred<unknown>();
  const running = await start({
    processor: {
      steps: [
        {
          name: 'payment',
          run: (_order, { signal }) =>
            new Promise((_resolve, reject) => {
              begun.resolve();
              signal.addEventListener('abort', () => {
                aborted.resolve(signal.reason);
                reject(signal.reason);
              });
            }),
        },
      ],
    },
  });
  const ended = async () => {
    await aborted.promise;
    await running.processor.onIdle();
    const record = await running.processor.order('o-1');
    return [record?.status, record?.code, await running.processor.balance('u-1')];
  };
  return { ...running, begun: begun.promise, ended };
}

describe('the deadline of SubmitOrder', () => {
  it('cancels the order, and its steps, in gRPC', async () => {
    const { grpc, ended } = await startSlow();
    const refusal = await refusalOf(
      grpc.call('submitOrder', { order }, { deadline: Date.now() + 400 }),
    );
    expect(refusal.code).toBe(status.DEADLINE_EXCEEDED);
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it('cancels the order, and its steps, in JSON, and is answered by the server itself', async () => {
    const { json, ended } = await startSlow();
    const response = await json('SubmitOrder', { order }, { 'connect-timeout-ms': '300' });
    const { code, details } = await response.json();
    expect([response.status, code]).toEqual([504, 'deadline_exceeded']);
    expect(detailOfJson(details)).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('timed out'),
      isRetryable: true,
      orderId: 'o-1',
      userId: 'u-1',
      steps: [{ name: 'payment' }],
    });
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it.each([
    ['grpc-timeout', '0m'],
    ['grpc-timeout', '1n'],
    ['connect-timeout-ms', '0'],
  ])('that is shorter than everything leaves nothing applied: %s %s', async (name, value) => {
    const { client, json, processor } = await startSlow();
    const headers = { [name]: value };
    if (name === 'grpc-timeout') {
      const call = client.submitOrder({ order: { id: 'o-1', userId: 'u-1' } }, { headers });
      expect(await codeOf(call)).toBe('DeadlineExceeded');
    } else {
      const response = await json('SubmitOrder', { order }, headers);
      expect((await response.json()).code).toBe('deadline_exceeded');
    }
    await processor.onIdle();
    expect(processor.stats().completed).toBe(0);
  });

  it.each([
    ['grpc-timeout', '720H'],
    ['grpc-timeout', '2592000S'],
    ['grpc-timeout', '99999999H'],
    ['connect-timeout-ms', '9999999999'],
  ])('may be further away than a timer can hold: %s %s', async (name, value) => {
    const { client, json, begun, ended, processor } = await startSlow();
    const answer =
      name === 'grpc-timeout'
        ? client.submitOrder(
            { order: { id: 'o-1', userId: 'u-1' } },
            { headers: { [name]: value } },
          )
        : json('SubmitOrder', { order }, { [name]: value });
    const settled = answer.catch(() => {});
    await begun;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await processor.order('o-1'))?.status).toBe('processing');
    await processor.cancel('o-1');
    await settled;
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it('of a month, as a client of gRPC sets it, is no deadline of now', async () => {
    const { grpc } = await start();
    const deadline = Date.now() + 30 * dayMs;
    expect(await grpc.call('submitOrder', { order }, { deadline })).toMatchObject({
      receipt: { balance: '100' },
    });
  });

  it.each([
    ['grpc-timeout', 'soon'],
    ['grpc-timeout', '123456789S'],
  ])('that is none is refused: %s %s', async (name, value) => {
    const { client, processor } = await start();
    const call = client.submitOrder({ order: { userId: 'u-1' } }, { headers: { [name]: value } });
    expect(await codeOf(call)).toBe('InvalidArgument');
    expect(processor.stats().accepted).toBe(0);
  });
});

/** In the errors of HTTP with JSON. */
function detailOfJson(details: Json) {
  const [{ value }] = details.filter(
    ({ type }: Json) => type === OrderErrorDetailSchema.typeName,
  ) as [Json];
  return fromBinary(OrderErrorDetailSchema, base64Decode(value));
}

it('the deadline of WatchOrders ends it as such, with a detail', async () => {
  const { client } = await start();
  // As a header: of `timeoutMs` the client would take care itself.
  const events = client.watchOrders({}, { headers: { 'grpc-timeout': '20m' } });
  const ended = events[Symbol.asyncIterator]().next();
  const error: ConnectError = await ended.then(
    () => expect.fail('Expected an error'),
    (thrown) => thrown,
  );
  expect(error.code).toBe(Code.DeadlineExceeded);
  expect(error.findDetails(OrderErrorDetailSchema)).toMatchObject([
    { code: 'timeout', isRetryable: true },
  ]);
});

describe('the cancellation of SubmitOrder', () => {
  it('cancels the order, and its steps, in gRPC', async () => {
    const { grpc, begun, ended } = await startSlow();
    const call = deferred<number | undefined>();
    const canceled = grpc.orders.submitOrder({ order }, (error: { code: number } | null) =>
      call.resolve(error?.code),
    );
    await begun;
    canceled.cancel();
    expect(await call.promise).toBe(status.CANCELLED);
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it('cancels the order when a client of JSON goes away', async () => {
    const { server, begun, ended } = await startSlow();
    const controller = new AbortController();
    const response = fetch(`${server.url}/orderprocessor.v1.OrderService/SubmitOrder`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ order }),
      signal: controller.signal,
    });
    await begun;
    controller.abort();
    await expect(response).rejects.toThrow('aborted');
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it('by another call ends it with CANCELLED', async () => {
    const { client, begun, ended } = await startSlow();
    const call = client.submitOrder({ order: { id: 'o-1', userId: 'u-1', amount: 100n } });
    const code = call.catch((error) => (error as ConnectError).code);
    await begun;
    await client.cancelOrder({ id: 'o-1' });
    expect(await code).toBe(Code.Canceled);
    expect(await ended()).toEqual(['canceled', 'canceled', undefined]);
  });

  it('after the order was settled changes nothing', async () => {
    const { grpc, processor } = await start();
    const call = grpc.orders.submitOrder({ order }, () => {});
    await until(() => processor.stats().completed === 1);
    call.cancel();
    await grpc.call('getBalance', { userId: 'u-1' });
    expect((await processor.order('o-1'))?.status).toBe('completed');
  });
});

describe('EnqueueOrder', () => {
  it('leaves an order that it has accepted alone after its deadline', async () => {
    const work = gates();
    const { client, processor } = await start({ processor: { steps: [work.step] } });
    const { record } = await client.enqueueOrder(
      { order: { id: 'o-1', userId: 'u-1', amount: 100n } },
      { timeoutMs: 400 },
    );
    expect(record?.id).toBe('o-1');
    await new Promise((resolve) => setTimeout(resolve, 450));
    work.open('o-1');
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(100);
  });

  it('waits for room no longer than its deadline, and then the order is none', async () => {
    const work = gates();
    const { client, processor } = await start({
      processor: { steps: [work.step], capacity: 1, overflow: 'wait' },
    });
    await client.enqueueOrder({ order: { id: 'o-1', userId: 'u-1', amount: 100n } });
    const late = client.enqueueOrder(
      { order: { id: 'o-2', userId: 'u-2', amount: 100n } },
      { timeoutMs: 100 },
    );
    expect(await codeOf(late)).toBe('DeadlineExceeded');
    await until(() => processor.stats().waitingCallers === 0);
    work.open('o-1');
    await processor.onIdle();
    expect(await processor.order('o-2')).toBe(undefined);
    expect(await processor.balance('u-2')).toBe(undefined);
  });
});
