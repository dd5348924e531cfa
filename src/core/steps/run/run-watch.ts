import type { LimitedTime } from '../limits/time-limit.ts';
import type { RunOrder } from './run-observer.ts';
import type { RunPhase } from './run-phase.ts';
import type { RunSettings } from './run-settings.ts';

/** The run that is watched. */
export interface WatchedRun {
  readonly order: RunOrder;
  readonly settings: RunSettings<never>;
  readonly startedAt: number;
  readonly phase: RunPhase;
  readonly hasWorker: boolean;
  /** The names of the steps that have begun, or wait to, and have not ended. */
  readonly unended: readonly string[];
  /** The time of the order is up. */
  timeOut(timeoutMs: number): void;
  /** It holds its user for longer than it should. */
  stall(): void;
}

/** The time of a run: its deadline, and for how long it holds its user. */
export class RunWatch {
  isStalled = false;
  readonly #run: WatchedRun;
  #deadline: LimitedTime<unknown> | undefined = undefined;
  #stall: LimitedTime<unknown> | undefined = undefined;

  constructor(run: WatchedRun) {
    this.#run = run;
  }

  /** The caller is notified no later than `timeoutMs` after the beginning, if there is such a limit. */
  begin(): void {
    const run = this.#run;
    const { deadline, clock } = run.settings;
    if (deadline === undefined) {
      // In a pause it waits for no function.
      if (run.phase === 'running' && run.hasWorker) this.beginStall();
      return;
    }
    this.#deadline?.end();
    const leftMs = deadline.ms - (clock.read() - run.startedAt);
    if (leftMs === deadline.ms) this.#deadline = deadline.begin(run);
    else if (leftMs > 0) this.#deadline = deadline.beginLate(run, leftMs);
    else run.timeOut(deadline.ms);
  }

  /** Begins the wait for its end or its pause, for `stalledAfterMs`; the clock has just been read. */
  beginStall(): void {
    this.#stall?.end();
    this.#stall = this.#run.settings.stall.begin(this.#run);
  }

  endStall(): void {
    this.#stall?.end();
  }

  end(): void {
    this.#deadline?.end();
    this.#stall?.end();
  }

  raiseStalled(): void {
    if (this.isStalled) return;
    this.isStalled = true;
    const { order, settings, startedAt, unended } = this.#run;
    settings.observer.stalled(order as never, settings.clock.read() - startedAt, unended);
  }
}
