/** The public types, as a caller meets them. Checked by the compiler; nothing here runs. */
import {
  type AcceptedOrder,
  type BalanceStorage,
  type EnqueueOptions,
  type EventName,
  isOrderError,
  MemoryStorage,
  type Order,
  type OrderError,
  type OrderOutcome,
  OrderProcessor,
  type OrderRecord,
  type OutcomeOptions,
  type ProcessorStats,
  type Receipt,
  type ShutdownSummary,
  type Step,
  type StepResult,
} from 'order-processor';
import { describe, expectTypeOf, it } from 'vitest';

interface Meal {
  readonly dish: string;
}

describe('payload', () => {
  it('may be left out where nothing is said of it', () => {
    const order: Order = { userId: 'u-1', amount: 1 };
    expectTypeOf(order.payload).toEqualTypeOf<unknown>();
    expectTypeOf(new OrderProcessor()).toEqualTypeOf<OrderProcessor<unknown>>();
  });

  it('must be there where its type says so', () => {
    const processor = new OrderProcessor<Meal>();
    void processor.submit({ userId: 'u-1', amount: 1, payload: { dish: 'soup' } });
    // @ts-expect-error without a payload
    void processor.submit({ userId: 'u-1', amount: 1 });
    // @ts-expect-error with another payload
    void processor.enqueue({ userId: 'u-1', amount: 1, payload: { dish: 1 } });
    // @ts-expect-error with another payload, in a list
    void processor.submitMany([{ userId: 'u-1', amount: 1, payload: 'soup' }]);
  });

  it('may be left out where it may be undefined', () => {
    const processor = new OrderProcessor<Meal | undefined>();
    void processor.submit({ userId: 'u-1', amount: 1 });
    void processor.submit({ userId: 'u-1', amount: 1, payload: { dish: 'soup' } });
  });

  it('reaches steps, events and records', () => {
    const step: Step<Meal> = {
      name: 'vendor',
      run(order, context) {
        expectTypeOf(order).toEqualTypeOf<AcceptedOrder<Meal>>();
        expectTypeOf(order.payload.dish).toEqualTypeOf<string>();
        expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>();
        expectTypeOf(context.attempt).toEqualTypeOf<number>();
      },
    };
    const processor = new OrderProcessor({ steps: [step] });
    expectTypeOf(processor).toEqualTypeOf<OrderProcessor<Meal>>();
    processor.on('accepted', (record) => {
      expectTypeOf(record).toEqualTypeOf<OrderRecord<Meal>>();
    });
    processor.once('completed', (receipt) => {
      expectTypeOf(receipt).toEqualTypeOf<Receipt<Meal>>();
    });
    expectTypeOf(processor.order('o-1')).resolves.toEqualTypeOf<OrderRecord<Meal> | undefined>();
    expectTypeOf(processor.outcome('o-1')).resolves.toEqualTypeOf<OrderOutcome<Meal> | undefined>();
    expectTypeOf(
      processor.enqueue({ userId: 'u-1', amount: 1, payload: { dish: 'soup' } }),
    ).resolves.toEqualTypeOf<OrderRecord<Meal>>();
  });
});

describe('orders', () => {
  it('are not guessed at', () => {
    const processor = new OrderProcessor();
    // @ts-expect-error an amount is a number
    void processor.submit({ userId: 'u-1', amount: 1n });
    // @ts-expect-error an order has a user
    void processor.submit({ amount: 1 });
    // @ts-expect-error a priority is one of three
    void processor.submit({ userId: 'u-1', amount: 1, priority: 'urgent' });
    // @ts-expect-error a field that is misspelt
    void processor.submit({ userId: 'u-1', amount: 1, prioriti: 'high' });
  });

  it('may come as any iterable, and as a stream from an async one too', () => {
    const processor = new OrderProcessor();
    const set = new Set<Order>();
    expectTypeOf(processor.submitMany(set)).resolves.toEqualTypeOf<OrderOutcome[]>();
    expectTypeOf(processor.submitStream(set)).toExtend<AsyncIterable<OrderOutcome>>();
    async function* source(): AsyncGenerator<Order> {}
    expectTypeOf(processor.submitStream(source())).toExtend<AsyncIterable<OrderOutcome>>();
    // @ts-expect-error a list is not a stream
    void processor.submitMany(source());
  });
});

