import { OrderProcessor } from 'order-processor';
import { createOrderRoutes } from 'order-processor/grpc';
import { type Access, bearer, HttpError } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { appOf, bodyOf, linesOf, order, problemIn } from './helpers.ts';

const tokens = {
  operator: 'an-operators-long-random-token',
  user: 'the-long-random-token-of-u-1',
  shop: 'the-long-random-token-of-shop',
  watcher: 'the-long-random-token-of-watcher',
  superuser: 'all-users-but-no-operators-token',
};

const authenticate = bearer({
  [tokens.operator]: { users: 'all' },
  [tokens.user]: { users: ['u-1', 'u-1b'], mayAddMoney: true },
  [tokens.shop]: { users: (id) => id.startsWith('shop:'), mayAddMoney: true },
  [tokens.watcher]: { users: [], isOperator: true },
  [tokens.superuser]: { users: 'all', isOperator: false },
});

const as = (who: keyof typeof tokens) => ({ authorization: `Bearer ${tokens[who]}` });
const metrics = { contentType: 'text/plain', metrics: async () => '' };
const guarded = (options = {}) => appOf({}, { authenticate, metrics, ...options });

const routes: [method: string, path: string][] = [
  ['POST', '/orders'],
  ['POST', '/orders/batch'],
  ['GET', '/orders'],
  ['GET', '/orders/o-1'],
  ['DELETE', '/orders/o-1'],
  ['GET', '/users/u-1/balance'],
  ['POST', '/users/u-1/hold'],
  ['DELETE', '/users/u-1/hold'],
  ['GET', '/holds'],
  ['GET', '/users/u-1/movements'],
  ['GET', '/outcomes'],
  ['GET', '/stats'],
  ['GET', '/metrics'],
  ['GET', '/events'],
];

describe('credentials', () => {
  it.each(routes)('are needed for %s %s', async (method, path) => {
    const { app, processor } = guarded();
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer wrong-token-of-some-length',
      `Bearer ${tokens.user}x`,
      `Bearer ${tokens.user.slice(0, -1)}`,
      `Bearer ${tokens.user} ${tokens.operator}`,
      `Basic ${tokens.operator}`,
      tokens.operator,
    ]) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const response = await app.request(path, { method, headers });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      await problemIn(response, 401, 'unauthorized');
    }
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 0 });
  });

  it.each(['/health', '/livez', '/readyz', '/openapi.json'])('are not for %s', async (path) => {
    expect((await guarded().get(path)).status).toBe(200);
  });

  it('may come with a scheme in any case', async () => {
    const { get } = guarded();
    const headers = { authorization: `bearer  ${tokens.operator} ` };
    expect((await get('/stats', headers)).status).toBe(200);
  });
});

describe('a client that acts for some users', () => {
  it.each([
    ['user', 'u-1'],
    ['user', 'u-1b'],
    ['shop', 'shop:7'],
    ['operator', 'u-9'],
    ['superuser', 'u-9'],
  ] as const)('%s hands in, sees and cancels orders of %s', async (who, userId) => {
    const { post, get, remove, processor } = guarded();
    processor.pause();
    expect((await post({ ...order, userId }, as(who))).status).toBe(202);
    const query = new URLSearchParams({ userId });
    expect((await get(`/orders/o-1?${query}`, as(who))).status).toBe(200);
    expect((await bodyOf(await get(`/orders?${query}`, as(who)))).orders).toHaveLength(1);
    expect((await remove(`/orders/o-1?${query}`, as(who))).status).toBe(200);
  });

  it.each([
    ['user', 'u-2'],
    ['user', 'u-'],
    ['shop', 'u-1'],
  ] as const)('%s may do nothing for %s', async (who, userId) => {
    const { post, batch, get, remove, processor } = guarded();
    await processor.submit({ ...order, userId });
    await problemIn(await post({ userId, amount: 1 }, as(who)), 403, 'forbidden');
    await problemIn(await get(`/users/${userId}/balance`, as(who)), 403, 'forbidden');
    await problemIn(await get(`/orders?userId=${userId}`, as(who)), 403, 'forbidden');
    await problemIn(await get(`/orders`, as(who)), 403, 'forbidden');
    await problemIn(await get('/orders/o-1', as(who)), 404, 'not_found');
    await problemIn(await remove('/orders/o-1', as(who)), 404, 'not_found');
    const none = await (await get('/orders/none', as(who))).text();
    expect(await (await get('/orders/o-1', as(who))).text()).toBe(none);
    const lines = await linesOf(await batch(JSON.stringify({ userId, amount: 1 }), as(who)));
    expect(lines).toMatchObject([{ status: 'refused', code: 'forbidden' }]);
    expect(processor.stats().accepted).toBe(1);
  });

  it('watcher, an operator, reads the order of u-1 and may do nothing else for it', async () => {
    const { post, get, remove, processor } = guarded();
    await processor.submit({ ...order });
    await problemIn(await post({ userId: 'u-1', amount: 1 }, as('watcher')), 403, 'forbidden');
    await problemIn(await get('/users/u-1/balance', as('watcher')), 403, 'forbidden');
    await problemIn(await get('/orders?userId=u-1', as('watcher')), 403, 'forbidden');
    await problemIn(await get('/orders', as('watcher')), 403, 'forbidden');
    expect(await bodyOf(await get('/orders/o-1', as('watcher')))).toMatchObject({ id: 'o-1' });
    await problemIn(await remove('/orders/o-1', as('watcher')), 403, 'forbidden');
    expect(processor.stats().accepted).toBe(1);
  });

  it('learns nothing of another user’s order by its id, which is another order of its own', async () => {
    const { post, processor } = guarded();
    await processor.submit({ ...order, userId: 'u-2', payload: 'private' });
    const record = await bodyOf(await post({ ...order, amount: 1 }, as('user')), 202);
    expect(record).toMatchObject({ id: 'o-1', userId: 'u-1', amount: 1 });
    expect(JSON.stringify(record)).not.toMatch(/u-2|private|\b1200\b/);
  });
});

