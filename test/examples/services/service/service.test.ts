/** The service of examples/services/service from outside: both protocols, who may do what, its log, its end. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Health, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failureOf } from '../../../../examples/services/service/logs.ts';
import { expressionsOf, namesIn, shownIn } from '../../deploy/dashboard.ts';
import { fromSources, Life } from './life.ts';

const CLIENT_TOKENS = 'client-token-0123,client-token-4567';
const OPERATOR_TOKENS = 'operator-token-0123';
const client = { authorization: 'Bearer client-token-4567' };
const operator = { authorization: `Bearer ${OPERATOR_TOKENS}` };

const folder = mkdtempSync(join(tmpdir(), 'order-service-'));
const DATA_DIR = join(folder, 'made/by/the/service');
const env = { CLIENT_TOKENS, OPERATOR_TOKENS, DATA_DIR, LOG_LEVEL: 'debug' };
let life: Life;
let url: string;
let transport: Transport;

beforeAll(async () => {
  life = new Life({ env });
  const { url: httpUrl, grpcUrl: baseUrl } = await life.listening();
  url = httpUrl;
  transport = createGrpcTransport({ baseUrl });
});

afterAll(async () => {
  life[Symbol.dispose]();
  await life.end();
  rmSync(folder, { recursive: true });
});

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}${path}`, { headers });
  const text = await response.text();
  return { status: response.status, text };
}

async function post(order: object, headers: Record<string, string> = client) {
  const response = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=10', ...headers },
    body: JSON.stringify(order),
  });
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks into is what it asserts
  return { status: response.status, body: (await response.json()) as any };
}

/** The order's code, and the status of the call. */
async function failure(call: Promise<unknown>) {
  const error: ConnectError = await call.then(
    () => expect.fail('Expected an error'),
    (thrown) => thrown,
  );
  return [error.code, error.findDetails(OrderErrorDetailSchema)[0]?.code];
}

