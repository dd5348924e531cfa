import fc from 'fast-check';
import type { EventName, Order } from 'order-processor';
import type { StorageAnswer } from '../model/plan.ts';

/** Which of a step's two functions. */
export type Kind = 'run' | 'compensate';

/** What one attempt does. */
export interface AttemptPlan {
  /** 0 ends synchronously, `soon` in a promise callback; `never` ends when its signal aborts, if it listens. */
  readonly durationMs: number | 'soon' | 'never';
  readonly ends: 'well' | 'with a code' | 'with a foreign code' | 'without a code' | 'for good';
  readonly whenAborted: 'gives up' | 'ends well' | 'cleans up' | 'goes on';
  /** What it does to the processor when it begins. */
  readonly meddles: Meddling['action'] | undefined;
  /** How much it says is settled, of what was ordered; `undefined` if it says nothing. */
  readonly percent: number | undefined;
}

/** What an attempt does that is not plain; the first one that fits counts. */
export interface Quirk extends AttemptPlan {
  readonly at: number;
  readonly of: Kind;
  /** 0 means each. */
  readonly attempt: number;
}

/** Travels in the order's payload. */
export interface Payload {
  /** By step, of plain attempts, which end well. */
  readonly durationsMs: readonly number[];
  readonly quirks: readonly Quirk[];
  /** Places of steps that the order does not need, where they ask. */
  readonly needless: readonly number[];
  /** By step: what plain attempts say is settled. */
  readonly percents: readonly (number | undefined)[];
}

export interface OrderPlan {
  readonly user: number;
  readonly amount: number;
  readonly priority: Order['priority'];
  readonly payload: Payload;
}

export interface RetryPlan {
  readonly attempts: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: false;
}

export interface StepSpec {
  readonly name: string;
  /** Indices of other steps. */
  readonly after: readonly number[];
  readonly concurrency: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly retry: RetryPlan | undefined;
  /** Whether it asks if the order needs it. */
  readonly hasWhen: boolean;
  readonly canCompensate: boolean;
  readonly compensation: {
    readonly timeoutMs: number | undefined;
    readonly retry: RetryPlan | undefined;
  };
}

/** `order` is an index into the orders made so far, modulo their number. */
export type Command =
  | {
      readonly do: 'submit';
      readonly order: OrderPlan;
      readonly abortMs: number | undefined;
    }
  | { readonly do: 'enqueue'; readonly order: OrderPlan }
  | { readonly do: 'submitMany'; readonly orders: readonly OrderPlan[] }
  | { readonly do: 'again'; readonly order: number }
  | { readonly do: 'cancel'; readonly order: number }
  | { readonly do: 'wait'; readonly ms: number };

/** What a listener does at the n-th event of a name: it cancels its order, or submits another. */
export interface Meddling {
  readonly event: EventName;
  readonly nth: number;
  readonly action: 'cancel' | 'submit';
}

export interface Scenario {
  readonly concurrency: number;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly minBalance: number | undefined;
  readonly retry: RetryPlan | undefined;
  readonly storage: 'memory' | 'sync' | 'async';
  /** By call of `apply`, and then it works. */
  readonly answers: readonly StorageAnswer[];
  /** By call of `get`, and then it works. */
  readonly balanceAnswers: readonly ('works' | 'throws' | 'rejects')[];
  readonly latencyMs: readonly number[];
  readonly steps: readonly StepSpec[];
  readonly commands: readonly Command[];
  readonly meddling: readonly Meddling[];
  /** Whether there are listeners of the events before the outcome. */
  readonly isObserved: boolean;
  /** Whether everything may end before the shutdown. */
  readonly isDrained: boolean;
  readonly shutdownMs: number;
}

/** After a shutdown's deadline functions have so long to end; then it waits no longer. */
export const graceMs = 1_000;

export const users = 3;
const mostSteps = 5;

const rarely = <T>(arbitrary: fc.Arbitrary<T>, freq: number): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq });

const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: fc.constantFrom(usual, ...others) },
  );

const action = fc.constantFrom<Meddling['action'][]>('cancel', 'submit');

