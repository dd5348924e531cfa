import { type Call, codeOfFailure, type OrderLog, type Report } from './log.ts';
import type { Observer } from './observer.ts';
import { graceMs } from './plan.ts';

type Wrong = (what: string) => void;

/** Compares what a `stepped` event says with what the step's functions have done; not in the log yet. */
export function checkReport(observer: Observer, log: OrderLog, report: Report): void {
  const { at, result } = report;
  const of = result.compensation === undefined ? 'run' : 'compensate';
  const said = `${log.id} s${at} is said to be ${JSON.stringify(result)}`;
  const wrong: Wrong = (what) => observer.wrong(`${said}: ${what}`);
  if (!maySayAgain(log.reportOf(at, of), report)) wrong('twice');
  if (log.settled !== undefined && log.stalledAt === undefined) wrong('the order is settled');
  if (of === 'run') checkRun(observer, log, report, wrong);
  else checkCompensation(observer, log, report, wrong);
}

/** A compensation that was given up may succeed after all, and that is said too. */
function maySayAgain(before: Report | undefined, { result: { compensation } }: Report): boolean {
  if (before === undefined) return true;
  const { status, code = '' } = before.result.compensation ?? {};
  const wasGivenUp = status === 'error' && ['timeout', 'shut_down'].includes(code);
  return wasGivenUp && compensation?.status === 'ok';
}

function checkRun(observer: Observer, log: OrderLog, { at, result }: Report, wrong: Wrong): void {
  const { now } = observer.clock;
  const runs = log.callsOf(at, 'run');
  const [first] = runs;
  const last = runs.at(-1);
  if (first === undefined || last === undefined) {
    wrong('it never ran');
    return;
  }
  if (result.attempts !== runs.length) wrong(`there were ${runs.length} attempts`);
  if (result.durationMs !== now - first.beganAt && result.status !== 'canceled') {
    wrong(`it took ${now - first.beganAt} ms`);
  }
  switch (result.status) {
    case 'ok':
      if (last?.ended !== 'well' || last.endedAt !== now) wrong('it did not end well just now');
      if (log.failure !== undefined) wrong('the order has failed before');
      break;
    case 'error':
      if (log.failure !== undefined) wrong('the order has failed before');
      checkFailure(observer, last, result.code, wrong);
      break;
    case 'canceled':
      if (last.endedAt === undefined) wrong('it still runs');
      break;
    default:
      wrong('a step has no such status without a compensation');
  }
}

function checkCompensation(
  observer: Observer,
  log: OrderLog,
  { at, result }: Report,
  wrong: Wrong,
): void {
  const { now } = observer.clock;
  const calls = log.callsOf(at, 'compensate');
  const [first] = calls;
  const last = calls.at(-1);
  const { compensation } = result;
  // A shutdown that waits no longer gives up what has not begun, too.
  const isShutDown = compensation?.code === 'shut_down' && now >= observer.deadlineAt + graceMs;
  if (compensation === undefined || (last === undefined && !isShutDown)) {
    wrong('its compensation never ran');
    return;
  }
  const runs = log.callsOf(at, 'run');
  const tookMs = log.endOf(at) - (runs[0] as Call).beganAt;
  const said = log.reportOf(at, 'run')?.result;
  const isFinished = log.finishOf(at) !== undefined;
  if (result.attempts !== runs.length) wrong(`there were ${runs.length} attempts`);
  if (result.durationMs !== tookMs) wrong(`it took ${tookMs} ms`);
  if (result.code !== (isFinished ? undefined : said?.code)) wrong(`it had the code ${said?.code}`);
  if (compensation.attempts !== calls.length) wrong(`there were ${calls.length} attempts`);
  const sinceMs = first === undefined ? 0 : now - first.beganAt;
  if (compensation.durationMs !== sinceMs) wrong(`its compensation took ${sinceMs} ms`);
  if (compensation.status === 'ok') {
    if (result.status !== (isFinished ? 'compensated' : said?.status)) wrong('it is compensated');
    if (last?.ended !== 'well' || last.endedAt !== now) wrong('it was not taken back just now');
  } else {
    if (result.status !== (isFinished ? 'ok' : said?.status)) wrong('what it did still stands');
    if (last !== undefined && !isShutDown) {
      checkFailure(observer, last, compensation.code, wrong);
    }
  }
}

/** An attempt is the last one that failed: by itself, or its time was up. */
function checkFailure(
  { clock, plan }: Observer,
  last: Call,
  code: string | undefined,
  wrong: Wrong,
): void {
  const { beganAt, endedAt, ended, attempt, limits } = last;
  const hasMore = attempt < limits.attempts;
  const overdueAt = beganAt + (limits.timeoutMs ?? Infinity);
  if (code === 'timeout') {
    const givenUpAt = hasMore ? overdueAt + plan.stalledAfterMs : overdueAt;
    if (clock.now !== givenUpAt) wrong(`it was to be given up at ${givenUpAt}`);
    return;
  }
  // What is final counts although it comes late, as long as it has not been given up.
  const isLate = overdueAt < clock.now && !(hasMore && ended === 'for good');
  if (endedAt !== clock.now || isLate) wrong('it did not fail just now');
  if (code !== codeOfFailure(ended)) wrong(`it ended ${ended}`);
  if (hasMore && ended !== 'for good') wrong(`it has ${limits.attempts} attempts`);
}