describe('the service', () => {
  it('has the same orders and balances over HTTP and gRPC', async () => {
    const orders = createClient(OrderService, transport);
    const topUp = { id: 'both-1', userId: 'both', amount: 1200, payload: { card: 'card-1' } };
    expect(await post(topUp)).toMatchObject({ status: 200, body: { balance: 1200 } });
    const headers = client;
    const payload = fromJson(ValueSchema, { items: ['tea'] });
    const order = { id: 'both-2', userId: 'both', amount: -200n, payload };
    const { receipt } = await orders.submitOrder({ order }, { headers });
    expect(receipt?.balance).toBe(1000n);
    const again = await orders.getOrder({ id: 'both-1' }, { headers });
    expect(again.record?.balance).toBe(1200n);
    expect((await get('/users/both/balance', client)).text).toBe(
      '{"userId":"both","balance":1000}',
    );
  });

  it('admits each token to what it is for', async () => {
    const orders = createClient(OrderService, transport);
    for (const headers of [{}, { authorization: 'Bearer client-token-0' }]) {
      expect((await get('/orders', headers)).status).toBe(401);
      expect((await get('/metrics', headers)).status).toBe(401);
      const call = orders.getBalance({ userId: 'u' }, { headers });
      expect(await failure(call)).toEqual([Code.Unauthenticated, 'unauthorized']);
    }
    expect((await get('/orders', client)).status).toBe(200);
    expect((await get('/metrics', operator)).status).toBe(200);
    expect((await get('/stats', operator)).status).toBe(200);
    expect((await get('/orders', operator)).status).toBe(403);
    const order = { userId: 'u', amount: 1, payload: { card: 'c' } };
    expect((await post(order, operator)).status).toBe(403);
    const call = orders.getBalance({ userId: 'u' }, { headers: operator });
    expect(await failure(call)).toEqual([Code.PermissionDenied, 'forbidden']);
  });

  it('compensates the steps of an order that fails', async () => {
    const payload = { card: 'declined', items: ['tea'] };
    const { status, body } = await post({ id: 'back', userId: 'back', amount: 5, payload });
    expect([status, body.code]).toEqual([400, 'card_declined']);
    expect(body.steps).toMatchObject([
      { name: 'reserve', status: 'compensated', compensation: { status: 'ok' } },
      { name: 'charge', status: 'error' },
    ]);
  });

  it.each([
    [{ amount: 1_000_001, payload: { card: 'c' } }, 422, 'amount_too_large'],
    [{ amount: 100, payload: {} }, 422, 'no_card'],
    [{ amount: 100 }, 422, 'no_card'],
    [{ amount: -100 }, 422, 'no_items'],
    [{ amount: -100, payload: { items: ['tea'] } }, 422, 'insufficient_funds'],
    [{ amount: 100, payload: { card: 7 } }, 400, 'invalid_order'],
  ])('refuses or fails %o', async (order, status, code) => {
    expect(await post({ userId: 'poor', ...order })).toMatchObject({ status, body: { code } });
  });

  it('reads no more than BODY_LIMIT_KB, over either protocol', async () => {
    const items = ['x'.repeat(32 * 1_024)];
    const order = { userId: 'u', amount: 1, payload: { items } };
    expect(await post(order)).toMatchObject({ status: 413, body: { code: 'content_too_large' } });
    const orders = createClient(OrderService, transport);
    const payload = fromJson(ValueSchema, { items });
    const call = orders.submitOrder(
      { order: { ...order, amount: 1n, payload } },
      { headers: client },
    );
    expect(await failure(call)).toEqual([Code.ResourceExhausted, undefined]);
  });

  it('answers probes, Prometheus and readers of the contract', async () => {
    for (const path of ['/livez', '/readyz', '/health']) expect((await get(path)).status).toBe(200);
    const { status } = await createClient(Health, transport).check({});
    expect(status).toBe(1);
    const { text } = await get('/metrics', operator);
    expect(text).toMatch(/^order_processor_orders_completed_total [1-9]/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d/m);
    const { paths, components } = JSON.parse((await get('/openapi.json')).text);
    expect(Object.keys(paths)).toContain('/orders');
    expect(JSON.stringify(components)).toContain('"card"');
  });

  it("shows each metric that its dashboard asks for, with values for the storage's", async () => {
    await post({ userId: 'dash', amount: 100, payload: { card: 'c' } });
    const { text } = await get('/metrics', operator);
    const shown = shownIn(text);
    const expressions = expressionsOf();
    expect(expressions.length).toBeGreaterThan(40);
    for (const expression of expressions) {
      const metrics = namesIn(expression);
      expect(metrics, expression).not.toEqual([]);
      expect(metrics.filter((metric) => !shown.has(metric))).toEqual([]);
    }
    for (const histogram of ['call_duration_seconds', 'batch_size']) {
      for (const operation of ['accept', 'settle']) {
        const count = `order_processor_storage_${histogram}_count{operation="${operation}"} `;
        expect(text).toMatch(new RegExp(`^${count}[1-9]`, 'm'));
      }
    }
  });

  it('logs the way of an order by its id, in JSON, and never a payload', async () => {
    const payload = { card: 'canary-card', items: ['canary-item'] };
    await post({ id: 'log-1', userId: 'log', amount: 700, payload });
    await post({
      id: 'log-2',
      userId: 'log',
      amount: -700,
      payload: { items: ['sold-out', 'canary-item'] },
    });
    await post({
      id: 'log-3',
      userId: 'log',
      amount: 700,
      payload: { 'canary-key': 'canary-value' },
    });
    await post({ id: 'log-4', userId: 'log', amount: 700, payload: { items: 'canary-value' } });
    const body = '{"id":"log-5","userId":"log","amount":1,"payload":{"card":"canary-card"';
    const headers = { 'content-type': 'application/json', ...client };
    await fetch(`${url}/orders`, { method: 'POST', headers, body });
    await life.entry('refused', ({ orderId }) => orderId === 'log-4');
    const of = (id: string) =>
      life.entries.filter(({ orderId }) => orderId === id).map(({ msg, code }) => code ?? msg);
    expect(of('log-1')).toEqual(['accepted', 'started', 'stepped', 'stepped', 'completed']);
    expect(of('log-2')).toEqual(['accepted', 'started', 'sold_out', 'sold_out']);
    expect(of('log-3')).toEqual(['invalid_order']);
    for (const { level, time, service } of life.entries) {
      expect(['debug', 'info']).toContain(level);
      expect([service, new Date(String(time)).toISOString()]).toEqual(['order-service', time]);
    }
    expect(life.output).not.toMatch(/canary|token-\d/);
    expect(life.errors).toBe('');
  });

  it('answers probes while clients have all other connections', async () => {
    const { probeUrl, dashboardUrl, url: base } = await life.listening();
    const { port } = new URL(base);
    const sockets = Array.from({ length: 110 }, () => connect(Number(port), '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {});
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    // On a connection of its own, and not on one that was open before.
    const answered = new Promise((resolve) => {
      request({ port, path: '/livez', agent: false }, () => resolve(true))
        .on('error', () => resolve(false))
        .end();
    });
    expect(await answered).toBe(false);
    for (const path of ['/livez', '/readyz', '/health']) {
      expect((await fetch(`${probeUrl}${path}`)).status).toBe(200);
    }
    expect((await fetch(`${probeUrl}/orders`, { headers: client })).status).toBe(404);
    expect((await fetch(`${dashboardUrl}/`)).status).toBe(200);
    expect((await fetch(`${dashboardUrl}/api/session`)).status).toBe(401);
    const session = await fetch(`${dashboardUrl}/api/session`, { headers: client });
    expect(await session.json()).toMatchObject({ role: 'operate', sees: 'all' });
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
  });

  it('keeps a connection for longer than a load balancer does', async () => {
    const response = await fetch(`${url}/livez`);
    expect(response.headers.get('keep-alive')).toBe('timeout=65');
    await response.text();
  });

  it('does not start on a file that is in use, nor on a port', async () => {
    const second = new Life({ env });
    expect(await second.end()).toEqual([1, null]);
    expect(second.entries).toMatchObject([{ level: 'fatal', msg: 'could not start' }]);
    expect(second.output).toContain('is in use by process');

    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const PORT = String((other.address() as AddressInfo).port);
    const third = new Life({ env: { ...env, DATA_DIR: join(folder, 'third'), PORT } });
    expect(await third.end()).toEqual([1, null]);
    expect(third.output).toContain(`address already in use 127.0.0.1:${PORT}`);
    other.close();
  });

  it('says on standard error what is wrong with its settings, and nothing else', async () => {
    const wrong = new Life({ env: { PORT: 'x', CLIENT_TOKENS: 'short' } });
    expect(await wrong.end()).toEqual([1, null]);
    expect(wrong.output).toBe('');
    expect(wrong.errors.split('\n')).toEqual([
      'Expected PORT to be an integer from 0 to 65535, got "x"',
      expect.stringMatching(/^Expected CLIENT_TOKENS to be tokens/),
      '',
    ]);
  });

  it('can be ended before it has loaded anything, as the first process of a container too', async () => {
    const [node = '', ...rest] = fromSources;
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({
        resolve(specifier, context, next) {
          if (specifier.endsWith('/service.ts')) process.kill(process.pid, 'SIGTERM');
          return next(specifier, context);
        },
      });`;
    const command = [node, '--import', `data:text/javascript,${encodeURI(hook)}`, ...rest];
    const early = new Life({ command, env: { ...env, DATA_DIR: join(folder, 'early') } });
    // One that does not heed it would be ended by the signal here, and go on as the first process.
    expect(await early.end()).toEqual([0, null]);
    expect(early.output + early.errors).toBe('');
  });

  it('ends on SIGTERM with what is under way answered, and with 0', async () => {
    const order = {
      id: 'last',
      userId: 'last',
      amount: 10,
      payload: { card: 'c', items: ['tea'] },
    };
    const answer = post(order);
    await life.entry('started', ({ orderId }) => orderId === 'last');
    const ended = life.signal('SIGTERM');
    expect((await answer).body).toMatchObject({ status: 'completed', balance: 10 });
    expect(await ended).toEqual([0, null]);
    expect(life.entries.at(-1)).toMatchObject({ msg: 'closed', unsettled: [], timedOut: false });
    expect(life.errors).toBe('');
  });
});

describe('an error in the log', () => {
  const message = 'Not JSON: {"card":"canary"}\n    at canary (canary.ts:1:1)';

  it('is its name, its code and its place, all the way down', () => {
    const cause = Object.assign(new SyntaxError(message), { code: 'ERR_CANARY_FREE' });
    const told = failureOf(new TypeError(message, { cause }));
    expect(told).toMatchObject({
      name: 'TypeError',
      at: [expect.stringMatching(/service\.test\.ts/), ...(told.at as string[]).slice(1)],
      cause: { name: 'SyntaxError', code: 'ERR_CANARY_FREE' },
    });
    expect(JSON.stringify(told)).not.toContain('canary');
  });

  it('is nothing of what is no error', () => {
    expect(failureOf({ card: 'canary' })).toEqual({ name: 'object' });
    expect(failureOf('canary')).toEqual({ name: 'string' });
    expect(failureOf(undefined)).toEqual({ name: 'undefined' });
  });
});
