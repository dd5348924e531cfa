import { deepStrictEqual } from 'node:assert';
import type { StepResult } from 'order-processor';
import type { Driver } from './driver.ts';
import type { OrderLog } from './log.ts';
import type { Observer } from './observer.ts';
import { finalAmount, graceMs, type Scenario } from './plan.ts';

/** Compares what was seen of a whole run with what must be; gives everything that is wrong. */
export async function verdict(driver: Driver, plan: Scenario): Promise<string[]> {
  const { observer, open, storage } = driver;
  const wrong = [...observer.violations, ...(storage?.host.offences ?? [])];
  for (const name of open) wrong.push(`invariant 4: never settled: ${name}`);
  for (const log of observer.logs.values()) {
    if (!log.isAccepted) continue;
    wrong.push(...orderWrong(log, observer, plan), ...signalsWrong(driver, log, plan));
    wrong.push(...(await recordWrong(driver, log)));
  }
  wrong.push(...callersWrong(driver, plan), ...sequenceWrong(driver));
  wrong.push(...(await balancesWrong(driver)), ...endWrong(driver));
  return wrong;
}

/** Everything that began has ended, and exactly the steps that had to be compensated were. */
function orderWrong(log: OrderLog, { charges, closedAt }: Observer, { steps }: Scenario): string[] {
  const wrong: string[] = [];
  const { id, settled, running } = log;
  if (settled === undefined) return [`invariant 3: ${id} has no outcome`];
  for (const { at, of, plan } of running) {
    if (plan.durationMs !== 'never') wrong.push(`${id} s${at} ${of} did not end`);
    if (log.stalledAt === undefined)
      wrong.push(`${id} s${at} ${of} never ends, without \`stalled\``);
  }
  let failures = 0;
  for (const [at, { canCompensate }] of steps.entries()) {
    const report = log.reportOf(at, 'compensate');
    const calls = log.callsOf(at, 'compensate');
    failures += log.reports.filter(
      (each) => each.at === at && each.result.compensation?.status === 'error',
    ).length;
    const isRunning = log.running.some((call) => call.at === at && call.of === 'run');
    const isAgainst = settled.status !== 'completed' && !settled.isUnknown;
    const mayBeDue = isAgainst && canCompensate && !isRunning;
    const isDue = mayBeDue && log.mayHaveActed(at);
    const isSilent = calls.some(({ endedAt = Infinity }) => endedAt >= closedAt);
    if (isDue && report === undefined && !isSilent) wrong.push(`${id} s${at} was not taken back`);
    if (!isDue && calls.length > 0) wrong.push(`${id} s${at} was taken back`);
    const hasFailed = report?.result.compensation?.status === 'error';
    if (mayBeDue && !hasFailed && !isSilent && charges.has(`${id}:s${at}`)) {
      wrong.push(`invariant 3: the charge of ${id} s${at} stands`);
    }
    const well = calls.filter(({ ended }) => ended === 'well');
    if (well.length > 1) wrong.push(`${id} s${at} was taken back ${well.length} times`);
    // One that was given up counts if it ends well all the same.
    if (hasFailed && well.length > 0 && !isSilent) wrong.push(`${id} s${at} was taken back late`);
  }
  if (log.compensationErrors !== failures) {
    wrong.push(`${id}: ${failures} failed compensations, ${log.compensationErrors} events`);
  }
  return wrong;
}

/** Exactly the steps that had to be aborted were aborted, at once. */
function signalsWrong({ observer }: Driver, log: OrderLog, plan: Scenario): string[] {
  const wrong: string[] = [];
  const { startedAt = 0, failure, settled } = log;
  // Without a listener of `started`, it may have started before its first step began.
  const isStartVague = !plan.isObserved;
  const timeOutAt = startedAt + (plan.timeoutMs ?? Infinity);
  const failedAt = failure?.saidAt ?? Infinity;
  for (const { at, of, beganAt, endedAt = Infinity, abortedAt, limits, isListening } of log.calls) {
    if (!isListening) continue;
    const overdueAt = beganAt + (limits.timeoutMs ?? Infinity);
    const name = `${log.id} s${at} ${of}, begun at ${beganAt},`;
    const dueAt = of === 'run' ? Math.min(overdueAt, timeOutAt, failedAt) : overdueAt;
    if (endedAt > dueAt && !((abortedAt ?? Infinity) <= dueAt)) {
      wrong.push(`${name} was not aborted at ${dueAt} but ${abortedAt}`);
    }
    if (abortedAt === undefined || abortedAt >= dueAt) continue;
    if (isStartVague && settled?.code === 'timeout') continue;
    const isCanceled = log.cancels.includes(abortedAt) || abortedAt === observer.deadlineAt;
    // A shutdown that waits no longer says so to compensations too.
    if (of === 'compensate' && abortedAt >= observer.deadlineAt + graceMs) continue;
    if (of === 'compensate' || !isCanceled || settled?.code !== 'canceled') {
      wrong.push(`${name} was aborted at ${abortedAt}`);
    }
  }
  return wrong;
}

