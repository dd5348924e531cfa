/** Lanes that are held, over HTTP and gRPC: for operators alone, and never a client's to see. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderError, OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import {
  createOrderRoutes,
  OrderErrorDetailSchema,
  OrderService,
  ReleaseAction,
} from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, problemIn } from '../http/helpers.ts';
import { range } from '../kit/helpers.ts';

const tokens: Record<string, Access> = {
  operator: { users: 'all' },
  watcher: { users: [], isOperator: true },
  one: { users: ['u-1'] },
  superuser: { users: 'all', isOperator: false },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);

function bothProtocols(options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor(options);
  const app = createOrderApp(processor, { authenticate });
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  const calls = callsOf(app);
  const hold = (body: unknown, who = 'operator', userId = 'u-1') =>
    calls.post(body, as(who), `/users/${encodeURIComponent(userId)}/hold`);
  return { processor, app, ...calls, client, hold };
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  return error.findDetails(OrderErrorDetailSchema)[0]?.code;
}

describe('a lane that an operator holds', () => {
  it('over HTTP begins no order before it is released, and is listed meanwhile', async () => {
    const { hold, get, remove, processor } = bothProtocols();
    const held = { userId: 'u-1', reason: 'Fraud', heldAt: expect.any(Number) };
    expect(await bodyOf(await hold({ reason: 'Fraud' }))).toEqual(held);
    await processor.enqueue({ id: 'o-1', userId: 'u-1', amount: 1 });
    expect((await processor.order('o-1'))?.status).toBe('pending');
    expect(await bodyOf(await get('/holds', as('operator')))).toEqual({ holds: [held] });
    const health = await bodyOf(await get('/health'));
    expect(health).toMatchObject({ status: 'ok', reasons: [], heldLanes: 1 });
    const released = await bodyOf(await remove('/users/u-1/hold', as('operator')));
    expect(released).toEqual({ ...held, releasedAt: expect.any(Number) });
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1);
    const again = await remove('/users/u-1/hold', as('operator'));
    await problemIn(again, 409, 'not_held');
    expect(await bodyOf(await get('/health'))).toEqual({ status: 'ok', reasons: [] });
  });

  it('over gRPC too', async () => {
    const { client, processor } = bothProtocols();
    const headers = as('watcher');
    const { hold } = await client.holdLane({ userId: 'u-1', reason: 'Fraud' }, { headers });
    expect(hold).toMatchObject({ userId: 'u-1', reason: 'Fraud' });
    expect((await client.listHolds({}, { headers })).holds).toEqual([hold]);
    const stats = await client.getStats({}, { headers });
    expect(stats).toMatchObject({ heldLanes: 1n, heldOrders: 0n });
    const { released } = await client.releaseLane({ userId: 'u-1' }, { headers });
    expect(released?.hold).toEqual(hold);
    expect(await codeOf(client.releaseLane({ userId: 'u-1' }, { headers }))).toBe('not_held');
    expect(processor.stats().heldLanes).toBe(0);
  });

  it('is listed a page at a time, by the cursor of the page before', async () => {
    const { get, client, processor } = bothProtocols();
    for (const at of range(5)) await processor.hold(`u-${at}`, { reason: '' });
    const headers = as('operator');
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const more = cursor === undefined ? '' : `&cursor=${cursor}`;
      const page = await bodyOf(await get(`/holds?limit=2${more}`, headers));
      seen.push(...page.holds.map(({ userId }: { userId: string }) => userId));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen.sort()).toEqual(range(5).map((at) => `u-${at}`));
    const listed: string[] = [];
    let pageToken = '';
    do {
      const page = await client.listHolds({ pageSize: 2, pageToken }, { headers });
      listed.push(...page.holds.map(({ userId }) => userId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(listed.sort()).toEqual(seen);
  });

  it('has long reasons on pages of less than 4 MiB over gRPC', async () => {
    const { client, processor } = bothProtocols();
    const reason = '語'.repeat(1_024);
    for (const at of range(1_000)) await processor.hold(`${'語'.repeat(250)}${at}`, { reason });
    const headers = as('operator');
    const { holds, nextPageToken } = await client.listHolds({ pageSize: 1_000 }, { headers });
    expect(holds.length).toBeLessThan(1_000);
    const rest = await client.listHolds({ pageSize: 1_000, pageToken: nextPageToken }, { headers });
    expect(holds.length + rest.holds.length).toBe(1_000);
  });
});

describe('a failed order that holds its lane', () => {
  const failing = () => {
    let isOpen = false;
    const running = bothProtocols({
      onFailure: 'hold',
      steps: [
        {
          name: 'vendor',
          run() {
            if (!isOpen) throw new OrderError('vendor_closed', 'Closed');
          },
        },
      ],
    });
    const fail = async (): Promise<void> => {
      const held = new Promise((resolve) => running.processor.once('held', resolve));
      await running.processor.enqueue({ id: 'o-1', userId: 'u-1', amount: 1 });
      await held;
    };
    const open = (): void => {
      isOpen = true;
    };
    return { ...running, fail, open };
  };
  const headers = as('operator');

  it.each([
    ['retry', 'completed'],
    ['skip', 'failed'],
  ])('is tried again or skipped over HTTP, as the operator says: %s', async (action, status) => {
    const { get, remove, processor, fail, open } = failing();
    await fail();
    const { holds } = await bodyOf(await get('/holds', headers));
    expect(holds).toMatchObject([{ userId: 'u-1', orderId: 'o-1', code: 'vendor_closed' }]);
    await problemIn(await remove('/users/u-1/hold', headers), 400, 'bad_request');
    const none = await remove('/users/u-1/hold?action=none', headers);
    await problemIn(none, 400, 'bad_request');
    open();
    const released = await bodyOf(await remove(`/users/u-1/hold?action=${action}`, headers));
    expect(released).toMatchObject({ orderId: 'o-1', action });
    expect(await processor.outcome('o-1')).toMatchObject({ status });
    expect(processor.stats().heldLanes).toBe(0);
  });

  it.each([
    [ReleaseAction.RETRY, 'completed'],
    [ReleaseAction.SKIP, 'failed'],
  ])('and over gRPC: %i', async (action, status) => {
    const { client, processor, fail, open } = failing();
    await fail();
    const { holds } = await client.listHolds({}, { headers });
    expect(holds).toMatchObject([{ userId: 'u-1', orderId: 'o-1', code: 'vendor_closed' }]);
    const release = (by: ReleaseAction) =>
      client.releaseLane({ userId: 'u-1', action: by }, { headers });
    expect(await codeOf(release(ReleaseAction.UNSPECIFIED))).toBe('bad_request');
    expect(await codeOf(release(7 as ReleaseAction))).toBe('invalid_order');
    open();
    const { released } = await release(action);
    expect(released).toMatchObject({ action, hold: { orderId: 'o-1' } });
    expect(await processor.outcome('o-1')).toMatchObject({ status });
  });

  it('is released alone where it is named: a request that comes twice skips no later order', async () => {
    const { client, remove, processor, fail } = failing();
    await fail();
    const held = new Promise((resolve) => processor.once('held', resolve));
    await processor.enqueue({ id: 'o-2', userId: 'u-1', amount: 1 });
    const skip = () => remove('/users/u-1/hold?action=skip&orderId=o-1', headers);
    expect(await bodyOf(await skip())).toMatchObject({ orderId: 'o-1' });
    await held;
    await problemIn(await skip(), 409, 'not_held');
    const named = (orderId: string) =>
      client.releaseLane({ userId: 'u-1', action: ReleaseAction.SKIP, orderId }, { headers });
    expect(await codeOf(named('o-1'))).toBe('not_held');
    expect(await codeOf(named(''))).toBe('invalid_order');
    const none = await remove('/users/u-1/hold?action=skip&orderId=', headers);
    await problemIn(none, 400, 'bad_request');
    expect(await processor.order('o-2')).toMatchObject({ status: 'pending' });
    expect((await named('o-2')).released).toMatchObject({ hold: { orderId: 'o-2' } });
  });

  it('is none where the lane is held by hand: there is nothing to skip', async () => {
    const { remove, processor } = failing();
    await processor.hold('u-1');
    const skipped = await remove('/users/u-1/hold?action=skip', headers);
    await problemIn(skipped, 400, 'bad_request');
    expect(processor.stats().heldLanes).toBe(1);
    await bodyOf(await remove('/users/u-1/hold?action=retry', headers));
  });
});

describe('holds are for operators', () => {
  it.each(['one', 'superuser'])('invariant 8: %s holds, releases and lists none', async (who) => {
    const { hold, get, remove, client, processor } = bothProtocols();
    await processor.hold('u-1');
    const headers = as(who);
    await problemIn(await hold({}, who), 403, 'forbidden');
    await problemIn(await remove('/users/u-1/hold', headers), 403, 'forbidden');
    await problemIn(await get('/holds', headers), 403, 'forbidden');
    expect(await codeOf(client.holdLane({ userId: 'u-1' }, { headers }))).toBe('forbidden');
    expect(await codeOf(client.releaseLane({ userId: 'u-1' }, { headers }))).toBe('forbidden');
    expect(await codeOf(client.listHolds({}, { headers }))).toBe('forbidden');
    expect(processor.stats().heldLanes).toBe(1);
  });

  it.each([
    ['one', '/events?userId=u-1', false],
    ['superuser', '/events?userId=u-1', false],
    ['operator', '/events?userId=u-1', true],
    ['watcher', '/events', true],
  ])('%s sees them among the events of %s: %j', async (who, path, isSeen) => {
    const { get, client, processor } = bothProtocols();
    const response = await get(path, as(who));
    const userId = path.includes('?') ? 'u-1' : undefined;
    const watched = client.watchOrders({ userId }, { headers: as(who) })[Symbol.asyncIterator]();
    await firstOf(watched, processor);
    await processor.hold('u-1', { reason: 'Fraud' });
    await processor.release('u-1');
    await processor.submit({ id: 'last', userId: 'u-1', amount: 1 });
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      if (text.includes('"orderId":"last"')) break;
    }
    const names = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name);
    const lanes = isSeen ? ['held', 'released'] : [];
    expect(names.filter((name) => /held|released/.test(name ?? ''))).toEqual(lanes);
    expect(text.includes('Fraud')).toBe(isSeen);
    const cases: string[] = [];
    for (;;) {
      const { event } = (await watched.next()).value;
      if (event.value?.orderId === 'last') break;
      if (/held|released/.test(event.case)) cases.push(event.case);
    }
    expect(cases).toEqual(lanes);
    await watched.return?.();
  });
});

/** Hands in orders until the reader has begun, which its call does not say. */
async function firstOf(reader: AsyncIterator<unknown>, processor: OrderProcessor): Promise<void> {
  const first = reader.next();
  let hasBegun = false;
  first.then(() => {
    hasBegun = true;
  });
  while (!hasBegun) {
    await processor.submit({ userId: 'u-1', amount: 1 });
    await new Promise(setImmediate);
  }
}

