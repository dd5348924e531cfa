/** What clients send costs about as many bytes as they send, in memory and in answers (invariant 6). */
import { OrderProcessor, type StandardSchema } from 'order-processor';
import { createOrderRoutes, serveGrpc } from 'order-processor/grpc';
import { createOrderApp, serve } from 'order-processor/http';
import { afterEach, describe, expect, it } from 'vitest';
import { collect } from '../kit/collect.ts';
import { Client } from './abuse/client.ts';
import { head, until } from './abuse/server.ts';
import { appOf, linesOf, order, problemIn } from './helpers.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Bytes in use, buffers outside of the heap included, after one collection. */
async function collected(): Promise<number> {
  collect();
  // What a buffer has outside of the heap is freed some turns after it.
  await new Promise((resolve) => setTimeout(resolve, 10));
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The same when all that can be freed is: no more is freed, or three times. Each takes a tenth of a second. */
async function bytesInUse(): Promise<number> {
  const first = await collected();
  const second = await collected();
  return first - second < 10_000 ? second : collected();
}

async function expectInUse(most: number): Promise<void> {
  const used = await collected();
  expect(used < most ? used : await bytesInUse()).toBeLessThan(most);
}

describe('a payload in which everything is wrong', () => {
  /** As validators do, it says of each item what it is. */
  const schema: StandardSchema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => ({
        issues: (value as string[]).map((item, at) => ({
          message: `Expected another thing than ${item}`,
          path: ['items', 'x'.repeat(1_000), at],
        })),
      }),
    },
  };
  const sent = { ...order, payload: Array.from({ length: 100 }, () => 'y'.repeat(10_000)) };

  it('is refused with the first issues, each cut', async () => {
    const { post, batch } = appOf({ schema });
    const response = await post(sent);
    const problem = await problemIn(response, 400, 'invalid_order');
    expect(problem.issues).toHaveLength(20);
    expect(problem.detail).toContain('and 90 more');
    expect(JSON.stringify(problem).length).toBeLessThan(16_000);
    const [line] = await linesOf(await batch(JSON.stringify(sent)));
    expect(JSON.stringify(line).length).toBeLessThan(16_000);
  });

  it('is an event of some kilobytes', async () => {
    const { post, get } = appOf({ schema });
    const events = (await get('/events')).body?.getReader();
    await post(sent);
    let text = '';
    while (!text.includes('refused')) {
      text += Buffer.from((await events?.read())?.value ?? []).toString();
    }
    expect(text.length).toBeLessThan(16_000);
    await events?.cancel();
  });

  it('that the server itself refuses is no longer in the answer than it may be in a header', async () => {
    const { post, get } = appOf();
    const long = 'z'.repeat(500_000);
    for (const body of [
      { ...order, [long]: 1 },
      { ...order, id: long },
      { ...order, priority: long },
      long,
    ]) {
      const response = await post(body);
      expect(response.status).toBe(400);
      expect((await response.text()).length).toBeLessThan(2_000);
    }
    const response = await get(`/orders?${'q'.repeat(10_000)}=1`);
    expect((await response.text()).length).toBeLessThan(2_000);
  });
});

const pieces = 50_000;
const chunks = '1\r\nx\r\n'.repeat(pieces);
const json = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };

/** In writes of so many bytes, one in each turn. */
async function sendSlowly(client: Client, bytes: Buffer, each: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += each) {
    client.send(bytes.subarray(at, at + each));
    await new Promise(setImmediate);
  }
  await until(() => client.socket.writableLength === 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
}

describe('a body in chunks of one byte that has not ended', () => {
  it.each([
    ['of POST /orders', 'http', head('POST /orders', json)],
    [
      'of a batch',
      'http',
      head('POST /orders/batch', { ...json, 'content-type': 'application/x-ndjson' }),
    ],
    ['of a call in JSON', 'grpc', head('POST /orderprocessor.v1.OrderService/SubmitOrder', json)],
    [
      'of a call in gRPC-Web',
      'grpc',
      `${head('POST /orderprocessor.v1.OrderService/SubmitOrder', { ...json, 'content-type': 'application/grpc-web+proto' })}5\r\n\0\0\x01\0\0\r\n`,
    ],
  ])('%s takes about as many bytes as it has', async (_, over, begin) => {
    const processor = new OrderProcessor();
    closing.push(() => processor.shutdown());
    const settings = { port: 0, signals: [], shutdownTimeoutMs: 200 } as const;
    const server =
      over === 'http'
        ? await serve(createOrderApp(processor), settings)
        : await serveGrpc(createOrderRoutes(processor), settings);
    closing.push(() => server.close());
    const before = await bytesInUse();
    const client = await Client.connect(server.port);
    closing.push(() => client.leave());
    client.send(begin);
    await sendSlowly(client, Buffer.from(chunks), 6_000);
    expect(client.answers).toEqual([]);
    await expectInUse(before + 20 * pieces);
  });
});

