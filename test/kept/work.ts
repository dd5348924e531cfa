import type { AcceptedOrder, Step, StepContext } from 'order-processor';
import { type KeptStorage, never } from '../kept-storage.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import type { OrderPlan } from './plan.ts';

/** The steps of one process, and what must never be seen of them. */
export class Work {
  readonly wrong: string[] = [];
  /** Ids of orders of which a step has begun. */
  readonly begun = new Set<string>();
  /** What was done and can be taken back, and was not. */
  readonly standing = new Set<string>();
  /** Some step goes on until the process ends. */
  isEndless = false;
  readonly #canCompensate: readonly boolean[];
  readonly #clock: VirtualClock;
  readonly #storage: KeptStorage;
  /** Ids of orders whose callers were told in an earlier life. */
  readonly decided: ReadonlySet<string>;
  /** Nothing goes on for ever in the last life. */
  readonly #isLast: boolean;
  /** By user, the order whose steps run, and how many. */
  readonly #running = new Map<string, { readonly id: string; steps: number }>();

  constructor(
    canCompensate: readonly boolean[],
    clock: VirtualClock,
    storage: KeptStorage,
    decided: ReadonlySet<string>,
    isLast: boolean,
  ) {
    this.#canCompensate = canCompensate;
    this.#clock = clock;
    this.#storage = storage;
    this.decided = decided;
    this.#isLast = isLast;
  }

  steps(): Step<OrderPlan>[] {
    return this.#canCompensate.map((canCompensate, at) => ({
      name: `step-${at}`,
      run: (order, context) => this.#run(order, context, at),
      ...(canCompensate && { compensate: (order) => this.#compensate(order, at) }),
    }));
  }

  #run(order: AcceptedOrder<OrderPlan>, { signal }: StepContext, at: number): unknown {
    if (this.#storage.isCut) return never();
    const plan = order.payload.steps[at];
    if (plan === undefined) throw new Error('A step without a plan');
    this.begun.add(order.id);
    if (this.decided.has(order.id) && !this.#canCompensate.includes(true)) {
      this.wrong.push(
        `steps of ${order.id} are run, though it is decided and nothing to take back`,
      );
    }
    this.#enter(order);
    const end = (): void => {
      this.#leave(order);
      if (plan.ends === 'badly') throw Object.assign(new Error(), { code: 'declined' });
      if (this.#canCompensate[at]) this.standing.add(`${order.id} step-${at}`);
    };
    let { durationMs, isDeaf } = plan;
    if (durationMs === 'never') {
      this.isEndless ||= !this.#isLast;
      if (this.isEndless) return never();
      durationMs = 1;
    }
    if (durationMs === 0) return end();
    return this.#clock.sleep(durationMs, isDeaf ? undefined : signal).then(end, (reason) => {
      this.#leave(order);
      throw reason;
    });
  }

  async #compensate(order: AcceptedOrder<OrderPlan>, at: number): Promise<void> {
    if (this.#storage.isCut) return never();
    this.#enter(order);
    await this.#clock.sleep(2);
    this.#leave(order);
    this.standing.delete(`${order.id} step-${at}`);
  }

  #enter({ id, userId }: AcceptedOrder): void {
    const running = this.#running.get(userId);
    if (running === undefined) this.#running.set(userId, { id, steps: 1 });
    else {
      running.steps += 1;
      if (running.id !== id) this.wrong.push(`invariant 1: ${id} runs beside ${running.id}`);
    }
  }

  #leave({ userId }: AcceptedOrder): void {
    const running = this.#running.get(userId);
    if (running === undefined) return;
    running.steps -= 1;
    if (running.steps === 0) this.#running.delete(userId);
  }
}
