/** Each code of an error as a status of gRPC, with details that any client can decode. */
import { status } from '@grpc/grpc-js';
import {
  type BalanceStorage,
  OrderError,
  type OrderErrorCode,
  type OrderProcessorOptions,
  prioritize,
  refuse,
} from 'order-processor';
import { ErrorOutcome, OrderErrorDetailSchema } from 'order-processor/grpc';
import { describe, expect, it } from 'vitest';
import { gates } from '../http/helpers.ts';
import { range } from '../kit/helpers.ts';
import { detailsOf, refusalOf, useServers } from './helpers.ts';

const start = useServers();
type Facts = { readonly message?: string; readonly retryable?: boolean };
const order = { id: 'o-1', userId: 'u-1', amount: 100 };

/** The refusal of one order, with its details, and the errors that the host got. */
async function refusalBy(processor: OrderProcessorOptions, of: object = order) {
  const running = await start({ processor });
  const refusal = await refusalOf(running.grpc.call('submitOrder', { order: of }));
  return { refusal, ...detailsOf(refusal), ...running };
}

const failing = (error: unknown): OrderProcessorOptions => ({
  steps: [{ name: 'payment', run: () => Promise.reject(error) }],
});
const coded = (code: string, { message = 'Said so', ...facts }: Facts = {}): Error =>
  new OrderError(code, message, facts);
/** It works again when the order is tried again. */
function brokenStorage(): BalanceStorage {
  let isFull = true;
  return {
    get: () => 0,
    apply(changes) {
      if (!isFull) return changes.map(({ amount }) => ({ balance: amount }));
      isFull = false;
      throw new Error('The disk at /var/secret is full');
    },
  };
}

describe('an order that ends with', () => {
  it.each<[OrderErrorCode, keyof typeof status, boolean, OrderProcessorOptions, object?]>([
    ['invalid_order', 'INVALID_ARGUMENT', false, {}, { userId: '' }],
    ['rule_refused', 'FAILED_PRECONDITION', false, { rules: [() => refuse('rule_refused', 'No')] }],
    [
      'insufficient_funds',
      'FAILED_PRECONDITION',
      false,
      { minBalance: 0 },
      { ...order, amount: -1 },
    ],
    ['timeout', 'DEADLINE_EXCEEDED', true, { timeoutMs: 20, steps: [gates().step] }],
    ['storage_failed', 'UNAVAILABLE', true, { storage: brokenStorage() }],
    ['internal', 'INTERNAL', false, failing(new Error('The password is 1234'))],
  ])(
    '%s is %s, and says whether trying again may help',
    async (code, name, isRetryable, options, of) => {
      const { refusal, order: detail } = await refusalBy(options, of);
      expect(status[refusal.code]).toBe(name);
      expect(detail).toMatchObject({ code, isRetryable });
      // ConnectRPC escapes more than this client decodes.
      expect(decodeURIComponent(refusal.details)).toBe(detail?.message);
      // What the service itself refuses does not reach the processor.
      if (code === 'invalid_order') return;
      const isRefused = /^(order|rule|queue)_/.test(code);
      const { outcome = 0 } = detail ?? {};
      // The order stays open until the storage works again.
      const isOpen = code === 'storage_failed';
      const ended = isRefused ? 'REFUSED' : /^(FAILED|CANCELED)$/;
      expect(ErrorOutcome[outcome]).toMatch(isOpen ? 'UNSPECIFIED' : ended);
    },
  );

  it('balance_overflow is FAILED_PRECONDITION', async () => {
    const { grpc } = await start();
    const amount = String(Number.MAX_SAFE_INTEGER);
    await grpc.call('submitOrder', { order: { userId: 'u-1', amount } });
    const refusal = await refusalOf(grpc.call('submitOrder', { order }));
    expect(refusal.code).toBe(status.FAILED_PRECONDITION);
    expect(detailsOf(refusal).order).toMatchObject({ code: 'balance_overflow', orderId: 'o-1' });
  });

  it('order_conflict is ALREADY_EXISTS, and says whose and which', async () => {
    const { grpc } = await start();
    await grpc.call('submitOrder', { order });
    const refusal = await refusalOf(grpc.call('submitOrder', { order: { ...order, amount: 1 } }));
    expect(refusal.code).toBe(status.ALREADY_EXISTS);
    expect(detailsOf(refusal)).toMatchObject({
      order: { code: 'order_conflict', orderId: 'o-1', userId: 'u-1' },
      retry: undefined,
    });
  });

  it('queue_full is RESOURCE_EXHAUSTED, and says when to come again', async () => {
    const { grpc, processor } = await start({ processor: { capacity: 1 } });
    processor.pause();
    await grpc.call('enqueueOrder', { order });
    for (const method of ['submitOrder', 'enqueueOrder']) {
      const refusal = await refusalOf(grpc.call(method, { order: { ...order, id: 'o-2' } }));
      expect(refusal.code).toBe(status.RESOURCE_EXHAUSTED);
      const { order: detail, retry } = detailsOf(refusal);
      expect(detail).toMatchObject({ code: 'queue_full', isRetryable: true });
      const { seconds = 0n, nanos = 0 } = retry?.retryDelay ?? {};
      expect(Number(seconds) * 1e9 + nanos).toBeGreaterThan(0);
      expect(detail?.retryAfter).toMatchObject({ seconds, nanos });
    }
    processor.resume();
  });

  it('shut_down is UNAVAILABLE, and says when to come again', async () => {
    const { grpc, processor } = await start();
    await processor.shutdown();
    const refusal = await refusalOf(grpc.call('submitOrder', { order }));
    expect(refusal.code).toBe(status.UNAVAILABLE);
    const { order: detail, retry } = detailsOf(refusal);
    expect(detail).toMatchObject({ code: 'shut_down', isRetryable: true });
    expect(retry?.retryDelay?.seconds).toBe(1n);
  });

  it('canceled is CANCELLED', async () => {
    const { grpc, processor } = await start({
      processor: { steps: [gates().step] },
    });
    processor.pause();
    const refusal = refusalOf(grpc.call('submitOrder', { order }));
    while (processor.stats().accepted === 0) await new Promise((resolve) => setImmediate(resolve));
    await processor.cancel('o-1');
    expect((await refusal).code).toBe(status.CANCELLED);
    expect(detailsOf(await refusal).order).toMatchObject({ code: 'canceled', orderId: 'o-1' });
    processor.resume();
  });
});

