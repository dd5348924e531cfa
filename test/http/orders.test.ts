import { maxAmount, urgentAbove } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, range } from '../kit/helpers.ts';
import { appOf, bodyOf, gates, order, problemIn } from './helpers.ts';

describe('POST /orders', () => {
  it('accepts an order, and says where it is', async () => {
    const { post, get, processor } = appOf();
    const response = await post({ ...order, priority: 'high', payload: { dish: 'soup' } });
    expect(response.headers.get('location')).toBe('orders/o-1');
    const record = await bodyOf(response, 202);
    expect(record).toMatchObject({ ...order, priority: 'high', payload: { dish: 'soup' } });
    await processor.onIdle();
    expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ status: 'completed' });
  });

  it('gives an order without an id one', async () => {
    const { post, get } = appOf();
    const response = await post({ userId: 'u-1', amount: 1 });
    const { id } = await bodyOf(response, 202);
    expect(response.headers.get('location')).toBe(`orders/${id}`);
    expect(await bodyOf(await get(`/orders/${id}`))).toMatchObject({ id, userId: 'u-1' });
  });

  it.each([
    [{ ...order, amount: 1.5 }, 'amount'],
    [{ ...order, amount: '1' }, 'amount'],
    [{ ...order, amount: 2 ** 53 }, 'amount'],
    [{ ...order, userId: '' }, 'userId'],
    [{ ...order, userId: 'u'.repeat(257) }, 'userId'],
    [{ ...order, userId: '.' }, 'userId'],
    [{ ...order, id: '..' }, 'id'],
    [{ ...order, id: '\ud800' }, 'id'],
    [{ ...order, id: null }, 'id'],
    [{ ...order, priority: 'urgent' }, 'priority'],
    [{ ...order, extra: 1 }, ''],
    [{ amount: 1 }, 'userId'],
    [[order], ''],
    [null, ''],
    [7, ''],
  ])('refuses %j, and says where it is wrong', async (input, path) => {
    const { post, processor } = appOf();
    const { issues } = await problemIn(await post(input), 400, 'invalid_order');
    expect(issues).toMatchObject([{ path, message: expect.any(String) }]);
    expect(processor.stats().accepted).toBe(0);
  });

  it('takes no query', async () => {
    const { post } = appOf();
    await problemIn(await post(order, {}, '/orders?dry=1'), 400, 'bad_request');
  });
});

describe('GET /orders', () => {
  it('gives each order once, over pages, those accepted last first', async () => {
    const { processor, get } = appOf();
    await processor.submitMany(range(25).map((n) => ({ id: `o-${n}`, userId: 'u', amount: n })));
    const ids: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const query = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await bodyOf(await get(`/orders?limit=10${query}`));
      ids.push(...page.orders.map(({ id }: { id: string }) => id));
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(pages).toBe(3);
    expect(ids).toHaveLength(25);
    expect(new Set(ids)).toEqual(new Set(range(25).map((n) => `o-${n}`)));
    const { orders } = await processor.orders();
    expect(ids).toEqual(orders.map(({ id }) => id));
  });

  it('picks by user, status and time', async () => {
    const { processor, get } = appOf({ minBalance: 0 });
    await processor.submitMany([
      { id: 'a', userId: 'u-1', amount: 1 },
      { id: 'b', userId: 'u-2', amount: 1 },
      { id: 'c', userId: 'u-1', amount: -5 },
    ]);
    const idsOf = async (query: string): Promise<string[]> =>
      (await bodyOf(await get(`/orders?${query}`))).orders
        .map(({ id }: { id: string }) => id)
        .sort();
    expect(await idsOf('userId=u-1')).toEqual(['a', 'c']);
    expect(await idsOf('status=failed')).toEqual(['c']);
    expect(await idsOf('userId=u-2&status=failed')).toEqual([]);
    expect(await idsOf('acceptedBefore=1')).toEqual([]);
    expect(await idsOf('acceptedFrom=1&acceptedBefore=9007199254740991')).toEqual(['a', 'b', 'c']);
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=ten',
    'limit=1e2',
    'status=done',
    'userId=',
    'cursor=nonsense',
    'acceptedFrom=-1',
    'unknown=1',
    'limit=1&limit=2',
    '__proto__=1',
    'constructor=1',
  ])('refuses ?%s', async (query) => {
    const { get, errors } = appOf();
    await problemIn(await get(`/orders?${query}`), 400, 'bad_request');
    expect(errors).toEqual([]);
  });
});

