import { type HttpErrorCode, readJson } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../kit/helpers.ts';
import { appOf, linesOf, order, problemIn } from '../helpers.ts';

const json = JSON.stringify(order);

function request(
  body: BodyInit | ReadableStream,
  type = 'application/json',
  headers = {},
): Request {
  return new Request('http://localhost/orders', {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body,
    duplex: 'half',
  } as RequestInit);
}

type BodyInit = string | Uint8Array<ArrayBuffer>;

/** A body in pieces, which says whether it was read to its end or given up. */
function pieces(parts: readonly Uint8Array[]) {
  const state = { pulled: 0, isCanceled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const part = parts[state.pulled];
        state.pulled += 1;
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
      cancel() {
        state.isCanceled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, state };
}

describe('the content type', () => {
  it.each([
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json ; charset=utf-8 ;',
    'application/vnd.shop+json',
    'application/json; charset=utf8',
    'application/json;CHARSET="Utf8"',
    'application/json; boundary=x',
    'application/json; profile="a; \\"b\\"=c"; charset=utf-8',
  ])('%s is JSON', async (type) => {
    const { app } = appOf();
    expect((await app.request(request(json, type))).status).toBe(202);
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/x-ndjson',
    'application/json, text/plain',
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=latin1',
    'application/json; charset=utf-88',
    'application/json charset=utf-8',
    'application/json; boundary',
    '',
  ])('%j is none', async (type) => {
    const { app, processor } = appOf();
    const response = await app.request(request(json, type));
    expect(response.headers.get('accept')).toBe('application/json');
    await problemIn(response, 415, 'unsupported_media_type');
    expect(processor.stats().accepted).toBe(0);
  });

  it('of bytes without one is none', async () => {
    const { app } = appOf();
    const body = new TextEncoder().encode(json);
    const response = await app.request('/orders', { method: 'POST', body });
    await problemIn(response, 415, 'unsupported_media_type');
  });

  it.each(['gzip', 'br', 'identity, gzip'])('with encoding %s is refused', async (encoding) => {
    const { app } = appOf();
    const response = await app.request(request(json, undefined, { 'content-encoding': encoding }));
    await problemIn(response, 415, 'unsupported_media_type');
  });

  it.each([
    'application/x-ndjson',
    'application/ndjson',
    'application/jsonl',
    'application/json-lines',
  ])('of a batch may be %s', async (type) => {
    const { batch } = appOf();
    expect(await linesOf(await batch(json, { 'content-type': type }))).toHaveLength(1);
  });

  it.each(['application/json', 'text/plain', 'application/x-ndjson; charset=latin1'])(
    'of a batch is not %s',
    async (type) => {
      const { batch } = appOf();
      const response = await batch(json, { 'content-type': type });
      await problemIn(response, 415, 'unsupported_media_type');
    },
  );
});

describe('the limit', () => {
  const padded = (length: number): string => json.padEnd(length);

  it('is 1 MiB by default, exactly', async () => {
    const { app } = appOf();
    expect((await app.request(request(padded(1_048_576)))).status).toBe(202);
    const response = await app.request(request(padded(1_048_577)));
    const { detail } = await problemIn(response, 413, 'content_too_large');
    expect(detail).toBe('The body has more than 1048576 bytes');
  });

  it('holds for a body that says its length, which is then not read', async () => {
    const { app } = appOf({}, { bodyLimitBytes: 100 });
    const { stream, state } = pieces([new Uint8Array(50)]);
    const headers = { 'content-length': '101' };
    const response = await app.request(request(stream, undefined, headers));
    await problemIn(response, 413, 'content_too_large');
    expect(state.pulled).toBe(0);
  });

  it('holds for one that does not, whose rest is not read', async () => {
    const { app } = appOf({}, { bodyLimitBytes: 100 });
    const { stream, state } = pieces(new Array(1_000).fill(new Uint8Array(60)));
    await problemIn(await app.request(request(stream)), 413, 'content_too_large');
    expect(state).toEqual({ pulled: 2, isCanceled: true });
  });

  it('holds for each line of a batch', async () => {
    const { batch } = appOf({}, { bodyLimitBytes: 100 });
    const lines = await linesOf(await batch(`${padded(100)}\n${padded(101)}\n${json}`));
    expect(lines).toMatchObject([
      { index: 0, status: 'completed' },
      { index: 1, status: 'refused', code: 'content_too_large' },
      { index: 2, status: 'completed' },
    ]);
  });
});

describe('a body that is none', () => {
  it.each([
    ['', 'one JSON value'],
    ['{"id":', 'one JSON value'],
    [`${json}${json}`, 'one JSON value'],
    ['id=o-1', 'one JSON value'],
    [Uint8Array.of(0x22, 0xff, 0x22), 'UTF-8'],
    ['{"userId":"u","amount":9007199254740993}', 'hold exactly'],
    ['{"userId":"u","amount":1,"__proto__":{"id":"x"}}', '`__proto__` is not allowed'],
    ['{"userId":"u","amount":1,"payload":{"\\u005f_proto__":1}}', '`__proto__` is not allowed'],
  ])('%j is refused', async (body, detail) => {
    const { app, errors } = appOf();
    const problem = await problemIn(await app.request(request(body)), 400, 'bad_request');
    expect(problem.detail).toContain(detail);
    expect(errors).toEqual([]);
  });

  it('is refused when it ends too soon', async () => {
    const { app, errors } = appOf();
    const stream = new ReadableStream({
      pull: (controller) => controller.error(new Error('aborted')),
    });
    const problem = await problemIn(await app.request(request(stream)), 400, 'bad_request');
    expect(problem.detail).toBe('The body ended before it was whole');
    expect(errors).toEqual([]);
  });

  it('is refused when it does not come in time', async () => {
    const { app, processor } = appOf({}, { readTimeoutMs: 10 });
    const stream = new ReadableStream({ pull: () => deferred().promise });
    await problemIn(await app.request(request(stream)), 408, 'request_timeout');
    expect(processor.stats().accepted).toBe(0);
  });

  it('is the host’s fault when it is being read by another', async () => {
    const { app, errors } = appOf();
    const locked = request(json);
    locked.body?.getReader();
    await problemIn(await app.request(locked), 500, 'internal');
    expect(errors).toHaveLength(1);
  });

  it('is the host’s fault when its pieces are no bytes', async () => {
    const { app, errors } = appOf();
    const stream = new ReadableStream({ start: (controller) => controller.enqueue({ a: 1 }) });
    await problemIn(await app.request(request(stream)), 500, 'internal');
    expect(errors).toHaveLength(1);
  });

  it('is the host’s fault when it was read before', async () => {
    const { app, errors } = appOf();
    const used = request(json);
    await used.text();
    await problemIn(await app.request(used), 500, 'internal');
    expect(errors).toMatchObject([{ message: expect.stringContaining('body parser') }]);
  });
});

describe('what is no UTF-8', () => {
  // Each has as many bytes as the text that a lossy decoder makes of it, or more, or fewer.
  const broken = [
    ['a four-byte character that is cut', [0xf0, 0x9f, 0x98]],
    ['another one', [0xf0, 0x9f, 0x99]],
    ['a lone byte', [0xff]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
  ] as const;
  const withId = (bytes: readonly number[]): Uint8Array<ArrayBuffer> =>
    Uint8Array.from([
      ...Buffer.from('{"userId":"u-1","amount":1,"id":"o'),
      ...bytes,
      ...Buffer.from('"}'),
    ]);

  it.each(broken)('is refused with and without a length: %s (invariant 5)', async (_, bytes) => {
    const { app, processor } = appOf();
    const body = withId(bytes);
    for (const headers of [{}, { 'content-length': String(body.length) }]) {
      const response = await app.request(request(body, undefined, headers));
      const { detail } = await problemIn(response, 400, 'bad_request');
      expect(detail).toBe('Expected UTF-8');
    }
    expect(processor.stats().accepted).toBe(0);
  });

  it.each(broken)('is refused in a line of a batch: %s', async (_, bytes) => {
    const { batch } = appOf();
    const lines = await linesOf(
      await batch(Buffer.concat([withId(bytes), Buffer.from(`\n${json}`)])),
    );
    expect(lines).toMatchObject([{ status: 'refused' }, { status: 'completed' }]);
  });

  it.each(['\ufffd', '\ufeff\ufffd', 'x\ufeff'])(
    'is not the character %j, with a byte order mark before the body or without',
    async (character) => {
      for (const mark of ['', '\ufeff']) {
        const { app } = appOf();
        const text = `${mark}${JSON.stringify({ ...order, id: `o${character}` })}`;
        for (const headers of [{}, { 'content-length': String(Buffer.byteLength(text)) }]) {
          const response = await app.request(request(text, undefined, headers));
          expect(await response.json()).toMatchObject({ id: `o${character}` });
        }
      }
    },
  );
});

describe('a key that an object has twice', () => {
  it.each([
    '{"id":"a","userId":"u-1","amount":1,"id":"b"}',
    '{"userId":"u-1","amount":1,"\\u0061mount":100}',
    '{"userId":"u-1","amount":1,"payload":{"a":[{"b":1,"b":1}]}}',
  ])('is refused, in a line of a batch too: %s', async (body) => {
    const { app, batch, processor } = appOf();
    const { detail } = await problemIn(await app.request(request(body)), 400, 'bad_request');
    expect(detail).toMatch(/^Expected each key of an object once, got `(id|amount|b)` twice$/);
    const lines = await linesOf(await batch(`${body}\n${json}`));
    expect(lines).toMatchObject([
      { status: 'refused', code: 'bad_request' },
      { status: 'completed' },
    ]);
    expect(processor.stats().accepted).toBe(1);
  });
});

describe('readJson', () => {
  it('is the same for routes of a host’s own', async () => {
    expect(await readJson(request('{"a":[1]}'))).toEqual({ a: [1] });
    const codeOf = (given: Request, options = {}): Promise<HttpErrorCode> =>
      readJson(given, options).then(
        () => 'completed',
        ({ code }) => code,
      ) as Promise<HttpErrorCode>;
    expect(await codeOf(request('{'))).toBe('bad_request');
    expect(await codeOf(request('{}', 'text/html'))).toBe('unsupported_media_type');
    expect(await codeOf(request('[1,2]'), { bodyLimitBytes: 4 })).toBe('content_too_large');
    const stream = new ReadableStream({ pull: () => deferred().promise });
    expect(await codeOf(request(stream), { readTimeoutMs: 1 })).toBe('request_timeout');
  });

  it.each([{ bodyLimitBytes: 0 }, { readTimeoutMs: 1.5 }, { limit: 1 }, null])(
    'refuses the options %j',
    async (options) => {
      await expect(readJson(request('{}'), options as never)).rejects.toThrow(/^Expected /);
    },
  );
});
