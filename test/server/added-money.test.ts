/** Orders that add money, over HTTP and gRPC: clients that may act for some users spend and transfer, and add none. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderError, OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, answerOrder, bearer, createOrderApp } from 'order-processor/http';
import { expect, it } from 'vitest';
import { bodyOf, callsOf, linesOf, problemIn } from '../http/helpers.ts';

const tokens: Record<string, Access> = {
  all: { users: 'all' },
  superuser: { users: 'all', isOperator: false },
  spender: { users: 'all', mayAddMoney: false },
  lead: { users: ['eve'], isOperator: true },
  clerk: { users: ['eve'], isOperator: true, mayAddMoney: false },
  eve: { users: ['eve'] },
  reader: { users: ['eve'], mayOrder: false },
  payer: { users: ['eve'], mayCredit: 'all' },
  till: { users: ['eve'], mayAddMoney: true },
  giver: { users: (id) => id === 'eve', mayCredit: ['bob'], mayAddMoney: true },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);

function bothProtocols(options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor(options);
  const routes = createOrderRoutes(processor, { authenticate });
  const client = createClient(OrderService, createRouterTransport(routes));
  return { processor, ...callsOf(createOrderApp(processor, { authenticate })), client };
}

const order = (amount: number, credited = 0) => ({
  userId: 'eve',
  amount,
  postings: credited === 0 ? [] : [{ userId: 'bob', amount: credited }],
});

/** The same as a message. */
const inGrpc = ({ userId, amount, postings }: ReturnType<typeof order>) => ({
  userId,
  amount: BigInt(amount),
  postings: postings.map((each) => ({ ...each, amount: BigInt(each.amount) })),
});

const codeOf = (thrown: unknown) =>
  ConnectError.from(thrown).findDetails(OrderErrorDetailSchema)[0]?.code;

it.each<[who: string, order: ReturnType<typeof order>, isAllowed: boolean]>([
  ['eve', order(1), false],
  ['eve', order(2 ** 53 - 1), false],
  ['eve', order(0), true],
  ['eve', order(-1), true],
  ['payer', order(1), false],
  ['payer', order(-5, 5), true],
  ['payer', order(-4, 5), false],
  ['payer', order(5, 5), false],
  ['clerk', order(1), false],
  ['lead', order(1), true],
  ['till', order(1), true],
  ['till', order(-5, 5), false],
  ['giver', order(0, 5), true],
  ['giver', order(5, 5), true],
  ['spender', order(1), false],
  ['spender', order(0, 5), false],
  ['spender', order(-5, 5), true],
  ['superuser', order(1), true],
  ['all', order(5, 5), true],
])('invariant 3: %s adds money only if it may: %j is %j', async (who, given, isAllowed) => {
  const { post, batch, client, processor } = bothProtocols();
  const headers = as(who);
  expect((await post(given, headers)).status).toBe(isAllowed ? 202 : 403);
  const [line] = await linesOf(await batch(`${JSON.stringify(given)}\n`, headers));
  const code = isAllowed ? undefined : 'forbidden';
  expect(line.code).toBe(code);
  const message = { order: inGrpc(given) };
  const calls = [
    client.enqueueOrder(message, { headers }),
    client.submitOrder(message, { headers }),
  ];
  const codes = calls.map((call) => call.then(() => undefined, codeOf));
  expect(await Promise.all(codes)).toEqual([code, code]);
  async function* messages() {
    yield message;
  }
  for await (const { outcome } of client.submitOrders(messages(), { headers })) {
    const { value } = outcome;
    expect(outcome.case === 'unfulfilled' ? outcome.value.error?.code : value && undefined).toBe(
      code,
    );
  }
  await processor.onIdle();
  expect(processor.stats().accepted).toBe(isAllowed ? 5 : 0);
});

