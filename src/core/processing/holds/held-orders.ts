import type { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Dispatcher } from '../dispatcher.ts';

/** What `HeldOrders` needs of others. */
interface Sources {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly dispatcher: Dispatcher;
}

/**
 * The orders that wait in held lanes. When the processor shuts down they stay in a storage that keeps orders; any other
 * storage has them canceled, since no release can come any more.
 */
export class HeldOrders {
  readonly #sources: Sources;
  /** True from the call of `shutdown` on. */
  #isLeaving = false;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** How many may wait on while the processor is idle. A processor that shuts down waits until all have left. */
  get idle(): number {
    return this.#isLeaving ? 0 : this.#sources.dispatcher.queue.heldSize;
  }

  /** An order has come into its lane. */
  entered(job: Job): void {
    if (this.#sources.dispatcher.queue.isHeld(job.userId)) this.#waits(job);
  }

  /** A lane is held from now on, with all that waits in it. */
  laneHeld(userId: string): void {
    if (this.#isLeaving) this.#leaveLane(userId);
    else this.#sources.lifecycle.idleness.check();
  }

  /** The processor shuts down. Resolves when all that wait in held lanes have left; later ones leave at once. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    for (const userId of this.#sources.dispatcher.queue.heldUsers) await this.#leaveLane(userId);
  }

  async #leaveLane(userId: string): Promise<void> {
    const { clock, dispatcher } = this.#sources;
    for (const job of dispatcher.queue.waiting(userId)) {
      if (!clock.hasTime()) await clock.nextSlice();
      this.#waits(job);
    }
  }

  #waits(job: Job): void {
    const { dispatcher, lifecycle } = this.#sources;
    if (!this.#isLeaving) lifecycle.idleness.check();
    else if (dispatcher.drop(job)) {
      dispatcher.leave(job, "The processor shut down while the user's lane was held");
    }
  }
}
