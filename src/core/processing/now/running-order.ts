import type { StepProgress, StepResult } from '../../order/step-result.ts';

/**
 * One step of an order whose steps run, or its compensation, as of now.
 *
 * @category Lanes
 */
export interface RunningStep {
  /** The step's name. */
  readonly name: string;
  /** Whether it is the step's compensation. */
  readonly isCompensation: boolean;
  /**
   * `'waiting'`: it has not begun, because it comes after others or has no permit of its `concurrency`. `'running'`: its
   * function has not ended, even if it was aborted. `'paused'`: it waits to be tried again, or for the storage to
   * remember what it returned. `'ended'`: see `result`.
   */
  readonly state: 'waiting' | 'running' | 'paused' | 'ended';
  /** When its first attempt began, in Unix milliseconds; `undefined` if none has in this run. */
  readonly startedAt: number | undefined;
  /** When it ended, in Unix milliseconds; `undefined` if it has not, or never began. */
  readonly endedAt: number | undefined;
  /** How often it was tried in this run. */
  readonly attempts: number;
  /** How the step ended, if that is certain; of a compensation: the step's result with it. */
  readonly result: StepResult | undefined;
}

/**
 * An order whose steps run in this process, or were decided against and have not all ended.
 *
 * @category Lanes
 */
export interface RunningOrder {
  /** The order's id. */
  readonly orderId: string;
  /** Whose lane it occupies. */
  readonly userId: string;
  /** What rules said of it. */
  readonly labels: readonly string[];
  /** When its processing began, in Unix milliseconds. */
  readonly startedAt: number;
  /** Whether it holds its user for longer than it should; see the `stalled` event. */
  readonly isStalled: boolean;
  /** Whether it is decided that it does not complete, and its steps are aborted or compensated. */
  readonly isEnding: boolean;
  /** What one of its steps said last of how far it is. */
  readonly progress: StepProgress | undefined;
  /** Its steps in declaration order, then the compensations that have begun. */
  readonly steps: readonly RunningStep[];
}
