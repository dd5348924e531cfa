import { deepStrictEqual } from 'node:assert';
import type { CompensationContext } from 'order-processor';
import { type Call, type OrderLog, valueGiven } from './log.ts';
import type { Observer } from './observer.ts';
import { before, graceMs, pauseAfter } from './plan.ts';

/** What must hold when a step's function is called; `call` is not in the log yet. */
export function checkBegin(observer: Observer, log: OrderLog, call: Call): void {
  const { id, userId } = log;
  const { at, of, context } = call;
  const name = `${id} s${at} ${of} ${call.attempt}`;
  const wrong = (what: string): void => observer.wrong(`${name}: ${what}`);
  for (const other of observer.logs.values()) {
    if (other === log || other.userId !== userId) continue;
    if (other.running.length > 0) wrong(`invariant 1: beside ${other.id}`);
  }
  if (log.startedAt === undefined) wrong('its order has not started');
  if (log.settled !== undefined && log.stalledAt === undefined) wrong('its order is settled');
  if (log.settled?.status === 'completed') wrong('its order completed');
  if (context.order.id !== id) wrong(`with the order ${context.order.id}`);
  if (context.idempotencyKey !== `${id}:s${at}`) wrong(`with the key ${context.idempotencyKey}`);
  checkAttempt(observer, log, call, wrong);
  checkResults(observer, log, call, wrong);
  if (of === 'run') checkRun(observer, log, call, wrong);
  else checkCompensation(observer, log, call, wrong);
  checkWorkers(observer, log, call, wrong);
}

type Wrong = (what: string) => void;

/** Attempts come one after the other, count up, and pause in between. */
function checkAttempt(observer: Observer, log: OrderLog, call: Call, wrong: Wrong): void {
  const { at, of, attempt, context, limits } = call;
  if (context.attempt !== attempt) wrong(`got attempt ${context.attempt}`);
  if (attempt > limits.attempts) wrong(`only ${limits.attempts} attempts`);
  const earlier = log.callsOf(at, of).at(-1);
  if (earlier === undefined) return;
  if (earlier.endedAt === undefined) {
    wrong('the attempt before it still runs');
    return;
  }
  if (earlier.ended === 'well') wrong('the attempt before it ended well');
  if (earlier.ended === 'for good') wrong('the attempt before it failed for good');
  const retried = log.retried.filter(
    (each) => each.at === at && each.of === of && each.attempt === attempt - 1,
  );
  const [said] = retried;
  // What failed after the shutdown was over is in no event.
  if (said === undefined && (earlier.endedAt as number) >= observer.closedAt) return;
  if (said === undefined || retried.length > 1 || limits.retry === undefined) {
    wrong(`${retried.length} events said so before`);
    return;
  }
  if (said.saidAt !== earlier.endedAt) wrong('`retried` was not said at the end of the attempt');
  if (said.delayMs !== pauseAfter(limits.retry, attempt - 1)) wrong(`a pause of ${said.delayMs}`);
  if (observer.clock.now < said.saidAt + said.delayMs) wrong('within the pause');
}

/** Everything that it comes after has finished well, and it sees what that gave. */
function checkResults(observer: Observer, log: OrderLog, call: Call, wrong: Wrong): void {
  const expected: Record<string, unknown> = {};
  for (const other of before(observer.plan, call.at)) {
    if (log.skipped.includes(other)) continue;
    const finish = log.finishOf(other);
    if (finish === undefined) wrong(`before s${other} has finished`);
    else expected[`s${other}`] = valueGiven(log.id, other, finish.attempt);
  }
  try {
    deepStrictEqual({ ...call.context.results }, expected);
  } catch {
    wrong(`it sees ${JSON.stringify(call.context.results)}`);
  }
}

