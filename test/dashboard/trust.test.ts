/** Who may see and do what, where actions may come from, and what strangers write. */
import { OrderProcessor } from 'order-processor';
import { bearer, createDashboard, HttpError } from 'order-processor/dashboard';
import { describe, expect, it } from 'vitest';
import { bodyOf, dashboardOf, everyone, LiveReader, problemIn } from './helpers.ts';

const tokens = {
  reader: 'the-long-token-of-a-reader',
  support: 'the-long-token-of-support',
  operator: 'the-long-token-of-operators',
};
const authenticate = bearer({
  [tokens.reader]: { users: 'all', role: 'read' },
  [tokens.support]: { users: ['ann'], role: 'operate', client: 'sue' },
  [tokens.operator]: { users: 'all' },
});
const as = (who: keyof typeof tokens) => ({ authorization: `Bearer ${tokens[who]}` });
const hold = { action: 'hold', userIds: ['ann'] };

describe('roles', () => {
  it('without `authenticate` everything is seen, nothing is done, and that is said', async () => {
    const { read, post, processor } = dashboardOf({}, {});
    expect(await read('session')).toMatchObject({
      ...{ role: 'read', readOnlyBecause: 'no_authentication', sees: 'all' },
    });
    await processor.submit({ id: 'o-1', userId: 'ann', amount: 1, payload: 'secret' });
    expect(JSON.stringify(await read('order', { id: 'o-1' }))).not.toContain('secret');
    for (const [path, body] of [
      ['act', hold],
      ['preview', { action: 'cancel', filter: {} }],
    ] as const) {
      const { detail } = await problemIn(await post(path, body), 403, 'forbidden');
      expect(detail).toContain('`authenticate`');
    }
  });

  it('who is not authenticated gets a 401 that the page can show', async () => {
    const { get, post, request } = dashboardOf({}, { authenticate, signInUrl: '/login' });
    for (const response of [
      await get('session'),
      await get('live', { topics: 'stats' }),
      await get('order', { id: 'o-1' }, { authorization: 'Bearer unknown' }),
      await post('act', hold),
    ]) {
      const problem = await problemIn(response, 401, 'unauthorized');
      expect(problem.signInUrl).toBe('/login');
    }
    // The page has no data, and asks for a token.
    expect((await request('')).status).toBe(200);
  });

  it('a reader sees all and does nothing; an operator does', async () => {
    const { read, post, act, processor } = dashboardOf({}, { authenticate });
    const headers = as('reader');
    expect(await read('session', {}, headers)).toMatchObject({ role: 'read', sees: 'all' });
    await read('overview', {}, headers);
    await problemIn(await post('act', hold, headers), 403, 'forbidden');
    expect(await act(hold, as('operator'))).toMatchObject({ done: 1, failures: [] });
    expect(processor.stats().heldLanes).toBe(1);
  });

  it('who sees certain users sees nothing of others, and acts for no other', async () => {
    const { read, get, act, post, processor } = dashboardOf({}, { authenticate });
    const headers = as('support');
    processor.pause();
    for (const userId of ['ann', 'bob']) {
      await processor.enqueue({ id: `o-${userId}`, userId, amount: 1 });
    }
    expect(await read('session', {}, headers)).toMatchObject({
      ...{ role: 'operate', sees: 'users', userIds: ['ann'], client: 'sue' },
    });
    for (const path of ['attention', 'overview', 'lanes', 'processors', 'actions', 'orders']) {
      await problemIn(await get(path, {}, headers), 403, 'forbidden');
    }
    for (const path of ['user', 'balances', 'statement']) {
      await problemIn(await get(path, { id: 'bob' }, headers), 403, 'forbidden');
      await read(path, { id: 'ann' }, headers);
    }
    expect((await read('orders', { userId: 'ann' }, headers)).orders).toHaveLength(1);
    await problemIn(await get('orders', { userId: 'bob' }, headers), 403, 'forbidden');
    await problemIn(await get('order', { id: 'o-bob' }, headers), 404, 'not_found');
    expect(await read('search', { q: 'o-bob' }, headers)).toEqual({});
    expect(await read('search', { q: 'bob' }, headers)).toEqual({});
    for (const query of [{ topics: 'stats' }, { topics: 'user', userId: 'bob' }]) {
      await problemIn(await get('live', query, headers), 403, 'forbidden');
    }
    const cancel = { action: 'cancel', orderIds: ['o-ann', 'o-bob'] };
    expect((await act(cancel, headers)).failures).toMatchObject([
      { id: 'o-bob', code: 'not_found' },
    ]);
    const both = { action: 'hold', userIds: ['ann', 'bob'] };
    for (const body of [both, { action: 'resume' }]) {
      await problemIn(await post('act', body, headers), 403, 'forbidden');
    }
    expect(processor.stats().heldLanes).toBe(0);
    const all = { action: 'cancel', filter: {} };
    await problemIn(await post('preview', all, headers), 403, 'forbidden');
    expect(await processor.order('o-bob')).toMatchObject({ status: 'pending' });
  });

  it('events of other users do not reach who may not see them', async () => {
    const { get, processor } = dashboardOf({}, { authenticate });
    const reader = new LiveReader(await get('live', { topics: 'events' }, as('support')));
    for (const userId of ['bob', 'ann']) await processor.submit({ userId, amount: 1 });
    await reader.until('events');
    await reader.cancel();
    expect(JSON.stringify(reader.seen)).not.toContain('bob');
  });

  it('what `authenticate` throws or must not answer is no secret for the page', async () => {
    const secret = new Error('password of the database');
    const answers: unknown[] = [{ users: 'all', role: 'admin' }, { users: 'x' }, secret];
    const { get, errors } = dashboardOf(
      {},
      {
        authenticate: () => {
          const answer = answers.shift();
          if (answer instanceof Error) throw answer;
          return answer as never;
        },
      },
    );
    for (let count = 3; count > 0; count -= 1) {
      const { detail } = await problemIn(await get('session'), 500, 'internal');
      expect(detail).toBe('Something went wrong');
    }
    expect(errors).toHaveLength(3);
    const gone = new HttpError(403, 'left_company', 'Bye');
    const other = dashboardOf({}, { authenticate: () => Promise.reject(gone) });
    await problemIn(await other.get('session'), 403, 'left_company');
    const headers = { 'WWW-Authenticate': 'Bearer, Basic realm="ops"' };
    const basic = new HttpError(401, 'unauthorized', 'Who are you?', { headers });
    const third = dashboardOf({}, { authenticate: () => Promise.reject(basic) });
    const response = await third.get('session');
    expect(response.headers.get('www-authenticate')).toBe(null);
    await problemIn(response, 401, 'unauthorized');
  });

  it('what fails unexpectedly in an action or a stream is reported to the host as well', async () => {
    const { act, get, processor, errors } = dashboardOf({}, { authenticate: () => everyone });
    const secret = new Error('password of the database');
    const fails = (): Promise<never> => Promise.reject(secret);
    Object.assign(processor, { hold: fails, balance: fails });
    const { failures } = await act({ action: 'hold', userIds: ['ann'] });
    expect(failures).toEqual([{ id: 'ann', code: 'internal', message: 'Something went wrong' }]);
    expect(errors).toEqual([secret]);
    const reader = new LiveReader(await get('live', { topics: 'user', userId: 'ann' }));
    expect((await reader.until('trouble')).data).toMatchObject({ code: 'internal' });
    await reader.cancel();
    expect(errors).toEqual([secret, secret]);
  });

  it('payloads and results are shown to whom `showPayloads` says', async () => {
    const { read, processor } = dashboardOf(
      { steps: [{ name: 'pay', run: () => ({ card: 'plastic' }) }] },
      {
        authenticate: ({ headers }) => ({ users: 'all', seesResults: headers.get('x') === 'y' }),
        showPayloads: ({ seesResults }) => seesResults === true,
      },
    );
    await processor.submit({ id: 'o-1', userId: 'ann', amount: 1, payload: 'secret' });
    const closed = JSON.stringify(await read('order', { id: 'o-1' }));
    expect(closed).not.toMatch(/secret|plastic/);
    const open = JSON.stringify(await read('order', { id: 'o-1' }, { x: 'y' }));
    expect(open).toMatch(/secret.*plastic/);
  });
});

