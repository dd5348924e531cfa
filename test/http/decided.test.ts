/** What the tests of the face found to be decided, and how it was. */
import { connect } from 'node:net';
import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { afterEach, expect, it, vi } from 'vitest';
import { range } from '../kit/helpers.ts';
import { type Fate, KeptStorage } from '../kit/kept-storage.ts';
import { appOf, bodyOf, callsOf, order, problemIn, useServers } from './helpers.ts';

const start = useServers();

afterEach(() => {
  vi.useRealTimers();
});

async function textOf(response: Response, part: string): Promise<string> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.includes(part)) break;
  }
  return text;
}

it('a reader of one user’s events is not dropped for those of others', async () => {
  const { app, processor } = appOf({}, { events: { buffer: 10 } });
  const response = await app.request('/events?userId=u-1');
  await processor.submitMany(range(100).map(() => ({ userId: 'u-2', amount: 1 })));
  await processor.submit({ id: 'mine', userId: 'u-1', amount: 1 });
  const text = await textOf(response, 'event: completed');
  expect(text).toContain('"orderId":"mine"');
  expect(text).not.toContain('dropped');
});

it('and comes back with what a sign of life told it, though others’ events have gone by', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { app, processor } = appOf({}, { events: { buffer: 10 } });
  const response = await app.request('/events?userId=u-1');
  await processor.submitMany(range(100).map(() => ({ userId: 'u-2', amount: 1 })));
  vi.advanceTimersByTime(15_000);
  const [, id = ''] = /^id: (\S+)$/m.exec(await textOf(response, 'id: ')) ?? [];
  const headers = { 'last-event-id': id };
  const again = await app.request('/events?userId=u-1', { headers });
  await processor.submit({ userId: 'u-1', amount: 1 });
  expect(await textOf(again, 'event: completed')).not.toContain('missed');
});

it('JSON may have 200 levels', async () => {
  const { post } = appOf();
  const nested = (depth: number) => `${'['.repeat(depth)}"[[["${']'.repeat(depth)}`;
  const body = (depth: number) => `{"userId":"u-1","amount":1,"payload":${nested(depth)}}`;
  await bodyOf(await post(body(199)), 202);
  await problemIn(await post(body(200)), 400, 'bad_request');
});

it('an error repeats no more than a little of what was sent', async () => {
  const { post } = appOf();
  const fields = Object.fromEntries(range(50_000).map((n) => [`field-${n}`, n]));
  const response = await post({ ...order, ...fields });
  expect((await response.text()).length).toBeLessThan(2_000);
});

it('a host that is none is a problem, too', async () => {
  const server = await start(createOrderApp(new OrderProcessor()));
  const socket = connect(server.port, '127.0.0.1');
  socket.end('GET /health HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('application/problem+json');
  expect(text).toContain('"code":"bad_request"');
});

it('a storage that never says whether it keeps an order does not hold its request', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const storage = new KeptStorage();
  const processor = new OrderProcessor({ storage });
  await processor.ready;
  storage.fate = () => new Promise<Fate>(() => {});
  const { post } = callsOf(createOrderApp(processor, { acceptTimeoutMs: 1_000 }));
  const response = post(order);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(5_000);
  await problemIn(await response, 503, 'storage_failed');
});
