/** Statements, past balances and the feed of outcomes, over HTTP and gRPC. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { MemoryStorage, OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { draining } from '../../src/server/listening/server-draining.ts';
import { bodyOf, callsOf, type Json, problemIn } from '../http/helpers.ts';
import { range } from '../kit/helpers.ts';

const tokens: Record<string, Access> = {
  operator: { users: 'all' },
  watcher: { users: [], isOperator: true },
  superuser: { users: 'all', isOperator: false },
  one: { users: ['u-1'], mayCredit: 'all', mayAddMoney: true },
  two: { users: ['u-2'] },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);
const operator = as('operator');

function bothProtocols(options: OrderProcessorOptions = {}, faces: object = {}) {
  const processor = new OrderProcessor(options);
  const errors: unknown[] = [];
  const own = { authenticate, onError: (error: unknown) => errors.push(error), ...faces };
  const app = createOrderApp(processor, own);
  const client = createClient(
    OrderService,
    createRouterTransport(createOrderRoutes(processor, own)),
  );
  return { processor, errors, app, ...callsOf(app), client };
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  return error.findDetails(OrderErrorDetailSchema)[0]?.code;
}

/** The first lines of a feed, which is left then. */
async function firstLines(response: Response, count: number): Promise<Json[]> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.split('\n').filter((line) => line !== '').length >= count) break;
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.slice(0, count).map((line) => JSON.parse(line));
}

async function take(feed: AsyncIterable<Json>, count: number): Promise<Json[]> {
  const taken: Json[] = [];
  for await (const each of feed) if (taken.push(each) === count) break;
  return taken;
}

const transfer = (id: string) => ({
  id,
  userId: 'u-1',
  amount: -40,
  postings: [{ userId: 'u-2', amount: 40 }],
});

describe('a statement', () => {
  it('has each change of a balance, page by page, over HTTP and gRPC', async () => {
    const { get, client, processor } = bothProtocols();
    for (const at of range(5)) await processor.submit({ id: `o-${at}`, userId: 'u-2', amount: 10 });
    await processor.submit(transfer('t-1'));
    const balances: number[] = [];
    let cursor: string | undefined;
    do {
      const more = cursor === undefined ? '' : `&cursor=${cursor}`;
      const page = await bodyOf(await get(`/users/u-2/movements?limit=2${more}`, as('two')));
      balances.push(...page.movements.map(({ balance }: Json) => balance));
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(balances).toEqual([10, 20, 30, 40, 50, 90]);
    const listed: bigint[] = [];
    let pageToken = '';
    do {
      const request = { userId: 'u-2', pageSize: 2, pageToken };
      const page = await client.listMovements(request, { headers: as('two') });
      listed.push(...page.movements.map(({ balance }) => balance));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(listed).toEqual(balances.map(BigInt));
  });

  it('names the orders by the ids of its client, and those of other users’ clients not at all', async () => {
    const { get, post, client, processor } = bothProtocols();
    await post({ id: 'mine', userId: 'u-1', amount: 100 }, as('one'));
    await post(transfer('secret'), as('one'));
    await processor.submit({ id: 'of-the-host', userId: 'u-2', amount: 1 });
    const idsOf = async (userId: string, who: string): Promise<unknown[]> => {
      const { movements } = await bodyOf(await get(`/users/${userId}/movements`, as(who)));
      const page = await client.listMovements({ userId }, { headers: as(who) });
      const ids = movements.map(({ orderId }: Json) => orderId);
      expect(page.movements.map(({ orderId }) => orderId)).toEqual(ids);
      return ids;
    };
    expect(await idsOf('u-1', 'one')).toEqual(['mine', 'secret']);
    expect(await idsOf('u-2', 'two')).toEqual([undefined, 'of-the-host']);
    expect(await idsOf('u-2', 'operator')).toEqual(['~u-1~secret', 'of-the-host']);
  });

  it('is its own user’s alone', async () => {
    const { get, client } = bothProtocols();
    for (const path of ['/users/u-1/movements', '/users/u-1/balance?at=1']) {
      await problemIn(await get(path, as('two')), 403, 'forbidden');
      await problemIn(await get(path, as('watcher')), 403, 'forbidden');
    }
    const headers = as('two');
    expect(await codeOf(client.listMovements({ userId: 'u-1' }, { headers }))).toBe('forbidden');
    const at = { seconds: 1n, nanos: 0 };
    expect(await codeOf(client.getBalance({ userId: 'u-1', at }, { headers }))).toBe('forbidden');
  });

  it.each([
    'limit=0',
    'limit=1001',
    'from=-1',
    'to=soon',
    'cursor=',
    'cursor=x',
    'more=1',
    `cursor=${'c'.repeat(3_000)}`,
  ])('by `%s` is a bad request', async (query) => {
    const { get } = bothProtocols();
    await problemIn(await get(`/users/u-1/movements?${query}`, operator), 400, 'bad_request');
  });

  it('by the cursor of another storage is a bad request, over HTTP and gRPC', async () => {
    const { processor: other } = bothProtocols();
    for (const amount of [1, 2, 3]) await other.submit({ userId: 'u-1', amount });
    const { cursor: pageToken = '' } = await other.movements('u-1', { limit: 1 });
    expect(pageToken).not.toBe('');
    const { get, client } = bothProtocols();
    const response = await get(`/users/u-1/movements?cursor=${pageToken}`, operator);
    await problemIn(response, 400, 'bad_request');
    const call = client.listMovements({ userId: 'u-1', pageToken }, { headers: operator });
    expect(await codeOf(call)).toBe('bad_request');
  });
});

it('a past balance is that of its time, over HTTP and gRPC', async () => {
  const { get, client, processor } = bothProtocols();
  await processor.submit({ userId: 'u-1', amount: 7 });
  const { movements } = await processor.movements('u-1');
  const { settledAt } = movements[0] as { settledAt: number };
  const path = '/users/u-1/balance';
  expect(await bodyOf(await get(`${path}?at=${settledAt + 10}`, operator))).toMatchObject({
    balance: 7,
  });
  await problemIn(await get(`${path}?at=${settledAt - 10}`, operator), 404, 'not_found');
  await problemIn(await get(`${path}?at=x`, operator), 400, 'bad_request');
  const headers = operator;
  const at = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: 0 });
  const later = client.getBalance({ userId: 'u-1', at: at(settledAt + 5_000) }, { headers });
  expect(await later).toMatchObject({ balance: 7n });
  const before = client.getBalance({ userId: 'u-1', at: at(settledAt - 5_000) }, { headers });
  expect(await codeOf(before)).toBe('not_found');
  const wrong = client.getBalance({ userId: 'u-1', at: at(-5_000) }, { headers });
  expect(await codeOf(wrong)).toBe('invalid_order');
});

