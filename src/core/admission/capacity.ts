import { AsyncResource } from 'node:async_hooks';
import { keyOf } from '../collections/id-hash.ts';
import { SequenceIndex } from '../collections/sequence-index.ts';
import { Tally } from '../collections/tally.ts';
import { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Counts } from '../lifecycle/stats.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderRecord } from '../order/outcome.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { type Content, checkSame } from '../order/same-content.ts';
import type { KeyedQueue } from '../queue/keyed-queue.ts';
import { Caller, WaitingLine } from '../queue/waiting-line.ts';
import type { Clock } from '../runtime/clock.ts';
import { StepScope } from '../runtime/step-scope.ts';
import type { Ledger } from '../storage/ledger.ts';

/** Between which bounds `retryAfterMs` is, and what it is when nothing was settled lately. */
const retryAfterMs = { least: 1, most: 60_000, unknown: 1_000 } as const;

/** What happens to an order for which there is no room. */
export type Overflow = 'reject' | 'wait';

/** The options of the processor that bound how many orders are unsettled. */
export interface CapacitySettings {
  readonly capacity: number;
  readonly capacityPerUser: number;
  readonly overflow: Overflow;
}

/**
 * What stands before acceptance: is the order known already, and is there room for it?
 */
export class Intake {
  /** Every accepted and unsettled order. */
  readonly jobs = new InFlightOrders();
  /** Those of them that have their place in the order of acceptance. */
  readonly accepted = new SequenceIndex<Job>();
  readonly #line: WaitingLine;
  readonly #settings: CapacitySettings;
  readonly #storage: Ledger;
  readonly #queue: KeyedQueue<Job>;
  readonly #counts: Counts;
  readonly #clock: Clock;
  readonly #hasUserBound: boolean;
  readonly #isJson: boolean;
  /** Whose steps may hand in orders while the processor shuts down. */
  readonly #steps: object;
  /** How many unsettled orders each user has; kept only where `capacityPerUser` can be reached. */
  readonly #unsettled = new Tally();
  /** Orders of an earlier life are taken up first; whoever comes meanwhile waits. */
  isRecovering = false;
  /** Refuses each caller that waits though it would rather be refused. */
  readonly #impatient = new Set<() => void>();
  // The pace of settling since then gives the estimate of `retryAfterMs`.
  #pace = { settled: 0, since: 0 };