describe("codes of the host's own", () => {
  it.each([
    ['final', coded('payment_declined', { retryable: false }), 'FAILED_PRECONDITION', false],
    ['retryable', coded('vendor_closed'), 'ABORTED', true],
    [
      'that are names of Object',
      coded('constructor', { retryable: false }),
      'FAILED_PRECONDITION',
      false,
    ],
    [
      'that the service has itself',
      coded('not_found', { retryable: false }),
      'FAILED_PRECONDITION',
      false,
    ],
  ])('of a step, %s', async (_, error, name, isRetryable) => {
    const { refusal, order: detail, retry } = await refusalBy(failing(error));
    expect(status[refusal.code]).toBe(name);
    expect(detail).toMatchObject({
      code: (error as Error & { code: string }).code,
      message: 'Said so',
      orderId: 'o-1',
      userId: 'u-1',
      isRetryable,
      steps: [{ name: 'payment', attempts: 1 }],
      outcome: ErrorOutcome.FAILED,
    });
    // It is remembered: the same call gets the same answer for ever.
    expect(retry).toBe(undefined);
  });

  it('of a rule, with the labels of other rules', async () => {
    const { refusal, order: detail } = await refusalBy({
      rules: [() => prioritize('high', 'vip'), () => refuse('too_late', 'The kitchen is closed')],
    });
    expect(status[refusal.code]).toBe('FAILED_PRECONDITION');
    expect(detail).toMatchObject({
      code: 'too_late',
      message: 'The kitchen is closed',
      labels: ['vip'],
    });
  });

  it('with a message that no header could hold', async () => {
    const message = 'Die Küche\r\nist zu: 100% \u0000 🍜';
    const { client } = await start({ processor: failing(coded('closed', { message })) });
    const error = await client.submitOrder({ order: { userId: 'u-1' } }).catch((thrown) => thrown);
    const [detail] = error.findDetails(OrderErrorDetailSchema);
    expect([error.rawMessage, detail.message]).toEqual([message, message]);
  });

  it('with a message longer than a trailer may be', async () => {
    const message = '🍜'.repeat(100_000);
    const { refusal, order: detail } = await refusalBy(failing(coded('closed', { message })));
    expect(status[refusal.code]).toBe('ABORTED');
    expect(detail?.code).toBe('closed');
    expect(message).toContain(detail?.message.slice(0, -1));
  });

  it('with steps that say more than a trailer may', async () => {
    const longMessage = coded('stuck', { message: 'x'.repeat(50_000) });
    const {
      refusal,
      order: detail,
      grpc,
    } = await refusalBy({
      steps: [
        { name: 'payment', run: () => {}, compensate: () => Promise.reject(longMessage) },
        { name: 'kitchen', after: ['payment'], run: () => Promise.reject(coded('closed')) },
      ],
    });
    expect(detail).toMatchObject({ code: 'closed', steps: [] });
    expect(refusal.code).toBeGreaterThan(0);
    const { record } = await grpc.call('getOrder', { id: 'o-1' });
    expect(record.steps).toHaveLength(2);
  });

  it('with more issues than an error may have: the first ones', async () => {
    const issues = range(5_000).map((at) => ({ message: `Wrong ${at}`, path: ['items', at] }));
    const schema = { '~standard': { version: 1, vendor: 'test', validate: () => ({ issues }) } };
    const { refusal, order: detail, badRequest } = await refusalBy({ schema: schema as never });
    expect(status[refusal.code]).toBe('INVALID_ARGUMENT');
    expect(detail?.issues[1]).toMatchObject({ path: 'order.payload.items[1]', message: 'Wrong 1' });
    expect(detail?.issues).toHaveLength(20);
    expect(badRequest?.fieldViolations).toHaveLength(detail?.issues.length as number);
  });
});

