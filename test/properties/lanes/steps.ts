import { OrderError, type Step } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { Plan, Works } from './plan.ts';
import type { Witness } from './witness.ts';

/** The steps of orders, which do what the payload says. */
export class Steps {
  readonly #plan: Plan;
  readonly #witness: Witness;
  readonly #clock: VirtualClock;
  /** How often steps and compensations are still to fail, as `id:step`. */
  readonly #failures = new Map<string, number>();

  constructor(plan: Plan, witness: Witness, clock: VirtualClock) {
    this.#plan = plan;
    this.#witness = witness;
    this.#clock = clock;
  }

  /** An order is handed in. */
  expect(id: string, works: Works): void {
    for (const [step, { failures, lasts }] of Object.entries(works)) {
      this.#failures.set(`${id}:${step}`, failures);
      this.#failures.set(`${id}:${step}:back`, lasts);
    }
  }

  /** @param isAlive - whether the process of the steps is the present one; those of a killed one do nothing */
  of(isAlive: () => boolean): Step<Works>[] {
    if (!this.#plan.hasSteps) return [];
    const step = (name: keyof Works): Step<Works> => ({
      name,
      when: ({ payload }) => !payload[name].isSkipped,
      run: async (order, { signal }) => {
        if (!isAlive()) return undefined;
        const { ms, isStubborn } = order.payload[name];
        const end = this.#witness.runs(name, order);
        try {
          await this.#clock.sleep(ms, isStubborn ? undefined : signal);
          if (isAlive()) this.#mayFail(`${order.id}:${name}`);
          if (isAlive()) this.#witness.finished(name, order.id);
        } finally {
          if (isAlive()) end();
        }
        return name;
      },
    });
    const compensate = (name: keyof Works): Pick<Step<Works>, 'compensate'> => ({
      compensate: async (order) => {
        if (!isAlive()) return;
        this.#witness.compensates(name, order);
        await this.#clock.sleep(1);
        if (isAlive()) this.#mayFail(`${order.id}:${name}:back`);
      },
    });
    return [
      { ...step('pay'), ...compensate('pay'), remember: true },
      {
        ...{ ...step('cook'), ...compensate('cook'), after: 'pay' },
        ...{ timeoutMs: 12, retry: { attempts: 2, delayMs: 3 } },
      },
      { ...step('mail'), concurrency: 2, onFailure: 'hold' },
    ];
  }

  #mayFail(key: string): void {
    const left = this.#failures.get(key) ?? 0;
    if (left === 0) return;
    this.#failures.set(key, left - 1);
    throw new OrderError('unlucky', 'Once more', { retryable: left !== 2 });
  }
}
