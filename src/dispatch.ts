import { AsyncResource } from 'node:async_hooks';
import type { Clock } from './clock.ts';
import { OrderError } from './errors.ts';
import type { Events } from './events.ts';
import type { Job } from './job.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Settings } from './options.ts';
import type { StepResult } from './outcome.ts';
import { noSteps } from './outcome.ts';
import { type Decision, Run, type RunListener } from './pipeline.ts';
import { nothingToDo, type Settler } from './settle.ts';
import { WaitingTimes } from './waiting-times.ts';
import { WorkerPool } from './worker-pool.ts';

/** So many orders without steps are settled before the clock is looked at again. */
const directBatch = 64;

/** So many go into one call of a storage that takes its time. */
const callBatch = 1_024;

/**
 * Takes accepted orders from the keyed queue to their decision. Orders without steps go to the
 * settler in batches, by one worker, since the storage has one call at a time anyway; orders with
 * steps are run by up to `concurrency` workers, one order of a user at a time.
 */
export class Dispatcher implements RunListener {
  readonly queue: KeyedQueue<Job>;
  /** Orders whose steps have not all ended, settled or not. */
  readonly runs = new Map<Job, Run>();
  isPaused = false;
  readonly #waitingTimes = new WaitingTimes();
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #settler: Settler;
  readonly #pool: WorkerPool;
  readonly #hasSteps: boolean;
  readonly #ended: (job: Job) => void;

