import { type Awaitable, asPromise, isThenable } from './awaitable.ts';
import type { Clock } from './clock.ts';
import { codeOf, messageOf, OrderError } from './errors.ts';
import type { Job } from './job.ts';
import type { AcceptedOrder } from './order.ts';
import type { StepResult } from './outcome.ts';

/** What a step is told beside its order. */
export interface StepContext {
  /**
   * Aborts when the order has failed, timed out or been canceled. Hand it to whatever the step waits
   * for: a step that goes on regardless holds its user's other orders until it ends. An `abort`
   * listener that throws is an uncaught exception of the process, as Node.js has it.
   */
  readonly signal: AbortSignal;
  /** Which run of this order it is, from 1 up. */
  readonly attempt: number;
}

/**
 * One piece of an order's work. The steps of an order start together; the first one that fails aborts
 * the others through `context.signal`; when all have finished, the order's amount is applied.
 *
 * A step fails by throwing or rejecting. An error that carries a lower-snake-case `code` fails the
 * order with that code and message; anything else is `internal` with the original as `cause`, so that
 * nothing leaks by accident.
 *
 * @typeParam Payload - the payload's type
 *
 * @example
 * ```ts
 * import { setTimeout as sleep } from 'node:timers/promises';
 * import { OrderProcessor, type Step } from 'order-processor';
 *
 * const payment: Step = {
 *   name: 'payment',
 *   async run(order, { signal }) {
 *     await sleep(20, undefined, { signal });
 *     if (order.amount > 50_000) throw Object.assign(new Error('Card declined'), { code: 'declined' });
 *   },
 * };
 *
 * await using processor = new OrderProcessor({ steps: [payment], timeoutMs: 1_000 });
 * const receipt = await processor.submit({ userId: 'u-1', amount: 1200 });
 * console.log(receipt.steps[0]?.status); // prints: ok
 * ```
 */
export interface Step<Payload = unknown> {
  /** Unlike the other steps' names; it stands in the results. */
  readonly name: string;
  /**
   * Does the work, in the async context of the order's `submit` or `enqueue`, so `AsyncLocalStorage`
   * works as expected. What it returns is awaited and otherwise ignored.
   *
   * @param order - the order, frozen
   * @param context - the signal and the attempt
   */
  run(order: AcceptedOrder<Payload>, context: StepContext): Awaitable<unknown>;
}

/** How an order's steps ended; with an error the order has failed or was canceled. */
export interface Decision {
  readonly outcome: 'completed' | 'failed' | 'canceled';
  readonly error: OrderError | undefined;
  readonly steps: readonly StepResult[];
}

/** What a run tells, in this order: `decided` once, then `ended` once, `stalled` at most once. */
export interface RunListener {
  stepped(run: Run, result: StepResult): void;
  decided(run: Run, decision: Decision): void;
  stalled(run: Run): void;
  ended(run: Run): void;
}

export interface RunLimits {
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
}

/** Why a run is decided otherwise than by all its steps having finished. */
interface Verdict {
  readonly code: string;
  readonly message: string;
  readonly cause?: unknown;
}

/**
 * The steps of one order under one signal. Two things happen to it, and not always together: it is
 * *decided* when all steps finished, the first one failed, the time was up or it was canceled; it has
 * *ended* when no step runs any more. The caller hears of the decision at once; the user's next order
 * waits for the end (invariant 1).
 */
export class Run {
  readonly job: Job;
  readonly startedAt: number;
  readonly attempt = 1;
  isDecided = false;
  isStalled = false;
  readonly #steps: readonly Step[];
  readonly #results: (StepResult | undefined)[];
  /** When each step that runs began. */
  readonly #begun: (number | undefined)[];
  readonly #controller = new AbortController();
  readonly #clock: Clock;
  readonly #limits: RunLimits;
  readonly #listener: RunListener;
  #running = 0;
  #hasStarted = false;
  #timer: NodeJS.Timeout | undefined;
  #holdsWorker = true;
  #free: (() => void) | undefined;

  constructor(
    job: Job,
    steps: readonly Step[],
    clock: Clock,
    limits: RunLimits,
    listener: RunListener,
  ) {
    this.job = job;
    this.startedAt = clock.read();
    this.#steps = steps;
    this.#results = new Array(steps.length).fill(undefined);
    this.#begun = new Array(steps.length).fill(undefined);
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
  }

  get hasEnded(): boolean {
    return this.#hasStarted && this.#running === 0;
  }

  /** Whether the run still has a worker: a stalled one that was told to end gives its worker back. */
  get holdsWorker(): boolean {
    return this.#holdsWorker;
  }