/** The record says the same as the event. */
async function recordWrong({ processor, observer }: Driver, log: OrderLog): Promise<string[]> {
  const { id, settled } = log;
  const record = await processor.order(id);
  // What the storage did not take may come again.
  if (settled === undefined || (record === undefined && settled.code === 'storage_failed'))
    return [];
  const { status, code, outcome } = settled;
  // What finished after the settlement has been compensated since, and the record knows.
  const steps = settled.steps.map((step, at) => log.reportOf(at, 'compensate')?.result ?? step);
  const isSilent = log.calls.some(({ endedAt = 0 }) => endedAt >= observer.closedAt);
  const expected = {
    status,
    code,
    // What ended after the last event is in the record alone.
    steps: isSilent ? record?.steps.map(sure) : steps.map(sure),
    balance: 'code' in outcome ? undefined : outcome.balance,
  };
  try {
    const { status, code, steps = [], balance } = record ?? {};
    deepStrictEqual({ status, code, steps: steps.map(sure), balance }, expected);
  } catch {
    return [`the record of ${id} is ${JSON.stringify(record)}, not ${JSON.stringify(expected)}`];
  }
  return [];
}

/** All of a result, except the duration of a step that went on in spite of its signal. */
function sure(step: StepResult): object {
  const { durationMs, ...rest } = step;
  return step.status === 'canceled' ? rest : { durationMs, ...rest };
}

/** Each caller was notified of exactly its order's outcome, in time. */
function callersWrong(driver: Driver, plan: Scenario): string[] {
  const { callers, cancels, observer } = driver;
  const wrong: string[] = [];
  for (const { id, answer, askedAt, answeredAt = 0, isOneOfMany, isMeddled } of callers) {
    const log = observer.logs.get(id);
    // The order of a step that would wait for itself goes on, and the step does not wait for it.
    const isDeadlock = isMeddled && Object(answer).code === 'deadlock';
    if (answer === 'accepted' || isDeadlock) continue;
    if (log !== undefined && Object(answer).code === 'storage_failed') {
      if (!isFailureOf(log) && !observer.mayHearFailure(log))
        wrong.push(`${id} was notified of a failure`);
      continue;
    }
    if (answer === undefined || log?.settled === undefined) {
      // It was handed in with an aborted signal, or by a listener after the shutdown.
      const wasRefused = ['canceled', 'shut_down'].includes(Object(answer).code);
      if (log?.isAccepted || !wasRefused) wrong.push(`${id} got ${answer}`);
      continue;
    }
    const { settled, startedAt } = log;
    if (!('code' in answer)) {
      if (answer !== settled.outcome) wrong.push(`invariant 5: ${id} has two receipts`);
      continue;
    }
    if (answer.code !== settled.code) wrong.push(`${id} got ${answer.code} of ${settled.code}`);
    const names = answer.steps.map(({ name }) => name).join();
    const expected = startedAt === undefined ? '' : plan.steps.map(({ name }) => name).join();
    if (names !== expected) wrong.push(`${id} got steps ${names}`);
    if (isOneOfMany || startedAt === undefined) continue;
    if (answeredAt > settled.settledAt) wrong.push(`${id} was notified after it was settled`);
    const { failure } = log;
    const decided = [...log.cancels, observer.deadlineAt, failure?.saidAt ?? -1, askedAt];
    const isCertain = !log.calls.some(({ at }) => log.canCompensate[at]);
    const isAtOnce =
      settled.code === 'canceled' || (failure && (isCertain || settled.code === 'timeout'));
    if (isAtOnce && !decided.includes(answeredAt))
      wrong.push(`${id} was notified late, at ${answeredAt}`);
    // No caller waits for compensations beyond the time.
    const limitAt = Math.max(askedAt, startedAt + (plan.timeoutMs ?? Infinity));
    const isOver = log.calls.every(({ endedAt = Infinity }) => endedAt <= limitAt);
    if (answeredAt > limitAt && !isOver) {
      wrong.push(`${id} was notified beyond its time, at ${answeredAt}`);
    }
  }
  for (const { id, isTrue } of cancels) {
    const { settled } = observer.logs.get(id) ?? {};
    if (isTrue && settled?.status !== 'canceled') wrong.push(`${id} is not canceled`);
  }
  return wrong;
}

/** Whether its balance could not be read before its steps. */
function isFailureOf({ settled }: OrderLog): boolean {
  return settled?.code === 'storage_failed' && !settled.isUnknown;
}

