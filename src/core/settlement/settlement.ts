import type { Job } from '../lifecycle/job.ts';
import type { Decision } from '../order/decision.ts';
import type { FinalPosting, Priority } from '../order/order.ts';
import { asError, causeOfOrder } from '../order/order-cause.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderCause, StepResult, StepValues } from '../order/step-result.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { timeFields } from '../order/times/order-times.ts';
import type { TraceContext } from '../order/trace/trace-context.ts';
import type { Clock } from '../runtime/clock.ts';
import type { LedgerSettlement } from '../storage/ledger.ts';

/** A decided order on its way into the storage. A host's storage gets a copy of the order's data. */
export class OrderSettlement implements LedgerSettlement {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly orderedAmount: number;
  readonly priority: Priority;
  readonly payload: unknown;
  readonly labels: readonly string[];
  readonly postings: readonly FinalPosting[];
  readonly content: unknown;
  readonly acceptedAt: number;
  readonly isAccepted: boolean;
  readonly outcome: Decision['outcome'];
  readonly error: OrderError | undefined;
  readonly cause: OrderCause | undefined;
  readonly steps: readonly StepResult[];
  readonly results: StepValues;
  readonly startedAt: number | undefined;
  settledAt: number;
  readonly minBalance: number | undefined;
  readonly isCompensable: boolean;
  readonly isProvisional: boolean;
  readonly isTrial: boolean;
  readonly sequence: number;
  readonly shift: number;
  /** Not even fields where the order has no times. */
  declare readonly notBefore?: number | undefined;
  declare readonly expiresAt?: number | undefined;
  declare readonly holds?: boolean | undefined;
  declare readonly endsHold?: boolean | undefined;
  /** Not even a field unless another order came again as this one. */
  declare readonly retryOf?: string | undefined;
  declare readonly traceContext?: TraceContext | undefined;
  readonly #job: Job;
  #isOpen = false;
  #isAgain = false;

  /**
   * @param clock - the processor's, which must have been read just before
   * @param startedAt - on that clock
   */
  constructor(
    job: Job,
    { outcome, error, steps, results, final, isCompensable, isTrial = false, endsHold }: Decision,
    clock: Clock,
    startedAt: number | undefined,
    minBalance: number | undefined,
    isProvisional = false,
  ) {
    this.id = job.id;
    this.userId = job.userId;
    this.amount = final === undefined ? job.amount : final.amount;
    this.orderedAmount = job.amount;
    this.priority = job.priority;
    this.payload = job.payload;
    this.labels = job.labels;
    this.postings = final === undefined ? job.postings : final.postings;
    this.content = job.content;
    this.acceptedAt = job.unixOf(job.acceptedAt, clock);
    this.isAccepted = job.entry !== undefined;
    this.outcome = outcome;
    this.error = error;
    this.cause = error && causeOfOrder(error);
    this.steps = steps;
    this.results = results;
    this.startedAt = startedAt === undefined ? undefined : job.unixOf(startedAt, clock);
    this.settledAt = job.unixOf(clock.last, clock);
    this.minBalance = minBalance;
    this.isCompensable = isCompensable;
    this.isProvisional = isProvisional;
    this.isTrial = isTrial;
    if (isProvisional && job.tries?.mayHold) this.holds = true;
    if (endsHold === true) this.endsHold = true;
    this.sequence = job.sequence;
    this.shift = job.shift;
    this.#job = job;
    if (job.times !== undefined) Object.assign(this, timeFields(job.times));
    if (job.retryOf !== undefined) this.retryOf = job.retryOf;
    if (job.traceText !== undefined) this.traceContext = job.traceContext;
  }

  get job(): Job {
    return this.#job;
  }

  /** Whether the storage may have settled it: a call with it failed, or only the storage knows of earlier processes. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Only the storage can say whether it has settled it. */
  leaveOpen(): void {
    this.#isOpen = true;
  }

  /** Another order with the id was settled in this millisecond. */
  comesAgain(): void {
    this.#isAgain = true;
  }

  /** Whether it waits until the storage works again; else it ends, since the storage does not have its order. */
  get mayWait(): boolean {
    return this.isAccepted || this.#isOpen;
  }

  /** Whether the storage's record of its id is this settlement, recorded by a call that then failed. */
  isIn({ userId, acceptedAt, settledAt }: StoredOrder): boolean {
    if (this.#isAgain) return false;
    return userId === this.userId && acceptedAt === this.acceptedAt && settledAt === this.settledAt;
  }
}

/** An order that was decided before a restart gets the outcome of which its callers were notified then. */
export function asDecidedBefore(job: Job, decision: Decision): Decision {
  const decided = job.entry?.decided;
  if (decided === undefined) return decision;
  const { steps, results, endsHold } = decision;
  const { outcome, code, message, retryable, cause: kept } = decided;
  const cause = kept && asError(kept);
  const error = new OrderError(code, message, { ...job.facts, outcome, retryable, steps, cause });
  return { outcome, error, steps, results, isCompensable: false, endsHold };
}
