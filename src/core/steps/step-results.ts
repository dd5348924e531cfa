import type { Job } from '../lifecycle/job.ts';
import type { Verdict } from '../order/decision.ts';
import type { AcceptedOrder } from '../order/order.ts';
import { OrderError } from '../order/order-error.ts';
import type { CompensationResult, StepResult } from '../order/step-result.ts';
import { asPromise, isThenable } from '../runtime/awaitable.ts';
import { StepScope } from '../runtime/step-scope.ts';
import type { RunObserver } from './run-observer.ts';
import { Context, type ContextOwner } from './step-context.ts';
import { Task } from './step-execution.ts';
import type { PlannedStep } from './step-plan.ts';
import { Run } from './step-run.ts';

/** Shared by all boards that have nothing to keep. */
const none: never[] = [];

/**
 * The steps of one order: which have begun, which come next, and what became of each. As long as they
 * return at once it does without a run, which costs more than all the rest.
 */
export class StepBoard implements ContextOwner {
  readonly job: Job;
  readonly order: AcceptedOrder;
  readonly startedAt: number;
  running = 0;
  run: Run | undefined = undefined;
  readonly scope: StepScope;
  readonly #host: RunObserver;
  /** All steps before this place have been started, but those that come after others. */
  #at = 0;
  /** By place; none of a step that has not begun, or that finished at once. Made when there is one. */
  #tasks: (Task | undefined)[] = none;
  /** By place. Made when there is one of a step that did not finish at once. */
  #results: (StepResult | undefined)[] = none;
  #left: number;
  /** How many steps, from the first one on, finished at once; -1 from the first other result on. */
  #instants = 0;

  constructor(job: Job, host: RunObserver) {
    this.job = job;
    this.order = job.toOrder();
    this.startedAt = host.clock.read();
    this.#host = host;
    this.#left = host.plan.steps.length;
    this.scope = new StepScope(host, job.userId, this);
  }

  get tasks(): Task[] {
    return this.#tasks.filter((task) => task !== undefined);
  }

