import type { CompensationResult, StepResult } from './outcome.ts';
import type { PlannedStep, StepPlan } from './step-plan.ts';
import { Task, type TaskOwner } from './task.ts';

const noTasks: (Task | undefined)[] = [];
const noResults: (StepResult | undefined)[] = [];

/** The steps of one order: which have begun, which come next, and what became of each. */
export class StepBoard {
  readonly #plan: StepPlan;
  readonly #owner: TaskOwner;
  /** By place; none of a step that has not begun, or that finished at once. Made when there is one. */
  #tasks: (Task | undefined)[] = noTasks;
  /** By place, after the first ones that finished at once. Made when there is one. */
  #results: (StepResult | undefined)[] = noResults;
  #left: number;
  /** How many steps, from the first one on, finished at once, and nothing became of them since. */
  #instants = 0;

  constructor(plan: StepPlan, owner: TaskOwner) {
    this.#plan = plan;
    this.#owner = owner;
    this.#left = plan.steps.length;
  }

  get steps(): readonly PlannedStep[] {
    return this.#plan.steps;
  }

  get tasks(): Task[] {
    return this.#tasks.filter((task) => task !== undefined);
  }

  /** Whether all steps have finished. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  taskOf(step: PlannedStep): Task {
    const known = this.#tasks[step.at];
    if (known !== undefined) return known;
    const task = new Task(step, this.#owner);
    if (this.#tasks === noTasks) this.#tasks = new Array(this.#plan.steps.length);
    this.#tasks[step.at] = task;
    return task;
  }

  /** What comes directly after a step that has just finished. */
  after({ step }: Task): Task[] {
    const next = step.next.map((at) => this.taskOf(this.#plan.steps[at] as PlannedStep));
    for (const task of next) task.needs -= 1;
    return next;
  }

  /** What the steps have given that a step comes after, by name. */
  valuesBefore({ before }: PlannedStep): Readonly<Record<string, unknown>> {
    const values = Object.create(null) as Record<string, unknown>;
    for (const at of before) {
      const { step, value } = this.#tasks[at] as Task;
      values[step.name] = value;
    }
    return Object.freeze(values);
  }

  has({ step }: Task): boolean {
    return this.#resultAt(step.at) !== undefined;
  }

  /** A step has finished, in time. */
  finish(task: Task): StepResult {
    if (task.attempts === 1) return this.finishAtOnce(task.step, task.durationMs);
    this.#left -= 1;
    return this.set(task, 'ok');
  }

  /** A step has finished at the first attempt. */
  finishAtOnce(step: PlannedStep, durationMs: number): StepResult {
    this.#left -= 1;
    const result = okAfter(step, durationMs);
    if (durationMs === 0 && step.at === this.#instants) this.#instants += 1;
    else this.#keep(step.at, result);
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

  #keep(at: number, result: StepResult): void {
    const { steps, instant } = this.#plan;
    if (this.#results === noResults) this.#results = new Array(steps.length);
    while (this.#instants > at) {
      this.#instants -= 1;
      this.#results[this.#instants] ??= instant[this.#instants];
    }
    this.#results[at] = result;
  }

  #resultAt(at: number): StepResult | undefined {
    return at < this.#instants ? this.#plan.instant[at] : this.#results[at];
  }

  /** Of all steps, in declaration order. What is not certain yet counts as canceled. */
  results(): readonly StepResult[] {
    const { steps, instant } = this.#plan;
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
  const known = shared[durationMs];
  if (known !== undefined) return known;
  const result = Object.freeze({ name, status: 'ok' as const, durationMs, attempts: 1 });
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