describe('the feed of outcomes', () => {
  it('gives each once and in order, goes on live, and from any cursor, over HTTP', async () => {
    const { get, processor } = bothProtocols();
    for (const at of range(3))
      await processor.submit({ id: `o-${at}`, userId: `u-${at}`, amount: 1 });
    const [first, second] = await firstLines(await get('/outcomes', operator), 2);
    expect([first.order.id, second.order.id]).toEqual(['o-0', 'o-1']);
    expect(second.sequence).toBeGreaterThan(first.sequence);
    const response = await get(`/outcomes?after=${second.cursor}`, operator);
    const rest = firstLines(response, 3);
    await processor.submit({ id: 'o-3', userId: 'u-1', amount: 1, payload: { dish: 'soup' } });
    await processor.submit(transfer('t-1'));
    const lines = await rest;
    expect(lines.map(({ order }) => order.id)).toEqual(['o-2', 'o-3', 't-1']);
    expect(lines[1].order.payload).toEqual({ dish: 'soup' });
    expect(lines[2].order.postings).toEqual([
      { userId: 'u-2', amount: 40, orderedAmount: 40, balance: 41 },
    ]);
  });

  it('and over gRPC', async () => {
    const { client, processor } = bothProtocols();
    for (const at of range(3))
      await processor.submit({ id: `o-${at}`, userId: `u-${at}`, amount: 1 });
    const headers = operator;
    const [first, second] = await take(client.watchOutcomes({}, { headers }), 2);
    expect([first.record.id, second.record.id]).toEqual(['o-0', 'o-1']);
    const rest = take(client.watchOutcomes({ after: second.cursor }, { headers }), 2);
    await processor.submit({ id: 'o-3', userId: 'u-1', amount: 1 });
    expect((await rest).map(({ record }) => record.id)).toEqual(['o-2', 'o-3']);
  });

  it('is for operators that act for all users: it has their orders whole', async () => {
    const { get, app, client } = bothProtocols();
    for (const who of ['one', 'watcher', 'superuser']) {
      await problemIn(await get('/outcomes', as(who)), 403, 'forbidden');
      const head = await app.request('/outcomes', { method: 'HEAD', headers: as(who) });
      expect(head.status).toBe(403);
      expect(await codeOf(take(client.watchOutcomes({}, { headers: as(who) }), 1))).toBe(
        'forbidden',
      );
    }
  });

  it.each(['after=', 'after=x', 'limit=1', 'after=a&after=b', `after=${'c'.repeat(3_000)}`])(
    'by `%s` is a bad request',
    async (query) => {
      const { get } = bothProtocols();
      await problemIn(await get(`/outcomes?${query}`, operator), 400, 'bad_request');
    },
  );

  it('by the cursor of another storage is a bad request, over HTTP and gRPC', async () => {
    const { processor: other, get: getOther } = bothProtocols();
    await other.submit({ userId: 'u-1', amount: 1 });
    const [{ cursor: after }] = (await firstLines(await getOther('/outcomes', operator), 1)) as [
      Json,
    ];
    const { get, client } = bothProtocols();
    await problemIn(await get(`/outcomes?after=${after}`, operator), 400, 'bad_request');
    const call = take(client.watchOutcomes({ after }, { headers: operator }), 1);
    expect(await codeOf(call)).toBe('bad_request');
  });

  it('whose outcomes were forgotten is gone, with that code and status', async () => {
    const storage = new MemoryStorage({ retainSettled: 2 });
    const { get, client, processor } = bothProtocols({ storage });
    await processor.submit({ userId: 'u-1', amount: 1 });
    const [{ cursor: after }] = (await firstLines(await get('/outcomes', operator), 1)) as [Json];
    for (const amount of range(10)) await processor.submit({ userId: 'u-1', amount });
    const response = await get(`/outcomes?after=${after}`, operator);
    await problemIn(response, 410, 'history_forgotten');
    const call = take(client.watchOutcomes({ after }, { headers: operator }), 1);
    expect(await codeOf(call)).toBe('history_forgotten');
  });

  it('invariant 6: has so many readers at most, and a reader that leaves makes room', async () => {
    const events = { operatorReaders: 2 };
    const { get, app, client } = bothProtocols({}, { events });
    const open = [await get('/outcomes', operator), await get('/outcomes', operator)];
    const refused = await get('/outcomes', operator);
    await problemIn(refused, 503, 'too_many_readers');
    // One whose cursor is wrong takes no room, nor does one that asks for the head.
    await problemIn(await get('/outcomes?after=x', operator), 503, 'too_many_readers');
    const head = await app.request('/outcomes', { method: 'HEAD', headers: operator });
    expect([head.status, await head.text()]).toEqual([200, '']);
    // Readers of events are counted apart.
    const events200 = await get('/events', operator);
    expect(events200.status).toBe(200);
    await events200.body?.cancel();
    await open[0]?.body?.cancel();
    for (const _ of range(5)) {
      await problemIn(await get('/outcomes?after=x', operator), 400, 'bad_request');
    }
    const again = await get('/outcomes', operator);
    expect(again.status).toBe(200);
    await again.body?.cancel();
    await open[1]?.body?.cancel();
    for (const _ of range(5)) {
      const controller = new AbortController();
      const feed = take(
        client.watchOutcomes({}, { headers: operator, signal: controller.signal }),
        1,
      );
      setTimeout(() => controller.abort(), 5);
      expect(await feed.catch(() => 'aborted')).toBe('aborted');
    }
  });

  it('invariant 6: reads no further than its reader does', async () => {
    const { get, processor } = bothProtocols();
    const orders = range(5_000).map(() => ({
      userId: 'u-1',
      amount: 1,
      payload: 'p'.repeat(1_000),
    }));
    await processor.submitMany(orders);
    const response = await get('/outcomes', operator);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const { value } = await reader.read();
    expect(value?.length).toBeLessThan(200_000);
    await reader.cancel();
  });

  it('ends when the server closes, and when the processor has shut down', async () => {
    const first = bothProtocols();
    const response = await first.get('/outcomes', operator);
    draining(first.processor).abort();
    expect(await response.text()).toBe('');
    expect(await take(first.client.watchOutcomes({}, { headers: operator }), 1)).toEqual([]);
    const second = bothProtocols();
    const open = await second.get('/outcomes', operator);
    await second.processor.submit({ id: 'last', userId: 'u-1', amount: 1 });
    await second.processor.shutdown();
    const text = await open.text();
    expect(JSON.parse(text.trim()).order.id).toBe('last');
  });
});
