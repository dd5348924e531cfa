import { connect } from 'node:net';
import {
  OrderError,
  type OrderErrorCode,
  OrderProcessor,
  type OrderProcessorOptions,
  refuse,
} from 'order-processor';
import { createOrderApp, defaultStatuses, HttpError, problem } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { deferred, range, throwing } from '../kit/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { appOf, bodyOf, gates, linesOf, order, problemIn, useServers } from './helpers.ts';

const never = { name: 'work', run: () => deferred().promise };

/** Each code of the library, as it comes about. */
const cases: [OrderErrorCode | 'own' | 'final', number, OrderProcessorOptions, object][] = [
  ['invalid_order', 400, {}, { amount: 0.5 }],
  ['rule_refused', 422, { rules: [() => refuse('rule_refused', 'No')] }, {}],
  ['insufficient_funds', 422, { minBalance: 0 }, { amount: -1 }],
  ['timeout', 422, { steps: [never], timeoutMs: 10, stalledAfterMs: 10 }, {}],
  ['internal', 422, { steps: [throwing(new Error('A secret'))] }, {}],
  ['own', 422, { steps: [throwing(new OrderError('no_courier', 'Nobody'))] }, {}],
  ['final', 400, { steps: [throwing(new OrderError('declined', 'No', { retryable: false }))] }, {}],
];
const named: Record<string, string> = { own: 'no_courier', final: 'declined' };

describe('an order’s error', () => {
  it.each(cases)('%s is %i', async (name, status, options, fields) => {
    const { processor, post, errors } = appOf(options);
    processor.on('stalled', () => {});
    const response = await post({ ...order, ...fields }, { prefer: 'wait=10' });
    const text = await response.clone().text();
    await problemIn(response, status, named[name] ?? name);
    expect(text).not.toContain('secret');
    expect(errors).toHaveLength(name === 'internal' ? 1 : 0);
  });

  it('order_conflict is 409', async () => {
    const { post } = appOf();
    await post(order);
    await problemIn(await post({ ...order, amount: 1 }), 409, 'order_conflict');
  });

  it('balance_overflow is 422', async () => {
    const { post } = appOf();
    await post({ userId: 'u-1', amount: Number.MAX_SAFE_INTEGER });
    const response = await post({ userId: 'u-1', amount: 1 }, { prefer: 'wait=1' });
    await problemIn(response, 422, 'balance_overflow');
  });

  it('queue_full is 503, with the time after which to come again', async () => {
    const { step } = gates();
    const { post } = appOf({ capacity: 1, steps: [step] });
    await post(order);
    const response = await post({ ...order, id: 'o-2' });
    const after = Number(response.headers.get('retry-after'));
    const { retryAfterMs, retryable } = await problemIn(response, 503, 'queue_full');
    expect(retryable).toBe(true);
    expect(after).toBe(Math.ceil(retryAfterMs / 1_000));
  });

  it('shut_down is 503', async () => {
    const { post, processor } = appOf();
    await processor.shutdown();
    await problemIn(await post(order), 503, 'shut_down');
  });

  it('canceled is 409, with the steps that there were', async () => {
    const { step } = gates();
    const { post, processor } = appOf({ steps: [step] });
    const response = post(order, { prefer: 'wait=10' });
    await new Promise<void>((resolve) => processor.on('started', () => resolve()));
    await processor.cancel('o-1');
    const { steps } = await problemIn(await response, 409, 'canceled');
    expect(steps).toMatchObject([{ name: 'work' }]);
  });
});

describe('an outcome that is remembered does not ask the client to repeat the request', () => {
  const busy = (): never => {
    throw new OrderError('queue_full', 'Of the vendor', { retryAfterMs: 5_000 });
  };
  const cases: [string, number, OrderProcessorOptions][] = [
    ['internal', 422, { steps: [{ name: 'vendor', run: busy }] }],
    ['no_courier', 422, { steps: [throwing(new OrderError('no_courier', 'Nobody'))] }],
    ['timeout', 422, { steps: [never], timeoutMs: 10, stalledAfterMs: 10 }],
  ];

  it.each(cases)('%s is %i, at first and ever after', async (code, status, options) => {
    const { processor, post, errors } = appOf(options);
    processor.on('stalled', () => {});
    for (const _ of range(3)) {
      const response = await post(order, { prefer: 'wait=10' });
      expect(response.headers.has('retry-after')).toBe(false);
      expect(await problemIn(response, status, code)).toMatchObject({ outcome: 'failed' });
    }
    expect(errors).toHaveLength(code === 'internal' ? 1 : 0);
  });

  it('nor does `onError` get it again, from a batch or a storage that keeps orders', async () => {
    const storage = new KeptStorage(undefined, 'json');
    const bug = { name: 'vendor', run: () => Promise.reject(new TypeError('A bug')) };
    const { post, batch, errors, processor } = appOf({ storage, steps: [bug] });
    const waiting = [order, order].map((each) => post(each, { prefer: 'wait=10' }));
    for (const response of await Promise.all(waiting)) {
      const { detail } = await problemIn(response, 422, 'internal');
      expect(detail).toBe('Something went wrong');
    }
    const line = JSON.stringify(order);
    const lines = await linesOf(await batch(`${line}\n${line}\n`));
    expect(lines).toMatchObject([{ code: 'internal' }, { code: 'internal' }]);
    await problemIn(await post(order, { prefer: 'wait=10' }), 422, 'internal');
    expect(errors).toMatchObject([{ code: 'internal', cause: { message: 'A bug' } }]);
    await processor.shutdown();
  });

  it('though the host has another status for its code', async () => {
    const steps = [throwing(new OrderError('no_courier', 'Nobody'))];
    const { post } = appOf({ steps }, { statuses: { no_courier: 503 } });
    const response = await post(order, { prefer: 'wait=10' });
    expect([response.status, response.headers.has('retry-after')]).toEqual([503, false]);
  });

  it('but for one that may come again as it is', async () => {
    const unread = new Error('The disk cannot be read');
    const storage = { get: () => Promise.reject(unread), apply: () => [] };
    const { post } = appOf({ storage, minBalance: 0, steps: [never] });
    const response = await post({ ...order, amount: -1 }, { prefer: 'wait=10' });
    const problem = await problemIn(response, 503, 'storage_failed');
    expect(problem).toMatchObject({ outcome: 'failed', retryable: true });
  });
});