describe('bad input', () => {
  it.each([
    ['a reason that is no text', { reason: 1 }],
    ['a long reason', { reason: 'r'.repeat(1_025) }],
    ['a reason that is ill-formed', '{"reason":"\\ud800"}'],
    ['an unknown field', { reasons: 'Fraud' }],
    ['no object', '[]'],
    ['no JSON', '{'],
  ])('%s is a bad request, and holds nothing', async (_, body) => {
    const { hold, processor } = bothProtocols();
    await problemIn(await hold(body), 400, 'bad_request');
    expect(processor.stats().heldLanes).toBe(0);
  });

  it('a user that can be none is not found', async () => {
    const { hold, remove } = bothProtocols();
    const long = 'u'.repeat(257);
    await problemIn(await hold({}, 'operator', long), 404, 'not_found');
    await problemIn(await remove(`/users/${long}/hold`, as('operator')), 404, 'not_found');
  });

  it.each(['limit=0', 'limit=1001', 'cursor=', 'cursor=x', 'limit=1&limit=2', 'more=1'])(
    'a page by `%s` is a bad request',
    async (query) => {
      const { get } = bothProtocols();
      await problemIn(await get(`/holds?${query}`, as('operator')), 400, 'bad_request');
    },
  );

  it('the cursor of a page of orders is none of holds', async () => {
    const { get, processor } = bothProtocols();
    for (const at of range(3)) await processor.submit({ userId: `u-${at}`, amount: 1 });
    const { cursor } = await processor.orders({ limit: 1 });
    const response = await get(`/holds?cursor=${cursor}`, as('operator'));
    await problemIn(response, 400, 'bad_request');
  });

  it('over gRPC is INVALID_ARGUMENT', async () => {
    const { client } = bothProtocols();
    const headers = as('operator');
    for (const call of [
      client.holdLane({ userId: '' }, { headers }),
      client.holdLane({ userId: 'u-1', reason: 'r'.repeat(1_025) }, { headers }),
      client.releaseLane({ userId: 'u'.repeat(257) }, { headers }),
      client.listHolds({ pageSize: -1 }, { headers }),
      client.listHolds({ pageSize: 1_001 }, { headers }),
      client.listHolds({ pageToken: 'x' }, { headers }),
    ]) {
      expect(await codeOf(call)).toBe('invalid_order');
    }
  });

  it('a body that is too long is refused', async () => {
    const { hold } = bothProtocols();
    const body = `{"reason":"${'r'.repeat(1_100_000)}"}`;
    await problemIn(await hold(body), 413, 'content_too_large');
  });
});

