/** HTTP and gRPC continue the trace of a request. */
import { OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { expect, it } from 'vitest';
import { useServers } from '../grpc/helpers.ts';
import { appOf, order } from '../http/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { parentOf, TracedProcess, traceOf, useContextManager } from './traced-process.ts';

useContextManager();
const folder = useFolder();
const startGrpc = useServers();

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
const sentIn = (process: TracedProcess) =>
  process.named('send orders').map((span) => [traceOf(span), parentOf(span)]);
const isIn = [traceId, 'b7ad6b7169203331'];

it('`POST /orders` and a batch hand in orders as part of the trace of the request', async () => {
  const process = new TracedProcess();
  const { processor, post, batch } = appOf();
  using _ = instrument(processor, { tracerProvider: process.provider });
  const headers = { traceparent, tracestate: 'vendor=1' };
  expect((await post(order, headers)).status).toBe(202);
  const lines = [2, 3].map((at) => JSON.stringify({ ...order, id: `o-${at}` })).join('\n');
  await (await batch(lines, headers)).text();
  await processor.shutdown();
  expect(sentIn(process)).toEqual([isIn, isIn, isIn]);
  const [send] = process.named('send orders');
  expect(send?.spanContext().traceState?.serialize()).toBe('vendor=1');
});

it('`send` is below the span that the host has made for the same request', async () => {
  const process = new TracedProcess();
  const processor = new OrderProcessor();
  using _ = instrument(processor, { tracerProvider: process.provider });
  await process.within('request', async () => {
    const id = traceOf(process.counted.started.at(-1) as never);
    await processor.submit({
      ...order,
      traceContext: { traceparent: traceparent.replace(traceId, id) },
    });
  });
  await processor.shutdown();
  expect(parentOf(process.one('send orders'))).toBe(process.one('request').spanContext().spanId);
});

it('problem details have the id of the trace, and none without a valid `traceparent`', async () => {
  const { processor, post, get } = appOf();
  const wrong = { ...order, amount: 'much' };
  expect(await (await post(wrong, { traceparent })).json()).toMatchObject({ traceId });
  expect(await (await get('/orders/none', { traceparent })).json()).toMatchObject({ traceId });
  for (const headers of [{}, { traceparent: 'x' }]) {
    expect(await (await post(wrong, headers as never)).json()).not.toHaveProperty('traceId');
  }
  await processor.shutdown();
});

it('spans of an order of a client with certain users do not have the user in the id, unless they may', async () => {
  for (const [id, userIds] of [
    ['o-1', false],
    ['o-2', true],
  ] as const) {
    const process = new TracedProcess();
    const access = { users: ['ann'], mayAddMoney: true };
    const steps = [{ name: 'charge', run: () => {} }];
    const storage = await folder.open();
    const { processor, post } = appOf({ storage, steps }, { authenticate: () => access });
    using _ = instrument(processor, { tracerProvider: process.provider, userIds });
    expect((await post({ id, userId: 'ann', amount: 1 })).status).toBe(202);
    await processor.shutdown();
    const ids = process.spans.map(({ attributes }) => attributes['messaging.message.id']);
    expect(ids).toEqual(Array(4).fill(userIds ? `~ann~${id}` : id));
  }
});

it('gRPC hands in orders as part of the trace that the metadata names', async () => {
  const process = new TracedProcess();
  const { processor, grpc } = await startGrpc();
  using _ = instrument(processor, { tracerProvider: process.provider });
  for (const [at, method] of ['submitOrder', 'enqueueOrder'].entries()) {
    const request = { order: { id: `o-${at}`, userId: 'u', amount: '1' } };
    await grpc.call(method, request, {}, { traceparent });
  }
  await processor.onIdle();
  expect(sentIn(process)).toEqual([isIn, isIn]);
});
