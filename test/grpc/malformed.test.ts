/** What no honest client sends: it is answered or cut, and others are served on (invariant 8). */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { SubmitOrderRequestSchema } from 'order-processor/grpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Wire } from '../http/helpers.ts';
import { range } from '../kit/helpers.ts';
import { randomFrom } from '../kit/random.ts';
import { type Running, until, useServers } from './helpers.ts';

const start = useServers();
const path = '/orderprocessor.v1.OrderService/SubmitOrder';
const grpcHeaders = {
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
};
const valid = toBinary(
  SubmitOrderRequestSchema,
  create(SubmitOrderRequestSchema, { order: { userId: 'u-1', amount: 1n } }),
);

let running: Running;
let session: ClientHttp2Session;

beforeEach(async () => {
  running = await start({ routes: { messageLimitBytes: 10_000 } });
  session = connect(running.server.url);
  session.on('error', () => {});
});

afterEach(() => session.destroy());

/** A message with its prefix. */
function frame(bytes: Uint8Array, flags = 0, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** The `grpc-status` that a body of a call is answered with. */
async function statusOf(body: Uint8Array, more: IncomingHttpHeaders = {}): Promise<number> {
  const stream = session.request({ ...grpcHeaders, ...more });
  const seen: IncomingHttpHeaders[] = [];
  stream.on('response', (headers) => seen.push(headers));
  stream.on('trailers', (headers) => seen.push(headers));
  stream.resume();
  stream.end(body);
  await closed(stream);
  return Number(
    seen.map((headers) => headers['grpc-status']).find((status) => status !== undefined),
  );
}

/** Whether it ends well or not. */
function closed(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve));
}

async function expectServed(): Promise<void> {
  const { receipt } = await running.client.submitOrder({ order: { userId: 'u-ok', amount: 1n } });
  expect(receipt?.amount).toBe(1n);
  expect(running.processor.stats().completed).toBe(1);
}

describe('a frame of gRPC', () => {
  it.each<[string, number, Buffer, IncomingHttpHeaders?]>([
    ['whose prefix promises more than comes', 3, frame(valid, 0, 500)],
    ['whose prefix is cut', 3, Buffer.from([0, 0, 0])],
    ['whose prefix promises all there is', 8, frame(valid, 0, 0xffffffff)],
    ['with bytes after it', 3, Buffer.concat([frame(valid), Buffer.from([0, 0, 0])])],
    ['that is compressed without a word of how', 13, frame(gzipSync(valid), 1)],
    ['that is compressed in an unknown way', 12, frame(valid, 1), { 'grpc-encoding': 'secret' }],
    ['that says it is gzip and is not', 3, frame(valid, 1), { 'grpc-encoding': 'gzip' }],
    ['that is no protobuf', 13, frame(Buffer.from('garbage?'))],
    ['whose protobuf is cut', 13, frame(valid.subarray(0, valid.length - 2))],
    ['whose strings are no UTF-8', 13, frame(Buffer.from([10, 3, 18, 1, 0xff]))],
    ['that is empty', 3, frame(Buffer.alloc(0))],
    ['that is not there', 12, Buffer.alloc(0)],
    ['and another one', 12, Buffer.concat([frame(valid), frame(valid)])],
    ['that is too long', 8, frame(Buffer.alloc(10_001))],
    [
      'that is too long when it is decompressed',
      8,
      frame(gzipSync(Buffer.alloc(50_000_000)).subarray(0, 60_000), 1),
      { 'grpc-encoding': 'gzip' },
    ],
  ])('%s is answered with status %i', async (_, expected, body, headers) => {
    const before = process.memoryUsage().rss;
    expect(await statusOf(body, headers)).toBe(expected);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    expect(running.processor.stats().accepted).toBe(0);
    await expectServed();
  });

  it('a bomb that is short itself is not blown up', async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000));
    expect(bomb.length).toBeLessThan(10_000);
    expect(await statusOf(frame(bomb, 1), { 'grpc-encoding': 'gzip' })).toBe(8);
    await expectServed();
  });
});

