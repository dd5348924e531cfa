/** What Node refuses before there is a request has a body as every other error has. */
import { OrderProcessor } from 'order-processor';
import { createOrderRoutes, serveGrpc } from 'order-processor/grpc';
import { createOrderApp, serve } from 'order-processor/http';
import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../http/abuse/client.ts';
import { head } from '../../http/abuse/server.ts';
import { problemIn } from '../../http/helpers.ts';

const settings = { port: 0, signals: [], headersTimeoutMs: 100, shutdownTimeoutMs: 1_000 };
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe.each([
  ['serve', '/orders', (processor: OrderProcessor) => serve(createOrderApp(processor), settings)],
  [
    'serveGrpc',
    '/orderprocessor.v1.OrderService/SubmitOrder',
    (processor: OrderProcessor) =>
      serveGrpc(createOrderRoutes(processor), { ...settings, readTimeoutMs: 100 }),
  ],
])('of %s', (_, path, start) => {
  async function answerTo(text: string): Promise<Response> {
    const processor = new OrderProcessor();
    const server = await start(processor);
    closing.push(() => server.close());
    const client = await Client.connect(server.port);
    client.send(text);
    await client.closed;
    const answers = client.answers;
    expect(answers).toHaveLength(1);
    const [{ status, headers, text: body }] = answers as [(typeof answers)[0]];
    const names = ['content-type', 'connection', 'cache-control', 'x-content-type-options'];
    const sent = names.map((name): [string, string] => [name, headers.get(name) ?? '']);
    return new Response(body, { status, headers: sent });
  }

  it.each([
    [431, 'headers_too_large', head('GET /', { x: 'y'.repeat(20_000) })],
    [400, 'bad_request', 'GET / HTTP/1.1\r\nno colon\r\n\r\n'],
    [400, 'bad_request', `GET ${path} HTTP/1.1\r\nconnection: close\r\n\r\n`],
    [400, 'bad_request', head('POST /', { 'content-length': 1, 'transfer-encoding': 'chunked' })],
    [400, 'bad_request', head('POST /', { 'content-length': '5, 5' })],
    [408, 'request_timeout', 'GET / HTTP/1.1\r\nhost: x\r\n'],
    [417, 'bad_request', head('POST /', { expect: '200-ok', 'content-length': 0 })],
  ])('a %i is a problem with the code %s', async (status, code, text) => {
    const response = await answerTo(text);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      connection: 'close',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    const { title } = await problemIn(response, status, code);
    expect(title).not.toBe('');
  });

  it('chunk extensions beyond their bound are a 413', async () => {
    const begin = head(`POST ${path}`, {
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    });
    const response = await answerTo(`${begin}1;x=${'y'.repeat(20_000)}\r\n{\r\n`);
    await problemIn(response, 413, 'content_too_large');
  });
});
