/** SubmitOrders: outcomes in the order of the orders, and no more of them under way than there is room for. */
import { ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { gates } from '../http/helpers.ts';
import { range, watch } from '../kit/helpers.ts';
import { codeOf, type Json, type Running, until, useServers } from './helpers.ts';

const start = useServers();

const order = (id: number, userId = `u-${id % 7}`) => ({
  order: { id: `o-${id}`, userId, amount: 1n },
});

/** What `submitOrders` takes, handed in one by one. */
function source<T>() {
  const waiting: T[] = [];
  let isEnded = false;
  let wake = (): void => {};
  return {
    taken: 0,
    push(...messages: T[]): void {
      waiting.push(...messages);
      wake();
    },
    end(): void {
      isEnded = true;
      wake();
    },
    async *[Symbol.asyncIterator](): AsyncGenerator<T> {
      for (;;) {
        // No `shift`, which moves all others.
        const next = waiting[this.taken];
        if (next !== undefined) {
          this.taken += 1;
          yield next;
        } else if (isEnded) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}

/** An outcome in short. */
function shown({ index, outcome }: Json): unknown[] {
  const { case: kind, value } = outcome;
  return kind === 'receipt'
    ? [Number(index), value.orderId]
    : [Number(index), value.isRefused ? 'refused' : 'failed', value.error.code];
}

async function all(outcomes: AsyncIterable<unknown>): Promise<unknown[][]> {
  const list: unknown[][] = [];
  for await (const outcome of outcomes) list.push(shown(outcome));
  return list;
}

describe('the outcomes', () => {
  it('come in the order of the orders, even if a later one ends first', async () => {
    const work = gates();
    const { client } = await start({ processor: { steps: [work.step] } });
    const orders = source<Json>();
    orders.push(...range(3).map((id) => order(id)));
    orders.end();
    const outcomes = all(client.submitOrders(orders));
    for (const id of [2, 1, 0]) work.open(`o-${id}`);
    expect(await outcomes).toEqual([
      [0, 'o-0'],
      [1, 'o-1'],
      [2, 'o-2'],
    ]);
  });

  it('refuse in its place what is no order, and go on', async () => {
    const { client, processor } = await start({ processor: { minBalance: 0 } });
    const orders = source<Json>();
    orders.push(
      order(0),
      {},
      { order: { userId: '' } },
      { order: { userId: 'u-1', amount: 2n ** 60n } },
      { order: { userId: 'u-9', amount: -5n } },
      { order: { id: 'o-0', userId: 'u-8' } },
      order(1),
    );
    orders.end();
    expect(await all(client.submitOrders(orders))).toEqual([
      [0, 'o-0'],
      [1, 'refused', 'invalid_order'],
      [2, 'refused', 'invalid_order'],
      [3, 'refused', 'invalid_order'],
      [4, 'failed', 'insufficient_funds'],
      [5, 'refused', 'order_conflict'],
      [6, 'o-1'],
    ]);
    expect(processor.stats()).toMatchObject({ completed: 2, failed: 1, refused: 4 });
  });

  it('say of the issues of a refused one', async () => {
    const { client } = await start();
    const orders = source<Json>();
    orders.push({ order: { userId: '' } });
    orders.end();
    for await (const { outcome } of client.submitOrders(orders)) {
      expect(outcome.value).toMatchObject({
        isRefused: true,
        isCanceled: false,
        error: { issues: [{ path: 'order.user_id' }] },
      });
    }
  });

  it('come while the stream is open, in a conversation', async () => {
    const { grpc } = await start();
    const call = grpc.submitOrders();
    const answers = call[Symbol.asyncIterator]() as AsyncIterator<Json>;
    for (const index of range(5)) {
      call.write({ order: { userId: 'u-1', amount: 1 } });
      const { value } = await answers.next();
      expect([value.index, value.receipt.balance]).toEqual([String(index), String(index + 1)]);
    }
    call.end();
    expect((await answers.next()).done).toBe(true);
  });

  it('of an empty stream are none', async () => {
    const { client } = await start();
    const orders = source<Json>();
    orders.end();
    expect(await all(client.submitOrders(orders))).toEqual([]);
  });
});

describe('back-pressure', () => {
  it('takes no more orders than there is room for, and refuses none', async () => {
    const work = gates();
    const { client, processor } = await start({ processor: { steps: [work.step], capacity: 4 } });
    const orders = source<Json>();
    orders.push(...range(50).map((id) => order(id)));
    orders.end();
    const outcomes = all(client.submitOrders(orders));
    await until(() => processor.stats().unsettled === 4);
    expect(processor.stats().accepted).toBe(4);
    for (const id of range(50)) work.open(`o-${id}`);
    expect(await outcomes).toEqual(range(50).map((id) => [id, `o-${id}`]));
    expect(processor.stats().refused).toBe(0);
  });

  it('of a reader that reads nothing reaches the sender: most orders are never taken', async () => {
    const { client, processor } = await start();
    const total = 20_000;
    // The longer the answers, the fewer fill the buffers on the way.
    const idOf = (at: number): string => `${'o'.repeat(200)}-${at}`;
    const orders = source<Json>();
    orders.push(...range(total).map((at) => ({ order: { ...order(at).order, id: idOf(at) } })));
    orders.end();
    const outcomes = client.submitOrders(orders)[Symbol.asyncIterator]();
    expect(shown((await outcomes.next()).value)).toEqual([0, idOf(0)]);
    let before = -1;
    while (processor.stats().accepted !== before) {
      before = processor.stats().accepted;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(before).toBeLessThan(total / 4);
    expect(orders.taken).toBeLessThan(total / 2);
    // As soon as it reads, more are.
    for (const at of range(before + 100)) {
      expect(shown((await outcomes.next()).value)).toEqual([at + 1, idOf(at + 1)]);
    }
    await outcomes.return?.();
    await processor.onIdle();
    expect(processor.stats()).toMatchObject({ refused: 0, canceled: 0, failed: 0 });
  });
});

describe('a stream that breaks', () => {
  it('by its client leaves the accepted orders alone, and takes no more', async () => {
    const work = gates();
    const { client, processor } = await start({ processor: { steps: [work.step] } });
    const controller = new AbortController();
    const orders = source<Json>();
    orders.push(...range(3).map((id) => order(id)));
    const outcomes = all(client.submitOrders(orders, { signal: controller.signal }));
    await until(() => processor.stats().accepted === 3);
    controller.abort();
    expect(await codeOf(outcomes)).toBe('Canceled');
    orders.push(order(3));
    for (const id of range(4)) work.open(`o-${id}`);
    await processor.onIdle();
    expect(processor.stats()).toMatchObject({ accepted: 3, completed: 3 });
  });

  it('by its deadline does too', async () => {
    const work = gates();
    const { client, processor } = await start({ processor: { steps: [work.step] } });
    const orders = source<Json>();
    orders.push(order(0));
    const outcomes = all(client.submitOrders(orders, { timeoutMs: 400 }));
    expect(await codeOf(outcomes)).toBe('DeadlineExceeded');
    work.open('o-0');
    await processor.onIdle();
    expect(processor.stats()).toMatchObject({ completed: 1, canceled: 0 });
  });

  it('by a message that is too long gets an error, and orders before it are processed', async () => {
    const { client, processor } = await start({ routes: { messageLimitBytes: 500 } });
    const orders = source<Json>();
    const long = { kind: { case: 'stringValue', value: 'x'.repeat(600) } };
    orders.push(order(0), { order: { userId: 'u-1', payload: long } }, order(1));
    orders.end();
    expect(await codeOf(all(client.submitOrders(orders)))).toBe('ResourceExhausted');
    await processor.onIdle();
    expect(processor.stats().completed).toBeLessThan(3);
    expect(await processor.order('o-1')).toBe(undefined);
  });

  it('by the server that closes ends with the outcomes of what was taken', async () => {
    const work = gates();
    const { client, processor, server } = await start({
      processor: { steps: [work.step] },
      server: { shutdownTimeoutMs: 60_000 },
    });
    const orders = source<Json>();
    orders.push(...range(3).map((id) => order(id)));
    const outcomes = all(client.submitOrders(orders));
    await until(() => processor.stats().accepted === 3);
    const closed = server.close();
    const watched = watch(outcomes);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(watched.isSettled).toBe(false);
    for (const id of range(3)) work.open(`o-${id}`);
    expect(await outcomes).toEqual(range(3).map((id) => [id, `o-${id}`]));
    orders.end();
    expect(await closed).toMatchObject({ unsettled: [] });
    expect(processor.stats().completed).toBe(3);
  });

  it('is refused by a server that is shut down, order by order', async () => {
    const { client, processor } = await start();
    await processor.shutdown();
    const orders = source<Json>();
    orders.push(order(0));
    orders.end();
    expect(await all(client.submitOrders(orders))).toEqual([[0, 'refused', 'shut_down']]);
  });
});

it('what authenticate throws ends the stream before anything is taken', async () => {
  const running: Running = await start({ routes: { authenticate: () => undefined } });
  const orders = source<Json>();
  orders.push(order(0));
  const error = await all(running.client.submitOrders(orders)).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ConnectError);
  expect(await codeOf(Promise.reject(error))).toBe('Unauthenticated');
  expect(running.processor.stats().accepted).toBe(0);
});
