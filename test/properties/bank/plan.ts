import fc from 'fast-check';

/** How many accounts the bank has. */
export const accounts = 1_000;

export const userOf = (account: number): string => `u-${account}`;

/** One order, as its caller hands it in; its steps find in it what they are to do. */
export interface OrderPlan {
  readonly userId: string;
  /** Money that comes from outside, or goes there; none of a transfer. */
  readonly outside: number;
  readonly payees: readonly { readonly userId: string; readonly amount: number }[];
  /** How much of it is settled, in percent; `undefined` if no step says so. */
  readonly percent: number | undefined;
  readonly priority: 'high' | 'medium' | 'low';
  /** How often its charge fails before it succeeds; it is tried twice at a time. */
  readonly failures: number;
  /** Whether it holds its lane when it has failed. */
  readonly holds: boolean;
  /** How long each of its steps runs, in milliseconds. */
  readonly stepMs: number;
  /** When it enters its lane, in milliseconds from now. */
  readonly delayMs: number | undefined;
}

/** Numbers of orders are taken modulo how many there are. */
export type Act =
  | { readonly do: 'order'; readonly how: 'submit' | 'enqueue'; readonly plan: OrderPlan }
  /** `again`: its caller hands it in once more. `try again`: one that did not complete comes under a new id. */
  | { readonly do: 'again' | 'try again' | 'cancel'; readonly order: number }
  | { readonly do: 'hold' | 'retry' | 'skip'; readonly userId: string }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'shut down' | 'kill' }
  /** The process is killed in a call of its storage. */
  | { readonly do: 'kill in a call'; readonly calls: number; readonly isDone: boolean };

export interface Plan {
  /** Without steps an order is settled by one write, where it need not wait. */
  readonly hasSteps: boolean;
  /** How long a call of the storage takes, in milliseconds. */
  readonly storageMs: number;
  readonly acts: readonly Act[];
}

/** A few accounts that many orders meet at, and all others. */
const userId = fc
  .oneof({ weight: 4, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(accounts - 1) })
  .map(userOf);

const often = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const order: fc.Arbitrary<OrderPlan> = fc
  .record({
    userId,
    money: often('transfer', 'top-up', 'withdrawal'),
    amount: fc.integer({ min: 0, max: 80 }),
    payees: fc.uniqueArray(fc.record({ userId, amount: fc.integer({ min: 1, max: 40 }) }), {
      selector: (payee) => payee.userId,
      minLength: 1,
      maxLength: 3,
    }),
    percent: often<number | undefined>(undefined, 0, 33, 64, 100),
    priority: often<OrderPlan['priority']>('medium', 'high', 'low'),
    failures: often(0, 1, 2, 3),
    holds: fc.boolean(),
    stepMs: often(0, 1, 3),
    delayMs: often<number | undefined>(undefined, 2, 20, 60),
  })
  .map(({ money, amount, payees, ...rest }) => ({
    ...rest,
    outside: money === 'transfer' ? 0 : money === 'top-up' ? amount : -amount,
    payees: money === 'transfer' ? payees.filter((payee) => payee.userId !== rest.userId) : [],
  }));

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('order' as const),
      how: fc.constantFrom('submit', 'enqueue' as const),
      plan: order,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('again', 'try again', 'cancel' as const),
      order: fc.nat(60),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('hold', 'retry', 'skip' as const), userId }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 3, 30) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('shut down', 'kill' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('kill in a call' as const),
      calls: fc.nat(6),
      isDone: fc.boolean(),
    }),
  },
);

export const plan: fc.Arbitrary<Plan> = fc
  .record({
    hasSteps: fc.boolean(),
    storageMs: fc.constantFrom(0, 1, 2),
    acts: fc.array(act, { minLength: 1, maxLength: 70, size: 'max' }),
  })
  .map((each) => (each.hasSteps ? each : { ...each, acts: each.acts.map(withoutSteps) }));

/** No step says what is settled. */
function withoutSteps(each: Act): Act {
  return each.do === 'order' ? { ...each, plan: { ...each.plan, percent: undefined } } : each;
}

/** What an order moves when it completes: the amount of its own user, then its postings. */
export function moneyOf({ outside, payees, percent = 100 }: OrderPlan) {
  const part = (amount: number): number => Math.trunc((amount * percent) / 100);
  const postings = payees.map((payee) => ({ ...payee, amount: part(payee.amount) }));
  const sum = postings.reduce((all, { amount }) => all + amount, 0);
  return { amount: part(outside) - sum + 0, postings };
}