const quirk: fc.Arbitrary<Quirk> = fc.record({
  at: fc.nat(mostSteps - 1),
  of: fc.constantFrom<Kind[]>('run', 'run', 'compensate'),
  attempt: fc.nat(3),
  durationMs: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 9, arbitrary: fc.integer({ min: 1, max: 15 }) },
    { weight: 3, arbitrary: fc.constant<'soon'>('soon') },
    { weight: 2, arbitrary: fc.constant<'never'>('never') },
    { weight: 1, arbitrary: fc.constantFrom(1_500, 4_000) },
  ),
  ends: fc.constantFrom<AttemptPlan['ends'][]>(
    'with a code',
    'well',
    'without a code',
    'with a foreign code',
    'for good',
  ),
  whenAborted: fc.constantFrom<AttemptPlan['whenAborted'][]>(
    'gives up',
    'ends well',
    'cleans up',
    'goes on',
  ),
  meddles: rarely(action, 7),
  percent: rarely(fc.constantFrom(0, 10, 25), 2),
});

const orderPlan: fc.Arbitrary<OrderPlan> = fc.record({
  user: fc.nat(users - 1),
  amount: fc.integer({ min: -30, max: 60 }),
  priority: mostly<Order['priority']>(undefined, 'high', 'low'),
  payload: fc.record({
    durationsMs: fc.array(fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 5, 8), {
      minLength: mostSteps,
      maxLength: mostSteps,
    }),
    quirks: fc.array(quirk, { maxLength: 5 }),
    needless: fc.array(fc.nat(mostSteps - 1), { maxLength: 2 }),
    percents: fc.array(rarely(fc.constantFrom(0, 33, 64, 100), 3), { maxLength: mostSteps }),
  }),
});

const retryPlan: fc.Arbitrary<RetryPlan> = fc
  .record({
    attempts: fc.integer({ min: 1, max: 3 }),
    delayMs: mostly(3, 1, 8, 900),
    factor: fc.constantFrom(1, 2, 3),
    maxDelayMs: mostly(1_000, 5),
    jitter: fc.constant<false>(false),
  })
  .map((plan) => ({ ...plan, maxDelayMs: Math.max(plan.delayMs, plan.maxDelayMs) }));

interface RawStep extends Omit<StepSpec, 'after' | 'name'> {
  /** A bit for each step that it may come after. */
  readonly afterBits: number;
}

const rawStep: fc.Arbitrary<RawStep> = fc.record({
  afterBits: fc.constantFrom(0, 0, 0, 31, 1, 2, 5, 8, 16, 26),
  concurrency: rarely(fc.integer({ min: 1, max: 2 }), 3),
  timeoutMs: rarely(fc.integer({ min: 1, max: 14 }), 3),
  retry: rarely(retryPlan, 3),
  hasWhen: fc.boolean(),
  canCompensate: fc.boolean(),
  compensation: fc.record({
    timeoutMs: rarely(fc.integer({ min: 1, max: 14 }), 3),
    retry: rarely(retryPlan, 3),
  }),
});

/** Ranks make the graph acyclic: a step only comes after others of a lower rank. */
const stepSpecs: fc.Arbitrary<StepSpec[]> = fc
  .tuple(
    fc.array(rawStep, { minLength: 1, maxLength: mostSteps }),
    fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: mostSteps, maxLength: mostSteps }),
  )
  .map(([raw, ranks]) =>
    raw.map(({ afterBits, ...rest }, at) => {
      const rank = ranks[at] as number;
      const after = raw.flatMap((_, other) =>
        (ranks[other] as number) < rank && afterBits & (1 << other) ? [other] : [],
      );
      return { name: `s${at}`, after, ...rest };
    }),
  );

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant<'submit'>('submit'),
      order: orderPlan,
      abortMs: rarely(fc.nat(25), 5),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant<'enqueue'>('enqueue'), order: orderPlan }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant<'submitMany'>('submitMany'),
      orders: fc.array(orderPlan, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant<'again'>('again'), order: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant<'cancel'>('cancel'), order: fc.nat(9) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant<'wait'>('wait'), ms: fc.nat(12) }) },
);

