import {
  type AcceptedOrder,
  type CompensationContext,
  OrderError,
  type Step,
  type StepContext,
} from 'order-processor';
import { type KeptStorage, never } from '../kept-storage.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import type { OrderPlan, Scenario } from './plan.ts';

/** What a payment provider has, which knows nothing of processes: it goes on when they end. */
export class Provider {
  /** Keys by the id of their order. */
  readonly charges = new Map<string, Set<string>>();

  charge(id: string, key: string): void {
    const keys = this.charges.get(id);
    if (keys === undefined) this.charges.set(id, new Set([key]));
    else keys.add(key);
  }

  refund(id: string, key: string): void {
    this.charges.get(id)?.delete(key);
  }
}

/** The steps of one process, and what must never be seen of them. */
export class Work {
  readonly wrong: string[] = [];
  /** Some step goes on until the process ends. */
  isEndless = false;
  readonly #canCompensate: readonly boolean[];
  #remembers: readonly boolean[] = [];
  readonly #clock: VirtualClock;
  readonly #storage: KeptStorage;
  /** Ids of orders whose callers were notified in an earlier process. */
  readonly decided: ReadonlySet<string>;
  /** No step goes on for ever in the last process. */
  readonly #isLast: boolean;
  readonly #provider: Provider;
  /** By user, the order whose steps run, and how many. */
  readonly #running = new Map<string, { readonly id: string; steps: number }>();

  constructor(
    canCompensate: readonly boolean[],
    clock: VirtualClock,
    storage: KeptStorage,
    decided: ReadonlySet<string>,
    isLast: boolean,
    provider: Provider,
  ) {
    this.#canCompensate = canCompensate;
    this.#clock = clock;
    this.#storage = storage;
    this.decided = decided;
    this.#isLast = isLast;
    this.#provider = provider;
  }

  steps({ remembers, isInOrder }: Pick<Scenario, 'remembers' | 'isInOrder'>): Step<OrderPlan>[] {
    this.#remembers = remembers;
    return this.#canCompensate.map((canCompensate, at) => ({
      name: `step-${at}`,
      remember: remembers[at],
      after: isInOrder && at > 0 ? [`step-${at - 1}`] : [],
      run: (order, context) => this.#run(order, context, at),
      ...(canCompensate && {
        compensate: (order, context) => this.#compensate(order, context, at),
      }),
    }));
  }

  #run(order: AcceptedOrder<OrderPlan>, context: StepContext, at: number): unknown {
    const { signal, idempotencyKey } = context;
    if (this.#storage.isCut) return never();
    const plan = order.payload.steps[at];
    if (plan === undefined) throw new Error('A step without a plan');
    if (this.decided.has(order.id)) {
      this.wrong.push(`steps of ${order.id} are run, though it is decided`);
    }
    this.#checkRemembered(order.id, context, at);
    this.#enter(order);
    const isRefused = plan.ends === 'refused';
    // The request may have its effect at once, even if its answer is lost.
    if (this.#canCompensate[at] && !isRefused) this.#provider.charge(order.id, idempotencyKey);
    const end = (): unknown => {
      this.#leave(order);
      if (isRefused) throw new OrderError('declined', 'Nothing was charged');
      if (plan.ends === 'badly') throw Object.assign(new Error(), { code: 'declined' });
      return resultOf(order.id, at);
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

  async #compensate(
    order: AcceptedOrder<OrderPlan>,
    { isFinished, result, idempotencyKey }: CompensationContext,
    at: number,
  ): Promise<void> {
    if (this.#storage.isCut) return never();
    this.#enter(order);
    await this.#clock.sleep(2);
    this.#leave(order);
    if (isFinished && order.payload.steps[at]?.ends !== 'well') {
      this.wrong.push(`${order.id} step-${at} is said to have finished`);
    }
    if (isFinished && result !== resultOf(order.id, at)) {
      this.wrong.push(`${order.id} step-${at} is compensated with ${result}`);
    }
    this.#provider.refund(order.id, idempotencyKey);
  }

  /** A step whose result the disk has is not run again, and what comes after it has its result. */
  #checkRemembered(id: string, { results }: StepContext, at: number): void {
    const { remembered = [] } = this.#storage.disk.find(id) ?? {};
    if (remembered.some(({ step }) => step === `step-${at}`)) {
      this.wrong.push(`invariant 9: ${id} step-${at} is run again, though it is remembered`);
    }
    for (const [step, result] of Object.entries(results)) {
      const place = Number(step.slice('step-'.length));
      if (result !== resultOf(id, place)) this.wrong.push(`${id} ${step} gave ${result}`);
      const isOnDisk = remembered.some((each) => each.step === step);
      if (this.#remembers[place] && !isOnDisk) {
        this.wrong.push(`invariant 9: ${id} step-${at} begins before ${step} is remembered`);
      }
    }
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

/** What a step returns. */
function resultOf(id: string, at: number): string {
  return `${id}/${at}`;
}
