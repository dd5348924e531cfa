/** What strangers send costs about as many bytes as they send, here and in answers (invariant 6). */
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

/** Bytes in use, buffers outside of the heap included, when all that can be freed is. */
function bytesInUse(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
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

  it('of a face’s own is no longer in the answer than it may be in a header', async () => {
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
  ])('%s takes about as many bytes as it has', async (_, face, begin) => {
    const processor = new OrderProcessor();
    closing.push(() => processor.shutdown());
    const settings = { port: 0, signals: [], shutdownTimeoutMs: 200 } as const;
    const server =
      face === 'http'
        ? await serve(createOrderApp(processor), settings)
        : await serveGrpc(createOrderRoutes(processor), settings);
    closing.push(() => server.close());
    const before = bytesInUse();
    const client = await Client.connect(server.port);
    closing.push(() => client.leave());
    client.send(begin);
    // In the writes of a sender that takes its time.
    for (let at = 0; at < chunks.length; at += 6_000) {
      client.send(chunks.slice(at, at + 6_000));
      await new Promise(setImmediate);
    }
    await until(() => client.socket.writableLength === 0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.answers).toEqual([]);
    expect(bytesInUse() - before).toBeLessThan(20 * pieces);
  });
});