describe('what is internal', () => {
  const secret = new Error('The password is 1234');

  it('of a step goes to onError alone', async () => {
    const { refusal, order: detail, errors, retry } = await refusalBy(failing(secret));
    expect(JSON.stringify([refusal, refusal.metadata.toJSON()])).not.toContain('password');
    expect(detail?.message).not.toContain('password');
    expect(retry).toBe(undefined);
    expect(errors).toEqual([expect.objectContaining({ code: 'internal', cause: secret })]);
  });

  it("of the host's own function goes to onError alone", async () => {
    const routes = {
      authenticate: () => {
        throw secret;
      },
    };
    const { grpc, errors } = await start({ routes });
    const refusal = await refusalOf(grpc.call('getStats', {}));
    expect(refusal.code).toBe(status.INTERNAL);
    expect(detailsOf(refusal).order?.code).toBe('internal');
    expect(JSON.stringify([refusal, refusal.metadata.toJSON()])).not.toContain('password');
    expect(errors).toEqual([secret]);
  });

  it('of a storage is shown to no client', async () => {
    const { refusal } = await refusalBy({ storage: brokenStorage() });
    expect(JSON.stringify([refusal, refusal.metadata.toJSON()])).not.toContain('secret');
  });

  it('of an order in a stream goes to onError too', async () => {
    const { client, errors } = await start({ processor: failing(secret) });
    const orders = async function* () {
      yield { order: { id: 'o-1', userId: 'u-1', amount: 1n } };
      yield { order: { id: 'o-1', userId: 'u-1', amount: 1n } };
    };
    const outcomes: unknown[] = [];
    for await (const { outcome } of client.submitOrders(orders())) outcomes.push(outcome);
    const unfulfilled = { isRefused: false, error: { code: 'internal' } };
    expect(outcomes).toMatchObject([
      { case: 'unfulfilled', value: unfulfilled },
      { case: 'unfulfilled', value: unfulfilled },
    ]);
    const again = await client
      .submitOrder({ order: { id: 'o-1', userId: 'u-1', amount: 1n } })
      .catch(String);
    expect(again).toContain('Something went wrong');
    // The order has failed once.
    expect(errors).toEqual([expect.objectContaining({ code: 'internal', cause: secret })]);
  });
});