describe('headers', () => {
  it.each([
    ['too long', { 'x-long': 'x'.repeat(200_000) }],
    ['too many', Object.fromEntries(range(3_000).map((at) => [`x-${at}`, 'x']))],
  ])('that are %s end the call alone', async (_, more) => {
    const stream = session.request({ ...grpcHeaders, ...more });
    stream.on('error', () => {});
    stream.resume();
    stream.end(frame(valid));
    await closed(stream);
    await expectServed();
  });

  it('that are too long over HTTP/1.1 are a 431', async () => {
    const wire = new Wire(running.server.port);
    wire.send([`POST ${path} HTTP/1.1`, `X-Long: ${'x'.repeat(100_000)}`]);
    await wire.until('431');
    wire.destroy();
    await expectServed();
  });

  it.each([
    ['GET', 'application/grpc', 405],
    ['POST', 'text/html', 415],
    ['POST', 'application/grpc+thrift', 415],
  ])('%s with %s is a %i', async (method, type, expected) => {
    const stream = session.request({ ...grpcHeaders, ':method': method, 'content-type': type });
    stream.resume();
    stream.end();
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(expected);
    await expectServed();
  });
});

describe('JSON', () => {
  it.each([
    ['that is nested a hundred thousand times', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    [
      'whose payload is',
      `{"order":{"userId":"u-1","payload":${'['.repeat(4_000)}${']'.repeat(4_000)}}}`,
    ],
    ['that is cut', '{"order":{"userId":'],
    ['that is none', 'hello'],
    ['that is null', 'null'],
    ['that is a list', '[]'],
    ['whose order is a number', '{"order":5}'],
    ['whose amount is a fraction', '{"order":{"userId":"u-1","amount":1.5}}'],
    ['whose amount is beyond int64', '{"order":{"userId":"u-1","amount":"99999999999999999999"}}'],
    ['whose number is infinite', '{"order":{"userId":"u-1","payload":1e999}}'],
  ])('%s is refused', async (_, body) => {
    const { json, processor } = running;
    const response = await json('SubmitOrder', body);
    expect([400, 429]).toContain(response.status);
    expect(processor.stats().accepted).toBe(0);
    await expectServed();
  });

  it('that is too long is refused, before it is read to its end', async () => {
    const wire = new Wire(running.server.port);
    wire.send([
      `POST ${path} HTTP/1.1`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ]);
    wire.chunk('x'.repeat(20_000));
    await wire.until('resource_exhausted');
    wire.destroy();
    await expectServed();
  });

  it('that is a bomb is not blown up', async () => {
    const response = await fetch(`${running.server.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(Buffer.alloc(5_000_000, ' ')),
    });
    expect(response.status).toBe(429);
    await expectServed();
  });
});

describe('a payload in protobuf', () => {
  it.each([50, 1_000, 1_500])('that is nested %i times and more is refused', async (depth) => {
    const lists: Buffer[] = [];
    let length = 0;
    const wrap = (field: number): void => {
      const head = Buffer.concat([Buffer.from([field * 8 + 2]), varint(length)]);
      lists.push(head);
      length += head.length;
    };
    for (const _ of range(depth)) {
      wrap(1);
      wrap(6);
    }
    wrap(5);
    wrap(1);
    const body = frame(Buffer.concat(lists.reverse()));
    expect([3, 8, 13]).toContain(await statusOf(body));
    await expectServed();
  });
});

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

describe('bytes', () => {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

  it.each([
    ['nothing that is known', ''],
    ['the preface of HTTP/2 and then what is none', preface],
    [
      'settings and then what is none',
      `${preface}\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000`,
    ],
    ['a request line and then what is none', `POST ${path} HTTP/1.1\r\nHost: x\r\n`],
  ])('at random, after %s, harm no other call', async (_, begin) => {
    const next = randomFrom(5);
    const wires = range(60).map(() => {
      const wire = new Wire(running.server.port);
      const noise = range(1 + Math.floor(next() * 300)).map(() =>
        String.fromCharCode(Math.floor(next() * 256)),
      );
      wire.write(Buffer.from(begin + noise.join(''), 'latin1'));
      return wire;
    });
    await until(() => wires.filter(({ isClosed, text }) => isClosed || text !== '').length > 20);
    await expectServed();
    for (const wire of wires) wire.destroy();
  });

  it('of a call that is cut anywhere harm no other call', async () => {
    const body = frame(valid);
    const cut = range(body.length).map(async (at) => {
      const stream = session.request(grpcHeaders);
      stream.on('error', () => {});
      stream.write(body.subarray(0, at));
      await new Promise((resolve) => setTimeout(resolve, 5));
      stream.close(8);
      await closed(stream);
    });
    await Promise.all(cut);
    await expectServed();
  });

  it('of a thousand streams that are begun and reset at once harm no other call', async () => {
    for (const _ of range(1_000)) {
      const stream = session.request(grpcHeaders);
      stream.on('error', () => {});
      stream.close(8);
    }
    await expectServed();
  });
});
