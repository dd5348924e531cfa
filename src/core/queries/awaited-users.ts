import type { Job } from '../lifecycle/job.ts';
import { isOver } from '../lifecycle/order-state.ts';
import { OrderError } from '../order/order-error.ts';
import { StepScope } from '../runtime/step-scope.ts';

/**
 * Records which user's running order awaits orders of which users. An order is processed after its user's earlier
 * orders. So an order that awaits an order of another user also waits for that user's running order.
 */
export class AwaitedUsers {
  /** By the user of the step: the awaited orders, each with how often it is awaited. */
  readonly #byUser = new Map<string, Map<Job, number>>();
  readonly #owner: object;
  readonly #hasSteps: boolean;

  /** @param owner - of the scopes of the steps */
  constructor(owner: object, hasSteps: boolean) {
    this.#owner = owner;
    this.#hasSteps = hasSteps;
  }

  /** The step in which this is called. */
  get step(): StepScope | undefined {
    return this.#hasSteps ? StepScope.of(this.#owner) : undefined;
  }

  /**
   * If a step calls this, the order counts as awaited until the returned function is called.
   *
   * @throws OrderError `deadlock` if the step would wait for itself
   */
  begin(job: Job): (() => void) | undefined {
    const { step } = this;
    return step && this.#add(step.userId, job);
  }

  #add(by: string, job: Job): () => void {
    const users = this.#pathTo(by, job.userId, new Set());
    if (users !== undefined) {
      const path = [by, ...users].map((user) => JSON.stringify(user)).join(' → ');
      const message = `The step would wait for itself, from user to user: ${path}; use \`enqueue\``;
      throw new OrderError('deadlock', message, job.facts);
    }
    const awaited = this.#byUser.get(by) ?? new Map<Job, number>();
    this.#byUser.set(by, awaited);
    awaited.set(job, (awaited.get(job) ?? 0) + 1);
    return () => {
      const count = (awaited.get(job) as number) - 1;
      if (count > 0) awaited.set(job, count);
      else awaited.delete(job);
      if (awaited.size === 0 && this.#byUser.get(by) === awaited) this.#byUser.delete(by);
    };
  }

  /** The user's order has ended. */
  delete(by: string): void {
    this.#byUser.delete(by);
  }

  /** The users from one to another, if each awaits the next. */
  #pathTo(end: string, from: string, seen: Set<string>): string[] | undefined {
    if (from === end) return [from];
    seen.add(from);
    for (const job of this.#byUser.get(from)?.keys() ?? []) {
      const { userId: next, joined } = job;
      const awaited = joined?.status === 'in flight' ? joined.job : job;
      // The promise callbacks of a step that awaited an order run a little after the order's end.
      if (isOver(awaited) || seen.has(next)) continue;
      const path = this.#pathTo(end, next, seen);
      if (path !== undefined) return [from, ...path];
    }
    return undefined;
  }
}
