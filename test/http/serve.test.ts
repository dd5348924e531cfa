import { networkInterfaces } from 'node:os';
import { OrderProcessor, type ShutdownSummary } from 'order-processor';
import { createOrderApp, serve } from 'order-processor/http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { deferred, outcomeNow } from '../kit/helpers.ts';
import { appOf, bodyOf, gates, order, useServers, Wire } from './helpers.ts';

afterEach(() => {
  vi.useRealTimers();
});

const start = useServers();
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
const post = {
  method: 'POST',
  headers: { 'content-type': 'application/json', prefer: 'wait=30', connection: 'keep-alive' },
  body: JSON.stringify(order),
};

describe('the options', () => {
  it.each([
    [{ prot: 1 }, TypeError, 'Expected the options of serve to be among'],
    [{ port: -1 }, RangeError, '`port`'],
    [{ port: 65_536 }, RangeError, '`port` to be an integer from 0 to 65535, got `65536`'],
    [{ port: '80' }, TypeError, '`port`'],
    [{ hostname: '' }, TypeError, '`hostname` to be an address'],
    [{ hostname: 7 }, TypeError, '`hostname`'],
    [{ headersTimeoutMs: 0 }, RangeError, '`headersTimeoutMs`'],
    [{ idleTimeoutMs: Infinity }, RangeError, '`idleTimeoutMs`'],
    [{ keepAliveTimeoutMs: '5s' }, TypeError, '`keepAliveTimeoutMs`'],
    [{ shutdownTimeoutMs: 2 ** 31 }, RangeError, '`shutdownTimeoutMs`'],
    [{ maxConnections: 0 }, RangeError, '`maxConnections`'],
    [{ processor: {} }, TypeError, '`processor.shutdown` to be a function'],
    [{ signals: 'SIGTERM' }, TypeError, '`signals` to be a list of signals'],
    [{ onClosed: true }, TypeError, '`onClosed` to be a function'],
    [null, TypeError, '`serve options` to be an object'],
  ])('%j are refused', async (options, kind, message) => {
    const served = serve(appOf().app, options as never);
    await expect(served).rejects.toThrow(kind);
    await expect(served).rejects.toThrow(message);
  });

  it.each([undefined, {}, { fetch: 1 }])('%j is no app', async (app) => {
    await expect(serve(app as never)).rejects.toThrow('Expected `app');
  });

  it('`serve` calls an app’s `fetch` as its method', async () => {
    class App {
      readonly text = 'mine';
      fetch(): Response {
        return new Response(this.text);
      }
    }
    const { url } = await start(new App());
    expect(await (await fetch(url)).text()).toBe('mine');
  });

  it.each(['SIGKILL', 'SIGSTOP', 'SIGNAL'])(
    '`serve` refuses to heed %s, before it listens',
    async (signal) => {
      const { app } = appOf();
      const options = { port: 0, signals: [signal as NodeJS.Signals] };
      await expect(serve(app, options)).rejects.toThrow(
        `Expected \`signals\` to be a list of signals that can be handled, got \`"${signal}"\``,
      );
    },
  );
});

