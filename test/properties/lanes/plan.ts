import fc from 'fast-check';
import type { Fate } from '../../kit/kept-storage.ts';

export const users = ['u', 'v', 'w', 'x'];

/** What one step of an order does. */
export interface Work {
  readonly ms: number;
  /** How often it fails before it succeeds. */
  readonly failures: number;
  readonly isSkipped: boolean;
  /** Whether it goes on in spite of its signal. */
  readonly isStubborn: boolean;
  /** How often its compensation fails. */
  readonly lasts: number;
}

export interface Works {
  readonly pay: Work;
  readonly cook: Work;
  readonly mail: Work;
}

export interface OrderPlan {
  readonly userId: string;
  readonly amount: number;
  /** Whether others get what is debited. */
  readonly isTransfer: boolean;
  readonly priority: 'high' | 'medium' | 'low';
  /** Both in milliseconds from now. */
  readonly notBeforeIn: number | undefined;
  readonly expiresIn: number | undefined;
  readonly how: 'submit' | 'enqueue' | 'submit twice' | 'submit and give up';
  readonly works: Works;
}

export type Act =
  | { readonly do: 'order'; readonly plan: OrderPlan }
  | { readonly do: 'hold' | 'pause'; readonly userId: string }
  | {
      readonly do: 'release';
      readonly userId: string;
      readonly action: 'retry' | 'skip' | undefined;
      /** Whether it is of the order that holds the lane, and comes twice. */
      readonly isNamed: boolean;
    }
  /** The order that was handed in so many orders ago. */
  | { readonly do: 'cancel' | 'await'; readonly ago: number }
  | {
      readonly do: 'again';
      readonly ago: number;
      /** Whether it comes right before its `notBefore`. */
      readonly isInTime: boolean;
      readonly hasOtherContent: boolean;
    }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'resume' | 'settle' | 'turn the weather' | 'shut down' | 'kill' };

export interface Plan {
  readonly isKept: boolean;
  readonly hasSteps: boolean;
  readonly concurrency: number;
  readonly capacity: number;
  readonly overflow: 'wait' | 'reject';
  readonly onFailure: 'hold' | 'continue';
  readonly minBalance: number | undefined;
  readonly rate: { readonly limit: number; readonly intervalMs: number } | undefined;
  /** How the calls of the storage go in turn, and how long they take in milliseconds. */
  readonly fates: readonly Fate[];
  readonly callMs: readonly number[];
  readonly acts: readonly Act[];
}

const often = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );

const userId = fc.constantFrom(...users);

const work: fc.Arbitrary<Work> = fc.record({
  ms: often(0, 1, 3, 10, 20),
  failures: often(0, 0, 1, 2, 3),
  isSkipped: often(false, false, true),
  isStubborn: often(false, false, true),
  lasts: often(0, 0, 0, 1),
});

const order: fc.Arbitrary<OrderPlan> = fc.record({
  userId,
  amount: fc.integer({ min: -60, max: 80 }),
  isTransfer: fc.boolean(),
  priority: fc.constantFrom('high', 'medium', 'low'),
  notBeforeIn: often<number | undefined>(undefined, undefined, -5, 2, 15, 60),
  expiresIn: often<number | undefined>(undefined, undefined, 5, 25, 80),
  how: often<OrderPlan['how']>(
    'submit',
    'enqueue',
    'enqueue',
    'submit twice',
    'submit and give up',
  ),
  works: fc.record({ pay: work, cook: work, mail: work }),
});

const one = <T extends Act['do']>(...names: readonly T[]) => fc.constantFrom(...names);

const act = fc.oneof(
  { weight: 40, arbitrary: fc.record({ do: one('order'), plan: order }) },
  { weight: 18, arbitrary: fc.record({ do: one('wait'), ms: fc.constantFrom(0, 1, 3, 10, 30) }) },
  { weight: 9, arbitrary: fc.record({ do: one('hold', 'hold', 'pause'), userId }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: one('release'),
      userId,
      action: fc.constantFrom('retry' as const, 'retry' as const, 'skip' as const, undefined),
      isNamed: fc.boolean(),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({ do: one('cancel', 'cancel', 'await'), ago: fc.nat(8) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ do: one('again'), ago: fc.nat(8) },
      ...{ isInTime: fc.boolean(), hasOtherContent: often(false, true) },
    }),
  },
  { weight: 16, arbitrary: fc.record({ do: one('settle', 'settle', 'resume') }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: one('turn the weather', 'shut down', 'kill') }),
  },
) as fc.Arbitrary<Act>;

const bad = often<Fate>('works', 'throws', 'rejects', 'fails late');

export const plan: fc.Arbitrary<Plan> = fc.record({
  isKept: often(true, true, false),
  hasSteps: often(true, true, false),
  concurrency: fc.constantFrom(1, 2, 8),
  capacity: fc.constantFrom(2, 4, 10, 1_000),
  overflow: often<Plan['overflow']>('wait', 'reject'),
  onFailure: often<Plan['onFailure']>('hold', 'continue'),
  minBalance: fc.constantFrom(undefined, 0, -100),
  rate: often<Plan['rate']>(
    undefined,
    { limit: 1, intervalMs: 20 },
    { limit: 2, intervalMs: 5 },
    { limit: 3, intervalMs: 60 },
  ),
  fates: fc.oneof(fc.constant(['works' as const]), fc.array(bad, { minLength: 5, maxLength: 20 })),
  callMs: fc.array(often(0, 1, 3, 8), { minLength: 1, maxLength: 7 }),
  acts: fc.array(act, { minLength: 1, maxLength: 80, size: 'max' }),
});