/** Per user: started in the order accepted, and settled in that order. */
function sequenceWrong({ observer }: Driver): string[] {
  const wrong: string[] = [];
  const { accepted, started, settled, logs } = observer;
  for (const userId of new Set([...logs.values()].map((log) => log.userId))) {
    const own = (id: string): boolean =>
      logs.get(id)?.userId === userId && logs.get(id)?.startedAt !== undefined;
    if (!observer.plan.isObserved) continue;
    const expected = accepted.filter(own).join();
    for (const [what, ids] of Object.entries({ started, settled })) {
      const got = ids.filter(own).join();
      if (got !== expected) wrong.push(`invariant 1: accepted ${expected} but ${what} ${got}`);
    }
  }
  for (const { id, startedAt, settled, isAccepted } of logs.values()) {
    if (isAccepted && startedAt === undefined && settled?.code !== 'canceled') {
      wrong.push(`invariant 1: ${id} came to ${settled?.code} and never started`);
    }
  }
  return wrong;
}

/** The balance is the sum of what completed, after each order and at the end. */
async function balancesWrong({ callers, observer, processor, storage }: Driver): Promise<string[]> {
  const wrong: string[] = [];
  const balances = new Map<string, number>();
  for (const id of observer.settled) {
    const { settled, userId } = observer.logs.get(id) as OrderLog;
    const plan = callers.find((caller) => caller.id === id)?.plan;
    if (settled === undefined || !('balance' in settled.outcome) || plan === undefined) continue;
    const { amount, orderedAmount, balance } = settled.outcome;
    const owed = amountOwed(observer.logs.get(id) as OrderLog, plan.amount);
    const expected = (balances.get(userId) ?? 0) + owed;
    if (amount !== owed) wrong.push(`invariant 3: ${id} was applied with ${amount}, not ${owed}`);
    if (orderedAmount !== plan.amount) wrong.push(`${id} was ordered with ${orderedAmount}`);
    if (balance !== expected) wrong.push(`invariant 3: ${id} led to ${balance}, not ${expected}`);
    const { minBalance = -Infinity } = observer.plan;
    if (amount < 0 && balance < minBalance) wrong.push(`invariant 3: ${id} led to ${balance}`);
    balances.set(userId, balance);
  }
  // Of the orders whose outcome the shutdown left unknown, the storage may have applied some.
  for (const [id, { userId, balance }] of storage?.host.applied ?? []) {
    const { settled } = observer.logs.get(id) ?? {};
    if (settled?.isUnknown) balances.set(userId, balance);
    else if (settled?.status !== 'completed') wrong.push(`invariant 3: ${id} was applied`);
  }
  for (const id of storage?.host.open ?? []) {
    if (observer.logs.get(id)?.settled?.isUnknown) continue;
    wrong.push(`invariant 3: the storage was not asked again for ${id}`);
  }
  for (const { userId } of observer.logs.values()) {
    const balance = storage ? storage.host.get(userId) : await processor.balance(userId);
    if (balance !== balances.get(userId)) wrong.push(`invariant 3: ${userId} ended at ${balance}`);
  }
  return wrong;
}

/** What the last attempt said of those that finished and said something; what was ordered if none did. */
function amountOwed({ calls }: OrderLog, ordered: number): number {
  const finished = calls.filter(({ of, ended }) => of === 'run' && ended === 'well');
  const said = finished.map(({ plan }) => finalAmount(ordered, plan));
  return said.findLast((amount) => amount !== undefined) ?? ordered;
}

/** Nothing is left but functions that never end, and each of these was reported. */
function endWrong({ observer, processor }: Driver): string[] {
  const wrong: string[] = [];
  const expect = (name: string, got: unknown, expected: unknown): void => {
    if (got !== expected) wrong.push(`${name}: expected ${expected}, got ${got}`);
  };
  const logs = [...observer.logs.values()].filter(({ isAccepted }) => isAccepted);
  const stats = processor.stats();
  const count = (status: string): number =>
    logs.filter(({ settled }) => settled?.status === status).length;
  for (const name of ['completed', 'failed', 'canceled'] as const) {
    expect(name, stats[name], count(name));
  }
  expect('accepted', stats.accepted, logs.length);
  expect('unsettled', stats.unsettled, 0);
  expect('queueLength', stats.queueLength, 0);
  expect('activeWorkers', stats.activeWorkers, 0);
  expect('state', stats.state, 'closed');
  const endless = logs.filter(({ running }) => running.length > 0);
  expect('stalled', stats.stalled, endless.length);
  const [summary] = observer.shutdowns;
  expect('shutdown events', observer.shutdowns.length, 1);
  const unknown = logs.filter(({ settled }) => settled?.isUnknown).map(({ id }) => id);
  expect(
    'unsettled in shutdown',
    [...(summary?.unsettled ?? [])].sort().join(),
    unknown.sort().join(),
  );
  expect('the closing of the storage', summary?.storageError, undefined);
  for (const { id } of endless) {
    if (!summary?.running.includes(id)) wrong.push(`${id} runs and the summary does not say so`);
  }
  return wrong;
}
