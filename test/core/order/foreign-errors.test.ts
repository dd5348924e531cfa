/**
 * An error is judged by whose it is, not by what it says (guarantee 3, one outcome; guarantee 8, contained): what a
 * step throws is its order's failure, with any code.
 */
import {
  isOrderError,
  OrderError,
  type OrderErrorCode,
  OrderProcessor,
  type OrderProcessorOptions,
  refuse,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, throwing } from '../../kit/helpers.ts';

const order = { id: 'a', userId: 'u', amount: 1 };
const ownCodes: OrderErrorCode[] = [
  'invalid_order',
  'order_conflict',
  'rule_refused',
  'queue_full',
  'shut_down',
  'insufficient_funds',
  'balance_overflow',
  'timeout',
  'canceled',
  'storage_failed',
  'compensation_failed',
  'internal',
];

describe('a code of the processor', () => {
  it.each(ownCodes)('`%s` that a step throws is another processor’s', async (code) => {
    const thrown = new OrderError(code, 'Of another processor', { outcome: 'refused' });
    const processor = new OrderProcessor({ steps: [throwing(thrown)] });
    const error = await errorOf(processor.submit(order));
    expect(error).toMatchObject({ code: 'internal', outcome: 'failed', retryable: false });
    expect(error.cause).toBe(thrown);
    expect(error.message).not.toContain('another');
    expect(thrown.outcome).toBe('refused');
    expect(await processor.order('a')).toMatchObject({ status: 'failed', code: 'internal' });
  });

  it('that a step gets from a processor of its own fails its order, and is retried as it says', async () => {
    const vendor = new OrderProcessor({ capacity: 1 });
    vendor.pause();
    await vendor.enqueue({ userId: 'v', amount: 1 });
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'vendor',
          retry: { attempts: 2, delayMs: 1 },
          run: () => vendor.submit({ userId: 'v', amount: 1 }),
        },
      ],
    });
    const error = await errorOf(processor.submit(order));
    expect(error).toMatchObject({ code: 'internal', steps: [{ code: 'internal', attempts: 2 }] });
    expect(error.cause).toMatchObject({ code: 'queue_full', outcome: 'refused' });
  });

  it('fails a compensation without being repeated', async () => {
    const steps = [
      { ...throwing(new OrderError('declined', 'No')), name: 'late', after: 'payment' },
      {
        name: 'payment',
        run() {},
        compensate: () => Promise.reject(new OrderError('shut_down', 'The bank')),
      },
    ];
    const processor = new OrderProcessor({ steps });
    processor.on('error', () => {});
    const { steps: results } = await errorOf(processor.submit(order));
    expect(results[1]?.compensation).toMatchObject({ status: 'error', code: 'internal' });
    expect(JSON.stringify(results)).not.toContain('The bank');
  });

  it.each(ownCodes.filter((code) => code !== 'rule_refused'))('`%s` is no rule’s', async (code) => {
    expect(() => refuse(code, 'No')).toThrow(TypeError);
    const rule = () => ({ kind: 'refuse' as const, code, message: 'No' });
    const error = await errorOf(new OrderProcessor({ rules: [rule] }).submit(order));
    expect(error).toMatchObject({ code: 'internal', outcome: 'refused' });
  });

  it('that a getter of the options throws says nothing of the order', async () => {
    const options = {
      get signal(): never {
        throw new OrderError('queue_full', 'A lie');
      },
    };
    const processor = new OrderProcessor();
    for (const method of ['submit', 'enqueue'] as const) {
      const error = await errorOf(processor[method](order, options));
      expect(error).toMatchObject({ code: 'invalid_order', retryable: false });
    }
  });
});

describe('the message of a step’s error', () => {
  const provider = Object.assign(new Error('No funds on 4111 1111 1111 1111'), {
    code: 'card_declined',
  });

  it('stays with the operator, though its code is the order’s', async () => {
    const processor = new OrderProcessor({
      steps: [{ ...throwing(provider), retry: { attempts: 2, delayMs: 1 } }],
    });
    const retried: unknown[] = [];
    processor.on('retried', (event) => retried.push(event));
    const error = await errorOf(processor.submit(order));
    expect(error.code).toBe('card_declined');
    expect(error.cause).toBe(provider);
    expect(JSON.stringify([error, retried.map((event) => ({ ...(event as object), cause: 0 }))])).not // biome-ignore format: short
      .toContain('4111');
    expect(retried).toMatchObject([{ code: 'card_declined', cause: provider }]);
    expect((await processor.order('a'))?.message).toBe('Step `work` failed with `card_declined`');
  });

  it('is the caller’s, if the step says so with an OrderError', async () => {
    const declined = new OrderError('card_declined', 'Card declined', { cause: provider });
    const processor = new OrderProcessor({ steps: [throwing(declined)] });
    const error = await errorOf(processor.submit(order));
    expect(error).toMatchObject({ code: 'card_declined', message: 'Card declined' });
  });

  it('of a compensation stays with the operator too', async () => {
    const steps = [
      { name: 'payment', run() {}, compensate: () => Promise.reject(provider) },
      { ...throwing(new OrderError('no_courier', 'Nobody')), after: 'payment' },
    ];
    const processor = new OrderProcessor({ steps });
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    const error = await errorOf(processor.submit(order));
    expect(JSON.stringify([error, errors])).not.toContain('4111');
    expect(errors[0]?.cause).toBe(provider);
  });
});

describe('an error says what became of the order', () => {
  const cases: [string, string, OrderProcessorOptions][] = [
    ['refused by a rule', 'refused', { rules: [() => refuse()] }],
    ['failed in a step', 'failed', { steps: [throwing(new Error('A bug'))] }],
    ['failed for want of funds', 'failed', { minBalance: 2 }],
  ];

  it.each(cases)('%s', async (_, outcome, options) => {
    const processor = new OrderProcessor(options);
    const heard: OrderError[] = [];
    for (const name of ['refused', 'failed'] as const) {
      processor.on(name, (error) => heard.push(error));
    }
    const error = await errorOf(processor.submit({ ...order, amount: -1 }));
    const again = await errorOf(processor.submit({ ...order, amount: -1 }));
    expect([error.outcome, again.outcome, heard[0]?.outcome]).toEqual(Array(3).fill(outcome));
    expect(JSON.parse(JSON.stringify(error)).outcome).toBe(outcome);
  });

  it('canceled, and notified at once', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => promise }] });
    const told = errorOf(processor.submit(order));
    const canceled = processor.cancel('a');
    expect((await told).outcome).toBe('canceled');
    resolve();
    await canceled;
    expect((await errorOf(processor.submit(order))).outcome).toBe('canceled');
  });

  it('refused, where a signal ended the wait for acceptance', async () => {
    const processor = new OrderProcessor();
    const error = await errorOf(processor.submit(order, { signal: AbortSignal.abort() }));
    expect(error).toMatchObject({ code: 'canceled', outcome: 'refused' });
  });

  it('nothing, where a signal ended the wait for an outcome alone', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    await processor.enqueue(order);
    const controller = new AbortController();
    const { signal } = controller;
    const waits = [processor.outcome('a', { signal }), processor.submit(order, { signal })];
    controller.abort();
    for (const wait of waits) {
      const error = await errorOf(wait);
      expect([error.code, error.outcome]).toEqual(['canceled', undefined]);
    }
    await processor.cancel('a');
  });

  it('nothing, before a processor has judged it', () => {
    expect(new OrderError('no_courier', 'Nobody').outcome).toBe(undefined);
    expect(isOrderError(new OrderError('no_courier', 'Nobody'))).toBe(true);
  });
});
