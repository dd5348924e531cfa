import type { Engine } from './engine.ts';
import type { ShutdownSummary } from './lifecycle/shutdown-summary.ts';
import type { Awaitable } from './runtime/awaitable.ts';
import { checkOptions, checkTimeout } from './runtime/checks.ts';
import { systemTime } from './runtime/system-time.ts';

/** What {@link OrderProcessor.shutdown} takes. */
export interface ShutdownOptions {
  /**
   * After how long what is left is canceled, in milliseconds: an integer from 1 to 2 147 483 647,
   * 30 000 by default. In a later call it counts from then, and only brings the end forward; no limit of its
   * own by default.
   */
  readonly timeoutMs?: number | undefined;
}

/**
 * After the deadline: how long steps may take to end, then compensations, then the storage to answer,
 * in milliseconds.
 */
export const graceMs = 1_000;

/** @throws TypeError or RangeError */
export function readShutdownOptions(options: ShutdownOptions): number | undefined {
  checkOptions('shutdown', options, ['timeoutMs']);
  const { timeoutMs } = options;
  if (timeoutMs !== undefined) checkTimeout('timeoutMs', timeoutMs);
  return timeoutMs;
}

/** When what is left is canceled: the earliest that any caller has asked for. */
export class Deadline {
  readonly #begunAt = systemTime.now();
  /** One for each caller: which comes first only the timers know, where a test has faked them. */
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #passed = Promise.withResolvers<false>();
  #isOver = false;
  /** After how many milliseconds, from the beginning of the shutdown, it has passed. */
  passedAfterMs = 0;

  constructor(timeoutMs = 30_000) {
    this.#add(timeoutMs, timeoutMs);
  }

  /** @param timeoutMs - from now on */
  bringForward(timeoutMs: number): void {
    if (this.#isOver) return;
    this.#add(timeoutMs, Math.round(systemTime.now() - this.#begunAt) + timeoutMs);
  }

  /** Whether something ends before it passes; then it never will. */
  async comesAfter(end: Promise<void>): Promise<boolean> {
    const isInTime = await Promise.race([end.then(() => true), this.#passed.promise]);
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    return isInTime;
  }

  #add(timeoutMs: number, afterMs: number): void {
    const pass = (): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.passedAfterMs = afterMs;
      this.#passed.resolve(false);
    };
    this.#timers.push(setTimeout(pass, timeoutMs));
  }
}

/** Drains, cancels what is left at the deadline, closes the storage. Always resolves (invariant 4). */
export async function drain(
  engine: Engine,
  closeStorage: () => Awaitable<void> | undefined,
  deadline: Deadline,
): Promise<Pick<ShutdownSummary, 'unsettled' | 'running' | 'kept' | 'timedOut' | 'storageError'>> {
  const timedOut = !(await deadline.comesAfter(engine.onDrained()));
  const refused = engine.admission.shut();
  if (timedOut) {
    await engine.keeper?.leaveAll();
    await engine.cancelAll({
      message: `The processor shut down after ${deadline.passedAfterMs} ms`,
    });
    const { runner } = engine.dispatcher;
    if (!(await endsWithin(engine.onDrained(), graceMs))) {
      engine.keeper?.leaveRunning();
      runner.hurryAll();
      await endsWithin(engine.onDrained(), graceMs);
      runner.concludeAll();
      await endsWithin(engine.onIdle(), graceMs);
    }
  }
  if (engine.refusals !== undefined) await endsWithin(engine.refusals.close(), graceMs);
  await refused;
  const unsettled = await engine.abandon();
  const { running } = engine.dispatcher.runner;
  const kept = engine.keeper?.left ?? 0;
  return { unsettled, running, kept, timedOut, storageError: await close(closeStorage) };
}

async function close(closeStorage: () => Awaitable<void> | undefined): Promise<unknown> {
  try {
    const closing = Promise.resolve(closeStorage());
    if (await endsWithin(closing, graceMs)) return undefined;
    closing.catch(() => {});
    return new Error(`The storage did not close within ${graceMs} ms`);
  } catch (error) {
    return error ?? new Error('Closing the storage threw nothing');
  }
}

async function endsWithin(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), isLate]);
  } finally {
    clearTimeout(timer);
  }
}
