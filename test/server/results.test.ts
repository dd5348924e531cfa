/** What steps return and what is really owed, over HTTP and gRPC: who sees it, and what is no JSON. */
import { toJson } from '@bufbuild/protobuf';
import { type Value, ValueSchema } from '@bufbuild/protobuf/wkt';
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, linesOf, problemIn } from '../http/helpers.ts';

function bothProtocols(options: OrderProcessorOptions = {}, access: Access = { users: 'all' }) {
  const processor = new OrderProcessor(options);
  const authenticate = () => access;
  const app = createOrderApp(processor, { authenticate });
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  return { processor, ...callsOf(app), client };
}

const order = { id: 'o-1', userId: 'u-1', amount: -1000 };
const message = { ...order, amount: -1000n };
const waiting = { prefer: 'wait=5' };

const steps: OrderProcessorOptions['steps'] = [
  {
    name: 'charge',
    run(_, { setAmount }) {
      setAmount(-640);
      return { chargeId: 'ch-1' };
    },
  },
  { name: 'notify', run() {} },
];

const plain = (results: Record<string, Value> = {}) =>
  Object.fromEntries(
    Object.entries(results).map(([step, value]) => [step, toJson(ValueSchema, value)]),
  );

/** What every answer about the order has for results, over HTTP and gRPC. */
async function allResults({ post, get, batch, client }: ReturnType<typeof bothProtocols>) {
  const first = await bodyOf(await post(order, waiting));
  const again = await bodyOf(await post(order), 202);
  const one = await bodyOf(await get('/orders/o-1?userId=u-1'));
  const { orders } = await bodyOf(await get('/orders?userId=u-1'));
  const [line] = await linesOf(await batch(`${JSON.stringify(order)}\n`));
  const { receipt } = await client.submitOrder({ order: message });
  const { record } = await client.enqueueOrder({ order: message });
  const got = await client.getOrder({ id: 'o-1', userId: 'u-1' });
  const { records } = await client.listOrders({ userId: 'u-1' });
  const outcomes = client.submitOrders(
    (async function* () {
      yield { order: message };
    })(),
  );
  const streamed: Record<string, Value>[] = [];
  for await (const { outcome } of outcomes) {
    if (outcome.case === 'receipt') streamed.push(outcome.value.results);
  }
  const inGrpc = [receipt?.results, record?.results, got.record?.results, records[0]?.results];
  return [
    ...[first, again, one, orders[0], line].map(({ results }) => results),
    ...[...inGrpc, ...streamed].map(plain),
  ];
}

describe('what steps return', () => {
  it('stands in every receipt and record', async () => {
    const results = await allResults(bothProtocols({ steps }));
    expect(results).toEqual(Array(10).fill({ charge: { chargeId: 'ch-1' } }));
  });

  it.each([
    ['all users', { users: 'all', seesResults: false }],
    ['one user', { users: ['u-1'], seesResults: false }],
  ] as [string, Access][])(
    'is hidden from a client of %s that is not to see it',
    async (_, access) => {
      const results = await allResults(bothProtocols({ steps }, access));
      expect(results).toEqual(Array(10).fill({}));
    },
  );

  it('is not among the events', async () => {
    const { get, processor } = bothProtocols({ steps });
    const response = await get('/events');
    await processor.submit(order);
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      if (text.includes('event: completed')) break;
    }
    expect(text).not.toContain('ch-1');
    expect(text).toContain('"orderedAmount":-1000');
  });

  it('that is no JSON is left out, and the rest is answered (invariant 8)', async () => {
    const own = [
      { name: 'bad', run: () => ({ big: 1n }) },
      { name: 'good', run: () => 'fine' },
    ];
    const results = await allResults(bothProtocols({ steps: own }));
    expect(results.slice(0, 5)).toEqual(Array(5).fill({ bad: null, good: 'fine' }));
    expect(results.slice(5)).toEqual(Array(5).fill({ good: 'fine' }));
  });
});

it('what is really owed stands beside what was ordered', async () => {
  const { post, get, batch, client } = bothProtocols({ steps });
  const amounts = { amount: -640, orderedAmount: -1000 };
  expect(await bodyOf(await post(order, waiting))).toMatchObject({ ...amounts, balance: -640 });
  expect(await bodyOf(await get('/orders/o-1'))).toMatchObject(amounts);
  expect(await linesOf(await batch(`${JSON.stringify(order)}\n`))).toMatchObject([amounts]);
  const big = { amount: -640n, orderedAmount: -1000n };
  expect((await client.submitOrder({ order: message })).receipt).toMatchObject(big);
  expect((await client.getOrder({ id: 'o-1' })).record).toMatchObject(big);
});

it('access whose `seesResults` is no boolean admits no client', async () => {
  const processor = new OrderProcessor();
  const errors: unknown[] = [];
  const app = createOrderApp(processor, {
    authenticate: () => ({ users: 'all', seesResults: 'false' as unknown as boolean }),
    onError: (error) => errors.push(error),
  });
  await problemIn(await callsOf(app).get('/orders'), 500, 'internal');
  expect(errors).toEqual([expect.any(TypeError)]);
});

describe('an order with `notBefore`', () => {
  const soon = Date.now() + 60_000;

  it('waits until then, is listed, and can be canceled, over HTTP and gRPC', async () => {
    const { post, get, remove, client } = bothProtocols();
    const record = await bodyOf(await post({ ...order, notBefore: soon }), 202);
    expect(record).toMatchObject({ status: 'pending', notBefore: soon });
    expect(await bodyOf(await post({ userId: 'u-1', amount: 1 }, waiting))).toMatchObject({
      balance: 1,
    });
    expect((await bodyOf(await get('/orders?status=pending'))).orders).toEqual([record]);
    expect(await bodyOf(await get('/stats'))).toMatchObject({ scheduled: 1 });
    expect(await client.getStats({})).toMatchObject({ scheduled: 1n });
    const got = await client.getOrder({ id: 'o-1' });
    expect(got.record?.notBefore?.seconds).toBe(BigInt(Math.floor(soon / 1_000)));
    expect(await bodyOf(await remove('/orders/o-1'))).toMatchObject({ status: 'canceled' });
    const notBefore = { seconds: BigInt(Math.floor(soon / 1_000)), nanos: 0 };
    const { record: own } = await client.enqueueOrder({
      order: { ...message, id: 'o-2', notBefore },
    });
    expect(own?.notBefore).toMatchObject(notBefore);
  });

  it.each([-1, 0.5, '2030-01-01', 8_640_000_000_000_000])('at %j is refused', async (notBefore) => {
    const { post, processor } = bothProtocols();
    await problemIn(await post({ ...order, notBefore }), 400, 'invalid_order');
    expect(processor.stats().scheduled).toBe(0);
  });

  it.each([
    ['beyond a hundred years', 8_000_000_000n],
    ['before 1970', -1n],
    ['beyond the year 9999', 300_000_000_000n],
  ])('%s is INVALID_ARGUMENT over gRPC', async (_, seconds) => {
    const { client } = bothProtocols();
    const call = client.enqueueOrder({ order: { ...message, notBefore: { seconds, nanos: 0 } } });
    const error = ConnectError.from(await call.catch((thrown) => thrown));
    expect(error.findDetails(OrderErrorDetailSchema)).toMatchObject([{ code: 'invalid_order' }]);
  });
});
