/** Failed orders that come again or are compensated again, over HTTP and gRPC, by the client's own ids. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderError, OrderProcessor } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, problemIn } from '../http/helpers.ts';

const tokens: Record<string, Access> = {
  operator: { users: 'all' },
  one: { users: ['u-1'], mayAddMoney: true },
  pair: { users: ['u-1', 'u-2'], mayAddMoney: true },
  other: { users: ['u-2'], mayAddMoney: true },
};
const tokenOf = (who: string): string => `the-long-random-token-of-${who}`;
const as = (who: string) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who), access])),
);

/** A processor whose step fails until it is mended. */
function bothProtocols() {
  let isOpen = false;
  const run = (): void => {
    if (!isOpen) throw new OrderError('closed', 'Closed');
  };
  const pay = { name: 'pay', run: () => {}, compensate: run };
  const processor = new OrderProcessor({ steps: [pay, { name: 'vendor', after: 'pay', run }] });
  processor.on('error', () => {});
  const app = createOrderApp(processor, { authenticate });
  const client = createClient(
    OrderService,
    createRouterTransport(createOrderRoutes(processor, { authenticate })),
  );
  const calls = callsOf(app);
  const failed = async (order: object, who: string): Promise<void> => {
    isOpen = false;
    await calls.post({ userId: 'u-1', amount: 5, ...order }, { ...as(who), prefer: 'wait=5' });
    isOpen = true;
  };
  const retry = (id: string, who: string, query = '') =>
    calls.post(undefined, as(who), `/orders/${encodeURIComponent(id)}/retry${query}`);
  return { processor, ...calls, client, failed, retry };
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  return error.findDetails(OrderErrorDetailSchema)[0]?.code;
}

describe('an order that comes again', () => {
  it('over HTTP, is one order, and both answers have the ids of the client', async () => {
    const { failed, retry, get, processor } = bothProtocols();
    await failed({ id: 'o-1' }, 'one');
    const answer = await retry('o-1', 'one');
    expect([answer.status, answer.headers.get('location')]).toEqual([202, '../../orders/o-1~2']);
    expect(await bodyOf(answer, 202)).toMatchObject({
      id: 'o-1~2',
      retryOf: 'o-1',
      status: 'pending',
    });
    await processor.onIdle();
    expect(await bodyOf(await retry('o-1', 'one'), 202)).toMatchObject({ status: 'completed' });
    expect(await bodyOf(await get('/orders/o-1', as('one')))).toMatchObject({
      ...{ id: 'o-1', status: 'failed', retriedAs: 'o-1~2' },
    });
    const stored = await processor.order('~u-1~o-1');
    expect(stored?.retriedAs).toBe('~u-1~o-1~2');
    await problemIn(await retry('o-1~2', 'one'), 409, 'not_failed');
    expect(await processor.balance('u-1')).toBe(5);
  });

  it('over gRPC too', async () => {
    const { failed, client, processor } = bothProtocols();
    await failed({ id: 'o-1' }, 'pair');
    const wanted = { id: 'o-1', userId: 'u-1' };
    const { record } = await client.retryOrder(wanted, { headers: as('pair') });
    expect(record).toMatchObject({ id: 'o-1~2', retryOf: 'o-1' });
    await processor.onIdle();
    const old = await client.getOrder(wanted, { headers: as('pair') });
    expect(old.record).toMatchObject({ id: 'o-1', retriedAs: 'o-1~2' });
    const again = client.retryOrder({ id: 'o-1~2', userId: 'u-1' }, { headers: as('pair') });
    expect(await codeOf(again)).toBe('not_failed');
  });

  it('is as good as none for others, and its credits must be the client’s to order', async () => {
    const { failed, retry, client } = bothProtocols();
    const postings = [{ userId: 'u-3', amount: 5 }];
    await failed({ id: 'o-1', amount: -5, postings }, 'operator');
    await problemIn(await retry('o-1', 'other'), 404, 'not_found');
    await problemIn(await retry('o-1', 'pair', '?userId=u-2'), 404, 'not_found');
    await problemIn(await retry('none', 'operator'), 404, 'not_found');
    await problemIn(await retry('o-1', 'one'), 403, 'forbidden');
    const headers = as('one');
    expect(await codeOf(client.retryOrder({ id: 'o-1' }, { headers }))).toBe('forbidden');
    expect((await retry('o-1', 'operator')).status).toBe(202);
  });
});

describe('a compensation that failed', () => {
  it('is run once more for operators alone, over HTTP and gRPC', async () => {
    const { failed, post, client } = bothProtocols();
    const compensate = (who: string) => post(undefined, as(who), '/orders/~u-1~o-1/compensate');
    await failed({ id: 'o-1' }, 'one');
    await problemIn(await compensate('one'), 403, 'forbidden');
    const wanted = { id: '~u-1~o-1' };
    expect(await codeOf(client.compensateOrder(wanted, { headers: as('one') }))).toBe('forbidden');
    const record = await bodyOf(await compensate('operator'));
    expect(record.steps[0]).toMatchObject({ status: 'compensated', compensation: { attempts: 2 } });
    const again = await client.compensateOrder(wanted, { headers: as('operator') });
    expect(again.record?.steps[0]?.compensation).toMatchObject({ isOk: true, attempts: 2 });
    const none = client.compensateOrder({ id: 'none' }, { headers: as('operator') });
    expect(await codeOf(none)).toBe('not_found');
  });
});
