import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Decision } from '../order/decision.ts';
import { nothingToDo } from '../order/decision.ts';
import { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import { byExpiry, bySignal } from '../order/processor-errors.ts';
import { KeyedQueue } from '../queue/keyed-queue.ts';
import { WaitingTimes } from '../queue/waiting-times.ts';
import { type Cancellation, hasAborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { callBatch } from '../runtime/group-call.ts';
import type { FundsCheck } from '../settlement/funds-check.ts';
import type { Settler } from '../settlement/settler.ts';
import { ActiveRuns } from './active-runs.ts';
import { cancelInTurn } from './cancel-in-turn.ts';
import { canceledBy } from './holds/failed-orders.ts';
import { OrderExpiry, waitsSince } from './timing/order-expiry.ts';
import type { UserRates } from './timing/user-rates.ts';
import { WorkerPool } from './worker-pool.ts';

/** How many orders without steps are settled before the clock is read again. */
const directBatch = 64;

/** Is notified of what happens to orders beside their settlement. */
export interface DispatchListener {
  /** The order was settled before, and now its steps have ended: its user is free. */
  ended(job: Job): void;
  /** The order has failed and is to hold its lane; nothing of it runs. */
  held(job: Job): void;
  /** Cancels a failed order that holds its lane; false for any other. */
  cancelHeld(job: Job, cancellation: Cancellation): boolean;
  /** The outcome is certain before it is settled. */
  notified(job: Job, outcome: UnfulfilledOutcome): void;
  /** The order is decided without steps, and goes to the settler. */
  settling(job: Job): void;
  /** What a step of the order has returned is to be kept; the runner's `remembered` is called when it is. */
  remember(job: Job): void;
}

/**
 * Takes accepted orders from the keyed queue to their decision. Orders without steps go to the
 * settler in batches, by one worker, since the storage has one call at a time anyway; orders with
 * steps are run by up to `concurrency` workers, one order of a user at a time.
 */
export class Dispatcher {
  readonly queue: KeyedQueue<Job>;
  readonly runner: ActiveRuns;
  isPaused = false;
  /** No order may begin: the storage could not take its settlement. */
  isHalted = false;
  readonly #waitingTimes = new WaitingTimes();
  readonly #expiry: OrderExpiry;
  /** Where a rate bounds how often orders of a user begin. */
  rates: UserRates | undefined;
  readonly #clock: Clock;
  readonly #lifecycle: Lifecycle;
  readonly #settler: Settler;
  readonly #pool: WorkerPool;
  readonly #notified: DispatchListener['notified'];
  readonly #cancelHeld: DispatchListener['cancelHeld'];
  readonly #settling: DispatchListener['settling'];
  readonly hasSteps: boolean;

  constructor(
    settings: ConstructorParameters<typeof ActiveRuns>[0] & { readonly concurrency: number },
    clock: Clock,
    lifecycle: Lifecycle,
    settler: Settler,
    funds: FundsCheck,
    { ended, notified, held, cancelHeld, settling, remember }: DispatchListener,
  ) {
    this.#settling = settling;
    this.#cancelHeld = cancelHeld;
    this.#clock = clock;
    this.#lifecycle = lifecycle;
    this.#settler = settler;
    this.#expiry = new OrderExpiry(clock, (job) => this.#expired(job));
    this.#notified = notified;
    this.hasSteps = settings.plan.steps.length > 0;
    this.queue = new KeyedQueue({ exclusive: this.hasSteps });
    const listener = {
      ended,
      notified,
      began: (job: Job, startedAt: number) => this.rates?.began(job, startedAt),
      remember,
      released: (job: Job) => this.queue.release(job),
      held,
      wantsWorker: () => this.wake(),
    };
    this.runner = new ActiveRuns(settings, clock, lifecycle, settler, funds, listener, () =>
      this.#isHeld ? undefined : this.#take(),
    );
    this.#pool = new WorkerPool(
      this.hasSteps ? settings.concurrency : 1,
      () => (this.hasSteps ? this.runner.work(() => this.#pool.leave()) : this.#workInBatches()),
      (cause) =>
        lifecycle.events.notify.error?.(new OrderError('internal', 'A worker failed', { cause })),
    );
  }

  /** How many workers are busy with orders. */
  get activeWorkers(): number {
    if (this.hasSteps) return this.runner.all.filter(({ hasWorker }) => hasWorker).length;
    return this.#settler.underWay === undefined ? 0 : 1;
  }

  /** When the oldest waiting order was accepted, on the processor's clock. */
  get oldestWaiting(): number | undefined {
    return this.#waitingTimes.oldest;
  }

  /** An order was handed in: its steps are to see the `AsyncLocalStorage` values of its own caller. */
  admit(job: Job): void {
    if (this.hasSteps && job.scope === undefined) this.runner.admit(job);
  }

  /** Puts an order into the queue; `proceed` follows. */
  enqueue(job: Job): void {
    this.admit(job);
    this.queue.push(job);
    this.#waitingTimes.add(waitsSince(job));
    this.#expiry.begin(job);
    this.rates?.waiting(job);
  }

  /**
   * Goes on with an order that was put into the queue: at once if it is the only one there, has no steps, and
   * nothing is being notified; else a worker does.
   *
   * @param isNotifying - an order that a listener or a caller submits must not be processed inside its call
   */
  proceed(isNotifying: boolean): void {
    const { size, heldSize } = this.queue;
    const mayGo = !this.hasSteps && !isNotifying && size - heldSize === 1 && !this.#settler.isFull;
    // With a whole call gathered, an urgent order still has its turn before the others.
    if (!mayGo || this.#settler.hasCall || this.#settleUpTo(1) === 0) {
      this.wake();
    } else if (!this.#settler.isDirect) this.#settler.flushSoon();
  }

  /** Whether no order of this user may begin now. */
  holdsBack(userId: string): boolean {
    return this.#isHeld || this.queue.isStopped(userId);
  }

  /** A free worker and a runnable order never both wait: called whenever one of them may be new. */
  wake(more = 1): void {
    // A pause holds back orders that have not begun. Orders that have begun go on.
    const isRunnable = this.queue.isRunnable && !this.#isHeld;
    if (isRunnable || this.runner.hasWaiting) this.#pool.wake(more);
  }

  /** The processor has closed. */
  close(): void {
    this.#pool.close();
    this.#expiry.close();
    this.rates?.close();
    this.runner.close();
  }

  pause(userId: string | undefined): void {
    if (userId === undefined) this.isPaused = true;
    else this.queue.pause(userId);
  }

  resume(userId: string | undefined): void {
    if (userId === undefined) this.isPaused = false;
    else this.queue.resume(userId);
    this.wake(this.queue.size);
  }

  /** Both kinds of pause end. */
  resumeAll(): void {
    this.queue.resumeAll();
    this.resume(undefined);
  }

  /** Removes a waiting order from the queue; false if it does not wait there. */
  drop(job: Job): boolean {
    if (job.state !== 'pending' || !this.queue.remove(job)) return false;
    this.#waitingTimes.remove(waitsSince(job));
    this.#expiry.end(job);
    return true;
  }

  /** An order that was taken waits again, at the head of its lane. */
  putBack(job: Job): void {
    this.#lifecycle.pending(job);
    this.queue.putBack(job);
    this.#waitingTimes.add(waitsSince(job));
  }

  /** Settles an order that is in no queue and has no run. */
  settle(job: Job, decision: Decision, startedAt: number | undefined): void {
    this.#clock.read();
    this.#settling(job);
    this.#settler.add(job, decision, startedAt);
    this.#settler.flush();
  }

  /** Cancels an order that is not decided yet; false if it is. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    if (this.queue.isHeld(job.userId) && this.#cancelHeld(job, cancellation)) return true;
    const isCanceled = this.#cancelInTurn(job, cancellation);
    if (isCanceled !== undefined) return isCanceled;
    if (!this.drop(job)) return this.runner.cancel(job, cancellation);
    this.settleCanceled(job, cancellation);
    return true;
  }

  /** False if the order is decided already, undefined for one that need not wait for its turn. */
  #cancelInTurn(job: Job, cancellation: Cancellation): boolean | undefined {
    if (!this.runner.hasCompensations) return undefined;
    return cancelInTurn(job, cancellation, (outcome) => this.#notified(job, outcome));
  }

  /** Why an order whose turn has come does not begin. */
  #cancellationOf({ signal, times, tries }: Job): Cancellation | undefined {
    // Its callback comes later, since many share the signal.
    if (signal !== undefined && hasAborted(signal)) return bySignal(signal);
    return tries === undefined && times?.isExpired(this.#clock) ? byExpiry(times) : undefined;
  }

  /** Shutdown leaves an order, which is in no lane, in the storage, or cancels it. */
  leave(job: Job, message: string): void {
    const held = job.tries?.held;
    if (job.entry !== undefined) this.#lifecycle.keep(job);
    else if (held === undefined) this.settleCanceled(job, { message });
    else this.settle(job, { ...held.decision, endsHold: true }, held.startedAt);
  }

  /** Settles an order as canceled that is in no lane and has not begun, or not again. */
  settleCanceled(job: Job, cancellation: Cancellation): void {
    // If it was tried before, what its steps came to stands.
    const before = job.tries?.before ?? { decision: nothingToDo, startedAt: undefined };
    this.settle(job, canceledBy(job, before, cancellation), before.startedAt);
  }

  #expired(job: Job): void {
    if (job.times !== undefined && job.state === 'pending') this.cancel(job, byExpiry(job.times));
  }

  /** The settler has settled an order: its user's next one may begin. */
  settled(job: Job): void {
    if (this.hasSteps) this.runner.settled(job);
    else this.queue.release(job);
  }

  async #workInBatches(): Promise<void> {
    const batchSize = this.#settler.isDirect ? directBatch : callBatch;
    for (;;) {
      while (this.#settler.isFull) await this.#settler.underWay;
      if (!this.#clock.hasTime()) await this.#clock.nextSlice();
      if (this.#settleUpTo(batchSize) === 0) return this.#pool.leave();
      this.#settler.flush();
    }
  }

  /** Gives how many. Apart from the loop that waits: one in a function that never does is faster. */
  #settleUpTo(most: number): number {
    let count = 0;
    for (; count < most && !this.#isHeld; count += 1) {
      const job = this.#take();
      if (job === undefined) break;
      this.#settle(job);
    }
    return count;
  }

  get #isHeld(): boolean {
    return this.isPaused || this.isHalted;
  }

  #take(): Job | undefined {
    for (let count = 0; count < directBatch; count += 1) {
      const job = this.queue.take();
      if (job === undefined) return undefined;
      this.#waitingTimes.remove(waitsSince(job));
      this.#expiry.end(job);
      const cancellation = this.#cancellationOf(job);
      if (cancellation === undefined) return job;
      if (this.#cancelInTurn(job, cancellation) !== undefined) return job;
      this.queue.release(job);
      this.settleCanceled(job, cancellation);
    }
    this.#clock.nextSlice().then(() => this.wake());
    return undefined;
  }

  #settle(job: Job): void {
    this.#lifecycle.move(job, 'processing');
    const startedAt = this.#clock.now();
    this.#lifecycle.started(job, startedAt);
    this.#settling(job);
    this.rates?.began(job, startedAt);
    this.#settler.add(job, nothingToDo, startedAt);
  }
}
