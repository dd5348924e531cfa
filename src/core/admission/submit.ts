import type { Follower } from '../lifecycle/entry.ts';
import { type Job, toResult } from '../lifecycle/job.ts';
import type { OrderOutcome, Receipt } from '../order/outcome.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Admission } from './admission.ts';
import { badOptions, type SubmitOptions, signalOf } from './caller-options.ts';
import { type Entry, ReceiptPromise } from './callers.ts';
import type { Overflow } from './capacity.ts';
import { handIn, refusalOf } from './tracing/hand-in.ts';

/**
 * A caller that may leave before the order ends, or hands in an order in a turn that is spent: if the order is settled at
 * once, it gets that in the next.
 */
class Caller implements Follower {
  /** False when `submit` has returned: the caller waits already. */
  isInCall = true;
  readonly #clock: Clock;
  #resolve: ((receipt: Receipt | Promise<never>) => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  promiseOf(job: Job): Promise<Receipt> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      job.follow(this);
    });
  }

  notify(outcome: OrderOutcome): void {
    if (!this.isInCall || !this.#clock.isTurnSpent) this.#resolve?.(toResult(outcome));
    else this.#clock.nextTurn().then(() => this.#resolve?.(toResult(outcome)));
  }
}

/** Has single orders processed. */
export class Submitter {
  readonly #admission: Admission;
  /** Of an order without options: one object for all. */
  readonly #entry: Entry;

  constructor(admission: Admission, overflow: Overflow) {
    this.#admission = admission;
    this.#entry = { method: 'submit', overflow };
  }

  /** The receipt of an order; rejects if the order does not complete. */
  submit(order: unknown, options: SubmitOptions | undefined): Promise<Receipt> {
    let job: Job;
    let entry = this.#entry;
    let caller: Caller | undefined;
    const { awaited, clock } = this.#admission;
    if (options !== undefined || clock.isTurnSpent) caller = new Caller(clock);
    try {
      if (options !== undefined) entry = this.#entryOf(options, caller);
      job = this.#admission.parse(order);
    } catch (error) {
      return this.#deliver(refusalOf(this.#admission, error, 'submit'));
    }
    const receipt = caller === undefined ? job.promise() : caller.promiseOf(job);
    handIn(this.#admission, job, entry);
    if (caller !== undefined) caller.isInCall = false;
    if (!job.isFollowed) return caller === undefined ? this.#pace(receipt) : receipt;
    return awaited.step === undefined
      ? receipt
      : ReceiptPromise.of(receipt, () => awaited.begin(job));
  }

  /** @throws OrderError `invalid_order` */
  #entryOf(options: SubmitOptions, caller: Follower | undefined): Entry {
    try {
      return { ...this.#entry, signal: signalOf('submit', options), caller };
    } catch (cause) {
      throw badOptions(cause);
    }
  }

  #deliver(outcome: OrderOutcome): Promise<Receipt> {
    const { clock } = this.#admission;
    return clock.isTurnSpent
      ? clock.nextTurn().then(() => toResult(outcome))
      : Promise.resolve(toResult(outcome));
  }

  /**
   * Callers that await one order after the other go on in promise callbacks, which all run before the event loop turns.
   * So now and then they wait for the next turn.
   */
  #pace(receipt: Promise<Receipt>): Promise<Receipt> {
    const { clock } = this.#admission;
    if (!clock.isTurnSpent) return receipt;
    // The promise may have rejected, and nothing else handles that before the next turn.
    receipt.catch(() => {});
    return clock.nextTurn().then(() => receipt);
  }
}