it('how far a step is stands in the record and among the events, over HTTP and gRPC', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { get, client, processor } = bothProtocols({
    steps: [
      {
        name: 'cook',
        async run({ id }, context) {
          if (id !== 'o-1') return;
          context.progress(0.5, 'half');
          await promise;
        },
      },
    ],
  });
  const headers = as('operator');
  const response = await get('/events', headers);
  const watched = client.watchOrders({}, { headers });
  const reader = watched[Symbol.asyncIterator]();
  await firstOf(reader, processor);
  const submitted = processor.submit({ id: 'o-1', userId: 'u-1', amount: 1 });
  const progress = { step: 'cook', isCompensation: false, fraction: 0.5, label: 'half' };
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.includes('event: progress')) break;
  }
  expect(text).toContain('"label":"half"');
  expect(await bodyOf(await get('/orders/o-1', headers))).toMatchObject({ progress });
  expect((await client.getOrder({ id: 'o-1' }, { headers })).record?.progress).toMatchObject(
    progress,
  );
  for (;;) {
    const { event } = (await reader.next()).value;
    if (event.value?.orderId !== 'o-1') continue;
    expect(event).toMatchObject({ case: 'progress', value: { userId: 'u-1', progress } });
    break;
  }
  await reader.return?.();
  resolve();
  await submitted;
});
