import type { Verdict } from '../../order/decision.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Limited, TimeLimit } from '../limits/time-limit.ts';
import type { ContextRun } from './step-context.ts';
import type { TracedRun } from './traced-attempt.ts';

/** The run to which executions belong. */
export interface ExecutionRun<Execution> extends ContextRun, TracedRun {
  readonly order: ContextRun['order'];
  readonly clock: Clock;
  readonly stalledAfterMs: number;
  /** Whether what steps return must be JSON. */
  readonly isJson: boolean;
  /** Asked before each call of a function; if it answers false, the order's run may have been abandoned in that call. */
  readonly mayBegin: (() => boolean) | undefined;
  /** How many functions run, aborted ones included. */
  running: number;
  /** How many executions are over. */
  over: number;
  /** Runs a function in the async context of the order's caller. */
  inScope(work: () => void): void;
  limitOf(timeoutMs: number): TimeLimit<Limited>;
  /** An attempt failed, and there will be another. */
  pausing(execution: Execution, verdict: Verdict, delayMs: number): void;
  /** The pause is over: `start` the execution once there is a worker. */
  due(execution: Execution): void;
  /** The execution has finished, and what it returned is to be kept first; false if that is no storage's to do. */
  remember(execution: Execution): boolean;
  /** An execution waits, and needs no worker meanwhile. */
  waiting(): void;
  predicateFailed(step: string, cause: unknown): void;
}

/** Is notified when executions end. */
export interface ExecutionOwner<Execution> {
  succeeded(execution: Execution): void;
  /** There is no further attempt; an execution that is `abandoned` goes on although its time was up. */
  failed(execution: Execution, verdict: Verdict): void;
  /** An execution that was `abandoned` has ended. */
  stopped(execution: Execution): void;
}
