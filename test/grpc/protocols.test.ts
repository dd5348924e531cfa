/** One port for all: gRPC, gRPC-Web and Connect's JSON, over HTTP/2 and HTTP/1.1. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { createClient, type Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { Health, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { describe, expect, it } from 'vitest';
import { codeOf, type Json, useServers } from './helpers.ts';

const start = useServers();
const order = { id: 'o-1', userId: 'u-1', amount: 1200n };
const path = 'orderprocessor.v1.OrderService';

const transports: [string, (baseUrl: string) => Transport][] = [
  ['gRPC over HTTP/2', (baseUrl) => createGrpcTransport({ baseUrl })],
  ['gRPC-Web over HTTP/1.1', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['gRPC-Web over HTTP/2', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' })],
  ['Connect over HTTP/1.1', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect over HTTP/2', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' })],
  [
    'Connect with JSON over HTTP/2',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false }),
  ],
  [
    'Connect with GET over HTTP/1.1',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useHttpGet: true }),
  ],
  [
    'gRPC with gzip',
    (baseUrl) =>
      createGrpcTransport({ baseUrl, compressMinBytes: 0, sendCompression: compressionGzip }),
  ],
];

describe.each(transports)('%s', (_, transportTo) => {
  it('calls every method of one answer', async () => {
    const { server } = await start();
    const client = createClient(OrderService, transportTo(server.url));
    expect((await client.submitOrder({ order })).receipt?.balance).toBe(1200n);
    const { record } = await client.enqueueOrder({ order: { ...order, id: 'o-2' } });
    expect(record?.id).toBe('o-2');
    expect((await client.getOrder({ id: 'o-1' })).record?.balance).toBe(1200n);
    expect((await client.listOrders({ userId: 'u-1' })).records).toHaveLength(2);
    expect((await client.getBalance({ userId: 'u-1' })).balance).toBe(2400n);
    expect((await client.getStats({})).completed).toBe(2n);
    expect(await codeOf(client.cancelOrder({ id: 'o-1' }))).toBe('FailedPrecondition');
    const health = createClient(Health, transportTo(server.url));
    expect((await health.check({})).status).toBe(1);
  });

  it('gives errors with their details', async () => {
    const { server } = await start();
    const client = createClient(OrderService, transportTo(server.url));
    const error = await client.getOrder({ id: 'o-404' }).catch((thrown) => thrown);
    expect(error.findDetails(OrderErrorDetailSchema)).toMatchObject([{ code: 'not_found' }]);
  });

  it('streams events', async () => {
    const { server, processor } = await start();
    const client = createClient(OrderService, transportTo(server.url));
    const controller = new AbortController();
    const events = client.watchOrders({}, { signal: controller.signal })[Symbol.asyncIterator]();
    const first = events.next();
    while (processor.stats().accepted < 40) {
      await processor.submit({ userId: 'u-1', amount: 1 });
      const seen = await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 10))]);
      if (seen !== undefined) break;
    }
    expect((await first).value?.event.case).toMatch(/accepted|started|completed|notice/);
    controller.abort();
    await expect(events.next()).rejects.toThrow();
  });
});

describe('streams both ways', () => {
  const orders = async function* () {
    yield { order };
    yield { order: { userId: 'u-2', amount: 5n } };
  };

  it.each(transports.filter(([name]) => /HTTP\/2|gzip/.test(name)))(
    'work with %s',
    async (_, transportTo) => {
      const { server } = await start();
      const client = createClient(OrderService, transportTo(server.url));
      const balances: unknown[] = [];
      for await (const { outcome } of client.submitOrders(orders())) {
        balances.push((outcome.value as Json).balance);
      }
      expect(balances).toEqual([1200n, 5n]);
    },
  );

  it('are refused over HTTP/1.1, which has none', async () => {
    const { server, processor } = await start();
    const response = await fetch(`${server.url}/${path}/SubmitOrders`, {
      method: 'POST',
      headers: { 'content-type': 'application/connect+json' },
      body: 'x',
    });
    expect(response.status).toBe(505);
    expect(processor.stats().accepted).toBe(0);
  });
});

describe('curl', () => {
  const hasCurl = (() => {
    try {
      return execFileSync('curl', ['--version']).toString();
    } catch {
      return '';
    }
  })();
  const curl = async (url: string, body: unknown, ...more: string[]) => {
    const given = ['-sS', '-w', '\n%{http_code} %{http_version}', ...more];
    const data = ['-H', 'content-type: application/json', '-d', JSON.stringify(body), url];
    const { stdout } = await promisify(execFile)('curl', [...given, ...data]);
    const [text = '', figures = ''] = stdout.split('\n');
    return { answer: JSON.parse(text), figures };
  };

  it.skipIf(hasCurl === '')('has an order processed, and hears why one is not', async () => {
    const { server } = await start();
    const url = `${server.url}/${path}`;
    const done = await curl(`${url}/SubmitOrder`, {
      order: { id: 'o-1', userId: 'u-1', amount: 1200, payload: { dish: 'soup' } },
    });
    expect(done).toMatchObject({
      figures: '200 1.1',
      answer: { receipt: { orderId: 'o-1', balance: '1200', payload: { dish: 'soup' } } },
    });
    const refused = await curl(`${url}/SubmitOrder`, { order: { id: 'o-1', userId: 'u-1' } });
    expect(refused).toMatchObject({
      figures: '409 1.1',
      answer: {
        code: 'already_exists',
        details: [
          { type: 'orderprocessor.v1.OrderErrorDetail', debug: { code: 'order_conflict' } },
        ],
      },
    });
    expect((await curl(`${url}/GetBalance`, { userId: 'u-1' })).answer).toEqual({
      balance: '1200',
    });
  });

  it.skipIf(!hasCurl.includes('HTTP2'))('speaks HTTP/2 on the same port', async () => {
    const { server } = await start();
    const done = await curl(
      `${server.url}/${path}/SubmitOrder`,
      { order: { user_id: 'u-1', amount: '7' } },
      '--http2-prior-knowledge',
    );
    expect(done).toMatchObject({ figures: '200 2', answer: { receipt: { balance: '7' } } });
  });
});

describe('JSON', () => {
  it('has the statuses of HTTP that Connect gives', async () => {
    const { json } = await start({ processor: { capacity: 1, minBalance: 0 } });
    const statusOf = async (method: string, body: unknown): Promise<number> =>
      (await json(method, body)).status;
    expect(await statusOf('SubmitOrder', {})).toBe(400);
    expect(await statusOf('SubmitOrder', { order: { userId: 'u-1', amount: -1 } })).toBe(400);
    expect(await statusOf('GetOrder', { id: 'o-1' })).toBe(404);
    expect(await statusOf('NoSuchMethod', {})).toBe(404);
  });

  it('is answered by GET for what has no side effects, and for nothing else', async () => {
    const { server, processor } = await start();
    await processor.submit({ userId: 'u-1', amount: 5 });
    const get = (method: string, message: unknown) =>
      fetch(
        `${server.url}/${path}/${method}?connect=v1&encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`,
      );
    expect(await (await get('GetBalance', { userId: 'u-1' })).json()).toEqual({ balance: '5' });
    const order = { userId: 'u-1', amount: 5 };
    for (const method of ['SubmitOrder', 'EnqueueOrder', 'CancelOrder']) {
      expect((await get(method, { order, id: 'o-1' })).status).toBe(405);
    }
    expect(processor.stats().accepted).toBe(1);
  });
});
