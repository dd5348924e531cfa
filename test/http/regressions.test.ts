import { OrderProcessor } from 'order-processor';
import { bearer, createOrderApp, serve, toMinorUnits } from 'order-processor/http';
import { expect, it } from 'vitest';
import { LineParser } from '../../src/http/request/json-lines.ts';
import { draining } from '../../src/server/listening/server-draining.ts';
import { appOf, bodyOf, linesOf, order, problemIn, useServers } from './helpers.ts';

const start = useServers();

it('asking for the head of the events takes no reader’s place', async () => {
  const { app } = appOf({}, { events: { readers: 1 } });
  const head = await app.request('/events', { method: 'HEAD' });
  expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = await app.request('/events');
  expect(events.status).toBe(200);
  await events.body?.cancel();
});

it('JSON nested too deep to look at is the client’s fault', async () => {
  const { post, errors } = appOf();
  const deep = `${'['.repeat(100_000)}1e1${']'.repeat(100_000)}`;
  const response = await post(`{"id":"a","userId":"u-1","amount":1,"payload":${deep}}`);
  await problemIn(response, 400, 'bad_request');
  expect(errors).toEqual([]);
});

it('a payload whose own toJSON throws breaks no list', async () => {
  const { processor, get } = appOf();
  const throws = (): never => {
    throw new Error('No JSON');
  };
  await processor.enqueue({ ...order, payload: { toJSON: throws } });
  await processor.enqueue({ ...order, id: 'o-2', payload: 'text' });
  const { orders } = await bodyOf(await get('/orders'));
  expect(orders.map(({ payload }: { payload: unknown }) => payload)).toEqual(['text', null]);
  expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ id: 'o-1', payload: null });
});

it.each([{}, { cors: { origin: 'https://shop.example' } }])(
  'OPTIONS has the security headers, with %j',
  async (options) => {
    const { app } = appOf({}, options);
    const headers = { origin: 'https://shop.example', 'access-control-request-method': 'POST' };
    const response = await app.request('/orders', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('cache-control')).toBe('no-store');
  },
);

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
      `Expected \`signals\` to be a list of signals that can be heeded, got \`"${signal}"\``,
    );
  },
);

it.each([undefined, null, 'token-of-16-chars', {}])('`bearer` refuses %j for tokens', (tokens) => {
  expect(() => bearer(tokens as never)).toThrow(TypeError);
  expect(() => bearer(tokens as never)).toThrow('Expected `tokens` to be an object with tokens');
});

it.each([-1, 5, 0.5, NaN])('`toMinorUnits` refuses %j decimals', (decimals) => {
  expect(() => toMinorUnits('1', decimals)).toThrow(
    new RangeError(`Expected \`decimals\` to be an integer from 0 to 4, got \`${decimals}\``),
  );
});

it('a stream of events that begins when the server is closing ends at once', async () => {
  const processor = new OrderProcessor();
  const app = createOrderApp(processor);
  draining(processor).abort();
  const response = await app.request('/events');
  expect(await response.text()).toBe('retry: 1000\n\n');
});

it('a batch that begins when the server is closing is refused as a whole', async () => {
  const { processor, batch } = appOf();
  draining(processor).abort();
  await problemIn(await batch(`${JSON.stringify(order)}\n`), 503, 'shut_down');
  expect(processor.stats().accepted).toBe(0);
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
  expect(await problemIn(response, 500, 'internal')).toMatchObject({ orderId: 'o-1' });
});

it('what is `internal` in a batch comes to `onError` too', async () => {
  const bug = new Error('A bug');
  const failing = {
    name: 'work',
    run: () => {
      throw bug;
    },
  };
  const { batch, errors } = appOf({ steps: [failing] });
  const lines = await linesOf(await batch(JSON.stringify(order)));
  expect(lines).toMatchObject([{ index: 0, status: 'failed', code: 'internal' }]);
  expect(errors).toMatchObject([{ code: 'internal', cause: bug }]);
});

it('a `users` that throws in a batch is the host’s fault, not the order’s', async () => {
  const bug = new Error('A bug');
  const users = (): never => {
    throw bug;
  };
  const { batch, errors } = appOf({}, { authenticate: () => ({ users }) });
  const lines = await linesOf(await batch(JSON.stringify(order)));
  expect(lines).toMatchObject([{ index: 0, status: 'refused', code: 'internal' }]);
  expect(lines[0].message).toBe('Something went wrong');
  expect(errors).toEqual([bug]);
});

it.each([[5], ['5'], { toString: () => '5' }])(
  '`toMinorUnits` takes %j for no amount',
  (amount) => {
    expect(() => toMinorUnits(amount as never)).toThrow(expect.objectContaining({ status: 400 }));
  },
);

it('a byte order mark means the same wherever a batch is cut into chunks', () => {
  const bytes = new TextEncoder().encode('\ufeff1\n\ufeff2\n\ufeff3\n\ufeff4');
  for (let at = 0; at <= bytes.length; at += 1) {
    const parser = new LineParser(100);
    const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
    const lines = [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()];
    expect(lines).toEqual([1, 2, 3, 4].map((value) => ({ value })));
  }
});
