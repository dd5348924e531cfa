/** What is behind an order's error is kept for its operator, over a restart too, and no client sees it. */
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderError, OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, OrderService } from 'order-processor/grpc';
import { describe, expect, it } from 'vitest';
import { causeOfOrder } from '../../../src/core/order/order-cause.ts';
import { appOf, linesOf } from '../../http/helpers.ts';
import { errorOf, throwing } from '../../kit/helpers.ts';
import { useFolder } from '../../sqlite/helpers.ts';

const folder = useFolder();
const order = { id: 'a', userId: 'u', amount: 1 };
const bug = new TypeError('No `card` on 4111 1111 1111 1111', { cause: new Error('ECONNRESET') });
const kept = {
  name: 'TypeError',
  message: 'No `card` on 4111 1111 1111 1111; caused by Error: ECONNRESET',
};

describe('the cause of a failed order', () => {
  it('stands in its record, and in the error that a duplicate gets', async () => {
    const processor = new OrderProcessor({ steps: [throwing(bug)] });
    const error = await errorOf(processor.submit(order));
    expect(error.cause).toBe(bug);
    expect((await processor.order('a'))?.cause).toEqual(kept);
    expect((await processor.orders()).orders).toMatchObject([{ cause: kept }]);
    const again = await errorOf(processor.submit(order));
    expect(again.cause).toBeInstanceOf(Error);
    expect(again.cause).toMatchObject({ ...kept, stack: `${kept.name}: ${kept.message}` });
  });

  it('invariant 9: outlives the process, so that bugs do not look alike', async () => {
    const first = new OrderProcessor({ storage: await folder.open(), steps: [throwing(bug)] });
    await errorOf(first.submit(order));
    await first.shutdown();
    const next = new OrderProcessor({ storage: await folder.open() });
    expect(await next.order('a')).toMatchObject({ code: 'internal', cause: kept });
    const outcome = await next.outcome('a');
    expect(outcome).toMatchObject({ status: 'failed', error: { cause: kept } });
    await next.shutdown();
  });

  it('invariant 9: outlives it too where callers were notified before the order was settled', async () => {
    const steps = [{ name: 'slow', run: () => new Promise<void>(() => {}), compensate() {} }];
    const first = new OrderProcessor({ storage: await folder.open(), steps });
    const reason = new RangeError('The client has gone');
    const controller = new AbortController();
    const told = errorOf(first.submit(order, { signal: controller.signal }));
    await new Promise<void>((resolve) => first.on('started', () => resolve()));
    controller.abort(reason);
    expect((await told).cause).toBe(reason);
    first.on('stalled', () => {});
    await first.shutdown({ timeoutMs: 5 });
    const next = new OrderProcessor({ storage: await folder.open() });
    await next.ready;
    await next.onIdle();
    const cause = { name: 'RangeError', message: 'The client has gone' };
    expect(await next.order('a')).toMatchObject({ status: 'canceled', cause });
    await next.shutdown();
  });

  it('is none of an order that completed, or failed with an error of its own', async () => {
    const steps = [{ name: 'own', run: ({ amount }: { amount: number }) => {
      if (amount > 1) throw new OrderError('declined', 'No');
    } }]; // biome-ignore format: short
    const processor = new OrderProcessor({ steps });
    await processor.submit(order);
    await errorOf(processor.submit({ ...order, id: 'b', amount: 2 }));
    for (const id of ['a', 'b']) expect((await processor.order(id))?.cause).toBe(undefined);
  });

  const hostile = new Proxy(new Error('x'), {
    get() {
      throw new Error('No');
    },
  });
  const loop = new Error('Round');
  loop.cause = loop;
  it.each<[string, unknown, string, string]>([
    ['text', 'Sold out', 'string', '"Sold out"'],
    ['nothing', null, 'object', 'null'],
    [
      'another processor’s error',
      new OrderError('queue_full', 'Full'),
      'OrderError',
      'queue_full: Full',
    ],
    ['an error in a circle', loop, 'Error', `Round${'; caused by Error: Round'.repeat(3)}`],
    ['half a character', new Error('\ud800'), 'Error', '\ufffd'],
    [
      'what is underneath an own error',
      new OrderError('internal', 'x', { cause: bug }),
      kept.name,
      kept.message,
    ],
  ])('may be anything: %s', (_, cause, name, message) => {
    // biome-ignore format: short
    expect(causeOfOrder(new OrderError('internal', 'No', { cause }))).toEqual({ name, message });
  });

  it('is bounded, and is there though it throws when it is read', () => {
    const long = Object.assign(new Error('y'.repeat(1e6)), { name: 'x'.repeat(1e6) });
    const cause = causeOfOrder(new OrderError('internal', 'No', { cause: long }));
    expect([cause?.name.length, cause?.message.length]).toEqual([65, 1_025]);
    expect(causeOfOrder(new OrderError('internal', 'No', { cause: hostile }))?.name).toBe('object');
  });
});

describe('no client sees the cause', () => {
  const secret = /4111|ECONNRESET|TypeError|"cause":\{"(?!description")/;
  const options: OrderProcessorOptions = { steps: [throwing(bug)], retry: { attempts: 2, delayMs: 1 } }; // biome-ignore format: short

  it('on any route of the HTTP face', async () => {
    const { processor, get, post, remove, batch, errors } = appOf(options);
    const events = await get('/events');
    const heard: string[] = [];
    const failed = new Promise<void>((resolve) => processor.once('failed', () => resolve()));
    const body = JSON.stringify(order);
    heard.push(await (await post(body)).text());
    await failed;
    heard.push(await (await post(body)).text());
    heard.push(await (await post(body, { prefer: 'wait=5' })).text());
    heard.push(
      JSON.stringify(await linesOf(await batch(`${body}\n${body.replace('"a"', '"b"')}\n`))),
    );
    heard.push(await (await get('/orders')).text());
    heard.push(await (await get('/orders/a')).text());
    heard.push(await (await remove('/orders/a')).text());
    heard.push(await (await get('/stats')).text());
    heard.push(await (await get('/openapi.json')).text());
    await processor.shutdown();
    const reader = events.body?.getReader();
    for (let text = ''; !text.includes('event: failed'); ) {
      text += new TextDecoder().decode((await reader?.read())?.value);
      heard.push(text);
    }
    await reader?.cancel();
    expect(heard.join('\n').match(/internal/g)?.length).toBeGreaterThan(6);
    for (const each of heard) expect(each).not.toMatch(secret);
    expect(errors).not.toEqual([]);
  });

  it('on any call of the gRPC face', async () => {
    const processor = new OrderProcessor(options);
    const routes = createOrderRoutes(processor, { onError: () => {} });
    const client = createClient(OrderService, createRouterTransport(routes));
    const hidden = (value: unknown): void => {
      const text = JSON.stringify(value, (_, each) =>
        typeof each === 'bigint' ? `${each}` : each,
      );
      expect(text).not.toMatch(secret);
    };
    const submitted = { order: { ...order, amount: 1n } };
    const error = await client.submitOrder(submitted).catch((thrown) => thrown);
    hidden([error.rawMessage, error.details]);
    hidden(await client.enqueueOrder(submitted));
    hidden(await client.getOrder({ id: 'a' }));
    hidden(await client.listOrders({}));
    await processor.shutdown();
  });
});