describe('signals', () => {
  it('are taken by every function that waits', () => {
    const processor = new OrderProcessor();
    const { signal } = new AbortController();
    const order: Order = { userId: 'u-1', amount: 1 };
    expectTypeOf<EnqueueOptions['signal']>().toEqualTypeOf<AbortSignal | undefined>();
    expectTypeOf<OutcomeOptions['signal']>().toEqualTypeOf<AbortSignal | undefined>();
    void processor.submit(order, { signal });
    void processor.enqueue(order, { signal: undefined });
    void processor.outcome('o-1', { signal });
    // @ts-expect-error a controller is no signal
    void processor.enqueue(order, { signal: new AbortController() });
    // @ts-expect-error an option that there is not
    void processor.outcome('o-1', { timeoutMs: 5 });
  });
});

describe('outcomes', () => {
  it('are distinguished by their status', () => {
    const outcome = {} as OrderOutcome;
    if (outcome.status === 'completed') {
      expectTypeOf(outcome).toEqualTypeOf<Receipt>();
      expectTypeOf(outcome.balance).toEqualTypeOf<number>();
    } else {
      expectTypeOf(outcome.status).toEqualTypeOf<'failed' | 'canceled' | 'refused'>();
      expectTypeOf(outcome.error).toEqualTypeOf<OrderError>();
      expectTypeOf(outcome.error.steps).toEqualTypeOf<readonly StepResult[]>();
    }
  });

  it('are read-only', () => {
    const receipt = {} as Receipt;
    // @ts-expect-error a receipt is a fact
    receipt.balance = 1;
    const stats = {} as ProcessorStats;
    expectTypeOf(stats.capacity).toEqualTypeOf<number>();
    expectTypeOf(stats.concurrency).toEqualTypeOf<number>();
    // @ts-expect-error so are stats
    stats.completed = 1;
  });

  it('have errors that a guard knows', () => {
    const thrown: unknown = undefined;
    if (isOrderError(thrown)) expectTypeOf(thrown).toEqualTypeOf<OrderError>();
    expectTypeOf<OrderError['code']>().toEqualTypeOf<string>();
    expectTypeOf<OrderError['retryAfterMs']>().toEqualTypeOf<number | undefined>();
  });
});

describe('events', () => {
  it('have names and payloads', () => {
    const processor = new OrderProcessor();
    processor
      .on('failed', (error) => expectTypeOf(error).toEqualTypeOf<OrderError>())
      .on('stepped', ({ step }) => expectTypeOf(step).toEqualTypeOf<StepResult>())
      .on('stalled', ({ runningMs }) => expectTypeOf(runningMs).toEqualTypeOf<number>())
      .on('shutdown', (summary) => expectTypeOf(summary).toEqualTypeOf<ShutdownSummary>())
      .on('idle', async () => {});
    // @ts-expect-error an event that there is not
    processor.on('finished', () => {});
    expectTypeOf<'finished'>().not.toExtend<EventName>();
  });
});

describe('options', () => {
  it('are the documented ones', () => {
    new OrderProcessor({ concurrency: 1, capacity: 1, capacityPerUser: 1, overflow: 'wait' });
    new OrderProcessor({ concurrency: undefined, timeoutMs: undefined });
    // @ts-expect-error an option that is misspelt
    new OrderProcessor({ concurency: 1 });
    // @ts-expect-error neither of the two
    new OrderProcessor({ overflow: 'drop' });
    // @ts-expect-error a step without its work
    new OrderProcessor({ steps: [{ name: 'payment' }] });
  });

  it('take a storage that answers at once or later', () => {
    expectTypeOf<MemoryStorage>().toExtend<BalanceStorage>();
    expectTypeOf(new MemoryStorage().get('u-1')).toEqualTypeOf<number | undefined>();
    const late: BalanceStorage = {
      get: async () => 0,
      apply: async (changes) => changes.map(({ amount }) => ({ balance: amount })),
    };
    new OrderProcessor({ storage: late });
    const wrong: BalanceStorage = {
      get: () => 0,
      // @ts-expect-error a code that there is not
      apply: (changes) => changes.map(() => ({ refused: 'no_money' })),
    };
    new OrderProcessor({ storage: wrong });
  });

  it('let a processor be disposed of', () => {
    expectTypeOf<OrderProcessor>().toExtend<AsyncDisposable>();
  });
});