const meddling: fc.Arbitrary<Meddling> = fc.record({
  event: fc.constantFrom<EventName[]>(
    'accepted',
    'started',
    'stepped',
    'retried',
    'stalled',
    'stalled',
    'error',
  ),
  nth: fc.integer({ min: 1, max: 5 }),
  action,
});

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  timeoutMs: rarely(fc.integer({ min: 1, max: 40 }), 2),
  stalledAfterMs: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 25 }) },
    { weight: 1, arbitrary: fc.constantFrom(1_200, 5_000) },
  ),
  minBalance: mostly<number | undefined>(undefined, 0, -20),
  retry: rarely(retryPlan, 3),
  storage: fc.constantFrom('memory', 'sync', 'async'),
  answers: fc.array(
    mostly<StorageAnswer>(
      ...(['works', 'throws', 'rejects', 'falls short', 'is nonsense', 'fails late'] as const),
    ),
    { maxLength: 6 },
  ),
  balanceAnswers: fc.array(
    mostly<Scenario['balanceAnswers'][number]>('works', 'throws', 'rejects'),
    {
      maxLength: 4,
    },
  ),
  latencyMs: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 4 }),
  steps: stepSpecs,
  commands: fc.array(command, { minLength: 1, maxLength: 14 }),
  meddling: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(meddling, { maxLength: 2 }) },
  ),
  isObserved: fc.boolean(),
  isDrained: fc.boolean(),
  shutdownMs: fc.integer({ min: 1, max: 40 }),
});

/** The limits of one of a step's functions, as the documentation says that they are inherited. */
export interface Limits {
  readonly attempts: number;
  readonly timeoutMs: number | undefined;
  readonly retry: RetryPlan | undefined;
}

export function limitsOf(plan: Scenario, at: number, of: Kind): Limits {
  const { timeoutMs, retry = plan.retry, compensation } = plan.steps[at] as StepSpec;
  if (of === 'run') return { attempts: retry?.attempts ?? 1, timeoutMs, retry };
  const ownRetry = compensation.retry ?? retry;
  return {
    attempts: ownRetry?.attempts ?? 1,
    timeoutMs: compensation.timeoutMs ?? timeoutMs ?? plan.timeoutMs ?? plan.stalledAfterMs,
    retry: ownRetry,
  };
}

/** The places of the steps that an order does not need. */
export function skippedIn({ steps }: Scenario, { needless }: Payload): number[] {
  return needless.filter((at) => steps[at]?.hasWhen);
}

/** What an attempt says is settled, if it says so. */
export function finalAmount(amount: number, { percent }: AttemptPlan): number | undefined {
  return percent === undefined ? undefined : Math.trunc((amount * percent) / 100) + 0;
}

/** The pause after an attempt. */
export function pauseAfter({ delayMs, factor, maxDelayMs }: RetryPlan, attempt: number): number {
  return Math.min(maxDelayMs, delayMs * factor ** (attempt - 1));
}

/** The steps that one comes after, directly or not. */
export function before({ steps }: Scenario, at: number): Set<number> {
  const found = new Set<number>();
  const visit = (place: number): void => {
    for (const earlier of (steps[place] as StepSpec).after) {
      if (found.has(earlier)) continue;
      found.add(earlier);
      visit(earlier);
    }
  };
  visit(at);
  return found;
}

export function attemptPlan(payload: Payload, at: number, of: Kind, attempt: number): AttemptPlan {
  const found = payload.quirks.find(
    (quirk) =>
      quirk.at === at && quirk.of === of && (quirk.attempt === 0 || quirk.attempt === attempt),
  );
  if (found !== undefined) return found;
  const { durationsMs } = payload;
  return {
    durationMs: durationsMs[of === 'run' ? at : (at + 1) % durationsMs.length] as number,
    ends: 'well',
    whenAborted: 'gives up',
    meddles: undefined,
    percent: payload.percents[at],
  };
}
