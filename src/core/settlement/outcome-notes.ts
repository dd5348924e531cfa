import type { Job } from '../lifecycle/job.ts';
import { isOver } from '../lifecycle/order-state.ts';
import { type Decision, nothingToDo } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import { asDecidedBefore } from './settlement.ts';
import type { SettlerListener } from './settler-listener.ts';

/** Outcomes that the storage has to note, of orders that go on before they are settled. */
export class OutcomeNotes {
  readonly #listener: Pick<SettlerListener, 'noted'>;
  readonly #outcomes = new Map<Job, UnfulfilledOutcome>();

  constructor(listener: Pick<SettlerListener, 'noted'>) {
    this.#listener = listener;
  }

  /** Adds an outcome; false if it was noted before a restart, so nothing has to be written. */
  add(job: Job, outcome: UnfulfilledOutcome): boolean {
    if (job.entry?.decided === undefined) {
      this.#outcomes.set(job, outcome);
      return true;
    }
    const { outcome: status, error } = asDecidedBefore(job, {
      ...nothingToDo,
      steps: outcome.error.steps,
    });
    this.#listener.noted(job, { status: status as 'failed', error: error as OrderError });
    return false;
  }

  /** The order is settled instead. */
  delete(job: Job): void {
    if (this.#outcomes.size > 0) this.#outcomes.delete(job);
  }

  /** Orders are not to be settled here any more. */
  forget(): void {
    for (const job of this.#outcomes.keys()) if (isOver(job)) this.#outcomes.delete(job);
  }

  clear(): void {
    this.#outcomes.clear();
  }

  /** Takes all of them, as decisions. */
  take(): readonly (readonly [Job, Decision])[] {
    if (this.#outcomes.size === 0) return none;
    const all = [...this.#outcomes].map(([job, { status, error }]): [Job, Decision] => [
      job,
      { ...nothingToDo, outcome: status as 'failed', error },
    ]);
    this.#outcomes.clear();
    return all;
  }
}

const none: readonly (readonly [Job, Decision])[] = [];
