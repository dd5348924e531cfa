import { AsyncResource } from 'node:async_hooks';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Counts } from '../lifecycle/stats.ts';
import { OrderError } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import type { KeyedQueue } from '../queue/keyed-queue.ts';
import { Caller, WaitingLine } from '../queue/waiting-line.ts';
import type { Clock } from '../runtime/clock.ts';
import { StepScope } from '../runtime/step-scope.ts';

/** The bounds of `retryAfterMs`, and its value if no order was settled lately. */
const retryAfterMs = { least: 1, most: 60_000, unknown: 1_000 } as const;

/** What happens to an order for which there is no room. */
export type Overflow = 'reject' | 'wait';

/** The options of the processor that bound how many orders are unsettled. */
export interface CapacitySettings {
  readonly capacity: number;
  readonly capacityPerUser: number;
  readonly overflow: Overflow;
}

/** Whether there is room for one more order, and the callers that wait for room. */
export class Capacity {
  readonly #settings: CapacitySettings;
  readonly #inFlight: InFlightOrders;
  /** What `capacity` bounds. */
  readonly #isShared: boolean;
  readonly #counted: { readonly size: number };
  readonly #queue: KeyedQueue<Job>;
  readonly #counts: Counts;
  readonly #clock: Clock;
  /** The owner of the steps that may hand in orders while the processor shuts down. */
  readonly #steps: object;
  readonly #line: WaitingLine;
  /** The functions that refuse orders that wait although `overflow` is `'reject'`. */
  readonly #refusals = new Set<() => void>();
  // The pace of settling since then gives the estimate of `retryAfterMs`.
  #pace = { settled: 0, since: 0 };