describe('where it listens', () => {
  it('is 127.0.0.1 by default', async () => {
    const { url, port } = await start(appOf().app);
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(port).toBeGreaterThan(0);
    expect(await bodyOf(await fetch(`${url}/livez`))).toEqual({ status: 'ok', reasons: [] });
  });

  it.skipIf(!hasIpv6)('may be an address of IPv6', async () => {
    const { url, port } = await start(appOf().app, { hostname: '::1' });
    expect(url).toBe(`http://[::1]:${port}`);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
  });

  it('is nowhere if the port is taken', async () => {
    const { port } = await start(appOf().app);
    const taken = serve(appOf().app, { port, signals: [] });
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('is nowhere if there is no such address, and no signal is heeded then', async () => {
    const before = process.listenerCount('SIGTERM');
    const served = serve(appOf().app, { port: 0, hostname: '203.0.113.1' });
    await expect(served).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('connections', () => {
  it('stay open between requests, for so long', async () => {
    const { port } = await start(appOf().app, { keepAliveTimeoutMs: 100 });
    const wire = new Wire(port);
    wire.send(['GET /livez HTTP/1.1']);
    await wire.until('"reasons":[]}');
    wire.send(['GET /readyz HTTP/1.1']);
    await wire.until('"reasons":[]}HTTP/1.1 200');
    await wire.closed;
  });

  it('are closed when the headers do not come in time', async () => {
    const { port } = await start(appOf().app, { headersTimeoutMs: 100 });
    const wire = new Wire(port);
    wire.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n');
    await wire.closed;
    expect(wire.text).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('are closed when nothing moves in the middle of a request', async () => {
    const { port } = await start(appOf().app, { idleTimeoutMs: 100 });
    const wire = new Wire(port);
    const head = ['POST /orders HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 9'];
    wire.send(head, '{');
    await wire.closed;
    expect(wire.text).not.toContain('202');
  });

  it('are so many and no more', async () => {
    const { port } = await start(appOf().app, { maxConnections: 1 });
    const first = new Wire(port);
    first.send(['GET /livez HTTP/1.1']);
    await first.until('"reasons":[]}');
    const second = new Wire(port);
    await second.closed;
    expect(second.text).toBe('');
    first.destroy();
  });
});

describe('close', () => {
  it('shuts the processor down, and gives its summary, twice the same', async () => {
    const { app, processor } = appOf();
    const told: unknown[] = [];
    const server = await start(app, { processor, onClosed: (summary) => told.push(summary) });
    await processor.submit(order);
    const closed = server.close();
    expect(server.close()).toBe(closed);
    const summary = await closed;
    expect(summary).toMatchObject({ unsettled: [], timedOut: false });
    expect(told).toEqual([summary]);
    expect(processor.stats().state).toBe('closed');
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
  });

  it('leaves a processor alone that it was not given', async () => {
    const { app, processor } = appOf();
    const server = await start(app);
    expect(await server.close()).toBeUndefined();
    expect(processor.stats().state).toBe('running');
  });

  it('lets the request that is under way finish, and takes no new connection', async () => {
    const { step, open } = gates();
    const { app, processor } = appOf({ steps: [step] });
    const server = await start(app, { processor, shutdownTimeoutMs: 60_000 });
    const started = new Promise((resolve) => processor.on('started', resolve));
    const response = fetch(`${server.url}/orders`, post);
    await started;
    const closed = server.close();
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
    expect(await outcomeNow(closed)).toBe('pending');
    expect(processor.stats().state).toBe('running');
    open('o-1');
    expect(await bodyOf(await response)).toMatchObject({ status: 'completed', balance: 1200 });
    expect(await closed).toMatchObject({ unsettled: [], timedOut: false });
  });

  it('answers a request that waits for its order before half of its time is over, and cancels the order after the rest', async () => {
    const { step } = gates();
    const { app, processor } = appOf({ steps: [step] });
    const server = await start(app, { processor, shutdownTimeoutMs: 300 });
    const started = new Promise((resolve) => processor.on('started', resolve));
    const response = fetch(`${server.url}/orders`, post);
    await started;
    expect(await server.close()).toMatchObject({ timedOut: true, canceled: 1, unsettled: [] });
    const answer = await response;
    expect(answer.status).toBe(202);
    expect(await answer.json()).toMatchObject({ id: 'o-1', status: 'processing' });
  });

  it('closes connections that are kept alive at once, used or not', async () => {
    const { app, processor } = appOf();
    const options = { processor, keepAliveTimeoutMs: 60_000, shutdownTimeoutMs: 60_000 };
    const server = await start(app, options);
    const used = new Wire(server.port);
    used.send(['GET /livez HTTP/1.1']);
    await used.until('"reasons":[]}');
    const unused = new Wire(server.port);
    unused.send(['GET /livez HTTP/1.1']);
    await unused.until('"reasons":[]}');
    await server.close();
    await Promise.all([used.closed, unused.closed]);
    expect(used.isClosed).toBe(true);
  });

  it('does not reject when `onClosed` does, and says so', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const bug = new Error('A bug');
    const { app, processor } = appOf();
    const server = await start(app, { processor, onClosed: () => Promise.reject(bug) });
    expect(await server.close()).toMatchObject({ unsettled: [] });
    expect(log.mock.calls).toEqual([[bug]]);
    log.mockRestore();
  });

  it('waits for `onClosed`', async () => {
    const { app, processor } = appOf();
    const gate = deferred();
    const server = await start(app, { processor, onClosed: () => gate.promise });
    const closed = server.close();
    await processor.shutdown();
    expect(await outcomeNow(closed)).toBe('pending');
    gate.resolve();
    await closed;
  });

  it('waits no longer than it may for an `onClosed` that never ends, and says so', async () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const { app, processor } = appOf();
    const onClosed = (): Promise<void> => new Promise(() => {});
    const server = await start(app, { processor, onClosed, shutdownTimeoutMs: 100 });
    expect(await server.close()).toMatchObject({ unsettled: [] });
    expect(log.mock.calls).toMatchObject([[{ message: '`onClosed` has not ended in time' }]]);
    log.mockRestore();
  });

  it('gives requests and the servers beside one half of the time together, so that the rest is left', async () => {
    const begun = deferred();
    const hung = { close: () => new Promise<undefined>(() => {}) };
    const shutdown = vi.fn(async () => ({}) as ShutdownSummary);
    const stuck = (): Promise<Response> => {
      begun.resolve();
      return new Promise(() => {});
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const options = { processor: { shutdown }, beside: [hung], shutdownTimeoutMs: 1_000 };
    const server = await start({ fetch: stuck }, options);
    const wire = new Wire(server.port);
    wire.send(['GET / HTTP/1.1']);
    await begun.promise;
    const closed = server.close();
    await vi.advanceTimersByTimeAsync(500);
    await wire.closed;
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    const calls = [...shutdown.mock.calls];
    await vi.advanceTimersByTimeAsync(10_000);
    await closed;
    expect(calls).toEqual([[{ timeoutMs: 250 }]]);
  });

  it('heeds no signal any more', async () => {
    const before = ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
    const processor = new OrderProcessor();
    const server = await serve(createOrderApp(processor), { processor, port: 0 });
    const during = ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
    expect(during).toEqual(before.map((count) => count + 1));
    await server.close();
    const after = ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
    expect(after).toEqual(before);
  });
});
