import fc from 'fast-check';
import type { EventName, Order } from 'order-processor';

/** What one step of an order does; travels in the order's payload. */
export interface StepPlan {
  /** 0 ends at once, synchronously; `never` ignores its signal and never ends. */
  readonly durationMs: number | 'never';
  readonly ends: 'well' | 'with a code' | 'without a code';
  /** Whether it goes on in spite of its signal. */
  readonly isDeaf: boolean;
}

export type Payload = readonly StepPlan[];

export interface OrderPlan {
  readonly user: number;
  readonly amount: number;
  readonly priority: Order['priority'];
  readonly steps: Payload;
}

/** What one call of the host's storage does. */
export type StorageAnswer =
  | 'works'
  | 'throws'
  | 'rejects'
  | 'falls short'
  | 'is nonsense'
  | 'fails late';

/** `order` is an index into the orders made so far, modulo their number. */
export type Command =
  | { readonly do: 'submit'; readonly order: OrderPlan; readonly abortMs: number | undefined }
  | { readonly do: 'enqueue'; readonly order: OrderPlan; readonly abortMs: number | undefined }
  | { readonly do: 'outcome'; readonly order: number; readonly abortMs: number | undefined }
  | { readonly do: 'submitMany'; readonly orders: readonly OrderPlan[] }
  | {
      readonly do: 'again';
      readonly order: number;
      readonly how: 'submit' | 'enqueue';
      readonly isOther: boolean;
    }
  | { readonly do: 'cancel'; readonly order: number }
  | { readonly do: 'pause' | 'resume'; readonly user: number | undefined }
  | { readonly do: 'onIdle' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'shutdown'; readonly timeoutMs: number | undefined };

/** What a listener does at the n-th event of a name. */
export interface Meddling {
  readonly event: EventName;
  readonly nth: number;
  readonly command: Command | 'cancel it';
}

export interface Scenario {
  readonly concurrency: number;
  readonly capacity: number;
  readonly capacityPerUser: number | undefined;
  readonly overflow: 'reject' | 'wait';
  readonly minBalance: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  /** 0 has no steps at all, and with the memory storage the short way. */
  readonly stepCount: number;
  readonly storage: 'memory' | 'sync' | 'async';
  /** By call, and then it works. */
  readonly answers: readonly StorageAnswer[];
  readonly latencyMs: readonly number[];
  /** Whether there are listeners of the events before the outcome. */
  readonly isObserved: boolean;
  readonly msPerReading: number;
  readonly commands: readonly Command[];
  readonly meddling: readonly Meddling[];
  readonly lastTimeoutMs: number | undefined;
}

export const users = 4;

const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(usual, ...others) },
  );

const stepPlan: fc.Arbitrary<StepPlan> = fc.record({
  durationMs: fc.oneof(
    { weight: 20, arbitrary: fc.integer({ min: 0, max: 20 }) },
    { weight: 1, arbitrary: fc.constant<'never'>('never') },
  ),
  ends: mostly<StepPlan['ends']>('well', 'with a code', 'without a code'),
  isDeaf: mostly(false, true),
});

const orderPlan: fc.Arbitrary<OrderPlan> = fc.record({
  user: fc.nat(users - 1),
  amount: fc.integer({ min: -30, max: 60 }),
  priority: mostly<Order['priority']>(undefined, 'high', 'low'),
  steps: fc.array(stepPlan, { minLength: 2, maxLength: 2 }),
});

const someUser = fc.option(fc.nat(users - 1), { nil: undefined });

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant<'submit'>('submit'),
      order: orderPlan,
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant<'enqueue'>('enqueue'),
      order: orderPlan,
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant<'outcome'>('outcome'),
      order: fc.nat(30),
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant<'submitMany'>('submitMany'),
      orders: fc.array(orderPlan, { maxLength: 6 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant<'again'>('again'),
      order: fc.nat(30),
      how: fc.constantFrom<'submit' | 'enqueue'>('submit', 'enqueue'),
      isOther: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant<'cancel'>('cancel'), order: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant<'pause'>('pause'), user: someUser }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant<'resume'>('resume'), user: someUser }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant<'onIdle'>('onIdle') }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant<'wait'>('wait'), ms: fc.integer({ min: 0, max: 15 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant<'shutdown'>('shutdown'),
      timeoutMs: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    }),
  },
);

const meddling: fc.Arbitrary<Meddling> = fc.record({
  event: fc.constantFrom<EventName[]>(
    'accepted',
    'started',
    'stepped',
    'completed',
    'failed',
    'canceled',
    'refused',
    'stalled',
    'idle',
    'error',
  ),
  nth: fc.integer({ min: 1, max: 8 }),
  command: fc.oneof(fc.constant<'cancel it'>('cancel it'), command),
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  concurrency: fc.integer({ min: 1, max: 4 }),
  capacity: fc.integer({ min: 1, max: 12 }),
  capacityPerUser: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 3 }),
  overflow: fc.constantFrom('reject', 'wait'),
  minBalance: mostly<number | undefined>(undefined, 0, -20),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  stalledAfterMs: fc.integer({ min: 1, max: 60 }),
  stepCount: fc.nat(2),
  storage: fc.constantFrom('memory', 'sync', 'async'),
  answers: fc.array(
    mostly<StorageAnswer>(
      ...(['works', 'throws', 'rejects', 'falls short', 'is nonsense', 'fails late'] as const),
    ),
    { maxLength: 12 },
  ),
  latencyMs: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 6 }),
  isObserved: fc.boolean(),
  msPerReading: fc.constantFrom(0, 0, 0.5),
  commands: fc.array(command, { minLength: 1, maxLength: 40 }),
  meddling: fc.oneof(fc.constant([]), fc.array(meddling, { maxLength: 4 })),
  lastTimeoutMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
});
