import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { outcomeOfRecord } from '../order/record.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import {
  type Known,
  type Lost,
  outcomeOf,
  type Settled,
  type Untreatable,
} from '../storage/ledger.ts';
import type { OrderSettlement } from './settlement.ts';
import type { SettlerListener } from './settler-listener.ts';

/** What the answer of the storage to a settlement means for its order. */
export class Conclusion {
  readonly #lifecycle: Lifecycle;
  readonly #listener: SettlerListener;
  readonly #isKeeping: boolean;

  /** @param isKeeping - whether the storage keeps orders */
  constructor(lifecycle: Lifecycle, listener: SettlerListener, isKeeping: boolean) {
    this.#lifecycle = lifecycle;
    this.#listener = listener;
    this.#isKeeping = isKeeping;
  }

  /** The storage has answered the settlement. */
  answered(settlement: OrderSettlement, result: Exclude<Settled, Untreatable>): void {
    const { job } = settlement;
    if (isLost(result)) {
      if (!isOver(job)) this.#listener.lost(job);
      return;
    }
    if (settlement.isProvisional) {
      if ('error' in result) this.#listener.noted(job, result);
      else if (isKnown(result) && !isOver(job)) this.#listener.settledBefore(job);
      return;
    }
    // Shutdown has given the order up, and its callers have been notified.
    if (job.state !== 'settling') return;
    if (isKnown(result)) this.#known(settlement, result.known);
    else this.#conclude(settlement, result);
  }

  /** The storage has not settled the order yet. The order waits; its callers are notified. */
  delayed(settlement: OrderSettlement, message: string, cause: unknown): void {
    if (settlement.isProvisional) return;
    const error = storageFailed(message, cause, settlement);
    this.#lifecycle.notified(settlement.job, { status: 'failed', error });
  }

  /** Ends an order that the storage does not have: it may be submitted again. */
  end(settlement: OrderSettlement, cause: unknown): void {
    const { job } = settlement;
    if (job.state !== 'settling') return;
    const outcome = this.#failureOf(settlement, cause);
    if (!this.#isKeeping) this.#conclude(settlement, outcome);
    else this.#listener.notAccepted(job, (outcome as UnfulfilledOutcome).error);
  }

  #known(settlement: OrderSettlement, known: StoredOrder): void {
    const isOwn = settlement.isOpen && !settlement.isAccepted && settlement.isIn(known);
    if (isOwn) this.#conclude(settlement, outcomeOfRecord(known));
    else this.#listener.known(settlement.job, known);
  }

  #conclude(settlement: OrderSettlement, outcome: OrderOutcome): void {
    const { job, isCompensable, isTrial } = settlement;
    const isRefused = isCompensable && outcome.status !== 'completed';
    if (isRefused) {
      this.#lifecycle.end(job);
      this.#listener.refused(job, outcome.error);
    } else if (isTrial) {
      this.#lifecycle.move(job, 'processing');
      this.#listener.admitted(job);
    } else this.#lifecycle.settled(job, outcome, settlement);
  }

  #failureOf(settlement: OrderSettlement, cause: unknown): OrderOutcome {
    // An outcome that changes no balance stands, and its caller may have been notified.
    if (settlement.outcome !== 'completed' && !this.#isKeeping) {
      return outcomeOf(settlement, undefined);
    }
    const error = storageFailed('The storage did not settle it', cause, settlement);
    return { status: 'failed', error };
  }
}

function isLost(result: Settled): result is Lost {
  return (result as Partial<Lost>).isLost === true;
}

function isKnown(result: Settled): result is Known {
  return (result as Partial<Known>).known !== undefined;
}
