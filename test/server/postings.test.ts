/** Credits to other users over HTTP and gRPC: who may order them, and who sees the balances after them. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import {
  createOrderRoutes,
  OrderErrorDetailSchema,
  OrderService,
  type WatchOrdersResponse,
} from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, type Json, linesOf, problemIn } from '../http/helpers.ts';
import { range } from '../kit/helpers.ts';

const tokens: Record<string, Access> = {
  operator: { users: 'all' },
  one: { users: ['u-1'] },
  pair: { users: ['u-1', 'u-2'] },
  payer: { users: ['u-1'], mayCredit: 'all' },
  shopper: { users: ['u-1'], mayCredit: (id) => id.startsWith('shop-') },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);
const waiting = { prefer: 'wait=5' };

function bothProtocols(options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor(options);
  const app = createOrderApp(processor, { authenticate });
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  return { processor, ...callsOf(app), client };
}

const transfer = (to: string, amount = 40) => ({
  userId: 'u-1',
  amount: -amount,
  postings: [{ userId: to, amount }],
});

/** The same as a message. */
const inGrpc = ({ userId, amount, postings }: ReturnType<typeof transfer>) => ({
  userId,
  amount: BigInt(amount),
  postings: postings.map((each) => ({ ...each, amount: BigInt(each.amount) })),
});

