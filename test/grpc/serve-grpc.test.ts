/** serveGrpc: what it takes, and how it ends. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { fromJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { OrderProcessor } from 'order-processor';
import {
  createOrderRoutes,
  OrderService,
  type ServeGrpcOptions,
  serveGrpc,
} from 'order-processor/grpc';
import { createOrderApp, serve } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { gates } from '../http/helpers.ts';
import { watch } from '../kit/helpers.ts';
import { codeOf, GrpcClient, until, useServers } from './helpers.ts';

const start = useServers();
const order = { id: 'o-1', userId: 'u-1', amount: 100n };

describe('options', () => {
  const routes = createOrderRoutes(new OrderProcessor());

  it.each<[object, string]>([
    [{ port: -1 }, 'Expected `port` to be an integer from 0 up, got `-1`'],
    [{ port: 65_536 }, 'Expected `port` to be an integer from 0 to 65535, got `65536`'],
    [{ headersTimeoutMs: 0 }, 'Expected `headersTimeoutMs` to be'],
    [{ idleTimeoutMs: Number.NaN }, 'Expected `idleTimeoutMs` to be'],
    [{ shutdownTimeoutMs: '1' }, 'Expected `shutdownTimeoutMs` to be'],
    [{ maxConnections: 0 }, 'Expected `maxConnections` to be'],
    [{ maxCallsPerConnection: 0 }, 'Expected `maxCallsPerConnection` to be an integer from 1 up'],
    [{ hostname: '' }, 'Expected `hostname` to be an address'],
    [{ signals: ['SIGKILL'] }, 'Expected `signals` to be'],
    [{ processor: {} }, 'Expected `processor.shutdown` to be a function, got `undefined`'],
    [{ beside: {} }, 'Expected `beside` to be a list of servers'],
    [{ onClosed: 5 }, 'Expected `onClosed` to be a function'],
    [{ tls: true }, '`tls`'],
    [{ keepAliveTimeoutMs: 5 }, '`keepAliveTimeoutMs`'],
  ])('%j are refused', async (options, message) => {
    await expect(serveGrpc(routes, options as ServeGrpcOptions)).rejects.toThrow(message);
  });

  it.each([undefined, {}, 'routes'])('%j are no routes', async (none) => {
    await expect(serveGrpc(none as never, { port: 0 })).rejects.toThrow(
      'Expected `routes` to be a function',
    );
  });

  it.each<[object, string]>([
    [{ messageLimitBytes: 0 }, 'Expected `messageLimitBytes` to be an integer from 1 up, got `0`'],
    [{ authenticate: 'all' }, 'Expected `authenticate` to be a function'],
    [{ onError: null }, 'Expected `onError` to be a function'],
    [{ events: { buffer: 0.5 } }, 'Expected `events.buffer` to be an integer from 1 up'],
    [{ events: { readers: 0 } }, 'Expected `events.readers` to be an integer from 1 up'],
    [{ events: { size: 1 } }, '`size`'],
    [{ bodyLimitBytes: 1 }, '`bodyLimitBytes`'],
  ])('%j are refused by createOrderRoutes', (options, message) => {
    expect(() => createOrderRoutes(new OrderProcessor(), options as never)).toThrow(message);
  });

  it('anything but a processor is refused by createOrderRoutes', () => {
    for (const none of [undefined, null, {}, 5]) {
      expect(() => createOrderRoutes(none as never)).toThrow('processor');
    }
  });
});

describe('listening', () => {
  it('says where, for IPv6 too', async () => {
    const { server } = await start();
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    const other = await serveGrpc(createOrderRoutes(new OrderProcessor()), {
      port: 0,
      hostname: '::1',
      signals: [],
    }).catch(() => undefined);
    if (other !== undefined) expect(other.url).toBe(`http://[::1]:${other.port}`);
    await other?.close();
  });

  it('rejects where the port is in use, and leaves nothing behind', async () => {
    const { server } = await start();
    const before = process.listenerCount('SIGTERM');
    const routes = createOrderRoutes(new OrderProcessor());
    await expect(serveGrpc(routes, { port: server.port })).rejects.toThrow('EADDRINUSE');
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('closes connections beyond maxConnections at once', async () => {
    const { server, client } = await start({ server: { maxConnections: 1 } });
    await client.getStats({});
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'close');
    expect((await client.getStats({})).state).toBe('running');
  });
});

describe('close', () => {
  it('lets calls under way finish, and takes no new connections', async () => {
    const work = gates();
    const { client, processor, server } = await start({
      processor: { steps: [work.step] },
      server: { shutdownTimeoutMs: 60_000 },
    });
    const call = client.submitOrder({ order });
    await until(() => processor.stats().accepted === 1);
    const closed = server.close();
    const late = createClient(OrderService, createGrpcTransport({ baseUrl: server.url }));
    expect(await codeOf(late.getStats({}))).toBe('Unavailable');
    expect(watch(closed).isSettled).toBe(false);
    work.open('o-1');
    expect((await call).receipt?.balance).toBe(100n);
    expect(await closed).toMatchObject({ unsettled: [] });
    expect(processor.stats().state).toBe('closed');
  });

  it('sends a client of another make elsewhere with its next call', async () => {
    const work = gates();
    const { grpc, processor, server } = await start({
      processor: { steps: [work.step] },
      server: { shutdownTimeoutMs: 60_000 },
    });
    const call = grpc.call('submitOrder', { order: { ...order, amount: '100' } });
    await until(() => processor.stats().accepted === 1);
    const closed = server.close();
    await new Promise((resolve) => setTimeout(resolve, 30));
    await expect(grpc.call('getStats', {})).rejects.toMatchObject({ code: 14 });
    work.open('o-1');
    expect((await call).receipt.balance).toBe('100');
    await closed;
  });

  it('cuts what does not end within half of shutdownTimeoutMs, and cancels the orders', async () => {
    const work = gates();
    const { client, processor, server } = await start({
      processor: { steps: [work.step] },
      server: { shutdownTimeoutMs: 400 },
    });
    const call = codeOf(client.submitOrder({ order }));
    const enqueued = client.enqueueOrder({ order: { ...order, id: 'o-2', userId: 'u-2' } });
    await enqueued;
    await until(() => processor.stats().accepted === 2);
    const summary = await server.close();
    expect(await call).not.toBe('Ok');
    expect(summary?.canceled).toBeGreaterThanOrEqual(1);
    expect(processor.stats()).toMatchObject({ completed: 0, canceled: 2, unsettled: 0 });
  });

  it('does not wait for the rest of a message that was too long', async () => {
    const { client, server } = await start({
      routes: { messageLimitBytes: 30_000 },
      // Longer than the test may take.
      server: { shutdownTimeoutMs: 120_000 },
    });
    // The connection is there when the long one comes, so that some of that has been read when it is refused.
    await client.submitOrder({ order });
    const payload = fromJson(ValueSchema, 'x'.repeat(40_000));
    const long = client.submitOrder({ order: { ...order, id: 'long', payload } });
    expect(await codeOf(long)).toBe('ResourceExhausted');
    await server.close();
  });

  it('a second time gives the same promise, and closes nothing twice', async () => {
    let closed = 0;
    const { server } = await start({ server: { onClosed: () => (closed += 1) } });
    const first = server.close();
    expect(server.close()).toBe(first);
    await first;
    expect(server.close()).toBe(first);
    expect(closed).toBe(1);
  });

  it('leaves no listener of a signal', async () => {
    const before = process.listenerCount('SIGTERM');
    const { server } = await start({ server: { signals: ['SIGTERM'] } });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    await server.close();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('a silent connection', () => {
  it('whose other end answers stays, however long', async () => {
    const { grpc, server } = await start({ server: { idleTimeoutMs: 400 } });
    const lone = new GrpcClient(server.port, { 'grpc.use_local_subchannel_pool': 1 });
    await lone.call('getStats', {});
    const channel = lone.orders.getChannel();
    await new Promise((resolve) => setTimeout(resolve, 900));
    // 2 is READY: it was not cut.
    expect(channel.getConnectivityState(false)).toBe(2);
    lone.close();
    await grpc.call('getStats', {});
  });

  it('whose other end does not answer is cut', async () => {
    const { server, client } = await start({ server: { idleTimeoutMs: 100 } });
    const socket = connect(server.port, '127.0.0.1');
    // The preface and empty settings, and then nothing, not even for a ping.
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.resume();
    await once(socket, 'close');
    expect((await client.getStats({})).state).toBe('running');
  });

  it('of HTTP/1.1 is cut', async () => {
    const { server } = await start({ server: { idleTimeoutMs: 100 } });
    const socket = connect(server.port, '127.0.0.1');
    socket.write('POST /orderprocessor.v1.OrderService/GetStats HTTP/1.1\r\nHost: x\r\n');
    socket.write('Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{');
    socket.resume();
    await once(socket, 'close');
  });
});

describe('beside a server of HTTP', () => {
  it('shares its processor, and closes with it, before the processor does', async () => {
    const closing: string[] = [];
    const work = gates();
    const processor = new OrderProcessor({ steps: [work.step] });
    processor.on('shutdown', () => closing.push('processor'));
    const grpc = await serveGrpc(createOrderRoutes(processor), {
      port: 0,
      signals: [],
      onClosed: () => closing.push('grpc'),
    });
    const http = await serve(createOrderApp(processor), {
      processor,
      beside: [grpc],
      port: 0,
      signals: [],
      shutdownTimeoutMs: 60_000,
      onClosed: () => closing.push('http'),
    });
    const client = createClient(OrderService, createGrpcTransport({ baseUrl: grpc.url }));
    const accepted: string[] = [];
    let openNow = (id: string): void => void accepted.push(id);
    processor.on('accepted', ({ id }) => openNow(id));
    const call = client.submitOrder({ order });
    await until(() => processor.stats().accepted === 1);
    const response = await fetch(`${http.url}/orders/o-1`);
    expect(((await response.json()) as { status: string }).status).toBe('processing');
    const events = client.watchOrders({})[Symbol.asyncIterator]();
    const first = events.next();
    const feeding = setInterval(() => processor.enqueue({ userId: 'u-1', amount: -100 }), 5);
    await first;
    clearInterval(feeding);
    const closed = http.close();
    openNow = work.open;
    for (const id of accepted) work.open(id);
    expect((await call).receipt?.balance).toBe(100n);
    await closed;
    expect(closing).toEqual(['grpc', 'processor', 'http']);
  });
});
