import type { Engine } from './engine.ts';
import type { ShutdownSummary } from './lifecycle/shutdown-summary.ts';
import type { Awaitable } from './runtime/awaitable.ts';
import { checkOptions, checkTimeout } from './runtime/checks.ts';
import { systemTime } from './runtime/system-time.ts';

/**
 * What {@link OrderProcessor.shutdown} takes.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * const processor = new OrderProcessor();
 * await processor.shutdown({ timeoutMs: 10_000 });
 * ```
 *
 * @category Processor
 */
export interface ShutdownOptions {
  /**
   * After how long the orders that are left are canceled, in milliseconds: an integer from 1 to 2 147 483 647, 30 000
   * by default. In a later call it counts from that call, and can only bring the deadline forward; a later call has no
   * limit of its own by default.
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

/** When the orders that are left are canceled: the earliest time that a caller has asked for. */
export class Deadline {
  readonly #begunAt = systemTime.now();
  /** One for each caller: if a test has faked the timers, only they know which one comes first. */
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

  /** Resolves whether something ends before the deadline, which never passes then. */
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
  engine.ownership?.leave();
  await engine.delayed.leave();
  engine.heldLanes.close();
  engine.laneRequests?.close();
  engine.compensations.close();
  await engine.acceptance.heldOrders.leave();
  const timedOut = !(await deadline.comesAfter(whenDrained(engine)));
  const refused = engine.admission.shut();
  if (timedOut) {
    await keepPending(engine);
    await cancelAll(engine, `The processor shut down after ${deadline.passedAfterMs} ms`);
    const { runner } = engine.dispatcher;
    if (!(await endsWithin(engine.lifecycle.idleness.whenDrained(), graceMs))) {
      keepRunning(engine);
      runner.hurryAll();
      await endsWithin(engine.lifecycle.idleness.whenDrained(), graceMs);
      runner.concludeAll();
      await endsWithin(engine.lifecycle.idleness.whenIdle(), graceMs);
    }
  }
  engine.compensations.giveUp();
  await endsWithin(engine.compensations.whenDone(), graceMs);
  await endsWithin(engine.heldLanes.whenWritten(), graceMs);
  engine.laneRequests?.giveUp();
  if (engine.refusals !== undefined) await endsWithin(engine.refusals.close(), graceMs);
  await refused;
  const unsettled = await giveUpAll(engine);
  const running = engine.dispatcher.runner.all.map(({ order }) => order.id);
  const kept = engine.lifecycle.keptCount;
  return { unsettled, running, kept, timedOut, storageError: await close(closeStorage) };
}

/** Nothing is left, and nothing more is taken up: a shared storage may have given an order meanwhile. */
async function whenDrained({ compensations, lifecycle, recovery }: Engine): Promise<void> {
  await lifecycle.idleness.whenDrained();
  await compensations.whenDone();
  recovery?.stop();
  await lifecycle.idleness.whenDrained();
}

/** If the storage keeps orders, orders that have not begun stay there for the next start. */
async function keepPending(engine: Engine): Promise<void> {
  const { acceptance, clock, dispatcher, inFlight, lifecycle, recovery } = engine;
  if (recovery === undefined) return;
  recovery.stop();
  // From now on nothing begins: a user's later order must not overtake one that is kept.
  acceptance.isLeaving = true;
  dispatcher.isHalted = true;
  for (const job of inFlight.all()) {
    if (job.entry === undefined) continue;
    if (job.state !== 'awaited' && !dispatcher.drop(job)) continue;
    if (!clock.hasTime()) await clock.nextSlice();
    lifecycle.keep(job);
  }
}

/** The same for orders that have begun and cannot be ended: they are compensated after the next start. */
function keepRunning({ dispatcher, inFlight, lifecycle, recovery }: Engine): void {
  if (recovery === undefined || !dispatcher.runner.hasCompensations) return;
  for (const job of inFlight.all()) {
    const isRunning = job.state === 'processing' || job.state === 'ending';
    if (job.entry !== undefined && isRunning) lifecycle.keep(job);
  }
}

/** Cancels every order that is not decided yet. */
async function cancelAll({ acceptance, clock, inFlight }: Engine, message: string): Promise<void> {
  for (const job of inFlight.all()) {
    if (!clock.hasTime()) await clock.nextSlice();
    acceptance.cancelNow(job, { message });
  }
}

/**
 * Gives up the orders that the storage has not confirmed. Steps that still run are no longer watched.
 *
 * @returns the ids of the orders that were accepted
 */
async function giveUpAll(engine: Engine): Promise<string[]> {
  const { acceptance, clock, dispatcher, inFlight, lifecycle, settler } = engine;
  settler.drop();
  engine.recovery?.stop();
  engine.ownership?.close();
  acceptance.journal?.close();
  engine.remembered?.close();
  engine.availability?.close();
  const ids: string[] = [];
  for (const job of inFlight.all()) {
    if (!clock.hasTime()) await clock.nextSlice();
    // The storage may have answered meanwhile.
    if (inFlight.find(job) !== job) continue;
    if (job.state === 'awaited') lifecycle.keep(job);
    else if (lifecycle.giveUp(job)) ids.push(job.id);
  }
  dispatcher.runner.abandonAll();
  lifecycle.idleness.check();
  return ids;
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
