import { describe, expect, it } from 'vitest';
import { appOf, bodyOf, order, problemIn } from './helpers.ts';

const { id: _, ...nameless } = order;

describe('Idempotency-Key', () => {
  it.each([
    ['o-7', 'o-7'],
    ['"o-7"', 'o-7'],
    [String.raw`"o \"7\" \\"`, String.raw`o "7" \ `.trim()],
    ['"a, b; c"', 'a, b; c'],
    ["o-7!#$%&'()*+-./:<=>?@[]^_`{|}~", "o-7!#$%&'()*+-./:<=>?@[]^_`{|}~"],
    ['o 7/?#%41', 'o 7/?#%41'],
    ['k'.repeat(256), 'k'.repeat(256)],
  ])('%s is the id', async (key, id) => {
    const { post, get } = appOf();
    const response = await post(nameless, { 'idempotency-key': key });
    const location = response.headers.get('location') as string;
    expect((await bodyOf(response, 202)).id).toBe(id);
    expect((await bodyOf(await get(`/${location}`))).id).toBe(id);
  });

  it.each([
    ...['', '""', '.', '..', '"."', 'k'.repeat(257)],
    ...['"o-7', 'o"7', '"a" "b"', '"a", "b"', 'a, b', 'a,b', '"a",', '"o-7"; ttl=5', 'o-7;ttl=5'],
    ...['é', '"é"', String.raw`"a\b"`],
  ])('%j is none', async (key) => {
    const { post, processor } = appOf();
    await problemIn(await post(nameless, { 'idempotency-key': key }), 400, 'bad_request');
    expect(processor.stats().accepted).toBe(0);
  });

  it('sent twice is none, and makes no order (invariant 5)', async () => {
    const { app, processor } = appOf();
    for (const keys of [
      ['k-1', 'k-1'],
      ['"k-1"', '"k-2"'],
      ['k-1', ''],
    ]) {
      const headers = new Headers({ 'content-type': 'application/json' });
      for (const key of keys) headers.append('idempotency-key', key);
      const body = JSON.stringify(nameless);
      const response = await app.request('/orders', { method: 'POST', headers, body });
      await problemIn(response, 400, 'bad_request');
    }
    expect(processor.stats().accepted).toBe(0);
  });

  it('may be in the body too, if it is the same', async () => {
    const { post, processor } = appOf();
    expect((await post(order, { 'idempotency-key': '"o-1"' })).status).toBe(202);
    await problemIn(await post(order, { 'idempotency-key': 'o-2' }), 400, 'bad_request');
    expect(processor.stats().accepted).toBe(1);
  });
});

describe('the same id twice', () => {
  it('is the same order, if the content is the same', async () => {
    const { post, processor } = appOf();
    const input = { ...order, payload: { items: [1, 2] } };
    const first = await bodyOf(await post(input, { prefer: 'wait=5' }));
    const second = await bodyOf(await post(input, { prefer: 'wait=5' }));
    expect(second).toEqual(first);
    expect(await bodyOf(await post({ ...input, priority: 'low' }), 202)).toMatchObject({
      id: 'o-1',
      status: 'completed',
    });
    expect(await processor.balance('u-1')).toBe(1200);
    expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 3 - 1 });
  });

  it.each([{ amount: 1 }, { userId: 'u-2' }, { payload: { items: [2, 1] } }])(
    'is a conflict with %j',
    async (other) => {
      const { post, processor } = appOf();
      const input = { ...order, payload: { items: [1, 2] } };
      await post(input);
      await problemIn(await post({ ...input, ...other }), 409, 'order_conflict');
      await processor.onIdle();
      expect(await processor.balance('u-1')).toBe(1200);
    },
  );

  it('at once is one order, however many come', async () => {
    const { post, processor } = appOf({ steps: [{ name: 'work', run: async () => {} }] });
    const all = await Promise.all(
      Array.from({ length: 20 }, () => post(order, { prefer: 'wait=5' })),
    );
    const balances = await Promise.all(all.map(async (each) => (await bodyOf(each)).balance));
    expect(new Set(balances)).toEqual(new Set([1200]));
    expect(await processor.balance('u-1')).toBe(1200);
  });

  it('gives a failed order its error again', async () => {
    const { post } = appOf({ minBalance: 0 });
    for (const _try of [1, 2]) {
      const response = await post({ ...order, amount: -1 }, { prefer: 'wait=5' });
      await problemIn(response, 422, 'insufficient_funds');
    }
  });
});