/** A frame of HTTP/2, of the stream 1 if it is of one. */
function frame(type: number, flags: number, payload: Buffer, stream = 1): Buffer {
  const frame = Buffer.alloc(9);
  frame.writeUIntBE(payload.length, 0, 3);
  frame.writeUInt8(type, 3);
  frame.writeUInt8(flags, 4);
  frame.writeUInt32BE(stream, 5);
  return Buffer.concat([frame, payload]);
}

/** The begin of a call over HTTP/2, with its headers as literals. */
function callOf(method: string): Buffer {
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/orderprocessor.v1.OrderService/${method}`,
    ':authority': 'localhost',
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  };
  const text = (value: string): Buffer =>
    Buffer.from(`${String.fromCharCode(value.length)}${value}`);
  const fields = Object.entries(headers).map(([name, value]) =>
    Buffer.concat([Buffer.of(0), text(name), text(value)]),
  );
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, Buffer.alloc(0), 0),
    frame(1, 4, Buffer.concat(fields)),
  ]);
}

const never = (): Promise<never> => new Promise(() => {});

describe('invariant 6: a body in pieces of one byte that is not read', () => {
  const lines = { ...json, 'content-type': 'application/x-ndjson' };
  const first = `${JSON.stringify({ userId: 'u-1', amount: 1 })}\n`.repeat(3);
  const cases: [string, 'http' | 'grpc', Buffer, Buffer, { authenticate?: typeof never }][] = [
    [
      'of POST /orders while the client is being authenticated',
      'http',
      Buffer.from(head('POST /orders', json)),
      Buffer.from('1\r\nx\r\n'),
      { authenticate: never },
    ],
    [
      'of GET /events, which has none',
      'http',
      Buffer.from(head('GET /events', json)),
      Buffer.from('1\r\nx\r\n'),
      {},
    ],
    [
      'of a batch that waits for room',
      'http',
      Buffer.from(
        `${head('POST /orders/batch', lines)}${first.length.toString(16)}\r\n${first}\r\n`,
      ),
      Buffer.from('1\r\nx\r\n'),
      {},
    ],
    [
      'of a stream over HTTP/2 while the client is being authenticated',
      'grpc',
      Buffer.concat([callOf('SubmitOrders'), frame(0, 0, Buffer.of(0, 0, 0, 0, 2, 10, 0))]),
      frame(0, 0, Buffer.of(1)),
      { authenticate: never },
    ],
  ];

  it.each(cases)('%s', async (_, over, begin, piece, options) => {
    const processor = new OrderProcessor({ capacity: 1, overflow: 'wait' });
    processor.pause();
    closing.push(() => processor.shutdown({ timeoutMs: 1 }));
    const settings = { port: 0, signals: [], shutdownTimeoutMs: 200 } as const;
    const server =
      over === 'http'
        ? await serve(createOrderApp(processor, options), settings)
        : await serveGrpc(createOrderRoutes(processor, options), settings);
    closing.push(() => server.close());
    const client = await Client.connect(server.port);
    closing.push(() => client.leave());
    client.send(begin);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const bytes = Buffer.concat(new Array(pieces).fill(piece));
    const before = await bytesInUse();
    await sendSlowly(client, bytes, 1_000 * piece.length);
    await expectInUse(before + 20 * pieces);
  });
});

it('invariant 6: a call over HTTP/1.1 in more than 65 536 chunks of one byte is refused', async () => {
  const processor = new OrderProcessor();
  closing.push(() => processor.shutdown());
  const settings = { port: 0, signals: [], shutdownTimeoutMs: 200 } as const;
  const server = await serveGrpc(createOrderRoutes(processor), settings);
  closing.push(() => server.close());
  const client = await Client.connect(server.port);
  closing.push(() => client.leave());
  client.send(head('POST /orderprocessor.v1.OrderService/SubmitOrder', json));
  await sendSlowly(client, Buffer.from('1\r\nx\r\n'.repeat(70_000)), 6_000);
  const [answer] = await client.got(1);
  expect(answer?.status).toBe(429);
  expect(client.text).toContain('"resource_exhausted"');
});
