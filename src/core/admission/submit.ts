import { type Job, toResult } from '../lifecycle/job.ts';
import type { OrderOutcome, Receipt } from '../order/outcome.ts';
import type { Admission, Entry } from './admission.ts';
import { badOptions, type SubmitOptions, signalOf } from './caller-options.ts';
import { ReceiptPromise } from './callers.ts';
import type { Overflow } from './capacity.ts';

/** Has single orders processed. */
export class Submitter {
  readonly #admission: Admission;
  readonly #overflow: Overflow;
  /** Of an order without options: one object for all. */
  readonly #entry: Entry;

  constructor(admission: Admission, overflow: Overflow) {
    this.#admission = admission;
    this.#overflow = overflow;
    this.#entry = { overflow };
  }

  /** The receipt of an order; rejects if the order does not complete. */
  submit(order: unknown, options: SubmitOptions | undefined): Promise<Receipt> {
    let job: Job;
    let entry = this.#entry;
    try {
      if (options !== undefined) entry = this.#entryOf(options);
      job = this.#admission.parse(order);
    } catch (error) {
      return this.#deliver(this.#admission.refusalOf(error));
    }
    const receipt = job.promise();
    this.#admission.admit(job, entry);
    if (!job.isFollowed) return this.#pace(receipt);
    const { awaited } = this.#admission;
    return awaited.step === undefined
      ? receipt
      : ReceiptPromise.of(receipt, () => awaited.begin(job));
  }

  /** @throws OrderError `invalid_order` */
  #entryOf(options: SubmitOptions): Entry {
    try {
      return { overflow: this.#overflow, signal: signalOf('submit', options) };
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
