import { AsyncResource } from 'node:async_hooks';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from './clock.ts';
import { OrderError } from './errors.ts';
import type { Job } from './job.ts';
import { JobIndex } from './job-index.ts';
import type { KeyedQueue } from './keyed-queue.ts';
import type { Settings } from './options.ts';
import { ParsedOrder } from './order.ts';
import type { OrderRecord } from './outcome.ts';
import type { Counts } from './stats.ts';
import type { OrderStorage } from './storage/order-storage.ts';
import { Caller, WaitingLine } from './waiting-line.ts';

/** Between which bounds `retryAfterMs` is, and what it is when nothing was settled lately. */
const retryAfterMs = { least: 1, most: 60_000, unknown: 1_000 } as const;

/**
 * What stands before acceptance: is the order known already, and is there room for it?
 */
export class Intake {
  /** Every accepted and unsettled order. */
  readonly jobs = new JobIndex();
  readonly #line: WaitingLine;
  readonly #settings: Settings;
  readonly #storage: OrderStorage;
  readonly #queue: KeyedQueue<Job>;
  readonly #counts: Counts;
  readonly #clock: Clock;
  readonly #hasUserBound: boolean;
  // The pace of settling since then gives the estimate of `retryAfterMs`.
  #pace = { settled: 0, since: 0 };

  constructor(
    settings: Settings,
    storage: OrderStorage,
    queue: KeyedQueue<Job>,
    counts: Counts,
    clock: Clock,
  ) {
    this.#settings = settings;
    this.#storage = storage;
    this.#queue = queue;
    this.#counts = counts;
    this.#clock = clock;
    this.#hasUserBound = settings.capacityPerUser < settings.capacity;
    this.#line = new WaitingLine({
      has: () => this.jobs.size < settings.capacity,
      hasFor: (userId, promised) =>
        !this.#hasUserBound || queue.countOf(userId) + promised < settings.capacityPerUser,
    });
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
    const known = this.jobs.get(order.id) ?? this.#storage.find(order.id);
    if (known === undefined) return undefined;
    const content =
      known instanceof ParsedOrder ? known.content : this.#storage.contentOf(order.id);
    if (!isSameContent(known, content, order)) {
      const { id: orderId, userId } = order;
      const message = `The id ${JSON.stringify(orderId)} belongs to an order with other content`;
      throw new OrderError('order_conflict', message, { orderId, userId });
    }
    this.#counts.duplicates += 1;
    return known;
  }

  settled(id: string): OrderRecord | undefined {
    return this.#storage.find(id);
  }

  /** Whether an order may be accepted now, without overtaking anybody who waits. */
  hasRoomFor(job: Job): boolean {
    return this.#line.isOpen(job.userId);
  }

  /** Has `admit` called when there is room; the result takes the caller out of the line again. */
  wait(job: Job, admit: () => void): () => boolean {
    // Its room comes with another order's settlement; its steps are to see its own caller's context.
    const caller = new Caller(job, AsyncResource.bind(admit));
    this.#line.join(caller);
    return () => this.#line.leave(caller);
  }

  /** An order of this user was settled, so there may be room. */
  roomMayHaveCome(userId: string): void {
    this.#line.advance(userId);
  }

  /** Everybody who waits is admitted, only to be refused by the state of the processor. */
  dismissWaiting(): void {
    this.#line.dismiss();
  }

  /** @param message - what is full */
  queueFull(
    { id: orderId, userId, labels }: ParsedOrder,
    message = this.#whatIsFull(userId),
  ): OrderError {
    const retryAfterMs = this.#retryAfterMs();
    return new OrderError('queue_full', message, { orderId, userId, labels, retryAfterMs });
  }

  #whatIsFull(userId: string): string {
    const { capacity, capacityPerUser } = this.#settings;
    return this.jobs.size >= capacity
      ? `The processor has ${capacity} unsettled orders, as many as \`capacity\` allows`
      : `The user has ${this.#queue.countOf(userId)} unsettled orders; \`capacityPerUser\` is ${capacityPerUser}`;
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

/** Priority is not content: it says when, not what. */
function isSameContent(known: Job | OrderRecord, content: unknown, order: ParsedOrder): boolean {
  if (known.userId !== order.userId || known.amount !== order.amount) return false;
  if (content === order.content) return true;
  try {
    return isDeepStrictEqual(content, order.content);
  } catch {
    return false;
  }
}