  /** @param ended - told when a run has ended after its order was settled: its user is free only now */
  constructor(
    settings: Settings,
    clock: Clock,
    events: Events,
    settler: Settler,
    ended: (job: Job) => void,
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#events = events;
    this.#settler = settler;
    this.#ended = ended;
    this.#hasSteps = settings.steps.length > 0;
    this.queue = new KeyedQueue({ exclusive: this.#hasSteps });
    this.#pool = new WorkerPool(
      this.#hasSteps ? settings.concurrency : 1,
      () => (this.#hasSteps ? this.#workOnSteps() : this.#workInBatches()),
      (cause) => events.tell.error?.(new OrderError('internal', 'A worker failed', { cause })),
    );
  }

  /** How many workers are busy with orders. */
  get activeWorkers(): number {
    if (!this.#hasSteps) return this.#settler.underWay === undefined ? 0 : 1;
    let active = 0;
    for (const run of this.runs.values()) if (run.holdsWorker) active += 1;
    return active;
  }

  /** When the oldest waiting order was accepted, on the processor's clock. */
  get oldestWaiting(): number | undefined {
    return this.#waitingTimes.oldest;
  }

  /** How many orders hold their user for longer than they should. */
  get stalledOrders(): number {
    let stalled = 0;
    for (const run of this.runs.values()) if (run.isStalled) stalled += 1;
    return stalled;
  }

  /** Whether an order needs nothing but its settlement, and nobody's orders are held back. */
  get isPassable(): boolean {
    return !this.#hasSteps && !this.isPaused && !this.queue.hasPauses;
  }

  add(job: Job): void {
    // Steps must see the `AsyncLocalStorage` values of their own caller, not of whoever woke the worker.
    if (this.#hasSteps) job.scope = new AsyncResource('Order', { requireManualDestroy: true });
    this.queue.push(job);
    this.#waitingTimes.add(job.acceptedAt);
    this.wake();
  }

  /** A free worker and a runnable order never both wait: called whenever one of them may be new. */
  wake(more = 1): void {
    if (!this.isPaused && this.queue.isRunnable) this.#pool.wake(more);
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

  /** Cancels an order that is not decided yet; false if it is. */
  cancel(job: Job, message: string): boolean {
    if (job.state === 'pending' && this.queue.remove(job)) {
      this.#waitingTimes.remove(job.acceptedAt);
      const { id: orderId, userId } = job;
      const error = new OrderError('canceled', message, { orderId, userId });
      this.#clock.read();
      this.#settler.add(job, { outcome: 'canceled', error, steps: noSteps }, undefined);
      this.#settler.flush();
      return true;
    }
    const run = this.runs.get(job);
    if (run === undefined || run.isDecided) return false;
    run.cancel(message);
    return true;
  }

  /** The settler is done with an order: its user's next one may go. */
  settled(job: Job): void {
    const run = this.runs.size === 0 ? undefined : this.runs.get(job);
    if (run === undefined) this.queue.release(job);
    else if (run.hasEnded) this.#release(run);
  }

  async #workInBatches(): Promise<void> {
    const batchSize = this.#settler.isDirect ? directBatch : callBatch;
    for (;;) {
      while (this.#settler.underWay !== undefined) await this.#settler.underWay;
      if (!this.#clock.hasTime()) await this.#clock.nextTurn();
      let count = 0;
      for (; count < batchSize && !this.isPaused; count += 1) {
        const job = this.#take();
        if (job === undefined) break;
        this.#settle(job);
      }
      if (count === 0) return this.#pool.leave();
      this.#settler.flush();
    }
  }

  #take(): Job | undefined {
    const job = this.queue.take();
    if (job !== undefined) this.#waitingTimes.remove(job.acceptedAt);
    return job;
  }

  #settle(job: Job): void {
    job.state = 'processing';
    const startedAt = this.#clock.now();
    if (this.#events.tell.started) this.#emitStarted(job, startedAt);
    this.#settler.add(job, nothingToDo, startedAt);
  }

  async #workOnSteps(): Promise<void> {
    for (;;) {
      if (!this.#clock.hasTime()) await this.#clock.nextTurn();
      const job = this.isPaused ? undefined : this.#take();
      if (job === undefined) return this.#pool.leave();
      const run = this.#run(job);
      if (run.holdsWorker) await run.freed();
    }
  }

  #run(job: Job): Run {
    const { steps } = this.#settings;
    job.state = 'processing';
    const run = new Run(job, steps, this.#clock, this.#settings, this);
    this.runs.set(job, run);
    if (this.#events.tell.started) this.#emitStarted(job, run.startedAt);
    if (job.scope === undefined) run.start();
    else job.scope.runInAsyncScope(() => run.start());
    return run;
  }

  #emitStarted(job: Job, startedAt: number): void {
    const clock = this.#clock;
    this.#events.tell.started?.(
      job.toRecord(clock.toUnix(job.acceptedAt), clock.toUnix(startedAt)),
    );
  }

  stepped({ job }: Run, step: StepResult): void {
    this.#events.tell.stepped?.({ orderId: job.id, userId: job.userId, step });
  }

  decided(run: Run, decision: Decision): void {
    this.#settler.add(run.job, decision, run.startedAt);
    this.#settler.flush();
  }

  ended(run: Run): void {
    const { state } = run.job;
    if (state !== 'settled' && state !== 'abandoned') return;
    if (this.#release(run)) this.#ended(run.job);
  }

  /** Runs that have ended are done with; the rest is no longer watched. */
  abandonRuns(): void {
    for (const run of [...this.runs.values()]) {
      if (run.hasEnded) this.#release(run);
      else run.unwatch();
    }
  }

  stalled(run: Run): void {
    const { id: orderId, userId } = run.job;
    const runningMs = this.#clock.read() - run.startedAt;
    const steps = run.running;
    const { stalled } = this.#events.tell;
    if (stalled !== undefined) {
      stalled({ orderId, userId, runningMs, steps });
      return;
    }
    process.emitWarning(
      `Order ${orderId} holds its user after ${runningMs} ms in ${steps.join(', ')}`,
      { type: 'OrderProcessorWarning', code: 'stalled' },
    );
  }

  /** The order is settled and its steps have ended; false if that was known. */
  #release(run: Run): boolean {
    if (!this.runs.delete(run.job)) return false;
    this.queue.release(run.job);
    // Else its own worker is about to look for more.
    if (!run.holdsWorker) this.wake();
    return true;
  }
}
