import type { Verdict } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { CompensationResult } from '../order/step-result.ts';
import { Task, type TaskOwner } from './step-execution.ts';

/** Which steps of an order have begun, as far as that is known. */
interface Beginnings {
  readonly earlierAttempts: number;
  /** Steps with a compensation that have not begun in this process; what comes after others comes last. */
  unbegun(): Task[];
}

/** The steps of a failed order to be compensated: one after the other, the last one to end first. */
export class Compensations {
  /** Steps that have ended and may have had their effect, in that order. */
  readonly #due: Task[] = [];
  #current: Task | undefined = undefined;
  #hasAddedUnbegun = false;
  /** Those that have begun, be it that they are waited for no longer. */
  readonly begun: Task[] = [];

  /** The one that is under way. */
  get current(): Task | undefined {
    return this.#current;
  }

  get areDue(): boolean {
    return this.#due.length > 0;
  }

  /** No attempt at a step runs, and none will. Called once for each step that has begun. */
  ended(task: Task): void {
    if (task.isToCompensate) this.#due.push(task);
  }

  /** What has not begun in this process may have begun in an earlier one, whose end is not known. */
  addUnbegun(board: Beginnings, error: OrderError): void {
    if (board.earlierAttempts === 0 || this.#hasAddedUnbegun) return;
    this.#hasAddedUnbegun = true;
    for (const task of board.unbegun()) {
      task.abort(error);
      this.ended(task);
    }
  }

  /** The one under way is not waited for. */
  drop(): void {
    this.#current = undefined;
  }

  /** No more is started, and the one under way is not waited for; gives all of them, as not done. */
  giveUp(owner: TaskOwner): Task[] {
    const current = this.#current === undefined ? [] : [this.#current];
    this.#current?.abort(owner.error as OrderError);
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
