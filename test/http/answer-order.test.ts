/** Orders of routes of the host's own: answered as those of `POST /orders`. */
import { Hono } from 'hono';
import {
  type Order,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
} from 'order-processor';
import {
  type Access,
  type AnswerOrderOptions,
  answerOrder,
  createOrderApp,
} from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { bodyOf, callsOf, gates, problemIn } from './helpers.ts';

const waiting = { prefer: 'wait=5' };

/** The app of orders, and a route that makes an order of its body. */
function hostOf(
  access: Access,
  options: OrderProcessorOptions = {},
  more: AnswerOrderOptions = {},
) {
  const processor = new OrderProcessor(options);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const host = new Hono();
  host.post('/top-ups', async ({ req }) => {
    const order = (await req.raw.json()) as Order;
    return answerOrder(processor, req.raw, order, { access, onError, ...more });
  });
  host.route('/', createOrderApp(processor, { authenticate: () => access, onError }));
  const { post, get } = callsOf(host);
  const topUp = (order: unknown, headers: Record<string, string> = {}) =>
    post(order, headers, '/top-ups');
  return { processor, errors, post, get, topUp };
}

const eve: Access = { users: ['eve'] };
const order = { userId: 'eve', amount: 100 };

describe('an order of a route of the host', () => {
  it('invariant 5: has the ids of the client, as those of the app have', async () => {
    const { topUp, get, processor } = hostOf(eve);
    const key = { 'idempotency-key': '1' };
    const first = await topUp(order, key);
    expect([first.status, first.headers.get('location')]).toEqual([202, '/orders/1']);
    expect(await bodyOf(first, 202)).toMatchObject({ id: '1', userId: 'eve', amount: 100 });
    const again = await bodyOf(await topUp(order, { ...key, ...waiting }));
    expect(again).toMatchObject({ orderId: '1', status: 'completed', balance: 100 });
    expect(await bodyOf(await get('/orders/1'))).toMatchObject({ id: '1', status: 'completed' });
    expect(await processor.order('~eve~1')).toMatchObject({ id: '~eve~1' });
    await problemIn(await topUp({ ...order, amount: 7 }, key), 409, 'order_conflict');
    await problemIn(await topUp({ ...order, id: '2' }, key), 400, 'bad_request');
  });

  it('may add money that its client may not, since the route says so', async () => {
    const { topUp, post } = hostOf(eve);
    await problemIn(await post(order), 403, 'forbidden');
    expect((await topUp(order)).status).toBe(202);
  });

  it('is answered with its outcome if the client waits, and with 202 if that takes longer', async () => {
    const { step, openAll } = gates();
    const { topUp, processor } = hostOf(eve, { steps: [step] }, { maxWaitMs: 10 });
    const late = await topUp(order, waiting);
    expect(late.headers.get('preference-applied')).toBe('wait=0.01');
    expect(await bodyOf(late, 202)).toMatchObject({ userId: 'eve', status: 'processing' });
    openAll();
    await processor.onIdle();
  });

  it('that fails or is refused is a problem, with the ids of the client', async () => {
    const declined = {
      name: 'card',
      run: () => {
        throw new OrderError('declined', 'No money on it', { retryable: false });
      },
    };
    const { topUp, errors } = hostOf(eve, { steps: [declined] }, { statuses: { declined: 402 } });
    const failed = await problemIn(await topUp({ ...order, id: '1' }, waiting), 402, 'declined');
    expect(failed).toMatchObject({ orderId: '1', outcome: 'failed' });
    await problemIn(await topUp({ ...order, amount: 0.5 }), 400, 'invalid_order');
    await problemIn(await topUp({ ...order, id: 'x'.repeat(256) }), 400, 'invalid_order');
    expect(errors).toEqual([]);
  });

  it('invariant 8: shows nothing of a bug, which `onError` gets', async () => {
    const bug = {
      name: 'card',
      run: () => {
        throw new TypeError('secret');
      },
    };
    const { topUp, errors } = hostOf(eve, { steps: [bug] });
    const text = JSON.stringify(await problemIn(await topUp(order, waiting), 422, 'internal'));
    expect(text).not.toContain('secret');
    expect(errors).toMatchObject([{ code: 'internal', cause: { message: 'secret' } }]);
  });

  it('has the ids of the storage by default, and a `Location` where the host says', async () => {
    const processor = new OrderProcessor();
    const request = new Request('http://localhost/', { headers: { 'idempotency-key': 'o-1' } });
    const response = await answerOrder(processor, request, order, { ordersPath: '/api/orders' });
    expect(response.headers.get('location')).toBe('/api/orders/o-1');
    expect(await processor.order('o-1')).toMatchObject({ userId: 'eve' });
  });

  it.each<[AnswerOrderOptions, string]>([
    [{ access: { users: 'some' as 'all' } }, 'access.users'],
    [{ maxWaitMs: 0 }, 'maxWaitMs'],
    [{ acceptTimeoutMs: 0.5 }, 'acceptTimeoutMs'],
    [{ statuses: { own: 200 } }, 'statuses.own'],
    [{ ordersPath: 5 as never }, 'ordersPath'],
    [{ waitMs: 5 } as never, 'waitMs'],
  ])('with %j is refused before anything is handed in', async (options, name) => {
    const processor = new OrderProcessor();
    const request = new Request('http://localhost/');
    await expect(answerOrder(processor, request, order, options)).rejects.toThrow(name);
    expect(processor.stats().accepted).toBe(0);
  });
});