describe('origins', () => {
  const site = (value?: string) => ({ 'sec-fetch-site': value as string });
  it.each([
    ['of the page', site('same-origin')],
    ['of the page, behind a proxy', { ...site('same-origin'), origin: 'https://ops.example' }],
    ['of a trusted origin', { ...site('cross-site'), origin: 'https://trusted.example' }],
  ])('an action %s is done', async (_name, headers) => {
    const { post } = dashboardOf(
      {},
      { authenticate: () => everyone, origins: ['https://trusted.example'] },
    );
    await bodyOf(await post('act', hold, headers));
  });

  it.each([
    ['of another site', { ...site('cross-site'), origin: 'https://evil.example' }],
    ['of another host of the site', { ...site('same-site'), origin: 'https://blog.ops.test' }],
    ['typed by no person', site('none')],
  ])('an action %s is refused', async (_name, headers) => {
    const { post, processor } = dashboardOf();
    await problemIn(await post('act', hold, headers), 403, 'forbidden');
    expect(processor.stats().heldLanes).toBe(0);
  });

  it('an old browser is known by `Origin`, a program by none', async () => {
    const { request, processor } = dashboardOf();
    const send = (headers: Record<string, string>) =>
      request('api/act', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(hold),
      });
    await problemIn(await send({ origin: 'https://evil.example' }), 403, 'forbidden');
    await problemIn(await send({ origin: 'null' }), 403, 'forbidden');
    expect(processor.stats().heldLanes).toBe(0);
    await bodyOf(await send({ origin: 'http://ops.test' }));
    await bodyOf(await send({}));
  });

  it('a form cannot act, and a body is bounded and checked', async () => {
    const { post } = dashboardOf();
    const form = { 'content-type': 'text/plain' };
    await problemIn(await post('act', hold, form), 415, 'unsupported_media_type');
    await problemIn(await post('act', ' '.repeat(2_100_000)), 413, 'content_too_large');
    const ids = { action: 'cancel', orderIds: ['a'] };
    for (const body of [
      ...['{', '[]', 'null', '"x"', '{}', { action: 'drop' }, { ...ids, orderIds: [] }],
      ...[
        { ...ids, orderIds: ['a', 'a'] },
        { ...ids, orderIds: [''] },
        { ...ids, orderIds: 'a' },
      ],
      ...[
        { ...ids, orderIds: ['x'.repeat(257)] },
        { ...ids, orderIds: ['\ud800'] },
      ],
      ...[{ ...ids, orderIds: Array.from({ length: 1_001 }, (_, at) => `o-${at}`) }],
      ...[
        { ...ids, extra: 1 },
        { action: 'hold', userIds: ['a'], reason: 'x'.repeat(1_025) },
      ],
      ...[
        { action: 'release', lanes: [{ userId: 'a' }, { userId: 'a' }] },
        { action: 'pause', x: 1 },
      ],
    ]) {
      await problemIn(await post('act', body), 400, 'bad_request');
    }
  });
});

