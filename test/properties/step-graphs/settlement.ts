import { isDeepStrictEqual } from 'node:util';
import type { StepResult } from 'order-processor';
import { withoutCause } from '../../../src/core/order/step-result.ts';
import { runsInTime } from './begin.ts';
import type { OrderLog, Settled } from './log.ts';
import type { Observer } from './observer.ts';

/** What an order's results must be, as far as its steps have come. */
export function expectedSteps({ plan }: Observer, log: OrderLog): readonly StepResult[] {
  if (log.startedAt === undefined) return [];
  return plan.steps.map(({ name }, at) => {
    const report = log.reportOf(at, 'compensate') ?? log.reportOf(at, 'run');
    // What a compensation threw stands in the record, and not in the error.
    if (report !== undefined) return withoutCause(report.result);
    const attempts = log.callsOf(at, 'run').length;
    // `stalled` names the steps that still run; how long they ran is not checked.
    const status = attempts === 0 ? 'skipped' : 'canceled';
    return { name, status, durationMs: attempts === 0 ? 0 : Number.NaN, attempts };
  });
}

/** What must hold when an order is settled. */
export function checkSettlement(observer: Observer, log: OrderLog, settled: Settled): void {
  const { status, code } = settled;
  const wrong = (what: string): void => {
    observer.wrong(`${log.id} is settled ${code ?? status}: ${what}`);
  };
  if (!log.isAccepted) wrong('it was not accepted');
  if (log.running.length > 0 && log.stalledAt === undefined) {
    wrong(`s${log.running.map(({ at }) => at)} still runs and \`stalled\` did not say so`);
  }
  for (const { at } of runsInTime(observer, log)) wrong(`s${at} may yet end`);
  // Its steps have finished, and stay as they are.
  if (settled.isUnknown) return;
  checkResults(observer, log, settled, wrong);
  if (status === 'completed') checkCompleted(observer, log, wrong);
  else {
    checkCode(observer, log, settled, wrong);
    checkCompensated(observer, log, wrong);
  }
}

type Wrong = (what: string) => void;

/** Steps of an order that stalled may have ended while its outcome was on its way to the storage. */
function isOnItsWay({ plan }: Observer, { stalledAt }: OrderLog): boolean {
  return stalledAt !== undefined && plan.storage === 'async';
}

function checkResults(
  observer: Observer,
  log: OrderLog,
  { steps, expected }: Settled,
  wrong: Wrong,
): void {
  const known = steps.map((step, at) => {
    const is = expected[at];
    if (Number.isNaN(is?.durationMs)) return { ...step, durationMs: Number.NaN };
    const isEarlier = log.reports.some(({ result }) =>
      isDeepStrictEqual(withoutCause(result), step),
    );
    const isUnreported = step.status === 'canceled' && step.attempts === is?.attempts;
    return isOnItsWay(observer, log) && (isEarlier || isUnreported) ? is : step;
  });
  if (isDeepStrictEqual(known, expected)) return;
  wrong(`the results are ${JSON.stringify(steps)}, expected ${JSON.stringify(expected)}`);
}

function checkCompleted({ plan }: Observer, log: OrderLog, wrong: Wrong): void {
  for (const at of plan.steps.keys()) {
    const isOver = log.skipped.includes(at) || log.finishOf(at) !== undefined;
    if (!isOver) wrong(`s${at} did not finish`);
    if (log.callsOf(at, 'compensate').length > 0) wrong(`s${at} was taken back`);
  }
  if (log.running.length > 0) wrong(`s${log.running.map(({ at }) => at)} still runs`);
}

/** The outcome is what the first failure says, or there was none of a step. */
function checkCode(observer: Observer, log: OrderLog, settled: Settled, wrong: Wrong): void {
  const { plan, clock, deadlineAt } = observer;
  const { status, code = '' } = settled;
  if (status !== (code === 'canceled' ? 'canceled' : 'failed')) wrong(`as ${status}`);
  const { failure } = log;
  // A listener of the failure may cancel the order before it has failed.
  const isOvertaken = code === 'canceled' && log.cancels.includes(failure?.saidAt ?? -1);
  if (failure !== undefined && !isOvertaken) {
    if (failure.result.code !== code) wrong(`s${failure.at} failed with ${failure.result.code}`);
  } else {
    const { startedAt = Infinity } = log;
    const isPossible = {
      canceled: log.cancels.length > 0 || clock.now >= deadlineAt,
      timeout: clock.now >= (plan.isObserved ? startedAt : 0) + (plan.timeoutMs ?? Infinity),
      // Nothing else changes the balance, so it is clear before the steps begin.
      insufficient_funds: plan.minBalance !== undefined && log.calls.length === 0,
      // The balance could not be read before the steps.
      storage_failed: plan.minBalance !== undefined && log.calls.length === 0,
    }[code];
    if (isPossible !== true) wrong('nothing has led to that');
  }
  for (const each of log.compensationCodes)
    if (each !== code) wrong(`it was compensated for ${each}`);
}

/** Every step that may have had its effect is compensated by now, or reported as not compensated. */
function checkCompensated(observer: Observer, log: OrderLog, wrong: Wrong): void {
  for (const [at, { canCompensate }] of observer.plan.steps.entries()) {
    if (!canCompensate || !log.mayHaveActed(at)) continue;
    if (log.running.some((run) => run.at === at && run.of === 'run')) continue;
    const isLate = isOnItsWay(observer, log) && log.endOf(at) >= (log.stalledAt as number);
    if (log.reportOf(at, 'compensate') === undefined && !isLate) wrong(`s${at} is not taken back`);
  }
}