describe('a page of large orders', () => {
  it('invariant 6: ends by size, and its cursor goes on', async () => {
    const { processor, get } = appOf();
    const payload = 'x'.repeat(300_000);
    await processor.submitMany(
      range(10).map((n) => ({ id: `o-${n}`, userId: 'u', amount: 1, payload })),
    );
    const ids: string[] = [];
    let cursor = '';
    do {
      const response = await get(`/orders?limit=1000${cursor}`);
      const text = await response.text();
      expect(text.length).toBeLessThan(1_100_000);
      const page = JSON.parse(text);
      ids.push(...page.orders.map(({ id }: { id: string }) => id));
      cursor = page.cursor && `&cursor=${page.cursor}`;
    } while (cursor);
    expect(ids).toEqual(range(10).map((n) => `o-${9 - n}`));
  });

  it.each([RangeError, TypeError])('a %o of ours is no fault of the client', async (ErrorType) => {
    const { processor, get, errors } = appOf();
    const error = new ErrorType('Invalid string length');
    processor.orders = () => Promise.reject(error);
    const { detail } = await problemIn(await get('/orders'), 500, 'internal');
    expect(detail).not.toContain('Invalid');
    expect(errors).toEqual([error]);
  });

  it('says of a cursor that is none where it is wrong', async () => {
    const { get } = appOf();
    // As it was once.
    const cursor = Buffer.from('1700000000000 o-1').toString('base64url');
    const { issues } = await problemIn(await get(`/orders?cursor=${cursor}`), 400, 'bad_request');
    expect(issues).toEqual([{ path: 'cursor', message: 'Expected the `cursor` of a page' }]);
  });
});

describe('GET and DELETE /orders/{id}', () => {
  it('knows no other orders', async () => {
    const { get, remove } = appOf();
    await problemIn(await get('/orders/none'), 404, 'not_found');
    await problemIn(await remove('/orders/none'), 404, 'not_found');
    await problemIn(await get(`/orders/${'x'.repeat(5_000)}`), 404, 'not_found');
    await problemIn(await get('/orders/%ff'), 404, 'not_found');
  });

  it('cancels one that waits, and says so again', async () => {
    const { step, openAll } = gates();
    const { post, remove, processor } = appOf({ steps: [step] });
    await post(order);
    await post({ ...order, id: 'o-2' });
    expect(await bodyOf(await remove('/orders/o-2'))).toMatchObject({ status: 'canceled' });
    expect(await bodyOf(await remove('/orders/o-2'))).toMatchObject({ status: 'canceled' });
    openAll();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1200);
  });

  it('says 202 while the steps of the one that is canceled end', async () => {
    const answered = deferred();
    const { post, remove, get, processor } = appOf({
      steps: [
        {
          name: 'work',
          run: (_order, { signal }) =>
            new Promise((_, reject) => {
              signal.onabort = () => answered.promise.then(() => reject(signal.reason));
            }),
        },
      ],
    });
    await post(order);
    const record = await bodyOf(await remove('/orders/o-1'), 202);
    expect(record).toMatchObject({ id: 'o-1', status: 'processing' });
    answered.resolve();
    await processor.onIdle();
    expect(await bodyOf(await get('/orders/o-1'))).toMatchObject({ status: 'canceled' });
  });

  it.each([
    ['completed', 1],
    ['failed', -1],
  ])('cancels none that is %s', async (status, amount) => {
    const { post, remove, processor } = appOf({ minBalance: 0 });
    await post({ ...order, amount });
    await processor.onIdle();
    const { detail } = await problemIn(await remove('/orders/o-1'), 409, 'order_settled');
    expect(detail).toContain(status);
  });
});

describe('GET /users/{userId}/balance', () => {
  it('gives the balance of a user that has one', async () => {
    const { post, get, processor } = appOf();
    await post({ ...order, amount: -7 });
    await processor.onIdle();
    expect(await bodyOf(await get('/users/u-1/balance'))).toEqual({ userId: 'u-1', balance: -7 });
    await problemIn(await get('/users/u-2/balance'), 404, 'not_found');
    await problemIn(await get('/users/u-1/balance?date=1'), 400, 'bad_request');
  });
});

describe('what rules say', () => {
  it('comes with the record, and a refusal with its code', async () => {
    const rules = [maxAmount(5_000), urgentAbove(1_000)];
    const { post } = appOf({ rules });
    expect(await bodyOf(await post(order), 202)).toMatchObject({
      priority: 'high',
      labels: ['high_value'],
    });
    const refused = await post({ ...order, id: 'o-2', amount: 5_001 });
    expect(await problemIn(refused, 422, 'amount_too_large')).toMatchObject({
      orderId: 'o-2',
      userId: 'u-1',
      retryable: false,
    });
  });
});
