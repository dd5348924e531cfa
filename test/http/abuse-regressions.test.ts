/** What abuse has found, each by itself. */
import { OrderProcessor } from 'order-processor';
import { createOrderApp, toMinorUnits } from 'order-processor/http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { range } from '../kit/helpers.ts';

let processor: OrderProcessor;
let app: ReturnType<typeof createOrderApp>;
let internal: unknown[];
beforeEach(() => {
  internal = [];
  processor = new OrderProcessor();
  app = createOrderApp(processor, {
    onError: (error) => internal.push(error),
    events: { readers: 2 },
  });
});
afterEach(() => processor.shutdown());

function post(body: string, headers: Record<string, string> = {}): Promise<Response> {
  const own = { 'content-type': 'application/json', ...headers };
  return Promise.resolve(app.request('/orders', { method: 'POST', headers: own, body }));
}

function nested(depth: number, inner: string): string {
  return `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;
}

describe('a body that is made to hurt', () => {
  it.each([
    ['a long number', '12345678901234567890'],
    ['a name to look at', '{"constructor":1}'],
  ])('is refused when it is nested too deep to look for %s', async (_, inner) => {
    const response = await post(`{"userId":"u","amount":1,"payload":${nested(100_000, inner)}}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'bad_request' });
    expect(internal).toEqual([]);
  });

  it('says so of a line, too', async () => {
    const body = `{"userId":"u","amount":1,"payload":${nested(100_000, '1e5')}}\n`;
    const headers = { 'content-type': 'application/x-ndjson' };
    const response = await app.request('/orders/batch', { method: 'POST', headers, body });
    expect(await response.json()).toMatchObject({ index: 0, code: 'bad_request' });
  });

  // Many seconds, when it took a time that grows with the square: the time limit is the proof.
  it('takes no time for a number with many zeros inside', { timeout: 5_000 }, async () => {
    const number = `1${'0'.repeat(200_000)}1`;
    expect((await post(`{"userId":"u","amount":${number}}`)).status).toBe(400);
    expect(() => toMinorUnits(number)).toThrow('safe integers');
  });

  it('takes no time for a content type with many spaces inside', { timeout: 5_000 }, async () => {
    const type = `application/json;${' '.repeat(200_000)}x`;
    expect((await post('{}', { 'content-type': type })).status).toBe(415);
  });
});

describe('HEAD of the events', () => {
  it('takes no place of a reader', async () => {
    for (const _ of range(5)) {
      const response = await app.request('/events', { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('text/event-stream');
    }
  });
});

describe('a name of 129 characters that are two code units each', () => {
  const name = '👍'.repeat(129);

  it.each(['/orders', '/events'])(
    'is too long for %s, as it is for the processor',
    async (path) => {
      const response = await app.request(`${path}?userId=${encodeURIComponent(name)}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ issues: [{ path: 'userId' }] });
      expect(internal).toEqual([]);
    },
  );
});