  constructor(
    settings: CapacitySettings,
    storage: Ledger,
    queue: KeyedQueue<Job>,
    counts: Counts,
    clock: Clock,
    steps: object,
  ) {
    this.#steps = steps;
    this.#isJson = storage.journal?.isJson === true;
    this.#settings = settings;
    this.#storage = storage;
    this.#queue = queue;
    this.#counts = counts;
    this.#clock = clock;
    this.#hasUserBound = settings.capacityPerUser < settings.capacity;
    this.#line = new WaitingLine({
      has: () => this.hasRoom && !this.isRecovering,
      hasFor: (userId) => !this.#hasUserBound || this.#countOf(userId) < settings.capacityPerUser,
    });
  }

  /** An order takes its place among the unsettled ones: every way into the processor leads through here. */
  add(job: Job): void {
    this.jobs.add(job);
    if (job.sequence === 0) job.sequence = this.#storage.nextSequence();
    this.place(job);
    if (this.#hasUserBound) this.#unsettled.add(job.userId, 1);
  }

  /** An order has its place in the order of acceptance, if the storage has given it one. */
  place(job: Job): void {
    if (job.sequence > 0) this.accepted.add(job);
  }

  /** The order is unsettled no more; nothing happens if it was not. */
  remove(job: Job): void {
    if (job.sequence > 0) this.accepted.delete(job);
    if (this.jobs.delete(job) && this.#hasUserBound) this.#unsettled.add(job.userId, -1);
    // Else when its steps have ended.
    if (job.run === undefined) job.leaveScope();
  }

  /** Whether one more order may be unsettled. */
  get hasRoom(): boolean {
    return this.jobs.size < this.#settings.capacity;
  }

  /**
   * Whether an order that would rather be refused than wait is to wait: while those of an earlier life are
   * taken up, as long as there is room for them. Steps of theirs may be who hands it in.
   */
  get mayWait(): boolean {
    return this.isRecovering && this.hasRoom && this.#line.size < this.#settings.capacity;
  }

  get waitingCallers(): number {
    return this.#line.size;
  }

  /**
   * The order that has this id already, in flight or settled (invariant 5).
   *
   * @throws OrderError `order_conflict` if its content is another
   */
  known(order: ParsedOrder): Job | OrderRecord | undefined {
    const job = this.jobs.find(order);
    const known = job ?? this.#storage.record(order);
    if (known === undefined) return undefined;
    this.checkSame(job ?? { ...known, content: this.#storage.contentOf(order) }, order);
    this.#counts.duplicates += 1;
    return known;
  }

  /** @throws OrderError `order_conflict` */
  checkSame(known: Content, order: ParsedOrder): void {
    checkSame(known, order, this.#isJson);
  }

  settled(id: string): OrderRecord | undefined {
    return this.#storage.record(keyOf(id));
  }

  /** Whether an order may be accepted now, without overtaking anybody who waits. */
  hasRoomFor(job: Job): boolean {
    return this.#line.isOpen(job.userId);
  }

  /**
   * Has `admit` called when there is room; the result takes the caller out of the line again.
   *
   * @param refuse - hears that it is not to wait any longer, where it would rather be refused
   */
  wait(
    job: Job,
    overflow: Overflow,
    refuse: (error: OrderError) => void,
    admit: () => void,
  ): () => boolean {
    // Its room comes with another order's settlement; its steps are to see its own caller's context.
    const scope = new AsyncResource('Order', { requireManualDestroy: true });
    const leave = (): boolean => {
      this.#impatient.delete(dismissed);
      const hasLeft = this.#line.leave(caller);
      if (hasLeft) scope.emitDestroy();
      return hasLeft;
    };
    const dismissed = (): void => {
      if (leave()) refuse(this.queueFull(job));
    };
    const admitted = (): void => {
      this.#impatient.delete(dismissed);
      scope.runInAsyncScope(admit);
      scope.emitDestroy();
    };
    // As it will be judged when it is admitted.
    const stepNow = (): StepScope | undefined =>
      scope.runInAsyncScope(StepScope.around, StepScope, this.#steps);
    const caller = new Caller(job, admitted, stepNow);
    if (overflow === 'reject') this.#impatient.add(dismissed);
    this.#line.join(caller);
    return leave;
  }

  /** There is no room for what an earlier life has left: who would rather be refused is. */
  dismissImpatient(): void {
    for (const dismissed of [...this.#impatient]) dismissed();
  }

  /** An order of this user was settled, so there may be room; without one, for everybody. */
  roomMayHaveCome(userId = ''): void {
    this.#line.advance(userId);
  }

  /** All that wait are admitted, but those of certain steps, only to be refused by the state of the processor. */
  dismissWaiting(isKept: (step: StepScope | undefined) => boolean): Promise<void> {
    return this.#line.dismiss(
      () => this.#clock.spentTurn(),
      ({ step }) => isKept(step),
    );
  }

  /** @param message - what is full */
  queueFull({ userId, facts }: ParsedOrder, message = this.#whatIsFull(userId)): OrderError {
    const retryAfterMs = this.#retryAfterMs();
    return new OrderError('queue_full', message, { ...facts, retryAfterMs });
  }

  /** A settled order whose steps have not ended is not unsettled, and holds its lane all the same. */
  #countOf(userId: string): number {
    return Math.max(this.#unsettled.of(userId), this.#queue.countOf(userId));
  }

  #whatIsFull(userId: string): string {
    const { capacity, capacityPerUser } = this.#settings;
    if (!this.hasRoom) {
      return `The processor has ${capacity} unsettled orders, as many as \`capacity\` allows`;
    }
    if (this.isRecovering) {
      return `${this.#line.size} orders wait until those of an earlier life are taken up, as many as \`capacity\` allows`;
    }
    return `The user has ${this.#countOf(userId)} unsettled orders; \`capacityPerUser\` is ${capacityPerUser}`;
  }

  /** How long one settlement took lately. */
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
