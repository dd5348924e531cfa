/**
 * Connections that are no good: they are cut in time, and other connections are served (invariants 6 and 8).
 */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { describe, expect, it } from 'vitest';
import { Wire } from '../http/helpers.ts';
import { deferred } from '../kit/helpers.ts';
import { type Running, useServers } from './helpers.ts';

const start = useServers();
const path = '/orderprocessor.v1.OrderService/SubmitOrder';
const submitting = [`POST ${path} HTTP/1.1`, 'Content-Type: application/json'];

async function expectServed({ client }: Running): Promise<void> {
  const { receipt } = await client.submitOrder({ order: { userId: 'u-served', amount: 1n } });
  expect(receipt?.amount).toBe(1n);
}

describe('a connection whose begin does not come within headersTimeoutMs is cut', () => {
  it.each([
    ['nothing', ''],
    ['the first byte of HTTP/2', 'P'],
    ['half of the preface of HTTP/2', 'PRI * HTTP/2.0\r\n'],
    ['half of a request line', `POST ${path}`],
    ['half of the headers', `POST ${path} HTTP/1.1\r\nHost: localhost\r\n`],
  ])('%s', async (_, begin) => {
    const running = await start({ server: { headersTimeoutMs: 400, idleTimeoutMs: 60_000 } });
    const wire = new Wire(running.server.port);
    wire.write(begin);
    await expectServed(running);
    await wire.closed;
    await expectServed(running);
  });

  it.each([
    ['of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['of a request', `POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${'x'.repeat(500)}`],
  ])('one that comes byte by byte, %s', async (_, begin) => {
    const running = await start({ server: { headersTimeoutMs: 400, idleTimeoutMs: 60_000 } });
    const wire = new Wire(running.server.port);
    let at = 0;
    const dripping = setInterval(() => wire.write(begin[at++] ?? ''), 40);
    await wire.closed;
    clearInterval(dripping);
    expect(at).toBeLessThan(begin.length);
    await expectServed(running);
  });
});

describe('a body over HTTP/1.1 that drips is cut within readTimeoutMs', () => {
  it.each([
    ['of a unary call', submitting],
    ['of a path that is none', ['POST /nowhere HTTP/1.1', 'Content-Type: application/json']],
    ['of a method that is none', [`GET ${path} HTTP/1.1`]],
    [
      'of a call that streams its answer',
      [
        'POST /orderprocessor.v1.OrderService/WatchOrders HTTP/1.1',
        'Content-Type: application/connect+json',
      ],
    ],
  ])('%s', async (_, head) => {
    // Long enough for the client of `expectServed` on a busy machine, whose connection is held to it as well.
    const limits = { headersTimeoutMs: 400, readTimeoutMs: 100, idleTimeoutMs: 60_000 };
    const running = await start({ server: limits });
    const wire = new Wire(running.server.port);
    wire.send([...head, 'Content-Length: 100000'], '{');
    const dripping = setInterval(() => wire.write(' '), 40);
    await wire.closed;
    clearInterval(dripping);
    expect(running.processor.stats().accepted).toBe(0);
    await expectServed(running);
  });

  it('one that comes whole may take as long as it likes for its answer', async () => {
    const gate = deferred();
    const started = deferred();
    const steps = [
      {
        name: 'work',
        run: (): Promise<void> => {
          started.resolve();
          return gate.promise;
        },
      },
    ];
    const limits = { headersTimeoutMs: 20, readTimeoutMs: 20 };
    const running = await start({ processor: { steps }, server: limits });
    const wire = new Wire(running.server.port);
    const body = '{"order":{"userId":"u-1","amount":"5"}}';
    wire.send([...submitting, `Content-Length: ${body.length}`], body);
    await started.promise;
    // Another that is cut says that the limits have passed.
    const slow = new Wire(running.server.port);
    slow.send([...submitting, 'Content-Length: 100'], '{');
    await slow.closed;
    gate.resolve();
    await wire.until('"balance":"5"');
    wire.destroy();
  });
});

describe('a request whose host cannot be understood is refused', () => {
  it.each([
    ['no host in HTTP/1.0', `POST ${path} HTTP/1.0\r\nContent-Length: 2\r\n`],
    ['a host that is none', `POST ${path} HTTP/1.1\r\nHost: a b[\r\nContent-Length: 2\r\n`],
    ['an empty host', `POST ${path} HTTP/1.1\r\nHost:\r\nContent-Length: 2\r\n`],
  ])('%s', async (_, head) => {
    const running = await start();
    const wire = new Wire(running.server.port);
    wire.write(`${head}Content-Type: application/json\r\n\r\n{}`);
    await wire.until('400 Bad Request');
    wire.destroy();
    await expectServed(running);
  });

  it('over HTTP/2 too', async () => {
    const running = await start();
    const session = connect(running.server.url);
    const stream = session.request({ ':method': 'POST', ':path': path, ':authority': 'a:99999' });
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(400);
    session.destroy();
    await expectServed(running);
  });
});

it.each([
  [{}, 1_000],
  [{ maxCallsPerConnection: 7 }, 7],
])(
  'a connection of HTTP/2 is told how many calls it may have: with %j %i',
  async (options, most) => {
    const { server } = await start({ server: options });
    const session = connect(server.url);
    const [settings] = await once(session, 'remoteSettings');
    expect(settings.maxConcurrentStreams).toBe(most);
    session.destroy();
  },
);

describe('closing', () => {
  it('waits for no connection that has said nothing', async () => {
    const { server } = await start({ server: { shutdownTimeoutMs: 60_000 } });
    const silent = new Wire(server.port);
    const begun = new Wire(server.port);
    begun.write('P');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await server.close();
    await Promise.all([silent.closed, begun.closed]);
  });

  it('waits for no connection of HTTP/1.1 that is kept alive, nor for a session without calls', async () => {
    const running = await start({ server: { shutdownTimeoutMs: 60_000 } });
    await expectServed(running);
    const wire = new Wire(running.server.port);
    const body = '{"order":{"userId":"u-1","amount":"5"}}';
    wire.send([...submitting, `Content-Length: ${body.length}`], body);
    await wire.until('"balance":"5"');
    await running.server.close();
    await wire.closed;
  });
});
