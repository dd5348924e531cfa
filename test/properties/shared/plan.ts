import fc from 'fast-check';

/** What an order's step does. */
export interface Work {
  /** How long it takes, in milliseconds. */
  readonly ms: number;
  readonly end: 'completes' | 'fails' | 'fails once' | 'throws once';
  /** How often its compensation fails. */
  readonly refusals: number;
  /** It goes on although its signal has aborted. */
  readonly isDeaf: boolean;
}

export type Command =
  | {
      readonly type: 'submit' | 'enqueue';
      readonly at: number;
      readonly user: number;
      readonly amount: number;
      readonly work: Work;
      /** In how many milliseconds it may begin; `undefined` for at once. */
      readonly inMs: number | undefined;
    }
  /** `submit again`: the same order, at any processor. */
  | { readonly type: 'submit again'; readonly at: number; readonly of: number }
  | {
      readonly type: 'cancel' | 'outcome' | 'retry' | 'compensate';
      readonly at: number;
      readonly of: number;
    }
  | { readonly type: 'hold'; readonly at: number; readonly user: number }
  | {
      readonly type: 'release';
      readonly at: number;
      readonly user: number;
      readonly action: 'retry' | 'skip';
    }
  | { readonly type: 'hand over' | 'take'; readonly partition: number; readonly to: number }
  | { readonly type: 'kill'; readonly at: number }
  | { readonly type: 'shutdown'; readonly at: number; readonly timeoutMs: number }
  | { readonly type: 'wait'; readonly ms: number };

export interface Plan {
  readonly processors: number;
  readonly partitions: number;
  readonly capacity: number;
  readonly concurrency: number;
  readonly overflow: 'wait' | 'reject';
  readonly hasSteps: boolean;
  readonly compensates: boolean;
  /** What becomes of the lane of an order that fails. */
  readonly onFailure: 'continue' | 'hold';
  /** Whether the storages are asked before a step begins. */
  readonly isAsked: boolean;
  readonly minBalance: number | undefined;
  /** How likely a call of the storage fails. */
  readonly failures: number;
  readonly seed: number;
  readonly commands: readonly Command[];
}

const small = fc.nat({ max: 40 });

const user = fc.nat({ max: 3 });

const work: fc.Arbitrary<Work> = fc.record({
  ms: fc.nat({ max: 12 }),
  end: fc.constantFrom('completes', 'completes', 'completes', 'fails', 'fails once', 'throws once'),
  refusals: fc.constantFrom(0, 0, 1, 2),
  isDeaf: fc.boolean(),
});

const order = fc.record({
  type: fc.constantFrom('submit', 'submit', 'enqueue'),
  at: small,
  user,
  amount: fc.integer({ min: -3, max: 5 }),
  work,
  inMs: fc.constantFrom(undefined, undefined, undefined, undefined, 5, 40),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: order },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('submit again'), at: small, of: small }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom('cancel', 'cancel', 'outcome', 'retry', 'retry', 'compensate'),
      at: small,
      of: small,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('hold'), at: small, user }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('release'),
      at: small,
      user,
      action: fc.constantFrom('retry', 'skip'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constantFrom('hand over', 'take'),
      partition: small,
      to: small,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('shutdown'),
      at: small,
      timeoutMs: fc.constantFrom(5, 30_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('kill'), at: small }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('wait'),
      ms: fc.oneof(fc.nat({ max: 15 }), fc.nat({ max: 60 })),
    }),
  },
);

export const scenario: fc.Arbitrary<Plan> = fc.record({
  processors: fc.constantFrom(2, 2, 3),
  partitions: fc.integer({ min: 1, max: 3 }),
  capacity: fc.constantFrom(3, 8, 100),
  concurrency: fc.constantFrom(1, 2, 8),
  overflow: fc.constantFrom('wait', 'reject'),
  hasSteps: fc.constantFrom(true, true, true, false),
  compensates: fc.boolean(),
  onFailure: fc.constantFrom('continue', 'hold'),
  isAsked: fc.boolean(),
  minBalance: fc.constantFrom(undefined, 0),
  failures: fc.constantFrom(0, 0, 0.1),
  seed: fc.nat(),
  commands: fc.array(command, { minLength: 5, maxLength: 60, size: 'max' }),
}) as fc.Arbitrary<Plan>;
