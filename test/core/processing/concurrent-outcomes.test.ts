import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

const count = isFull ? 20_000 : 8_000;
const users = 500;
const amountOf = (index: number): number => 1 + (index % 97);

/** Every fifth fails in payment, else every seventh in vendor, else every ninth in courier. */
function predict(index: number): string {
  if (index % 5 === 0) return 'payment_declined';
  if (index % 7 === 0) return 'vendor_unavailable';
  if (index % 9 === 0) return 'no_courier';
  return 'completed';
}

/** The same three steps in two ways of taking time. */
const ways: [name: string, wait: (ms: number, signal: AbortSignal) => unknown, most: number][] = [
  ['that are asynchronous', (ms, signal) => clock.sleep(ms, signal), 5],
  ['that return at once', () => undefined, 1],
];

it.each(ways)(
  'invariant 3: thousands of concurrent orders with steps %s end as predicted',
  async (_, wait, mostCouriers) => {
    const inside = { payment: 0, vendor: 0, courier: 0 };
    let most = 0;
    const undone = new Set<string>();
    const charged = new Set<string>();
    const step = (
      name: keyof typeof inside,
      ms: number,
      code: string,
      more?: Partial<Step>,
    ): Step => ({
      name,
      run({ id, payload }, { signal }) {
        inside[name] += 1;
        most = Math.max(most, inside.courier);
        const finish = (): void => {
          if (predict(payload as number) === code) throw new OrderError(code, 'No');
          if (name === 'payment') charged.add(id);
        };
        const leave = (): void => {
          inside[name] -= 1;
        };
        const waiting = wait(ms, signal);
        if (waiting instanceof Promise) return waiting.then(finish).finally(leave);
        try {
          return finish();
        } finally {
          leave();
        }
      },
      ...more,
    });
    const processor = new OrderProcessor({
      capacity: count,
      concurrency: users,
      steps: [
        step('payment', 3, 'payment_declined', { compensate: ({ id }) => void undone.add(id) }),
        step('vendor', 4, 'vendor_unavailable'),
        // The longest, so that its own failure does not hide another order's.
        step('courier', 5, 'no_courier', { concurrency: 5 }),
      ],
    });
    // So that all are accepted before the first one begins.
    processor.pause();
    const outcomes = processor.submitMany(
      range(count).map((index) => ({
        id: `o-${index}`,
        userId: `u-${index % users}`,
        amount: amountOf(index),
        payload: index,
      })),
    );
    expect(processor.stats()).toMatchObject({ unsettled: count, queueLength: count });
    processor.resume();
    await clock.runAll();

    const codes = (await outcomes).map((outcome) =>
      outcome.status === 'completed' ? outcome.status : outcome.error.code,
    );
    // Indices, since a diff of so many takes longer than the test.
    const wrong = range(count).filter((index) => codes[index] !== predict(index));
    expect(wrong.slice(0, 10)).toEqual([]);
    for (const user of range(users)) {
      const own = range(count / users).map((turn) => turn * users + user);
      const completed = own.filter((index) => predict(index) === 'completed');
      const sum = completed.reduce((total, index) => total + amountOf(index), 0);
      expect(await processor.balance(`u-${user}`)).toBe(completed.length === 0 ? undefined : sum);
    }
    // Exactly the users that paid and got nothing have their money back.
    const isDue = (index: number): boolean =>
      charged.has(`o-${index}`) && predict(index) !== 'completed';
    const unfair = range(count).filter((index) => undone.has(`o-${index}`) !== isDue(index));
    expect(unfair.slice(0, 10)).toEqual([]);
    expect(undone.size).toBeGreaterThan(0);

    expect(most).toBe(mostCouriers);
    expect(inside).toEqual({ payment: 0, vendor: 0, courier: 0 });
    const completed = codes.filter((code) => code === 'completed').length;
    expect(processor.stats()).toMatchObject({
      unsettled: 0,
      activeWorkers: 0,
      queueLength: 0,
      stalled: 0,
      completed,
      failed: count - completed,
    });
    expect(clock.timers).toBe(0);
  },
);