describe('`problem` and the app answer the same error with the same status', () => {
  const cases: [string, OrderProcessorOptions, object][] = [
    ['of a rule', { rules: [() => refuse('too_late', 'No')] }, {}],
    ['of a step', { steps: [throwing(new OrderError('no_courier', 'Nobody'))] }, {}],
    ['of a step, for good', { steps: [throwing({ code: 'declined', retryable: false })] }, {}],
    ['of the processor', { minBalance: 0 }, { amount: -1 }],
    ['of a full queue', { steps: [never], capacity: 1 }, { id: 'o-2' }],
  ];

  it.each(cases)('%s', async (_, options, fields) => {
    const { processor, post } = appOf(options);
    if (options.capacity === 1) await processor.enqueue(order);
    const response = await post({ ...order, ...fields }, { prefer: 'wait=10' });
    const error = await processor.submit({ ...order, ...fields }).catch((thrown) => thrown);
    const own = problem(error);
    expect(own.status).toBe(response.status);
    expect(own.headers.get('retry-after')).toBe(response.headers.get('retry-after'));
    const [{ outcome }, problemOfApp] = [JSON.parse(await own.text()), await response.text()];
    expect(outcome).toBe(JSON.parse(problemOfApp).outcome);
  });
});

describe('the table', () => {
  it('has every code of the library that a caller can get', () => {
    expect(defaultStatuses).toEqual({
      invalid_order: 400,
      order_conflict: 409,
      rule_refused: 422,
      queue_full: 503,
      shut_down: 503,
      insufficient_funds: 422,
      balance_overflow: 422,
      timeout: 504,
      canceled: 408,
      expired: 409,
      history_forgotten: 410,
      storage_failed: 503,
      deadlock: 500,
      not_held: 409,
      not_failed: 409,
      internal: 500,
    });
    expect(Object.isFrozen(defaultStatuses)).toBe(true);
  });

  it.each(Object.entries(defaultStatuses))(
    'is what `problem` answers: %s is %i',
    async (code, status) => {
      await problemIn(problem(new OrderError(code, 'Why')), status, code);
    },
  );

  it('can be replaced, for codes of steps too', async () => {
    const statuses = { insufficient_funds: 402, no_courier: 409 };
    const steps = [throwing(new OrderError('no_courier', 'Nobody'))];
    const { post } = appOf({ minBalance: 0, steps }, { statuses });
    const poor = await post({ ...order, amount: -1 }, { prefer: 'wait=1' });
    await problemIn(poor, 402, 'insufficient_funds');
    const unserved = await post({ ...order, id: 'o-2' }, { prefer: 'wait=1' });
    await problemIn(unserved, 409, 'no_courier');
    await problemIn(await post({ ...order, id: '' }), 400, 'invalid_order');
  });

  it('takes no code from a prototype', async () => {
    const { status } = problem(new OrderError('constructor', 'Why'));
    expect(status).toBe(503);
  });
});

describe('problem', () => {
  it('shows the facts of an HttpError', async () => {
    const issues = [{ path: 'a', message: 'b' }];
    const error = new HttpError(418, 'teapot', 'Short and stout', {
      headers: { 'x-own': '1' },
      issues,
      cause: new Error('A secret'),
    });
    const response = problem(error);
    expect(response.headers.get('x-own')).toBe('1');
    expect(await bodyOf(response, 418)).toEqual({
      type: 'about:blank',
      title: "I'm a Teapot",
      status: 418,
      detail: 'Short and stout',
      code: 'teapot',
      issues,
    });
  });

  it.each([new Error('A secret'), 'a secret', undefined, null, { status: 200 }])(
    'tells nothing of %j',
    async (thrown) => {
      const text = JSON.stringify(await problemIn(problem(thrown), 500, 'internal'));
      expect(text).not.toContain('secret');
    },
  );

  it.each([200, 399, 600, 404.5, '404'])('an HttpError has no status %j', (status) => {
    expect(() => new HttpError(status as number, 'a', 'b')).toThrow(RangeError);
  });
});

it('an error of a host’s own that is no JSON is still a problem, with its code', async () => {
  const circle: Record<string, unknown> = {};
  circle.issues = [circle];
  for (const error of [
    new HttpError(422, 'own', 'No', { issues: [circle as never] }),
    new OrderError('own', 'No', { outcome: 'refused', labels: [1n as never] }),
  ]) {
    const { detail } = await problemIn(problem(error), 422, 'own');
    expect(detail).toBe('No');
  }
});

it.each([
  (): never => {
    throw new Error('The log is full');
  },
  // What it leaves unhandled would fail the run.
  (): Promise<never> => Promise.reject(new Error('The log is full')),
])('an `onError` that throws or rejects changes no answer', async (onError) => {
  const failing = {
    name: 'work',
    run: () => {
      throw new Error('A bug');
    },
  };
  const { post } = appOf({ steps: [failing] }, { onError });
  const response = await post(order, { prefer: 'wait=5' });
  expect(response.headers.get('location')).toBe('orders/o-1');
  expect(await problemIn(response, 422, 'internal')).toMatchObject({ orderId: 'o-1' });
});

const start = useServers();

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
