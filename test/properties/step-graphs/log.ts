import type { AttemptContext, OrderError, Receipt, StepResult } from 'order-processor';
import type { AttemptPlan, Kind, Limits } from './plan.ts';

/** One call of one of a step's functions, as the function itself sees it. */
export interface Call {
  readonly at: number;
  readonly of: Kind;
  readonly attempt: number;
  readonly plan: AttemptPlan;
  readonly limits: Limits;
  readonly context: AttemptContext;
  readonly beganAt: number;
  /** Whether it waits for its signal, and so knows when it aborted. */
  isListening: boolean;
  abortedAt: number | undefined;
  endedAt: number | undefined;
  ended: AttemptPlan['ends'] | 'aborted' | undefined;
}

/** What was said of one step. */
export interface Report {
  readonly at: number;
  readonly result: StepResult;
  readonly saidAt: number;
}

export interface Retried {
  readonly at: number;
  readonly of: Kind;
  readonly attempt: number;
  readonly saidAt: number;
  readonly delayMs: number;
}

export interface Settled {
  readonly status: 'completed' | 'failed' | 'canceled';
  readonly code: string | undefined;
  readonly steps: readonly StepResult[];
  readonly outcome: Receipt | OrderError;
  readonly settledAt: number;
  /** Whether the storage was silent about it when the processor shut down. */
  readonly isUnknown: boolean;
  /** What the steps had come to by then. */
  readonly expected: readonly StepResult[];
}

/** Everything that was seen of one order. */
export class OrderLog {
  readonly id: string;
  readonly userId: string;
  readonly canCompensate: readonly boolean[];
  /** The places of the steps that the order does not need. */
  readonly skipped: readonly number[];
  readonly calls: Call[] = [];
  readonly reports: Report[] = [];
  readonly retried: Retried[] = [];
  isAccepted = false;
  /** When its cancellation was asked for. */
  readonly cancels: number[] = [];
  /** The codes of the errors that its compensations got. */
  readonly compensationCodes = new Set<string>();
  compensationErrors = 0;
  startedAt: number | undefined;
  stalledAt: number | undefined;
  settled: Settled | undefined;

  /**
   * @param canCompensate - by step
   * @param skipped - the places of the steps that it does not need
   */
  constructor(
    id: string,
    userId: string,
    canCompensate: readonly boolean[],
    skipped: readonly number[],
  ) {
    this.id = id;
    this.userId = userId;
    this.canCompensate = canCompensate;
    this.skipped = skipped;
  }

  callsOf(at: number, of: Kind): Call[] {
    return this.calls.filter((call) => call.at === at && call.of === of);
  }

  get running(): Call[] {
    return this.calls.filter(({ endedAt }) => endedAt === undefined);
  }

  /** The run that a compensation undoes. */
  finishOf(at: number): Call | undefined {
    return this.calls.find((call) => call.at === at && call.of === 'run' && call.ended === 'well');
  }

  /** Whether a step of which nothing runs may have had its effect: each attempt that does not deny it. */
  mayHaveActed(at: number): boolean {
    return this.callsOf(at, 'run').some(({ ended }) => ended !== undefined && !isDenial(ended));
  }

  /** When it was certain that nothing more of a step's run would happen. */
  endOf(at: number): number {
    const last = this.callsOf(at, 'run').at(-1)?.endedAt ?? -Infinity;
    return Math.max(last, this.reportOf(at, 'run')?.saidAt ?? -Infinity);
  }

  /** What was said last of a step's run, or of its compensation. */
  reportOf(at: number, of: Kind): Report | undefined {
    return this.reports.findLast(
      (report) => report.at === at && (report.result.compensation === undefined) === (of === 'run'),
    );
  }

  /** The first failure of a step, which decides the order. */
  get failure(): Report | undefined {
    return this.reports.find(({ result }) => result.status === 'error');
  }

  /** Begun, and not both settled and at rest: a step that finished late may still have to be compensated. */
  get isBusy(): boolean {
    if (this.startedAt === undefined) return false;
    if (this.settled === undefined || this.running.length > 0) return true;
    if (this.settled.status === 'completed') return false;
    return this.canCompensate.some((can, at) => {
      return can && this.mayHaveActed(at) && !this.reportOf(at, 'compensate');
    });
  }

  /** Whether a step, or its compensation, waits for something: a place, the end of a pause. */
  isUnended(at: number): boolean {
    const isCompensating = this.callsOf(at, 'compensate').length > 0;
    return this.reportOf(at, isCompensating ? 'compensate' : 'run') === undefined;
  }

  /** Nothing of it runs, since it waits to try again. */
  get isPausing(): boolean {
    if (this.running.length > 0) return false;
    return this.retried.some(({ at, of, attempt }) => {
      return this.callsOf(at, of).length === attempt && this.reportOf(at, of) === undefined;
    });
  }
}

/** Whether a step says by this that it had no effect. */
export function isDenial(ended: Call['ended']): boolean {
  return ended === 'with a code' || ended === 'for good';
}

/** The code that an attempt's failure has. */
export function codeOfFailure(ends: Call['ended']): string | undefined {
  switch (ends) {
    case 'with a code':
      return 'declined';
    case 'for good':
      return 'declined_for_good';
    case 'with a foreign code':
      return 'card_declined';
    case 'without a code':
      return 'internal';
    default:
      return undefined;
  }
}

/** What a run gives, so that those after it and its compensation can be checked. */
export function valueGiven(id: string, at: number, attempt: number): string {
  return `${id}/${at}/${attempt}`;
}
