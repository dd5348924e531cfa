/** Operators that do not act for all users, over HTTP and gRPC: what they do to the orders that holds show them. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { type Hold, OrderError, OrderProcessor } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, problemIn } from '../http/helpers.ts';

const tokens: Record<string, Access> = {
  watcher: { users: [], isOperator: true },
  lead: { users: ['u-1'], isOperator: true },
  one: { users: ['u-1'], mayAddMoney: true },
  two: { users: ['u-2'], mayAddMoney: true },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}` : each));

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  return error.findDetails(OrderErrorDetailSchema)[0]?.code;
}

/** An order `o-1` of the client of `u-1` that holds its lane, and whose first compensation has failed. */
async function heldOrder() {
  let isClosed = true;
  const processor = new OrderProcessor({
    onFailure: 'hold',
    steps: [
      {
        name: 'pay',
        run: () => 'charge 1',
        compensate() {
          if (isClosed) throw new Error('door 7');
        },
      },
      {
        name: 'vendor',
        after: ['pay'],
        run() {
          throw new OrderError('vendor_closed', 'Closed');
        },
      },
    ],
  });
  processor.on('error', () => {});
  const calls = callsOf(createOrderApp(processor, { authenticate }));
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  const held = new Promise<Hold>((resolve) => processor.once('held', resolve));
  await calls.post({ id: 'o-1', userId: 'u-1', amount: 1, payload: 'rice' }, as('one'));
  const { orderId: id = '' } = await held;
  const open = (): void => {
    isClosed = false;
  };
  return { processor, ...calls, client, id, path: `/orders/${encodeURIComponent(id)}`, open };
}

describe('an operator that acts for no user', () => {
  const headers = as('watcher');

  it('reads an order by the id that the hold shows', async () => {
    const { get, client, id, path } = await heldOrder();
    const { holds } = await bodyOf(await get('/holds', headers));
    expect(holds).toMatchObject([{ orderId: id }]);
    const shown = { id: '~u-1~o-1', userId: 'u-1', status: 'pending', payload: 'rice' };
    for (const query of ['', '?userId=u-1']) {
      expect(await bodyOf(await get(path + query, headers))).toMatchObject(shown);
    }
    await problemIn(await get(`${path}?userId=u-2`, headers), 404, 'not_found');
    await problemIn(await get('/orders/o-1', headers), 404, 'not_found');
    for (const userId of [undefined, 'u-1']) {
      const { record } = await client.getOrder({ id, userId }, { headers });
      expect(record).toMatchObject({ id, userId: 'u-1' });
    }
    expect(await codeOf(client.getOrder({ id, userId: 'u-2' }, { headers }))).toBe('not_found');
  });

  it.each(['HTTP', 'gRPC'])('compensates it over %s', async (protocol) => {
    const { post, client, id, path, processor, open } = await heldOrder();
    const early = await problemIn(await post({}, headers, `${path}/compensate`), 409, 'not_failed');
    expect(early.orderId).toBe(id);
    await processor.release('u-1', 'skip');
    open();
    if (protocol === 'HTTP') {
      const record = await bodyOf(await post({}, headers, `${path}/compensate?userId=u-1`));
      expect(record).toMatchObject({ id, steps: [{ compensation: { status: 'ok' } }, {}] });
    } else {
      const { record } = await client.compensateOrder({ id }, { headers });
      expect(record).toMatchObject({ id, userId: 'u-1' });
    }
    const [pay] = (await processor.order(id))?.steps ?? [];
    expect(pay).toMatchObject({ name: 'pay', status: 'compensated' });
  });

  it('invariant 8: sees what a failed compensation threw, and the client of the user does not', async () => {
    const { get, post, client, id, path, processor } = await heldOrder();
    await processor.release('u-1', 'skip');
    const cause = { name: 'Error', message: 'door 7' };
    const seen = { steps: [{ compensation: { code: 'internal', cause } }, {}] };
    expect(await bodyOf(await get(path, headers))).toMatchObject(seen);
    expect(await bodyOf(await post({}, headers, `${path}/compensate`))).toMatchObject(seen);
    const { record } = await client.getOrder({ id }, { headers });
    expect(record?.steps[0]?.compensation?.cause).toMatchObject(cause);
    const own = as('one');
    const payload = { kind: { case: 'stringValue', value: 'rice' } } as const;
    const order = { order: { id: 'o-1', userId: 'u-1', amount: 1n, payload } };
    const failure = await client.submitOrder(order, { headers: own }).catch(ConnectError.from);
    const answers = [
      await (await get('/orders/o-1', own)).text(),
      await (await get('/orders?userId=u-1', own)).text(),
      await (
        await post(
          { id: 'o-1', userId: 'u-1', amount: 1, payload: 'rice' },
          { ...own, prefer: 'wait=5' },
        )
      ).text(),
      shown(await client.getOrder({ id: 'o-1' }, { headers: own })),
      shown((failure as ConnectError).findDetails(OrderErrorDetailSchema)),
    ];
    for (const text of answers) {
      expect(text).toContain('threw an error');
      expect(text).not.toContain('door 7');
    }
  });

  it('invariant 8: neither cancels nor retries it, and lists no orders', async () => {
    const { get, remove, post, client, id, path, processor } = await heldOrder();
    await problemIn(await remove(path, headers), 403, 'forbidden');
    await problemIn(await post({}, headers, `${path}/retry`), 403, 'forbidden');
    await problemIn(await get('/orders?userId=u-1', headers), 403, 'forbidden');
    expect(await codeOf(client.cancelOrder({ id }, { headers }))).toBe('forbidden');
    expect(await codeOf(client.retryOrder({ id }, { headers }))).toBe('forbidden');
    expect(processor.stats().heldLanes).toBe(1);
  });
});