it('the refusal says what to expect, and what to grant', async () => {
  const { post } = bothProtocols();
  const { detail } = await problemIn(await post(order(500), as('eve')), 403, 'forbidden');
  expect(detail).toBe(
    'You may not add money: expected `amount` to be at most 0, got 500; to add money, the access of the client needs `mayAddMoney: true`',
  );
  const short = await problemIn(await post(order(-4, 5), as('payer')), 403, 'forbidden');
  expect(short.detail).toContain('at most -5, which pays for all `postings`, got -4');
});

it('a batch goes on behind an order that adds money', async () => {
  const { batch, processor } = bothProtocols();
  const lines = [order(100), order(-40), order(7)].map((each) => JSON.stringify(each)).join('\n');
  const codes = (await linesOf(await batch(lines, as('eve')))).map(({ status }) => status);
  expect(codes).toEqual(['refused', 'completed', 'refused']);
  expect(await processor.balance('eve')).toBe(-40);
});

it('a top-up that failed is handed in once more by a client that may add money alone', async () => {
  let isDown = true;
  const bank = {
    name: 'bank',
    run() {
      if (isDown) throw new OrderError('bank_down', 'The bank does not answer');
    },
  };
  const { post, client, processor } = bothProtocols({ steps: [bank] });
  await processor.submit({ ...order(100), id: 'top-up' }).catch(() => {});
  isDown = false;
  const path = '/orders/top-up/retry';
  await problemIn(await post(undefined, as('eve'), path), 403, 'forbidden');
  const call = client.retryOrder({ id: 'top-up' }, { headers: as('eve') });
  expect(await call.then(() => undefined, codeOf)).toBe('forbidden');
  await bodyOf(await post(undefined, as('till'), path), 202);
  await processor.onIdle();
  expect(await processor.balance('eve')).toBe(100);
});

it('what a step says is really owed is the business of the host: invariant 3 holds for what was ordered', async () => {
  const meter = {
    name: 'meter',
    run: (_: unknown, { setAmount }: { setAmount: (n: number) => void }) => setAmount(-64),
  };
  const { post } = bothProtocols({ steps: [meter] });
  const receipt = await bodyOf(await post(order(-100), { ...as('eve'), prefer: 'wait=5' }));
  expect(receipt).toMatchObject({ amount: -64, orderedAmount: -100 });
});

it('a client without `mayOrder` hands in no order but by a route of the host, and reads and cancels its own', async () => {
  const { post, get, batch, client, processor } = bothProtocols({
    steps: [{ name: 'fails', run: () => Promise.reject(new OrderError('bank_down', 'No')) }],
  });
  await processor.submit({ ...order(-1), id: 'o-1' }).catch(() => {});
  for (const path of ['/orders', '/orders/o-1/retry']) {
    const body = path === '/orders' ? order(-1) : undefined;
    await problemIn(await post(body, as('reader'), path), 403, 'forbidden');
  }
  const [line] = await linesOf(await batch(JSON.stringify(order(-1)), as('reader')));
  expect(line).toMatchObject({ status: 'refused', code: 'forbidden' });
  for (const call of [
    client.submitOrder({ order: inGrpc(order(-1)) }, { headers: as('reader') }),
    client.enqueueOrder({ order: inGrpc(order(-1)) }, { headers: as('reader') }),
    client.retryOrder({ id: 'o-1' }, { headers: as('reader') }),
  ]) {
    expect(await call.then(() => undefined, codeOf)).toBe('forbidden');
  }
  await bodyOf(await get('/orders/o-1', as('reader')));
  const request = new Request('http://localhost/', { method: 'POST' });
  const access = tokens.reader as Access;
  expect((await answerOrder(processor, request, order(-1), { access })).status).toBe(202);
  await processor.onIdle();
});

it('access that is no boolean is admitted to nothing', () => {
  const access = { users: ['eve'], mayAddMoney: 'false' as unknown as boolean };
  expect(() => bearer({ [tokenOf('eve')]: access })).toThrow('Expected `access.mayAddMoney`');
});
