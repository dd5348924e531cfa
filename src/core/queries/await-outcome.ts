import type { Follower } from '../lifecycle/entry.ts';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import { type Job, notifiedOf } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import { leftBehind, storageFailed, waitingEnded } from '../order/processor-errors.ts';
import { outcomeOfRecord } from '../order/record.ts';
import { untilAbort } from '../runtime/abort.ts';
import type { AwaitedUsers } from './awaited-users.ts';
import type { KnownOrders } from './known-orders.ts';

/** What `OutcomeQuery` needs of others. */
interface Sources {
  readonly inFlight: InFlightOrders;
  readonly known: KnownOrders;
  readonly awaited: AwaitedUsers;
  /** Whether `shutdown` was called. */
  isShuttingDown(): boolean;
  /** Whether the deadline of the shutdown has passed, so that no order is taken up or begins any more. */
  isLeaving(): boolean;
}

/** Waits for the outcome of any accepted order, by its id. */
export class OutcomeQuery {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /**
   * The outcome of an accepted order, as soon as a caller of `submit` would get it; `undefined` if no order has the id.
   *
   * @param signal - ends the waiting, and never the order
   */
  async outcome(id: string, signal: AbortSignal | undefined): Promise<OrderOutcome | undefined> {
    if (signal?.aborted) throw waitingEnded({ orderId: id }, signal);
    const { inFlight, known, isLeaving } = this.#sources;
    for (let isAgain = false; ; isAgain = true) {
      const job = inFlight.get(id);
      // Before it is accepted, another order may have the id.
      if (job !== undefined && !known.ownsId(job)) {
        const stored = await known.ask(id, signal);
        if (stored?.settledAt !== undefined) return outcomeOfRecord(stored);
        if (inFlight.get(id) !== job) continue;
      }
      const outcome = job && (await this.#outcomeOf(job, signal));
      // The storage may have refused the order because another one has the id.
      if (outcome !== undefined && outcome.status !== 'refused') return outcome;
      const here = known.get(id);
      const record = here.status === 'settled' ? here.record : await known.ask(id, signal);
      if (record?.settledAt !== undefined) return outcomeOfRecord(record);
      if (record === undefined) return undefined;
      const isHere = inFlight.get(id) !== undefined;
      // It may have been taken up and settled since it was read.
      if (!isHere && (isAgain || isLeaving())) return this.#outcomeOfLost(record);
    }
  }

  #outcomeOf(job: Job, signal: AbortSignal | undefined): OrderOutcome | Promise<OrderOutcome> {
    const notified = notifiedOf(job);
    if (notified !== undefined) return notified;
    const error = (): OrderError => waitingEnded({ orderId: job.id }, signal);
    const end = this.#sources.awaited.begin(job);
    const outcome = untilAbort<OrderOutcome>(signal, error, (resolve) => {
      const follower: Follower = { notify: (outcome) => resolve(outcome) };
      job.follow(follower);
      return () => {
        job.unfollow(follower);
        this.#sources.known.unfollowed(job);
      };
    });
    if (end !== undefined) outcome.then(end, end);
    return outcome;
  }

  /** An order that the storage keeps and that this processor does not take up. */
  #outcomeOfLost(record: OrderRecord): OrderOutcome {
    const { id: orderId, userId, labels } = record;
    if (this.#sources.isShuttingDown()) return leftBehind({ orderId, userId, labels });
    // The same error that its callers got.
    const message =
      'The call that kept the order failed; submit it again, or the next start takes it up';
    throw storageFailed(message, undefined, record);
  }
}
