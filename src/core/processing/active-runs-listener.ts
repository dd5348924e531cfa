import type { Job } from '../lifecycle/job.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';

/** Follows the runs for the other stages. */
export interface ActiveRunsListener {
  /** @param startedAt - on the processor's clock */
  began(job: Job, startedAt: number): void;
  /** The order is settled and none of its functions runs: its user's next order may begin. */
  released(job: Job): void;
  /** The same, if its functions ended after the settlement. */
  ended(job: Job): void;
  /** The order has failed and is to hold its lane; nothing of it runs. */
  held(job: Job): void;
  /** A run has something to do and no worker. */
  wantsWorker(): void;
  /** The outcome is certain, and callers need not wait for the settlement. */
  notified(job: Job, outcome: UnfulfilledOutcome): void;
  /** What a step of the order has returned is to be kept. */
  remember(job: Job): void;
}
