import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { EventSource } from 'eventsource';
import { describe, expect, it } from 'vitest';
import { range } from '../kit/helpers.ts';
import { appOf, gates, order, useServers, Wire } from './helpers.ts';

const start = useServers();
const batchHead = [
  'POST /orders/batch HTTP/1.1',
  'Content-Type: application/x-ndjson',
  'Transfer-Encoding: chunked',
];

/** Asks again and again, since what happens at the other end of a socket has no event here. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the EventSource client', () => {
  it('gets the events of orders in order, of one user if it asks for one', async () => {
    const { app, processor } = appOf();
    const { url } = await start(app, { processor });
    const source = new EventSource(`${url}/events?userId=u-1`);
    const heard: string[] = [];
    for (const name of ['accepted', 'started', 'completed']) {
      source.addEventListener(name, ({ data }) => {
        const { id, orderId } = JSON.parse(data);
        heard.push(`${name} ${id ?? orderId}`);
      });
    }
    await once(source as never, 'open');
    for (const id of ['a', 'b']) {
      await processor.submit({ id, userId: 'u-1', amount: 1 });
      await processor.submit({ id: `other-${id}`, userId: 'u-2', amount: 1 });
    }
    await until(() => heard.length === 6);
    expect(heard).toEqual(
      ['a', 'b'].flatMap((id) => [`accepted ${id}`, `started ${id}`, `completed ${id}`]),
    );
    source.close();
  });

  it('comes back by itself with all that happened meanwhile, once', async () => {
    const { app, processor } = appOf();
    const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const source = new EventSource(`http://127.0.0.1:${port}/events`);
    const heard: string[] = [];
    const others: string[] = [];
    source.addEventListener('completed', ({ data }) => heard.push(JSON.parse(data).orderId));
    for (const name of ['missed', 'dropped']) {
      source.addEventListener(name, () => others.push(name));
    }
    await once(source as never, 'open');
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await until(() => heard.length === 1);
    const cut = once(source as never, 'error');
    server.closeAllConnections();
    for (const id of ['b', 'c']) await processor.submit({ id, userId: 'u', amount: 1 });
    await cut;
    await processor.submit({ id: 'd', userId: 'u', amount: 1 });
    await until(() => heard.length === 4);
    expect([heard, others]).toEqual([['a', 'b', 'c', 'd'], []]);
    source.close();
    server.closeAllConnections();
    server.close();
  });
});

describe('events on a socket', () => {
  it('a reader that does not read is dropped, and makes room for another', async () => {
    const { app, processor } = appOf({}, { events: { readers: 1 } });
    const { port, url } = await start(app, { processor });
    const wire = new Wire(port);
    wire.send(['GET /events HTTP/1.1']);
    await wire.until('retry');
    wire.pause();
    // More than the buffers of both ends of a socket hold.
    // 768 bytes.
    const userId = '世'.repeat(256);
    for (const n of range(14_000)) {
      await processor.submit({ id: `${n}`, userId, amount: 1 });
      // The client has the time to read.
      if (n % 50 === 0) await new Promise(setImmediate);
    }
    expect((await fetch(`${url}/events`)).status).toBe(503);
    wire.resume();
    await wire.until('event: dropped');
    await until(() => wire.text.endsWith('0\n\n'));
    const next = await fetch(`${url}/events`);
    expect(next.status).toBe(200);
    await next.body?.cancel();
    wire.destroy();
  });

  it('a reader that goes away is forgotten', async () => {
    const { app, processor } = appOf({}, { events: { readers: 1 } });
    const { port, url } = await start(app, { processor });
    const wire = new Wire(port);
    wire.send(['GET /events HTTP/1.1']);
    await wire.until('retry');
    wire.destroy();
    let status = 503;
    while (status !== 200) {
      const response = await fetch(`${url}/events`);
      status = response.status;
      await response.body?.cancel();
    }
    expect(status).toBe(200);
  });

  it('a stream ends when the server closes, which waits for nothing more', async () => {
    const { app, processor } = appOf();
    const server = await start(app, { processor, shutdownTimeoutMs: 60_000 });
    const wire = new Wire(server.port);
    wire.send(['GET /events HTTP/1.1']);
    await wire.until('retry');
    await server.close();
    await wire.closed;
    expect(wire.text.endsWith('\n0\n\n')).toBe(true);
  });
});

describe('a batch on a socket', () => {
  it('streams both ways', async () => {
    const { app, processor } = appOf();
    const { port } = await start(app, { processor });
    const wire = new Wire(port);
    wire.send(batchHead);
    for (const n of range(3)) {
      wire.chunk(`{"id":"o-${n}","userId":"u","amount":1}\n`);
      await wire.until(`"orderId":"o-${n}"`);
    }
    wire.chunk('');
    await wire.until('\n0\n\n');
    wire.destroy();
  });

  it('stops reading when its outcomes are not read', async () => {
    const { app, processor } = appOf();
    const { port } = await start(app, { processor });
    const total = 200_000;
    const outgoing = request({
      port,
      method: 'POST',
      path: '/orders/batch',
      headers: { 'content-type': 'application/x-ndjson' },
    });
    let sent = 0;
    const write = (): void => {
      while (sent < total) {
        sent += 1;
        const line = `{"userId":"u-${sent}","amount":1,"priority":"low"}\n`;
        if (!outgoing.write(line)) {
          outgoing.once('drain', write);
          return;
        }
      }
      outgoing.end();
    };
    outgoing.on('error', () => {});
    const answered = once(outgoing, 'response');
    write();
    const [incoming] = await answered;
    // The client does not read: the orders in the sockets' buffers are settled, and then no more come.
    let before = -1;
    while (processor.stats().accepted !== before) {
      before = processor.stats().accepted;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(total / 2);
    incoming.destroy();
    await processor.onIdle();
    expect(processor.stats().completed).toBe(processor.stats().accepted);
  });

  it('ends at close with the outcomes of what is accepted', async () => {
    const { step, open } = gates();
    const { app, processor } = appOf({ steps: [step] });
    const server = await start(app, { processor, shutdownTimeoutMs: 60_000 });
    const wire = new Wire(server.port);
    wire.send(batchHead);
    const accepted = once(processor as never, 'accepted');
    wire.chunk(`${JSON.stringify(order)}\n{"id":"half"`);
    await accepted;
    const closed = server.close();
    open('o-1');
    await wire.until('"orderId":"o-1"');
    await wire.closed;
    expect(wire.text.endsWith('\n0\n\n')).toBe(true);
    expect(await closed).toMatchObject({ unsettled: [] });
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, refused: 0 });
  });

  it('is left alone when its client goes; what is accepted goes on', async () => {
    const { step, open } = gates();
    const { app, processor } = appOf({ steps: [step] });
    const { port } = await start(app, { processor });
    const wire = new Wire(port);
    wire.send(batchHead);
    const accepted = once(processor as never, 'accepted');
    wire.chunk(`${JSON.stringify(order)}\n{"id":"half","userId":"u","amount":1}`);
    await accepted;
    wire.destroy();
    await wire.closed;
    open('o-1');
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1200);
    expect(await processor.order('half')).toBeUndefined();
  });
});
