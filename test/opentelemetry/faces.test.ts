/** HTTP and gRPC continue the trace of a request. */
import { fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { OrderProcessor } from 'order-processor';
import { RequestInfoSchema } from 'order-processor/grpc';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { detailsOf, refusalOf, useServers } from '../grpc/helpers.ts';
import { appOf, gates, order } from '../http/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import {
  idOf,
  linksOf,
  parentOf,
  TracedProcess,
  traceOf,
  useContextManager,
} from './traced-process.ts';

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

it('`retry` over HTTP and gRPC is part of the trace of its request, with a link to the first order', async () => {
  const process = new TracedProcess();
  const fails = { name: 'fails', run: () => Promise.reject(new Error('Down')) };
  const first = '00-11111111111111111111111111111111-2222222222222222-01';
  const web = appOf({ steps: [fails] });
  const rpc = await startGrpc({ processor: { steps: [fails] } });
  using _ = instrument(web.processor, { tracerProvider: process.provider });
  using __ = instrument(rpc.processor, { tracerProvider: process.provider });
  for (const { processor } of [web, rpc]) {
    const failing = { id: 'o-1', userId: 'u', amount: 1, traceContext: { traceparent: first } };
    await processor.submit(failing).catch(() => {});
  }
  const response = await web.app.fetch(
    new Request('http://localhost/orders/o-1/retry', { method: 'POST', headers: { traceparent } }),
  );
  expect(response.status).toBe(202);
  await rpc.grpc.call('retryOrder', { id: 'o-1' }, {}, { traceparent });
  await web.processor.shutdown();
  await rpc.processor.onIdle();
  const sent = process.named('send orders');
  const isFirst = ({ attributes }: (typeof sent)[0]) =>
    attributes['messaging.message.id'] === 'o-1';
  const retries = sent.filter((span) => !isFirst(span));
  expect(retries.map((span) => [traceOf(span), parentOf(span)])).toEqual([isIn, isIn]);
  expect(retries.map(linksOf).sort()).toEqual(
    sent
      .filter(isFirst)
      .map((span) => [idOf(span)])
      .sort(),
  );
});

describe('errors of gRPC', () => {
  const access = { users: ['u'], mayAddMoney: true };

  it('have the id of the trace, and none without a valid `traceparent`', async () => {
    const { grpc } = await startGrpc({ routes: { authenticate: () => access } });
    const wrong: [string, object][] = [
      ['submitOrder', { order: { userId: 'u', amount: '1', id: 'x'.repeat(300) } }],
      ['enqueueOrder', {}],
      ['getOrder', { id: 'none' }],
      ['getBalance', { userId: 'another' }],
      ['holdLane', { userId: 'u' }],
    ];
    for (const [method, request] of wrong) {
      const refused = async (headers: Record<string, string>) =>
        detailsOf(await refusalOf(grpc.call(method, request, {}, headers)));
      const { order: detail, request: info } = await refused({ traceparent });
      expect([method, detail?.code, info?.requestId]).toEqual([method, detail?.code, traceId]);
      expect(detail?.code).toMatch(/^[a-z_]+$/);
      for (const headers of [{}, { traceparent: 'x' }] as Record<string, string>[]) {
        expect((await refused(headers)).request).toBeUndefined();
      }
    }
  });

  it('have it in streams, where the deadline ends the call, and of a host that throws its own', async () => {
    const own = new ConnectError('Closed on Sundays', Code.Unavailable);
    const authenticate = ({ headers }: Request) => {
      if (headers.has('sunday')) throw own;
      return access;
    };
    const { client, json, processor } = await startGrpc({
      processor: { steps: [gates().step] },
      routes: { authenticate },
    });
    const headers = { traceparent };
    const idsOf = async (call: Promise<unknown>) => {
      const error = await call.catch((thrown: unknown) => thrown);
      const details = (error as ConnectError).findDetails(RequestInfoSchema);
      return details.map(({ requestId }) => requestId);
    };
    const outcomes = client.watchOutcomes({}, { headers })[Symbol.asyncIterator]();
    expect(await idsOf(outcomes.next())).toEqual([traceId]);
    for (const sunday of ['one', 'another']) {
      expect(await idsOf(client.getStats({}, { headers: { ...headers, sunday } }))).toEqual([
        traceId,
      ]);
    }
    expect(own.details).toEqual([]);
    processor.pause();
    const order = { userId: 'u', amount: '1' };
    const late = await json('SubmitOrder', { order }, { ...headers, 'connect-timeout-ms': '20' });
    const { code, details } = await late.json();
    const [, { type, value }] = details;
    const info = fromBinary(RequestInfoSchema, Buffer.from(value, 'base64'));
    expect([code, type, info.requestId]).toEqual([
      'deadline_exceeded',
      'google.rpc.RequestInfo',
      traceId,
    ]);
    processor.resume();
  });
});
