import type { BenchOrder } from './contenders.ts';

/** One round of a contender: orders per second, or the figure that the workload is about. */
type Run = () => Promise<number>;

export interface Workload {
  readonly contenders: readonly string[];
  /**
   * One contender goes through all rounds of its process, as a host has one processor for life. Otherwise each
   * round has a new one.
   */
  readonly isSteady?: boolean;
  /** How many rounds at least warm up, and do not count; 1 by default. Short rounds need more until all is compiled. */
  readonly warmUps?: number;
  /** Makes the input and the contender's round. */
  prepare(contender: string): Run;
  /** Done once before all rounds: rejects if contenders are not worth comparing. */
  check?(): Promise<void>;
}

/** Made before the clock starts, ids hashed, so that nothing but the contender is measured. */
export function makeOrders(count: number, userOf: (index: number) => number): BenchOrder[] {
  const users: string[] = [];
  const ids = new Set<string>();
  return Array.from({ length: count }, (_, index) => {
    const user = userOf(index);
    users[user] ??= `user-${user}`;
    const id = `order-${index}`;
    ids.add(id);
    return { id, userId: users[user], amount: 1 + (index % 100) };
  });
}

/** Spread without a pattern, the same in each run. */
export function spread(users: number): (index: number) => number {
  return (index) => (Math.imul(index, 2_654_435_761) >>> 0) % users;
}

export type Round = (orders: BenchOrder[]) => Promise<number>;
export type Makers = Readonly<Record<string, () => Round>>;

/** Contenders that all take the same orders, each round from the beginning. */
export function onOrders(
  count: number,
  userOf: (index: number) => number,
  runs: Readonly<Record<string, Round>>,
): Workload {
  return {
    contenders: Object.keys(runs),
    prepare: (contender) => {
      const orders = makeOrders(count, userOf);
      const run = runs[contender] as Round;
      return () => run(orders);
    },
  };
}
