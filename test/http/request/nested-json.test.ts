import { OrderProcessor } from 'order-processor';
import { createOrderApp, toMinorUnits } from 'order-processor/http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appOf, bodyOf, problemIn } from '../helpers.ts';

it('JSON nested too deep to look at is the client’s fault', async () => {
  const { post, errors } = appOf();
  const deep = `${'['.repeat(100_000)}1e1${']'.repeat(100_000)}`;
  const response = await post(`{"id":"a","userId":"u-1","amount":1,"payload":${deep}}`);
  await problemIn(response, 400, 'bad_request');
  expect(errors).toEqual([]);
});

it('JSON may have 200 levels', async () => {
  const { post } = appOf();
  const nested = (depth: number) => `${'['.repeat(depth)}"[[["${']'.repeat(depth)}`;
  const body = (depth: number) => `{"userId":"u-1","amount":1,"payload":${nested(depth)}}`;
  await bodyOf(await post(body(199)), 202);
  await problemIn(await post(body(200)), 400, 'bad_request');
});

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