describe('an order with postings', () => {
  it('invariant 3: credits all of them with its own amount, and says so in every answer', async () => {
    const { post, get, batch, client } = bothProtocols();
    const order = { ...transfer('u-2'), id: 't-1' };
    const applied = [{ userId: 'u-2', amount: 40, orderedAmount: 40, balance: 40 }];
    const headers = as('operator');
    const receipt = await bodyOf(await post(order, { ...headers, ...waiting }));
    expect(receipt).toMatchObject({ amount: -40, balance: -40, postings: applied });
    expect(await bodyOf(await get('/orders/t-1', headers))).toMatchObject({ postings: applied });
    const { orders } = await bodyOf(await get('/orders?userId=u-1', headers));
    expect(orders).toMatchObject([{ postings: applied }]);
    const [line] = await linesOf(await batch(`${JSON.stringify(transfer('u-2', 2))}\n`, headers));
    expect(line.postings).toEqual([{ userId: 'u-2', amount: 2, orderedAmount: 2, balance: 42 }]);
    const own = { ...inGrpc(transfer('u-2', 8)), id: 't-3' };
    const { receipt: message } = await client.submitOrder({ order: own }, { headers });
    expect(message?.postings).toMatchObject([
      { userId: 'u-2', amount: 8n, orderedAmount: 8n, balance: 50n },
    ]);
    const { record } = await client.getOrder({ id: 't-3' }, { headers });
    expect(record?.postings).toMatchObject([{ userId: 'u-2', amount: 8n, balance: 50n }]);
  });

  it('invariant 5: is another order with other postings', async () => {
    const { post } = bothProtocols();
    const order = { ...transfer('u-2'), id: 't-1' };
    await post(order, { ...as('operator'), ...waiting });
    const other = { ...order, postings: transfer('u-3').postings };
    await problemIn(await post(other, as('operator')), 409, 'order_conflict');
  });

  it.each([
    ['to its own user', transfer('u-1')],
    [
      'to one user twice',
      { ...transfer('u-2'), postings: [1, 2].map((amount) => ({ userId: 'u-2', amount })) },
    ],
    ['of nothing', { ...transfer('u-2'), postings: [{ userId: 'u-2', amount: 0 }] }],
    ['of less', { ...transfer('u-2'), postings: [{ userId: 'u-2', amount: -5 }] }],
    ['to nobody', transfer('')],
    [
      'beyond the safe integers together',
      {
        ...transfer('u-2'),
        postings: ['u-2', 'u-3'].map((userId) => ({ userId, amount: 2 ** 53 - 1 })),
      },
    ],
    [
      'to too many',
      { ...transfer('u-2'), postings: range(101).map((at) => ({ userId: `v-${at}`, amount: 1 })) },
    ],
  ])('%s is refused, and nothing is applied', async (_, order) => {
    const { post, client, processor } = bothProtocols();
    const headers = as('operator');
    await problemIn(await post(order, { ...headers, ...waiting }), 400, 'invalid_order');
    const call = client.submitOrder({ order: inGrpc(order) }, { headers });
    const error = ConnectError.from(await call.catch((thrown) => thrown));
    expect(error.findDetails(OrderErrorDetailSchema)).toMatchObject([{ code: 'invalid_order' }]);
    expect([await processor.balance('u-1'), await processor.balance('u-2')]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('a client that does not act for all users', () => {
  const cases: [who: string, order: ReturnType<typeof transfer>, isAllowed: boolean][] = [
    ['one', transfer('u-2'), false],
    ['pair', transfer('u-2'), true],
    ['pair', transfer('u-3'), false],
    ['payer', transfer('u-2'), true],
    ['payer', { ...transfer('u-2'), amount: -39 }, false],
    ['payer', { ...transfer('u-2'), amount: -100 }, true],
    ['pair', { ...transfer('u-2'), amount: 0 }, false],
    ['shopper', transfer('shop-1'), true],
    ['shopper', transfer('u-2'), false],
    [
      'shopper',
      {
        ...transfer('shop-1'),
        amount: -80,
        postings: [...transfer('shop-1').postings, ...transfer('u-2').postings],
      },
      false,
    ],
  ];

  it.each(cases)(
    '%s credits whom it may, with what it pays: %j is %j',
    async (who, order, isAllowed) => {
      const { post, batch, client, processor } = bothProtocols();
      const headers = as(who);
      const { status } = await post(order, headers);
      expect(status).toBe(isAllowed ? 202 : 403);
      const [line] = await linesOf(await batch(`${JSON.stringify(order)}\n`, headers));
      expect(line.code).toBe(isAllowed ? undefined : 'forbidden');
      const call = client.enqueueOrder({ order: inGrpc(order) }, { headers });
      const failure = await call.then(() => undefined, ConnectError.from);
      expect(failure?.findDetails(OrderErrorDetailSchema)[0]?.code).toBe(
        isAllowed ? undefined : 'forbidden',
      );
      await processor.onIdle();
      expect(processor.stats().completed).toBe(isAllowed ? 3 : 0);
    },
  );

  it('does not see the balances of the others, in any answer', async () => {
    const { post, get, batch, client, processor } = bothProtocols();
    await processor.submit({ userId: 'shop-1', amount: 123_456_789 });
    const headers = as('shopper');
    const events = await get('/events?userId=u-1', headers);
    const order = { ...transfer('shop-1'), id: 't-1' };
    const { postings } = await bodyOf(await post(order, { ...headers, ...waiting }));
    expect(postings).toEqual([{ userId: 'shop-1', amount: 40, orderedAmount: 40 }]);
    const watched = completedOf(client.watchOrders({ userId: 'u-1' }, { headers }), processor);
    const message = await client.submitOrder({ order: inGrpc(order) }, { headers }).catch(shown);
    const texts = [
      shown(message),
      ...(await Promise.all(
        [
          post(order, headers),
          get('/orders/t-1', headers),
          get('/orders?userId=u-1', headers),
          batch(`${JSON.stringify(order)}\n`, headers),
        ].map(async (response) => (await response).text()),
      )),
      shown(await client.getOrder({ id: 't-1' }, { headers })),
      shown(await client.listOrders({ userId: 'u-1' }, { headers })),
      await textUntil(events, 'event: completed'),
      shown(await watched),
    ];
    for (const text of texts) {
      expect(text).toContain('shop-1');
      expect(text).not.toMatch(/1234567|123456829/);
    }
    const own = await bodyOf(await get('/orders/~u-1~t-1', as('operator')));
    expect(own.postings).toEqual([
      { userId: 'shop-1', amount: 40, orderedAmount: 40, balance: 123_456_829 },
    ]);
  });

  it('sees those of its own users', async () => {
    const { post } = bothProtocols();
    const { postings } = await bodyOf(await post(transfer('u-2'), { ...as('pair'), ...waiting }));
    expect(postings).toEqual([{ userId: 'u-2', amount: 40, orderedAmount: 40, balance: 40 }]);
  });

  it('with access that is none is admitted to nothing', async () => {
    const processor = new OrderProcessor();
    const errors: unknown[] = [];
    const app = createOrderApp(processor, {
      authenticate: () => ({ users: ['u-1'], mayCredit: 'everybody' as 'all' }),
      onError: (error) => errors.push(error),
    });
    await problemIn(await callsOf(app).post(transfer('u-2')), 500, 'internal');
    expect(errors).toEqual([expect.any(TypeError)]);
  });
});

it('an order with `expiresAt` begins before it or is canceled, over HTTP and gRPC', async () => {
  const { post, get, client, processor } = bothProtocols();
  const headers = as('operator');
  processor.pause('u-1');
  const expiresAt = Date.now() + 60_000;
  const order = { id: 'o-1', userId: 'u-1', amount: 1, expiresAt };
  expect(await bodyOf(await post(order, headers), 202)).toMatchObject({ expiresAt });
  expect(await bodyOf(await get('/orders/o-1', headers))).toMatchObject({ expiresAt });
  const seconds = BigInt(Math.floor(expiresAt / 1_000));
  const { record } = await client.getOrder({ id: 'o-1' }, { headers });
  expect(record?.expiresAt?.seconds).toBe(seconds);
  const late = { ...order, id: 'o-2', expiresAt: Date.now() - 1 };
  await problemIn(await post(late, headers), 409, 'expired');
  const timestamp = { seconds: 1n, nanos: 0 };
  const call = client.enqueueOrder(
    { order: { id: 'o-3', userId: 'u-1', amount: 1n, expiresAt: timestamp } },
    { headers },
  );
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  expect(error.findDetails(OrderErrorDetailSchema)).toMatchObject([{ code: 'expired' }]);
  const far = { ...order, id: 'o-4', expiresAt: 8_640_000_000_000_000 };
  await problemIn(await post(far, headers), 400, 'invalid_order');
});

/** The first receipt among the events; transfers are handed in until it has come. */
async function completedOf(
  events: AsyncIterable<WatchOrdersResponse>,
  processor: OrderProcessor,
): Promise<unknown> {
  const feeding = setInterval(() => processor.submit(transfer('shop-1', 1)), 5);
  try {
    for await (const { event } of events) if (event.case === 'completed') return event.value;
    return undefined;
  } finally {
    clearInterval(feeding);
  }
}

async function textUntil(response: Response, part: string): Promise<string> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.includes(part)) break;
  }
  return text;
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, each: Json) => (typeof each === 'bigint' ? `${each}` : each));
}