describe('an operator that acts for one user', () => {
  it('has the ids of its client for that user, and those of the storage for any other', async () => {
    const { get, post, processor } = await heldOrder();
    const lead = as('lead');
    await post({ id: 'o-1', userId: 'u-2', amount: 2 }, as('two'));
    for (const id of ['o-1', '~u-1~o-1']) {
      const own = await bodyOf(await get(`/orders/${id}`, lead));
      expect(own).toMatchObject({ id: 'o-1', userId: 'u-1' });
    }
    const others = await bodyOf(await get('/orders/~u-2~o-1', lead));
    expect(others).toMatchObject({ id: '~u-2~o-1', userId: 'u-2' });
    expect(processor.stats().accepted).toBe(2);
  });
});

it('invariant 8: a client that is no operator reads no order of another user by any id', async () => {
  const { get, post, client, id, path } = await heldOrder();
  const headers = as('two');
  await problemIn(await get(path, headers), 404, 'not_found');
  await problemIn(await get(`${path}?userId=u-1`, headers), 403, 'forbidden');
  await problemIn(await post({}, headers, `${path}/compensate`), 403, 'forbidden');
  expect(await codeOf(client.getOrder({ id }, { headers }))).toBe('not_found');
});

describe('an order that holds its lane', () => {
  const message = /lane: ask an operator to release the lane with `retry` or `skip`/;

  it('invariant 1: is not canceled by the client of its user, over HTTP and gRPC', async () => {
    const { remove, client, processor, id } = await heldOrder();
    const headers = as('one');
    const { detail } = await problemIn(await remove('/orders/o-1', headers), 403, 'forbidden');
    expect(detail).toMatch(message);
    const refused = client.cancelOrder({ id: 'o-1' }, { headers });
    await expect(refused).rejects.toThrow(message);
    expect(await codeOf(client.cancelOrder({ id: 'o-1' }, { headers }))).toBe('forbidden');
    expect(processor.stats()).toMatchObject({ heldLanes: 1, canceled: 0 });
    expect(await processor.order(id)).toMatchObject({ status: 'pending' });
  });

  it.each(['HTTP', 'gRPC'])(
    'is canceled by an operator that acts for its user, over %s',
    async (protocol) => {
      const { remove, client, processor } = await heldOrder();
      const headers = as('lead');
      if (protocol === 'HTTP') await bodyOf(await remove('/orders/o-1', headers));
      else await client.cancelOrder({ id: 'o-1' }, { headers });
      expect(await processor.outcome('~u-1~o-1')).toMatchObject({ status: 'canceled' });
      await processor.onIdle();
      expect(processor.stats().heldLanes).toBe(0);
    },
  );

  it.each(['its client', 'its deadline'])(
    'invariant 1: is not canceled when %s ends its SubmitOrder call',
    async (by) => {
      const { client, processor } = await heldOrder();
      const giveUp = new AbortController();
      const options = by === 'its client' ? { signal: giveUp.signal } : { timeoutMs: 400 };
      const held = new Promise<Hold>((resolve) => processor.once('held', resolve));
      const order = { id: 'o-1', userId: 'u-2', amount: 1n };
      const call = codeOf(client.submitOrder({ order }, { headers: as('two'), ...options }));
      const { orderId = '' } = await held;
      giveUp.abort();
      await call;
      // The call of the server has ended too, and did nothing to the order.
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
      expect(processor.stats()).toMatchObject({ heldLanes: 2, canceled: 0 });
      expect(await processor.order(orderId)).toMatchObject({ status: 'pending' });
      await processor.release('u-2', 'skip');
      expect(await processor.outcome(orderId)).toMatchObject({ status: 'failed' });
    },
  );

  it('is canceled by the library, whoever asks', async () => {
    const { processor, id } = await heldOrder();
    expect(await processor.cancel(id)).toBe(true);
  });

  it('holds up no cancellation of the orders behind it', async () => {
    const { post, remove, processor } = await heldOrder();
    await post({ id: 'o-2', userId: 'u-1', amount: 1 }, as('one'));
    await bodyOf(await remove('/orders/o-2', as('one')));
    expect(processor.stats()).toMatchObject({ heldLanes: 1, canceled: 1 });
  });

  it('is canceled by the client of its user as soon as it waits for its retry', async () => {
    const { remove, processor, id } = await heldOrder();
    processor.pause('u-1');
    await processor.release('u-1', 'retry');
    await bodyOf(await remove('/orders/o-1', as('one')));
    expect(await processor.outcome(id)).toMatchObject({ status: 'canceled' });
  });
});

