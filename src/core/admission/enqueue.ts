import type { Follower } from '../lifecycle/entry.ts';
import type { Job } from '../lifecycle/job.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import type { Admission } from './admission.ts';
import { badOptions, type EnqueueOptions, signalOf } from './caller-options.ts';
import type { Entry } from './callers.ts';
import type { Overflow } from './capacity.ts';
import { handIn, refusalOf } from './tracing/hand-in.ts';

/** An order that was enqueued. */
export interface Enqueued {
  /** The record of its acceptance, or the present record of a known order. */
  readonly record: OrderRecord;
  /** The present record, for a caller that waits for its outcome. */
  now(): OrderRecord;
  /** Ends its caller's wait for the outcome. */
  leave(): void;
}

/** A caller that has enqueued an order. */
class Caller implements Follower {
  outcome: OrderOutcome | undefined;
  readonly #notify: ((outcome: OrderOutcome) => void) | undefined;

  constructor(notify: ((outcome: OrderOutcome) => void) | undefined) {
    this.#notify = notify;
  }

  notify(outcome: OrderOutcome): void {
    this.outcome = outcome;
    if (outcome.status !== 'refused') this.#notify?.(outcome);
  }
}

/**
 * Has an order accepted.
 *
 * @param notify - called with the outcome when a caller of `submit` is notified, perhaps before this resolves
 * @param retried - the order that comes again as this one
 * @returns rejects if the order is refused
 */
export async function enqueue(
  admission: Admission,
  order: unknown,
  overflow: Overflow,
  options?: EnqueueOptions,
  notify?: (outcome: OrderOutcome) => void,
  retried?: Pick<StoredOrder, 'id' | 'traceContext'>,
): Promise<Enqueued> {
  const { clock } = admission;
  const method = retried === undefined ? 'enqueue' : 'retry';
  let job: Job;
  let signal: AbortSignal | undefined;
  let client: unknown;
  try {
    signal = readSignal(options);
    client = options?.client;
    job = admission.parse(order);
  } catch (error) {
    throw await clock.paced(refusalOf(admission, error, method).error);
  }
  const transaction = client === undefined ? undefined : admission.transaction(client);
  const entry: Entry = { method, overflow, signal, transaction, retried: retried?.traceContext };
  if (retried !== undefined) job.retryOf = retried.id;
  const caller = new Caller(notify);
  const { known } = admission;
  if ((known.isShared || job.times !== undefined) && notify === undefined) job.isUnawaited = true;
  job.follow(caller);
  const waiting = handIn(admission, job, entry);
  // The record of a known order is read now: it may be settled a moment later.
  if (waiting !== undefined) await waiting;
  const record = await clock.paced(transaction?.record ?? recordOf(admission, job, caller));
  const leave = (): void => {
    job.unfollow(caller);
    if (known.isShared) known.unfollowed(orderOf(job));
  };
  if (job.isUnawaited) leave();
  return { record, now: () => recordNow(admission, job, record), leave };
}

/** @throws OrderError `invalid_order` */
function readSignal(options: EnqueueOptions | undefined): AbortSignal | undefined {
  try {
    return signalOf('enqueue', options, ['client', 'signal']);
  } catch (cause) {
    throw badOptions(cause);
  }
}

/** The order that came of an order that was admitted. */
function orderOf(job: Job): Job {
  return job.joined?.status === 'in flight' ? job.joined.job : job;
}

/** The record of an order that was admitted; rejects if it was refused. */
async function recordOf(admission: Admission, job: Job, caller: Caller): Promise<OrderRecord> {
  const { joined } = job;
  if (joined?.status === 'settled') return joined.record;
  const { outcome } = caller;
  if (outcome?.status === 'refused') throw outcome.error;
  const order = joined === undefined ? job : joined.job;
  const kept = admission.whenKept(order);
  if (kept !== undefined) return kept;
  if (joined === undefined && outcome === undefined) {
    // The record of its acceptance, even if it is under way by now.
    return { ...job.toRecord(admission.clock), status: 'pending' };
  }
  return admission.known.recordOf(order, outcome);
}

function recordNow(admission: Admission, job: Job, record: OrderRecord): OrderRecord {
  const { joined } = job;
  if (joined?.status === 'settled') return record;
  return admission.known.recordOf(joined === undefined ? job : joined.job);
}