describe('what strangers write', () => {
  const ids = [
    '<img src=x onerror=alert(1)>',
    '‮gnp.exe',
    '__proto__',
    'a/../b?c#d%41&e',
    'x'.repeat(256),
    '"\'`\n\t\0',
  ];
  it.each(ids)('the id %j is found, as user and as order', async (id) => {
    const { read, act, processor } = dashboardOf(
      {
        steps: [
          { name: id, run: () => Promise.reject(Object.assign(new Error(id), { code: 'no' })) },
        ],
      },
      { authenticate: () => everyone, showPayloads: true },
    );
    await processor.submit({ id, userId: id, amount: 1, payload: { [id]: id } }).catch(() => {});
    const order = await read('order', { id });
    expect(order).toMatchObject({ id, userId: id, steps: [{ name: id, status: 'error' }] });
    expect(JSON.parse(order.payload.text)).toEqual({ [id]: id });
    expect((await read('user', { id })).settled).toMatchObject([{ id }]);
    expect((await read('orders', { userId: id })).orders).toHaveLength(1);
    expect((await read('attention')).failures[0].last).toMatchObject({ orderId: id });
    const { retriedAs } = await act({ action: 'retry', orderIds: [id] });
    expect(Object.keys(retriedAs)).toEqual([id]);
  });

  it('a payload that is no JSON, or very long, is cut or shown as it is', async () => {
    const { read, processor } = dashboardOf({}, { showPayloads: true });
    const circular: Record<string, unknown> = { big: 10n };
    circular.self = circular;
    await processor.submit({ id: 'o-1', userId: 'ann', amount: 1, payload: circular });
    await processor.submit({ id: 'o-2', userId: 'ann', amount: 1, payload: 'x'.repeat(1e6) });
    expect((await read('order', { id: 'o-1' })).payload.text).toContain('[Circular');
    const { text, isCut } = (await read('order', { id: 'o-2' })).payload;
    expect([text.length, isCut]).toEqual([65_536, true]);
  });
});

it('an option that is unknown or wrong is an error', async () => {
  await using processor = new OrderProcessor();
  for (const options of [
    { titel: 'x' },
    { title: '' },
    { authenticate: 'token' },
    { signInUrl: 'javascript:alert(1)' },
    { currency: { code: 'euro' } },
    { currency: { digits: 19 } },
    { currency: { locale: '!' } },
    { origins: ['https://a.example/'] },
    { origins: 'https://a.example' },
    { streams: 0 },
    { showPayloads: 'yes' },
    { onAction: 1 },
  ]) {
    expect(() => createDashboard(processor, options as never)).toThrow(/^Expected/);
  }
  expect(() => createDashboard({} as never)).toThrow(TypeError);
});