function checkRun(observer: Observer, log: OrderLog, call: Call, wrong: Wrong): void {
  const { at } = call;
  if (log.skipped.includes(at)) wrong('its order does not need it');
  if (log.failure !== undefined) wrong('its order has failed');
  if (log.calls.some(({ of }) => of === 'compensate')) wrong('its order is compensated');
  if (call.plan.durationMs !== 0 && call.context.signal.aborted) wrong('it was aborted before');
  const { timeoutMs } = observer.plan;
  const tooLate = (log.startedAt as number) + (timeoutMs ?? Infinity);
  if (observer.clock.now > tooLate) wrong('the time of its order is up');
  const bound = observer.plan.steps[at]?.concurrency ?? Infinity;
  let inside = 1;
  for (const other of observer.logs.values()) {
    inside += other.callsOf(at, 'run').filter(({ endedAt }) => endedAt === undefined).length;
  }
  if (inside > bound) wrong(`${inside} at once, of ${bound}`);
}

/** What ended last is compensated first, one at a time, and only when nothing else runs. */
function checkCompensation(observer: Observer, log: OrderLog, call: Call, wrong: Wrong): void {
  const { at, attempt } = call;
  const context = call.context as CompensationContext;
  const { isFinished, result, error, signal } = context;
  const finish = log.finishOf(at);
  if (!log.mayHaveActed(at)) wrong('what it compensates had no effect');
  if (isFinished !== (finish !== undefined)) wrong(`got isFinished ${isFinished}`);
  const given = finish === undefined ? undefined : valueGiven(log.id, at, finish.attempt);
  if (result !== given) wrong(`compensates ${result}`);
  if (context.compensationKey !== `${log.id}:s${at}/compensate`) wrong(context.compensationKey);
  if (error.orderId !== log.id) wrong(`because of an error of ${error.orderId}`);
  log.compensationCodes.add(error.code);
  if (signal.aborted) wrong('it was aborted before');
  if (log.reportOf(at, 'compensate') !== undefined) wrong('it was reported before');
  for (const { of, at: other } of runsInTime(observer, log)) {
    wrong(`while s${other} ${of} may yet end`);
  }
  for (const { of, at: other } of log.running) {
    const isReported = log.reportOf(other, 'compensate') !== undefined;
    if (of === 'run' && log.stalledAt === undefined) wrong(`while s${other} runs`);
    if (of === 'run' && other === at) wrong('while it still runs');
    if (of === 'compensate' && !isReported) wrong(`while the compensation of s${other} runs`);
  }
  if (attempt > 1) return;
  // In a listener, its own end is notified after that.
  const end = log.reportOf(at, 'run') === undefined ? observer.clock.now : log.endOf(at);
  for (const [other, { canCompensate }] of observer.plan.steps.entries()) {
    if (!canCompensate || log.callsOf(other, 'compensate').length > 0) continue;
    if (!log.mayHaveActed(other) || log.running.some((run) => run.at === other)) continue;
    if (log.endOf(other) > end) wrong(`before s${other}, which ended later`);
  }
}

/** Runs that go on, and whose signal aborted so short a time ago that they may yet end. */
export function runsInTime({ clock, plan, deadlineAt }: Observer, log: OrderLog): Call[] {
  if (clock.now >= deadlineAt + graceMs) return [];
  return log.running.filter(
    ({ of, abortedAt }) =>
      of === 'run' && abortedAt !== undefined && clock.now < abortedAt + plan.stalledAfterMs,
  );
}

/** Every run that is not both aborted and stalled has a worker, and the number of workers is bounded. */
function checkWorkers(observer: Observer, log: OrderLog, call: Call, wrong: Wrong): void {
  let holding = mustHold(log, call) ? 1 : 0;
  for (const other of observer.logs.values()) if (other !== log && mustHold(other)) holding += 1;
  if (holding > observer.plan.concurrency) wrong(`${holding} workers at once`);
}

/** Whether an order certainly has a worker. */
export function mustHold(log: OrderLog, next?: Call): boolean {
  const running = next === undefined ? log.running : [...log.running, next];
  if (running.length === 0) return false;
  if (log.stalledAt === undefined) return true;
  return running.some(({ context }) => !context.signal.aborted);
}

/** Whether an order may have a worker. */
export function mayHold(log: OrderLog, hasGates: boolean): boolean {
  if (!log.isBusy) return false;
  return !log.isPausing || hasGates;
}
