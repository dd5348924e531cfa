import type { Job } from '../lifecycle/job.ts';
import type { Verdict } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { refusals } from '../order/receipt.ts';
import { type Awaitable, asPromise, isThenable } from '../runtime/awaitable.ts';
import { watch } from '../runtime/until-closed.ts';
import type { Ledger } from '../storage/ledger.ts';

export interface FundsCheckListener {
  /** The storage has not given a balance yet. */
  slow(error: OrderError): void;
  /**
   * The storage could not give it. Resolves with whether to ask again; if not, nothing is certain, or the storage has
   * failed.
   *
   * @param attempt - how often it was asked for this order
   */
  failed(error: OrderError, attempt: number): Awaitable<boolean>;
}

/**
 * Why a debit cannot succeed, if that is certain before its order's steps are run: the user's earlier orders are
 * settled by then. The storage decides in the end.
 */
export class FundsCheck {
  readonly #storage: Ledger;
  readonly #minBalance: number | undefined;
  readonly #stalledAfterMs: number;
  readonly #listener: FundsCheckListener;

  constructor(
    storage: Ledger,
    { minBalance, stalledAfterMs }: { minBalance: number | undefined; stalledAfterMs: number },
    listener: FundsCheckListener,
  ) {
    this.#storage = storage;
    this.#minBalance = minBalance;
    this.#stalledAfterMs = stalledAfterMs;
    this.#listener = listener;
  }

  refusalOf(job: Job, attempt = 1): Awaitable<Verdict | undefined> {
    if (this.#minBalance === undefined || job.amount >= 0) return undefined;
    try {
      const balance = this.#storage.get(job.userId);
      return isThenable(balance)
        ? this.#refusalLater(job, attempt, balance)
        : this.#check(job, balance);
    } catch (cause) {
      return this.#fail(job, attempt, cause);
    }
  }

  async #refusalLater(
    job: Job,
    attempt: number,
    late: PromiseLike<number | undefined>,
  ): Promise<Verdict | undefined> {
    const answered = watch(this.#stalledAfterMs, (message) =>
      this.#listener.slow(storageFailed(message, undefined)),
    );
    try {
      return this.#check(job, await asPromise(late));
    } catch (cause) {
      return this.#fail(job, attempt, cause);
    } finally {
      answered();
    }
  }

  #check({ amount }: Job, balance = 0): Verdict | undefined {
    if (balance + amount >= (this.#minBalance as number)) return undefined;
    const message = refusals.insufficient_funds;
    return { code: 'insufficient_funds', message, isForStorage: this.#mayBeApplied };
  }

  #fail(job: Job, attempt: number, cause: unknown): Awaitable<Verdict | undefined> {
    const message = 'The storage could not give the balance';
    const answer = (isToBeAsked: boolean): Awaitable<Verdict | undefined> => {
      if (isToBeAsked) return this.refusalOf(job, attempt + 1);
      return this.#isKeeping ? undefined : { code: 'storage_failed', message, cause };
    };
    const again = this.#listener.failed(storageFailed(message, cause), attempt);
    return isThenable(again) ? asPromise(again).then(answer) : answer(again);
  }

  /** Only a storage of balances knows whether it has applied this amount for an earlier process. */
  get #mayBeApplied(): boolean {
    return !this.#isKeeping && !this.#storage.isVolatile;
  }

  get #isKeeping(): boolean {
    return this.#storage.journal !== undefined;
  }
}
