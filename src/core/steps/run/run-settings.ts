import type { Clock } from '../../runtime/clock.ts';
import type { TracedProcessor } from '../../tracing/operation.ts';
import { type Limited, TimeLimit } from '../limits/time-limit.ts';
import type { StepPlan } from '../step-plan.ts';
import type { RunObserver } from './run-observer.ts';

/** A run that may hold its user for too long. */
interface Stallable {
  stall(): void;
}

/** What all runs of one processor have in common. */
export class RunSettings<Order> {
  readonly plan: StepPlan;
  readonly clock: Clock;
  readonly observer: RunObserver<Order>;
  /** Whether any step can be compensated. */
  readonly hasCompensations: boolean;
  /** How long the steps of an order may take, if there is a limit. */
  readonly deadline: TimeLimit<Limited> | undefined;
  readonly stall: TimeLimit<Stallable>;
  /** Whether what steps return must be JSON, since the storage keeps that alone. */
  readonly isJson: boolean;
  /** Asked before each call of a function, where several processors share the storage. */
  readonly mayBegin: (() => boolean) | undefined;
  readonly traced: TracedProcessor;
  /** By milliseconds: one for each limit in the options. */
  readonly #limits = new Map<number, TimeLimit<Limited>>();

  constructor(
    {
      plan,
      timeoutMs,
      stalledAfterMs,
      isJson = false,
      mayBegin,
      traced,
    }: {
      readonly plan: StepPlan;
      readonly timeoutMs: number | undefined;
      readonly stalledAfterMs: number;
      readonly isJson?: boolean;
      readonly mayBegin?: (() => boolean) | undefined;
      readonly traced?: TracedProcessor;
    },
    clock: Clock,
    observer: RunObserver<Order>,
  ) {
    this.plan = plan;
    this.isJson = isJson;
    this.mayBegin = mayBegin;
    this.traced = traced ?? {
      ...{ processor: observer, processorName: undefined, storage: undefined },
      outside: (work) => work(),
    };
    this.clock = clock;
    this.observer = observer;
    this.hasCompensations = plan.steps.some(({ compensate }) => compensate !== undefined);
    this.deadline = timeoutMs === undefined ? undefined : this.limitOf(timeoutMs);
    this.stall = new TimeLimit(stalledAfterMs, clock, (run) => run.stall());
  }

  limitOf(timeoutMs: number): TimeLimit<Limited> {
    const known = this.#limits.get(timeoutMs);
    if (known !== undefined) return known;
    const limit = new TimeLimit<Limited>(timeoutMs, this.clock, (one) => one.timeOut(timeoutMs));
    this.#limits.set(timeoutMs, limit);
    return limit;
  }
}