  /** Whether all steps have finished. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  get earlierAttempts(): number {
    const { entry } = this.job;
    return entry === undefined ? 0 : entry.attempt - 1;
  }

  /** Gives the order's run, and makes it when somebody first has need of it, maybe inside a step. */
  toRun(): Run {
    this.run ??= new Run(this, this.#host);
    return this.run;
  }

  /**
   * Starts all steps that come after no other, and have not been, unless the order is decided meanwhile.
   * What is plain gets no task, which only a step that takes its time or fails has need of.
   */
  start(): void {
    const { clock, plan } = this.#host;
    while (this.#at < plan.steps.length && !this.run?.isDecided) {
      const step = plan.steps[this.#at] as PlannedStep;
      this.#at += 1;
      if (step.needs > 0) continue;
      if (!step.isPlain) {
        this.taskOf(step).start();
        continue;
      }
      const begunAt = clock.last;
      const context = new Context(this, step, 1);
      let promise: Promise<unknown> | undefined;
      this.running += 1;
      try {
        const value = step.run(this.order as never, context);
        if (isThenable(value)) promise = asPromise(value);
        // For whatever starts next.
        clock.read();
      } catch (thrown) {
        this.#adopt(step, context, begunAt).attemptFailed(thrown);
        continue;
      }
      if (promise !== undefined) this.#adopt(step, context, begunAt).awaits(promise);
      else if (this.run?.isDecided) this.#adopt(step, context, begunAt).attemptSucceeded(undefined);
      else {
        this.running -= 1;
        this.#host.stepped(this.job, this.#finishAtOnce(step, clock.last - begunAt));
      }
    }
  }

  #adopt(step: PlannedStep, context: Context, begunAt: number): Task {
    const task = this.taskOf(step);
    task.adopt(context, begunAt);
    // The step itself may have had its order canceled.
    const run = this.toRun();
    if (run.error !== undefined) task.abort(run.error);
    return task;
  }

  taskOf(step: PlannedStep): Task {
    const known = this.#tasks[step.at];
    if (known !== undefined) return known;
    const task = new Task(step, this.toRun());
    if (this.#tasks === none) this.#tasks = new Array(this.#host.plan.steps.length);
    this.#tasks[step.at] = task;
    return task;
  }

  /** What comes directly after a step that has just finished. */
  after({ step }: Task): Task[] {
    const next = step.next.map((at) => this.taskOf(this.#host.plan.steps[at] as PlannedStep));
    for (const task of next) task.needs -= 1;
    return next;
  }

  /** What the steps have given that a step comes after, by name. */
  resultsBefore({ before }: PlannedStep): Readonly<Record<string, unknown>> {
    const values = Object.create(null) as Record<string, unknown>;
    for (const at of before) {
      const task = this.#tasks[at];
      // A compensation may belong to a step that has not begun in this process.
      if (task?.isFinished) values[task.step.name] = task.value;
    }
    return Object.freeze(values);
  }

  has({ step }: Task): boolean {
    return this.#resultAt(step.at) !== undefined;
  }

  /** A step has finished, in time. */
  finish(task: Task): StepResult {
    if (task.attempts === 1) return this.#finishAtOnce(task.step, task.durationMs);
    this.#left -= 1;
    return this.set(task, 'ok');
  }

  /** A step has finished at the first attempt. */
  #finishAtOnce(step: PlannedStep, durationMs: number): StepResult {
    this.#left -= 1;
    if (durationMs === 0 && step.at === this.#instants) {
      this.#instants += 1;
      return this.#host.plan.instant[step.at] as StepResult;
    }
    const result = okAfter(step, durationMs);
    this.#keep(step.at, result);
    return result;
  }

  set(
    task: Task,
    status: StepResult['status'],
    code?: string,
    compensation?: CompensationResult,
  ): StepResult {
    const result = resultOf(task, status, code, compensation);
    this.#keep(task.step.at, result);
    return result;
  }

  /** Why the order failed or was canceled, as of now. */
  errorOf(
    { code, message, cause, ...verdict }: Verdict,
    outcome: 'failed' | 'canceled',
    steps: readonly StepResult[],
  ): OrderError {
    // Trying again what could not be compensated does it twice.
    const isHalfDone = steps.some(({ compensation }) => compensation?.status === 'error');
    return new OrderError(code, message, {
      ...this.job.facts,
      outcome,
      cause,
      retryable: isHalfDone ? false : verdict.retryable,
      steps,
      waitMs: this.startedAt - this.job.acceptedAt,
      durationMs: this.#host.clock.last - this.startedAt,
    });
  }

  /** A step's compensation has ended. What has not finished keeps its status. */
  setCompensation(task: Task, compensation: CompensationResult): StepResult {
    const { isFinished, attempts, step } = task;
    if (isFinished) {
      // What the step did still stands, if that failed.
      const status = compensation.status === 'ok' ? 'compensated' : 'ok';
      return this.set(task, status, undefined, compensation);
    }
    const known = this.#resultAt(step.at);
    const status = known?.status ?? (attempts > 0 ? 'canceled' : 'skipped');
    return this.set(task, status, known?.code, compensation);
  }

  /** Steps with a compensation that have not begun in this process; what comes after others comes last. */
  unbegun(): Task[] {
    return this.#host.plan.steps
      .filter(({ compensate }) => compensate !== undefined)
      .sort((one, other) => one.before.length - other.before.length)
      .map((step) => this.taskOf(step))
      .filter(({ attempts }) => attempts === 0);
  }

  #keep(at: number, result: StepResult): void {
    if (this.#instants >= 0) {
      this.#results = this.#host.plan.instant.slice(0, this.#instants);
      this.#instants = -1;
    }
    this.#results[at] = result;
  }

  #resultAt(at: number): StepResult | undefined {
    return at < this.#instants ? this.#host.plan.instant[at] : this.#results[at];
  }

  /** Of all steps, in declaration order. What is not certain yet counts as canceled. */
  results(): readonly StepResult[] {
    const { steps, instant } = this.#host.plan;
    if (this.#instants === steps.length) return instant;
    return Object.freeze(
      steps.map(({ name }, at) => {
        const task = this.#tasks[at];
        const result = this.#resultAt(at);
        if (result !== undefined) return result;
        if (task !== undefined && task.attempts > 0) return resultOf(task, 'canceled');
        return Object.freeze({ name, status: 'skipped' as const, durationMs: 0, attempts: 0 });
      }),
    );
  }
}

/** Results up to this duration are shared, in milliseconds. */
const sharedBelowMs = 1_000;

/**
 * The result of a step that finished at the first attempt, as most do: one object for all orders, since
 * results are remembered for long, and what stays in memory costs more in collection than in making.
 */
function okAfter({ name, shared }: PlannedStep, durationMs: number): StepResult {
  const status = 'ok' as const;
  const result = shared[durationMs] ?? Object.freeze({ name, status, durationMs, attempts: 1 });
  if (durationMs < sharedBelowMs) shared[durationMs] = result;
  return result;
}

function resultOf(
  task: Task,
  status: StepResult['status'],
  code?: string,
  compensation?: CompensationResult,
): StepResult {
  return Object.freeze({
    name: task.step.name,
    status,
    durationMs: task.elapsed(),
    attempts: task.attempts,
    ...(code === undefined ? {} : { code }),
    ...(compensation === undefined ? {} : { compensation }),
  });
}
