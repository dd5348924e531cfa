/** Clients that send slowly, or not at all, hold a connection for as long as the limits say and no longer. */
import { type OrderAppOptions, type ServeOptions, serve } from 'order-processor/http';
import { describe, expect, test } from 'vitest';
import { deferred, range } from '../../kit/helpers.ts';
import { Client } from './client.ts';
import { type Abused, abused, head, orderRequest, short, until } from './server.ts';

/** Limits are 300 ms or so, and some are looked at every 300 ms. */
const boundMs = 10_000;

/** Tests that have a server of their own each. */
function serving(app: OrderAppOptions, settings: ServeOptions) {
  return test.extend<{ target: Abused }>({
    target: async ({ task: _ }, use) => {
      const target = await abused({}, app, settings);
      await use(target);
      await target.server.close();
      expect(target.internal).toEqual([]);
    },
  });
}

const it = serving(short.app, short.server);

async function isAlive({ server }: Abused): Promise<void> {
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
}

/** Sends a bit now and then until the connection is closed. */
async function drip(client: Client, bit: string): Promise<void> {
  const dripping = setInterval(() => client.socket.writable && client.send(bit), 50);
  await client.closed;
  clearInterval(dripping);
}

// Most of a test is waiting for a limit.
describe.concurrent('slow clients', { timeout: boundMs }, () => {
  it('cuts one whose headers never end', async ({ target }) => {
    const clients = await Promise.all(range(20).map(() => Client.connect(target.server.port)));
    for (const client of clients) client.send('GET /livez HTTP/1.1\r\nhost: localhost\r\n');
    await Promise.all(clients.map((client) => drip(client, 'x: y\r\n')));
    await isAlive(target);
  });

  it('cuts one that says nothing, and one that says no more', async ({ target }) => {
    const silent = await Client.connect(target.server.port);
    const satisfied = await Client.connect(target.server.port);
    await satisfied.send(head('GET /livez')).got(1);
    await Promise.all([silent.closed, satisfied.closed]);
    expect(satisfied.answers.map(({ status }) => status)).toEqual([200]);
    await isAlive(target);
  });

  it.for<[string, Record<string, string | number>, string]>([
    ['of a length', { 'content-length': 1_000 }, '{'],
    ['in chunks', { 'transfer-encoding': 'chunked' }, '1\r\n{\r\n'],
  ])(
    'answers 408 to a body %s that never ends, however it drips',
    async ([_, headers, bit], { target }) => {
      const client = await Client.connect(target.server.port);
      client.send(head('POST /orders', { 'content-type': 'application/json', ...headers }));
      await drip(client, bit);
      const [answer] = client.answers;
      expect(answer?.status).toBe(408);
      expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'request_timeout' });
      expect(target.processor.stats()).toMatchObject({ accepted: 0, refused: 0 });
    },
  );

  const length = { 'content-length': 100_000 };
  it.for<[string, Record<string, string | number>]>([
    ['GET /livez', length],
    ['GET /livez', { 'transfer-encoding': 'chunked' }],
    ['HEAD /health', length],
    ['GET /orders', length],
    ['GET /nowhere', length],
    ['DELETE /orders/o-1', length],
    ['PUT /orders', length],
    ['POST /orders', length],
  ])(
    'cuts one that was answered without its body, which drips: %s %j',
    async ([line, headers], { target }) => {
      const client = await Client.connect(target.server.port);
      client.send(head(line, headers));
      await drip(client, '1\r\n{\r\n');
      expect(client.text).toMatch(/^HTTP\/1\.1 [2-4]/);
      await isAlive(target);
    },
  );

  it('cuts one whose host is none', async ({ target }) => {
    const client = await Client.connect(target.server.port);
    client.send(head('POST /orders', { host: 'a b', 'content-length': 100_000 }));
    await drip(client, '{');
    expect(client.text).toMatch(/^HTTP\/1\.1 400/);
  });

  test('cuts one that drips and does not read its answer either', async () => {
    // More than all buffers on the way hold.
    const large = { fetch: () => new Response('x'.repeat(50_000_000)) };
    const server = await serve(large, { ...short.server, port: 0, signals: [] });
    const client = await Client.connect(server.port, false);
    client.send(head('GET /', { 'content-length': 100_000 }));
    await drip(client, '{');
    await server.close();
  });

  it('goes on with one whose body came after the answer, but came', async ({ target }) => {
    const client = await Client.connect(target.server.port);
    await client.send(head('GET /livez', { 'content-length': 2 })).got(1);
    await client.send(`{}${head('GET /livez')}`).got(2);
    expect(client.answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.for(['{', ' ', '"'])(
    'ends a batch whose line drips and never ends: %j',
    async (bit, { target }) => {
      const client = await Client.connect(target.server.port);
      const headers = { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' };
      client.send(head('POST /orders/batch', headers));
      await drip(client, `1\r\n${bit}\r\n`);
      const [answer] = client.answers;
      expect([answer?.status, answer?.text]).toEqual([200, '']);
      expect(target.processor.stats()).toMatchObject({ accepted: 0, refused: 0 });
    },
  );

  it('settles what a batch brought before it went silent, and ends it', async ({ target }) => {
    const client = await Client.connect(target.server.port);
    const order = JSON.stringify({ id: 'o-1', userId: 'u-1', amount: 7 });
    const text = `${order}\n{"userId":"u-1","amo`;
    client.send(
      head('POST /orders/batch', {
        'content-type': 'application/x-ndjson',
        'transfer-encoding': 'chunked',
      }),
    );
    client.send(`${text.length.toString(16)}\r\n${text}\r\n`);
    const [answer] = await client.got(1);
    expect(answer?.text.trim().split('\n')).toHaveLength(1);
    await client.closed;
    expect(await target.processor.balance('u-1')).toBe(7);
    expect(target.processor.stats()).toMatchObject({ accepted: 1, refused: 0 });
  });
});

describe.concurrent('half-open connections', { timeout: boundMs }, () => {
  it('closes one whose client ends in the middle of the head, or of the body', async ({
    target,
  }) => {
    const inHead = await Client.connect(target.server.port);
    inHead.send('POST /orders HTTP/1.1\r\nhost: lo').socket.end();
    const inBody = await Client.connect(target.server.port);
    inBody.send(
      `${head('POST /orders', { 'content-type': 'application/json', 'content-length': 100 })}{`,
    );
    inBody.socket.end();
    const atOnce = await Client.connect(target.server.port);
    atOnce.socket.end();
    await Promise.all([inHead.closed, inBody.closed, atOnce.closed]);
    expect(target.processor.stats()).toMatchObject({ accepted: 0, unsettled: 0 });
    await isAlive(target);
  });

  it('keeps an order whose client has ended its half', async ({ target }) => {
    const client = await Client.connect(target.server.port);
    client.send(orderRequest({ id: 'o-1', userId: 'u-1', amount: 7 })).socket.end();
    await client.closed;
    await until(async () => (await target.processor.balance('u-1')) === 7);
  });
});

describe('clients that do not read', { timeout: 20_000 }, () => {
  const idle = { ...short.server, idleTimeoutMs: 500 };

  const withOneReader = serving({ ...short.app, events: { readers: 1, buffer: 50 } }, idle);
  const withoutHurry = serving(short.app, idle);

  withOneReader(
    'cuts a reader of events that takes none, and keeps nothing for it',
    async ({ target }) => {
      const client = await Client.connect(target.server.port, false);
      client.send(head('GET /events'));
      await until(async () => (await fetch(`${target.server.url}/events`)).status === 503);
      // More than all buffers on the way hold.
      const id = 'x'.repeat(200);
      for (let at = 0; !client.socket.destroyed && at < 60; at += 1) {
        const orders = range(500).map((n) => ({
          id: `${id}-${at}-${n}`,
          userId: 'u-1',
          amount: 1,
        }));
        await target.processor.submitMany(orders);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await until(async () => {
        const { status, body } = await fetch(`${target.server.url}/events`);
        await body?.cancel();
        return status === 200;
      });
      client.leave();
    },
  );

  withoutHurry(
    'asks one that does not read its outcomes for no more orders',
    async ({ target }) => {
      const isOver = deferred();
      let sent = 0;
      const client = await Client.connect(target.server.port, false);
      const line = `${JSON.stringify({ userId: 'u-1', amount: 1 })}\n`.repeat(1_000);
      client.send(
        head('POST /orders/batch', {
          'content-type': 'application/x-ndjson',
          'transfer-encoding': 'chunked',
        }),
      );
      const send = (): void => {
        let isTaken = true;
        while (isTaken && sent < 1_000_000 && client.socket.writable) {
          isTaken = client.socket.write(`${line.length.toString(16)}\r\n${line}\r\n`);
          sent += 1_000;
        }
        if (isTaken) isOver.resolve();
      };
      client.socket.on('drain', send);
      send();
      await Promise.race([client.closed, isOver.promise]);
      client.leave();
      await target.processor.onIdle();
      const { accepted } = target.processor.stats();
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThan(500_000);
      expect(await target.processor.balance('u-1')).toBe(accepted);
    },
  );
});