describe('what is about everybody', () => {
  it.each(['/stats', '/metrics', '/events'])('%s is for operators', async (path) => {
    const { get } = guarded();
    for (const who of ['user', 'shop', 'superuser'] as const) {
      await problemIn(await get(path, as(who)), 403, 'forbidden');
    }
    for (const who of ['operator', 'watcher'] as const) {
      const response = await get(path, as(who));
      expect(response.status).toBe(200);
      await response.body?.cancel();
    }
  });

  it('events of a user are for those who act for it', async () => {
    const { get } = guarded();
    const mine = await get('/events?userId=u-1', as('user'));
    expect(mine.status).toBe(200);
    await mine.body?.cancel();
    await problemIn(await get('/events?userId=u-2', as('user')), 403, 'forbidden');
    await problemIn(await get('/events?userId=u-1', as('watcher')), 403, 'forbidden');
  });
});

describe('authenticate', () => {
  it('may take its time, and say something else', async () => {
    const late = async (): Promise<Access> => ({ users: ['u-1'], mayAddMoney: true });
    expect((await appOf({}, { authenticate: late }).post(order)).status).toBe(202);
    const blocked = () => {
      throw new HttpError(429, 'too_many', 'Slowly', { headers: { 'retry-after': '9' } });
    };
    const response = await appOf({}, { authenticate: blocked }).post(order);
    expect(response.headers.get('retry-after')).toBe('9');
    await problemIn(response, 429, 'too_many');
  });

  it.each([{}, { users: 'some' }, { users: [1] }, { users: { 'u-1': true } }, true, 'all'])(
    'that answers %j admits no client',
    async (access) => {
      const { post, errors, processor } = appOf({}, { authenticate: () => access as never });
      await problemIn(await post(order), 500, 'internal');
      expect(errors).toMatchObject([{ message: expect.stringContaining('access.users') }]);
      expect(processor.stats().accepted).toBe(0);
    },
  );

  it('that throws admits no client, and shows no client why', async () => {
    const bug = new Error('A secret');
    const { post, errors } = appOf({}, { authenticate: () => Promise.reject(bug) });
    const problem = await problemIn(await post(order), 500, 'internal');
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(errors).toEqual([bug]);
  });

  it('a `users` that does not say true says no', async () => {
    const { post } = appOf({}, { authenticate: () => ({ users: () => 1 as never }) });
    await problemIn(await post(order), 403, 'forbidden');
  });
});

it.each(['', 'secret', 'x'.repeat(15)])(
  'bearer refuses the token %j, and does not show it',
  (token) => {
    expect(() => bearer({ [token]: { users: 'all' } })).toThrow(
      new TypeError('Expected tokens of 16 characters or more'),
    );
  },
);

it.each(['a-long-random-token-of-ours', Symbol('a-long-random-token'), ['short'], null])(
  'bearer, and what takes its answer, refuse %o without showing it: it may be the token',
  (tokens) => {
    const refusals = [
      () => bearer(tokens as never),
      () => appOf({}, { authenticate: tokens as never }),
      () => createOrderRoutes(new OrderProcessor(), { authenticate: tokens as never }),
    ];
    for (const refusal of refusals) {
      expect(refusal).toThrow(TypeError);
      expect(refusal).not.toThrow(/random|short/);
    }
  },
);

it('bearer checks what its clients may do', () => {
  expect(() => bearer({ [tokens.user]: { users: 'u-1' as never } })).toThrow('access.users');
  // A word of the environment is no yes.
  expect(() => bearer({ [tokens.user]: { users: [], isOperator: 'false' as never } })).toThrow(
    'Expected `access.isOperator` to be a boolean, got `"false"`',
  );
});

it.each([undefined, null, 'token-of-16-chars', {}])('`bearer` refuses %j for tokens', (tokens) => {
  expect(() => bearer(tokens as never)).toThrow(TypeError);
  expect(() => bearer(tokens as never)).toThrow('Expected `tokens` to be an object with tokens');
});
