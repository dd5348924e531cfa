import fc from 'fast-check';
import type { Order } from 'order-processor';
import type { Fate } from '../kept-storage.ts';

/** What one step of an order does; travels in the order's payload. */
export interface StepPlan {
  /** 0 ends at once, synchronously; `never` goes on until the process ends, in spite of its signal. */
  readonly durationMs: number | 'never';
  readonly ends: 'well' | 'badly' | 'refused';
  /** Whether it goes on in spite of its signal. */
  readonly isDeaf: boolean;
}

export interface OrderPlan {
  readonly user: number;
  readonly amount: number;
  readonly priority: Order['priority'];
  readonly steps: readonly StepPlan[];
}

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
  | { readonly do: 'cancel' | 'order'; readonly order: number }
  | { readonly do: 'balance'; readonly user: number }
  | { readonly do: 'pause' | 'resume'; readonly user: number | undefined }
  | { readonly do: 'onIdle' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'shutdown'; readonly timeoutMs: number };

/** One process, from the making of its processor to its end. */
export interface ProcessPlan {
  readonly commands: readonly Command[];
  /** What becomes of each call of the storage, and after how long; then all work. */
  readonly calls: readonly { readonly fate: Fate; readonly latencyMs: number }[];
  /** Whether that is so of `unsettled`, too. */
  readonly isHardToRead: boolean;
  readonly capacity: number;
  /** Whether the process is killed at the end, and does not shut down. */
  readonly isKilled: boolean;
  /** Whether a rule refuses some orders, which it may not have done before. */
  readonly isStrict: boolean;
}

export interface Scenario {
  readonly concurrency: number;
  readonly capacityPerUser: number | undefined;
  readonly overflow: 'reject' | 'wait';
  readonly minBalance: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly payloads: 'any' | 'json';
  readonly pageSize: number;
  /** Of each step, whether it can be compensated. */
  readonly steps: readonly boolean[];
  /** Of each step, whether what it returned is remembered. */
  readonly remembers: readonly boolean[];
  /** Whether the second step comes after the first. */
  readonly isInOrder: boolean;
  /** Whether there are listeners of the events before the outcome. */
  readonly isObserved: boolean;
  readonly msPerReading: number;
  /** A process without faults follows them. */
  readonly processes: readonly ProcessPlan[];
}

export const users = 3;

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
  ends: mostly<StepPlan['ends']>('well', 'badly', 'refused'),
  isDeaf: mostly(false, true),
});

const orderPlan: fc.Arbitrary<OrderPlan> = fc.record({
  user: fc.nat(users - 1),
  amount: fc.integer({ min: -30, max: 60 }),
  priority: mostly<Order['priority']>(undefined, 'high', 'low'),
  steps: fc.array(stepPlan, { minLength: 2, maxLength: 2 }),
});

const someUser = fc.option(fc.nat(users - 1), { nil: undefined });
const some = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({
      do: some('submit'),
      order: orderPlan,
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 6 }),
    }),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      do: some('enqueue'),
      order: orderPlan,
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: some('outcome'),
      order: fc.nat(30),
      abortMs: fc.option(fc.nat(25), { nil: undefined, freq: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: some('submitMany'),
      orders: fc.array(orderPlan, { minLength: 1, maxLength: 5 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: some('again'),
      order: fc.nat(30),
      how: fc.constantFrom('submit', 'enqueue'),
      isOther: mostly(false, true),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: some('cancel'), order: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: some('order'), order: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: some('balance'), user: fc.nat(users - 1) }) },
  { weight: 6, arbitrary: fc.record({ do: some('pause'), user: someUser }) },
  { weight: 5, arbitrary: fc.record({ do: some('resume'), user: someUser }) },
  { weight: 2, arbitrary: fc.record({ do: some('onIdle') }) },
  {
    weight: 32,
    arbitrary: fc.record({ do: some('wait'), ms: fc.integer({ min: 0, max: 40 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: some('shutdown'), timeoutMs: fc.integer({ min: 1, max: 60 }) }),
  },
);

const call = fc.record({
  fate: fc.oneof(
    { weight: 24, arbitrary: some('works') },
    {
      weight: 4,
      arbitrary: fc.constantFrom<Fate[]>('throws', 'rejects', 'fails late', 'fails late'),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Fate[]>('hangs', 'is killed before', 'is killed after'),
    },
  ),
  latencyMs: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 150, 4_000) },
  ),
});

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record({
  commands: fc.array(command, { maxLength: 24 }),
  calls: fc.array(call, { maxLength: 20 }),
  isHardToRead: mostly(false, true),
  capacity: mostly(12, 1, 2, 4),
  isKilled: mostly(true, false),
  isStrict: mostly(false, true),
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  capacityPerUser: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined, freq: 2 }),
  overflow: fc.constantFrom('reject', 'wait'),
  minBalance: mostly<number | undefined>(undefined, 0, -20),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  stalledAfterMs: fc.integer({ min: 1, max: 60 }),
  payloads: fc.constantFrom('any', 'json'),
  pageSize: fc.integer({ min: 1, max: 4 }),
  steps: fc.oneof(fc.constant([]), fc.array(fc.boolean(), { minLength: 1, maxLength: 2 })),
  remembers: fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
  isInOrder: fc.boolean(),
  isObserved: fc.constantFrom(false, false, false, true),
  msPerReading: fc.constantFrom(0, 0, 0.5),
  processes: fc.array(processPlan, { minLength: 1, maxLength: 3 }),
});
