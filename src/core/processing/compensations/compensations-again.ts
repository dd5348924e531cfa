import { triesOf } from '../../lifecycle/entry.ts';
import { Job } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import { outcomeOfRecord } from '../../order/record.ts';
import type { StepResult } from '../../order/step-result.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { KnownOrders } from '../../queries/known-orders.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import { CompensationRun, isUncompensated } from '../../steps/run/compensation-run.ts';
import { RunSettings } from '../../steps/run/run-settings.ts';
import type { Ledger } from '../../storage/ledger.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { isNotOwned, notOwned } from '../holds/hold-writes.ts';

/** What `CompensationsAgain` needs of others. */
interface Sources {
  readonly dispatcher: Dispatcher;
  readonly known: KnownOrders;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly questions: UntilClosed;
  storageFailed(error: OrderError): void;
}

/**
 * Compensations of settled orders that have failed and are tried again. They take the lane of their user: no order of
 * the user is processed meanwhile (invariant 1). The storage is written when they have ended, so after a crash they are
 * failed as before.
 */
export class CompensationsAgain {
  readonly #sources: Sources;
  readonly #settings: RunSettings<Job>;
  /** By id of the order: a second caller gets what the first one gets. */
  readonly #underWay = new Map<string, Promise<StoredOrder>>();
  readonly #runs = new Set<CompensationRun<Job>>();
  /** Those that wait for their lane. */
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(settings: ConstructorParameters<typeof RunSettings>[0], sources: Sources) {
    this.#sources = sources;
    this.#settings = new RunSettings(settings, sources.clock, sources.dispatcher.runner);
  }

  /**
   * Tries the failed compensations of an order again.
   *
   * @param over - closed when another processor may own the lane: what is left fails then, and nothing is recorded
   * @returns the order with the results of its steps
   * @throws TypeError if a step is missing by now; OrderError `deadlock`, `shut_down`, `storage_failed`
   */
  async run(stored: StoredOrder, over?: UntilClosed): Promise<StoredOrder> {
    const { id } = stored;
    const { clock, dispatcher } = this.#sources;
    // A step that awaits this waits for the end of its own order, also where another caller has begun it.
    const end = dispatcher.runner.awaited.begin(Job.recovered(stored, clock));
    const underWay = this.#underWay.get(id) ?? this.#run(stored, over);
    this.#underWay.set(id, underWay);
    const forget = (): void => {
      if (this.#underWay.get(id) === underWay) this.#underWay.delete(id);
    };
    const stop = over?.whenClosed(forget);
    try {
      return await underWay;
    } finally {
      end?.();
      stop?.();
      forget();
    }
  }

  /** The processor shuts down: what is under way goes on, and nothing else begins. */
  close(): void {
    this.#isClosed = true;
    for (const refuse of this.#waiting) refuse();
  }

  /** Resolves when nothing is under way. */
  async whenDone(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay.values());
  }

  /** The time of the shutdown is up: what is left fails. */
  giveUp(): void {
    for (const run of this.#runs) run.giveUp();
  }

  async #run(stored: StoredOrder, over: UntilClosed | undefined): Promise<StoredOrder> {
    if (this.#isClosed) throw shutDown(stored);
    await this.#takeLane(stored, over);
    let run: CompensationRun<Job> | undefined;
    try {
      // Late steps may have changed it.
      const now = (await this.#sources.known.stored(stored.id)) ?? stored;
      if (!now.steps.some(isUncompensated)) return now;
      if (over?.isClosed) throw notOwned();
      run = this.#runOf(now);
      const { giveUp } = run;
      const stop = over?.whenClosed(giveUp.bind(run));
      run.start();
      const steps = await run.done.finally(stop);
      await this.#record(now, steps, over);
      return { ...now, steps };
    } finally {
      if (run === undefined) this.#leaveLane(stored);
      else void this.#whenEnded(stored, run, over);
    }
  }

  /** A function whose time was up holds its user until it has ended. If it has succeeded, its step is compensated. */
  async #whenEnded(
    stored: StoredOrder,
    run: CompensationRun<Job>,
    over: UntilClosed | undefined,
  ): Promise<void> {
    const late = await run.ended;
    try {
      if (late !== undefined) await this.#record(stored, late, over);
    } catch (error) {
      if (!isNotOwned(error)) this.#sources.storageFailed(error as OrderError);
    }
    this.#leaveLane(stored);
  }

  #leaveLane({ userId }: StoredOrder): void {
    const { dispatcher } = this.#sources;
    dispatcher.queue.unclaim(userId);
    dispatcher.wake();
  }

  /** Resolves when the lane is taken. */
  async #takeLane(stored: StoredOrder, over: UntilClosed | undefined): Promise<void> {
    const { dispatcher } = this.#sources;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = dispatcher.queue.claim(stored.userId, resolve);
    const refuse = (): void => {
      leave();
      reject(shutDown(stored));
    };
    this.#waiting.add(refuse);
    const stop = over?.whenClosed(refuse);
    try {
      await promise;
    } finally {
      stop?.();
      this.#waiting.delete(refuse);
    }
  }

  #runOf(stored: StoredOrder): CompensationRun<Job> {
    const { clock, dispatcher } = this.#sources;
    const { runner } = dispatcher;
    const job = Job.recovered(stored, clock);
    job.tries = triesOf(countsOf(stored.steps), attemptsOf(stored.steps));
    const outcome = outcomeOfRecord(stored);
    const error = 'error' in outcome ? outcome.error : undefined;
    const run = new CompensationRun<Job>(job, this.#settings, {
      ...stored,
      error: error as OrderError,
    });
    runner.admit(job);
    job.scope?.begin(run);
    this.#runs.add(run);
    void run.ended.then(() => {
      this.#runs.delete(run);
      job.leaveScope();
    });
    return run;
  }

  async #record(
    stored: StoredOrder,
    steps: readonly StepResult[],
    over: UntilClosed | undefined,
  ): Promise<void> {
    if (over?.isClosed) throw notOwned();
    const { ledger, questions } = this.#sources;
    try {
      const answer = await questions.ask(Promise.resolve(ledger.amend(stored.id, steps)));
      if (answer === 'lost') throw notOwned();
    } catch (cause) {
      const message = 'The storage did not record what became of the compensations';
      throw storageFailed(message, cause, { ...stored, steps });
    }
  }
}

/** How often each step had been compensated before: its keys follow from that. */
function countsOf(steps: readonly StepResult[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    steps.map(({ name, compensation }) => [name, compensation?.compensations ?? 0]),
  );
}

/** How many attempts were made before, at most: above 0 each attempt now may be a repetition. */
function attemptsOf(steps: readonly StepResult[]): number {
  const attempts = steps.filter(isUncompensated).map(({ compensation }) => compensation?.attempts);
  return Math.max(1, ...attempts.map((count) => count ?? 0));
}

function shutDown({ id: orderId, userId }: StoredOrder): OrderError {
  const message = 'The processor compensates nothing any more';
  return new OrderError('shut_down', message, { orderId, userId });
}