  /** @param here - the orders handed in here, where others are processed beside them */
  constructor(
    settings: CapacitySettings,
    inFlight: InFlightOrders,
    here: { readonly size: number } | undefined,
    queue: KeyedQueue<Job>,
    counts: Counts,
    clock: Clock,
    steps: object,
  ) {
    this.#settings = settings;
    this.#inFlight = inFlight;
    this.#isShared = here !== undefined;
    this.#counted = here ?? inFlight;
    this.#queue = queue;
    this.#counts = counts;
    this.#clock = clock;
    this.#steps = steps;
    this.#line = new WaitingLine({
      has: () => this.hasRoom && !this.#isHeldUp,
      hasFor: (userId) =>
        !isBoundPerUser(settings) || this.#countOf(userId) < settings.capacityPerUser,
    });
  }

  /** How many more orders may be unsettled; below 1 if there is no room. */
  get room(): number {
    const delayed = this.#isShared ? 0 : this.#inFlight.delayed;
    return this.#settings.capacity + delayed - this.#counted.size;
  }

  /** A delayed order is in memory until its time comes if a caller waits for it, or if no storage keeps it. */
  #checkDelayed(order: Job): void {
    const { capacity } = this.#settings;
    const { delayed, keepsDelayed } = this.#inFlight;
    if (delayed < capacity || (keepsDelayed && order.isUnawaited)) return;
    const message = `${capacity} delayed orders are in memory, as many as \`capacity\` allows`;
    throw this.queueFull(order, message);
  }

  /** Whether one more order may be unsettled. */
  get hasRoom(): boolean {
    return this.room > 0;
  }

  /**
   * Whether an order waits although `overflow` is `'reject'`: while orders of an earlier process are taken up, as long
   * as there is room for these. Their steps may hand it in.
   */
  get mayWait(): boolean {
    return this.#isHeldUp && this.hasRoom && this.#line.size < this.#settings.capacity;
  }

  get waitingCallers(): number {
    return this.#line.size;
  }

  /**
   * Whether an order may be accepted now, without overtaking one that waits.
   *
   * @throws OrderError `queue_full` for a delayed order, if as many are in memory as may be
   */
  hasRoomFor(job: Job): boolean {
    if (job.times?.isEarly(this.#clock)) this.#checkDelayed(job);
    return this.#line.hasRoomFor(job.userId);
  }

  /**
   * Lets an order wait for room.
   *
   * @param refuse - called with `queue_full` if an order with `overflow: 'reject'` may wait no longer
   * @param admit - called when there is room; accepts the order in the same call
   * @returns a function that ends the waiting; it returns false if the waiting has ended already
   */
  wait(
    job: Job,
    overflow: Overflow,
    refuse: (error: OrderError) => void,
    admit: () => void,
  ): () => boolean {
    // Another order's settlement gives the room; the steps must see the async context of this order's caller.
    const scope = new AsyncResource('Order', { requireManualDestroy: true });
    const leave = (): boolean => {
      this.#refusals.delete(refused);
      const hasLeft = this.#line.remove(caller);
      if (hasLeft) scope.emitDestroy();
      return hasLeft;
    };
    const refused = (): void => {
      if (leave()) refuse(this.queueFull(job));
    };
    const admitted = (): void => {
      this.#refusals.delete(refused);
      scope.runInAsyncScope(admit);
      scope.emitDestroy();
    };
    // The same step that admission finds when the order is admitted.
    const stepNow = (): StepScope | undefined =>
      scope.runInAsyncScope(StepScope.around, StepScope, this.#steps);
    const caller = new Caller(job, admitted, stepNow);
    if (overflow === 'reject') this.#refusals.add(refused);
    this.#line.add(caller);
    return leave;
  }

  /** Refuses the orders that wait although `overflow` is `'reject'`. */
  refuseWaiting(): void {
    for (const refused of [...this.#refusals]) refused();
  }

  /** Admits orders that wait while there is room; there may be new room for this user. */
  admitWaiting(userId = ''): void {
    this.#line.admit(userId);
  }

  /** Admits all orders that wait, except orders of certain steps, even without room: admission refuses them. */
  admitAll(isKept: (step: StepScope | undefined) => boolean): Promise<void> {
    return this.#line.admitAll(
      () => this.#clock.spentTurn(),
      ({ step }) => isKept(step),
    );
  }

  /** @param message - what is full */
  queueFull({ userId, facts }: ParsedOrder, message = this.#whatIsFull(userId)): OrderError {
    const retryAfterMs = this.#retryAfterMs();
    return new OrderError('queue_full', message, { ...facts, retryAfterMs });
  }

  /** Whether new orders come after the orders of an earlier process. A shared storage gives the order itself. */
  get #isHeldUp(): boolean {
    return this.#inFlight.isRecovering && this.#counted === this.#inFlight;
  }

  /** A settled order whose steps have not ended counts too: it holds its lane. */
  #countOf(userId: string): number {
    return Math.max(this.#inFlight.countOf(userId), this.#queue.countOf(userId));
  }

  #whatIsFull(userId: string): string {
    const { capacity, capacityPerUser } = this.#settings;
    if (!this.hasRoom) {
      return `The processor has ${capacity} unsettled orders, as many as \`capacity\` allows`;
    }
    if (this.#isHeldUp) {
      return `${this.#line.size} orders wait until the orders of an earlier process are taken up, as many as \`capacity\` allows`;
    }
    return `The user has ${this.#countOf(userId)} unsettled orders; \`capacityPerUser\` is ${capacityPerUser}`;
  }

  /** How long one settlement has taken lately. */
  #retryAfterMs(): number {
    const now = this.#clock.now();
    const { settled } = this.#counts;
    const { since } = this.#pace;
    const done = settled - this.#pace.settled;
    if (now - since > 1_000) this.#pace = { settled, since: now };
    if (done === 0) return retryAfterMs.unknown;
    const estimate = Math.ceil((now - since) / done);
    return Math.min(retryAfterMs.most, Math.max(retryAfterMs.least, estimate));
  }
}

/** Whether `capacityPerUser` can be reached: only then the orders of each user are counted. */
export function isBoundPerUser({ capacity, capacityPerUser }: CapacitySettings): boolean {
  return capacityPerUser < capacity;
}