  /** The names of the steps that run. */
  get running(): string[] {
    return this.#steps.filter((_, at) => this.#begun[at] !== undefined).map((step) => step.name);
  }

  /** Resolves when the run gives its worker back. */
  freed(): Promise<void> {
    return new Promise((resolve) => {
      this.#free = resolve;
    });
  }

  /** Starts all steps; a step that fails before the next one has started skips it. */
  start(): void {
    const order = this.job.toOrder();
    const context = Object.freeze({ signal: this.#controller.signal, attempt: this.attempt });
    for (let at = 0; at < this.#steps.length && !this.isDecided; at += 1) {
      this.#startStep(at, order, context);
    }
    this.#hasStarted = true;
    if (this.#running === 0) this.#finish();
    else if (!this.isDecided) this.#watch();
  }

  /** Decides the order from outside: it is canceled. */
  cancel(message: string): void {
    this.#decide('canceled', { code: 'canceled', message });
  }

  /** Lets the process end although a step runs. */
  unwatch(): void {
    clearTimeout(this.#timer);
  }

  #startStep(at: number, order: AcceptedOrder, context: StepContext): void {
    this.#begun[at] = this.#clock.read();
    this.#running += 1;
    let result: unknown;
    try {
      result = (this.#steps[at] as Step).run(order, context);
      if (isThenable(result)) {
        asPromise(result).then(
          () => this.#stepEnded(at),
          (thrown) => this.#stepEnded(at, this.#verdictOn(at, thrown)),
        );
        return;
      }
    } catch (thrown) {
      this.#stepEnded(at, this.#verdictOn(at, thrown));
      return;
    }
    this.#stepEnded(at);
  }

  #stepEnded(at: number, verdict?: Verdict): void {
    this.#running -= 1;
    if (!this.isDecided) {
      this.#report(at, verdict === undefined ? 'ok' : 'error', verdict?.code);
      if (verdict !== undefined) this.#decide('failed', verdict);
    }
    this.#begun[at] = undefined;
    if (this.hasEnded) this.#finish();
  }

  #verdictOn(at: number, thrown: unknown): Verdict {
    const { name } = this.#steps[at] as Step;
    const code = codeOf(thrown);
    const cause = thrown === undefined ? new Error('The step threw undefined') : thrown;
    return code === undefined
      ? { code: 'internal', message: `Step \`${name}\` threw an error without a code`, cause }
      : { code, message: messageOf(thrown, `Step \`${name}\` failed with \`${code}\``), cause };
  }

  #report(at: number, status: StepResult['status'], code?: string): void {
    const begun = this.#begun[at];
    const durationMs = begun === undefined ? 0 : this.#clock.read() - begun;
    const { name } = this.#steps[at] as Step;
    const result: StepResult =
      code === undefined ? { name, status, durationMs } : { name, status, durationMs, code };
    this.#results[at] = Object.freeze(result);
    if (status !== 'skipped') this.#listener.stepped(this, result);
  }

  /** The one place in which a run is decided. */
  #decide(outcome: Decision['outcome'], verdict?: Verdict): void {
    if (this.isDecided) return;
    this.isDecided = true;
    clearTimeout(this.#timer);
    let error: OrderError | undefined;
    if (verdict !== undefined) {
      this.#results.forEach((result, at) => {
        if (result !== undefined) return;
        this.#report(at, this.#begun[at] === undefined ? 'skipped' : 'canceled');
      });
      const { id: orderId, userId } = this.job;
      const { code, message, cause } = verdict;
      const steps = this.#results as StepResult[];
      error = new OrderError(code, message, { orderId, userId, cause, steps });
      this.#controller.abort(error);
      if (this.isStalled) this.#freeWorker();
      else if (!this.hasEnded) this.#watchForStall();
    }
    const steps = Object.freeze(this.#results as StepResult[]);
    this.#listener.decided(this, { outcome, error, steps });
  }

  #finish(): void {
    this.#decide('completed');
    clearTimeout(this.#timer);
    this.#listener.ended(this);
    this.#freeWorker();
  }

  #freeWorker(): void {
    this.#holdsWorker = false;
    this.#free?.();
  }

  #watch(): void {
    const { timeoutMs } = this.#limits;
    if (timeoutMs === undefined) {
      this.#watchForStall();
      return;
    }
    this.#timer = setTimeout(() => {
      const message = `The steps did not end within ${timeoutMs} ms`;
      this.#decide('failed', { code: 'timeout', message });
    }, timeoutMs);
  }

  #watchForStall(): void {
    this.#timer = setTimeout(() => {
      this.isStalled = true;
      this.#listener.stalled(this);
      if (this.isDecided) this.#freeWorker();
    }, this.#limits.stalledAfterMs);
  }
}
