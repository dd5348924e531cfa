import type { CompensationResult } from './outcome.ts';
import { Task, type TaskOwner, type Verdict } from './task.ts';

/** What must be taken back of an order that failed: one step after the other, the last one first. */
export class Compensations {
  /** Steps that have finished, in that order. */
  readonly #due: Task[] = [];
  #current: Task | undefined = undefined;
  /** Those that have begun, be it that they are waited for no longer. */
  readonly begun: Task[] = [];

  /** The one that is under way. */
  get current(): Task | undefined {
    return this.#current;
  }

  get areDue(): boolean {
    return this.#due.length > 0;
  }

  /** A step has finished that can be taken back. */
  add(task: Task): void {
    this.#due.push(task);
  }

  /** The one under way is not waited for. */
  drop(): void {
    this.#current = undefined;
  }

  /** No more is started, and the one under way is not waited for; gives all of them, as not done. */
  giveUp(owner: TaskOwner): Task[] {
    const current = this.#current === undefined ? [] : [this.#current];
    this.#current?.abort(owner.error);
    this.#current = undefined;
    const due = this.#due.splice(0).reverse();
    return [...current, ...due.map((step) => new Task(step.step, owner, step))];
  }

  /** Starts the next one; false if there is none. */
  startNext(owner: TaskOwner): boolean {
    const step = this.#due.pop();
    if (step === undefined) {
      this.#current = undefined;
      return false;
    }
    const compensation = new Task(step.step, owner, step);
    this.#current = compensation;
    this.begun.push(compensation);
    // Whoever decided the order may have done so in a context of its own.
    owner.inScope(() => compensation.start());
    return true;
  }
}

/** @param verdict - why it failed, if it did */
export function compensationResult(task: Task, verdict: Verdict | undefined): CompensationResult {
  const { attempts } = task;
  const durationMs = task.elapsed();
  if (verdict === undefined) return Object.freeze({ status: 'ok', durationMs, attempts });
  const { code, message } = verdict;
  return Object.freeze({ status: 'error', durationMs, attempts, code, message });
}