it('invariant 1: a client does not cancel an order whose failure is certain, before it holds its lane', async () => {
  const compensating = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const processor = new OrderProcessor({
    onFailure: 'hold',
    steps: [
      {
        name: 'pay',
        run() {
          throw new Error('socket hang up');
        },
        async compensate() {
          compensating.resolve();
          await ended.promise;
        },
      },
    ],
  });
  const { post, remove } = callsOf(createOrderApp(processor, { authenticate }));
  const held = new Promise<Hold>((resolve) => processor.once('held', resolve));
  await post({ id: 'o-1', userId: 'u-1', amount: 1 }, as('one'));
  await compensating.promise;
  const removed = remove('/orders/o-1', as('one'));
  // The request has come that far when the compensation ends.
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  ended.resolve();
  expect((await removed).status).toBe(409);
  expect(await held).toMatchObject({ orderId: '~u-1~o-1' });
});

it('a hold shows operators what a step threw, over HTTP, gRPC and among the events', async () => {
  const processor = new OrderProcessor({
    onFailure: 'hold',
    steps: [
      {
        name: 'pay',
        run() {
          throw new TypeError('socket hang up');
        },
      },
    ],
  });
  const { get, post, remove } = callsOf(createOrderApp(processor, { authenticate }));
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  const headers = as('watcher');
  const response = await get('/events', headers);
  await post({ id: 'o-1', userId: 'u-1', amount: 1 }, as('one'));
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (/event: held\ndata: .*\n/.test(text)) break;
  }
  const cause = { name: 'TypeError', message: 'socket hang up' };
  const held = /event: held\ndata: (.*)\n/.exec(text)?.[1];
  expect(JSON.parse(held ?? '')).toMatchObject({ code: 'internal', cause });
  expect(await bodyOf(await get('/holds', headers))).toMatchObject({ holds: [{ cause }] });
  expect((await client.listHolds({}, { headers })).holds).toMatchObject([{ cause }]);
  const record = await bodyOf(await get('/orders/o-1', as('one')));
  expect(JSON.stringify(record)).not.toContain('socket');
  const released = await bodyOf(await remove('/users/u-1/hold?action=skip', headers));
  expect(released).toMatchObject({ action: 'skip', cause });
});
