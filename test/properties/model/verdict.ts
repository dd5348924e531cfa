import { deepStrictEqual } from 'node:assert';
import type { Receipt } from 'order-processor';
import type { Driver } from './driver.ts';
import type { Scenario } from './plan.ts';

const refusals = ['queue_full', 'shut_down', 'order_conflict'];

/** Compares what was seen of a whole run with what must be; gives everything that is wrong. */
export async function verdict(driver: Driver, scenario: Scenario): Promise<string[]> {
  const { observer, open } = driver;
  const wrong = [...observer.violations, ...(driver.storage?.offences ?? [])];
  for (const name of open) wrong.push(`invariant 4: never settled: ${name}`);
  wrong.push(...callsWrong(driver, scenario), ...outcomesWrong(driver, scenario));
  wrong.push(...endingsWrong(driver));
  wrong.push(...(await balancesWrong(driver, scenario)));
  if (scenario.isObserved) wrong.push(...orderWrong(driver));
  wrong.push(...endWrong(driver));
  return wrong;
}

/** Each caller was notified of its order's outcome, and of nothing else. */
function callsWrong({ calls, cancels, observer }: Driver, { overflow }: Scenario): string[] {
  const wrong: string[] = [];
  for (const { id, plan, answer, hasSignal, isConflict } of calls) {
    const outcome = observer.settled.get(id);
    if (isConflict && answer !== 'order_conflict') wrong.push(`no conflict: ${id} got ${answer}`);
    if (answer === 'queue_full' && overflow === 'wait') wrong.push(`queue_full: ${id}`);
    if (typeof answer === 'object') {
      deepStrictEqual(answer, outcome, `invariant 5: ${id} has two receipts`);
      if (answer.amount !== plan.amount) wrong.push(`invariant 5: ${id} got another's receipt`);
    } else if (answer === 'accepted') {
      if (outcome === undefined) wrong.push(`invariant 3: ${id} was accepted and has no outcome`);
    } else if (answer === 'storage_failed') {
      if (!observer.mayHearFailure(id)) wrong.push(`invariant 10: ${id} got ${answer}`);
    } else if (answer !== undefined && !refusals.includes(answer) && outcome !== answer) {
      if (!(answer === 'canceled' && hasSignal)) wrong.push(`${id} got ${answer} of ${outcome}`);
    }
  }
  for (const { id, isTrue } of cancels) {
    if (isTrue && observer.settled.get(id) !== 'canceled') wrong.push(`not canceled: ${id}`);
  }
  return wrong;
}

/** Each caller that waited for an outcome got it. */
function endingsWrong({ endings, observer }: Driver): string[] {
  return endings.flatMap(({ id, hasSignal, isAccepted, answer }) => {
    const outcome = observer.settled.get(id);
    if (typeof answer === 'string') {
      const isGivenUp = answer === 'canceled' && hasSignal;
      return isGivenUp ? [] : [`outcome of ${id} rejected with ${answer}`];
    }
    if (answer === undefined) {
      // Nothing is known of it after the shutdown.
      const isForgotten = outcome === 'storage_failed';
      return isAccepted && !isForgotten ? [`invariant 4: no outcome of ${id}`] : [];
    }
    if (answer.status === 'completed') {
      deepStrictEqual(answer, outcome, `invariant 5: ${id} has two receipts`);
      return [];
    }
    const { code } = answer.error;
    if (code === 'storage_failed' && observer.mayHearFailure(id)) return [];
    return outcome === code ? [] : [`outcome of ${id} was ${code}, not ${outcome}`];
  });
}

/** An order came to what its steps did. */
function outcomesWrong({ calls, observer }: Driver, scenario: Scenario): string[] {
  const wrong: string[] = [];
  const { timeoutMs, stepCount, storage, minBalance, msPerReading } = scenario;
  for (const { id, plan } of calls) {
    const steps = plan.steps.slice(0, stepCount);
    const isTooLong = steps.some(
      ({ durationMs }) =>
        durationMs === 'never' || (msPerReading === 0 && durationMs > (timeoutMs ?? Infinity)),
    );
    const outcome = observer.settled.get(id);
    if (outcome === undefined) continue;
    const isPossible =
      typeof outcome === 'object'
        ? !isTooLong && steps.every(({ ends }) => ends === 'well')
        : {
            declined: steps.some(({ ends }) => ends === 'with a code'),
            internal: steps.some(({ ends }) => ends === 'without a code'),
            timeout: timeoutMs !== undefined && stepCount > 0,
            canceled: true,
            storage_failed: storage !== 'memory' && observer.isUnknown(id),
            insufficient_funds: minBalance !== undefined,
          }[outcome];
    if (isPossible !== true) wrong.push(`${id} cannot have come to ${JSON.stringify(outcome)}`);
  }
  return wrong;
}

/** The balance is the sum of what completed, after each order and at the end. */
async function balancesWrong(driver: Driver, { minBalance }: Scenario): Promise<string[]> {
  const { calls, observer, processor, storage } = driver;
  const wrong: string[] = [];
  const balances = new Map<string, number>();
  for (const [id, outcome] of observer.settled) {
    const userId = observer.userOf.get(id) as string;
    const before = balances.get(userId) ?? 0;
    if (outcome === 'insufficient_funds') {
      const own = calls.filter((call) => call.id === id);
      const isShort = own.some(
        ({ plan: { amount } }) => amount < 0 && before + amount < (minBalance as number),
      );
      if (!isShort) wrong.push(`invariant 3: ${id} had sufficient funds in ${before}`);
    }
    if (typeof outcome === 'string') continue;
    const { amount, balance } = outcome;
    if (balance !== before + amount) wrong.push(`invariant 3: ${id} of ${before} to ${balance}`);
    if (minBalance !== undefined && amount < 0 && balance < minBalance) {
      wrong.push(`invariant 3: ${id} went below the least balance`);
    }
    balances.set(userId, balance);
  }
  // Of the orders whose outcome the shutdown left unknown, the storage may have applied some.
  for (const [id, { userId, balance }] of storage?.applied ?? []) {
    if (observer.isUnknown(id)) balances.set(userId, balance);
  }
  for (const userId of new Set(calls.map(({ plan }) => `u-${plan.user}`))) {
    const balance = await processor.balance(userId);
    if (balance !== balances.get(userId)) wrong.push(`invariant 3: ${userId} ended at ${balance}`);
  }
  for (const id of storage?.applied.keys() ?? []) {
    if (typeof observer.settled.get(id) === 'object' || observer.isUnknown(id)) continue;
    wrong.push(`invariant 3: ${id} was applied, and came to ${observer.settled.get(id)}`);
  }
  for (const [id, outcome] of observer.settled) {
    if (storage === undefined || typeof outcome === 'string' || storage.applied.has(id)) continue;
    wrong.push(`invariant 10: ${id} has a receipt and was not applied`);
  }
  for (const id of storage?.open ?? []) {
    if (!observer.isUnknown(id))
      wrong.push(`invariant 3: the storage was not asked again for ${id}`);
  }
  return wrong;
}

/** Per user: started in the order accepted, but for those canceled before; settled in that order. */
function orderWrong({ observer }: Driver): string[] {
  const { accepted, started, settled, userOf } = observer;
  const wrong: string[] = [];
  const begun = new Set(started);
  for (const id of accepted) {
    const outcome = settled.get(id) as Receipt | string | undefined;
    if (outcome === undefined) wrong.push(`invariant 3: ${id} has no outcome`);
    if (begun.has(id) || outcome === 'canceled') continue;
    wrong.push(`invariant 1: ${id} came to ${JSON.stringify(outcome)} and never started`);
  }
  for (const user of new Set(userOf.values())) {
    const own = (id: string): boolean => userOf.get(id) === user && begun.has(id);
    const expected = accepted.filter(own).join();
    const order = started.filter(own).join();
    const settledOrder = [...settled.keys()].filter(own).join();
    if (order !== expected) wrong.push(`invariant 1: accepted ${expected} but started ${order}`);
    if (settledOrder !== expected) wrong.push(`invariant 1: ${expected} settled ${settledOrder}`);
  }
  return wrong;
}

/** Nothing is left, and the counts add up. */
function endWrong({ observer, processor, unsettledAtShutdown }: Driver): string[] {
  const wrong: string[] = [];
  const stats = processor.stats();
  const { settled, running, shutdowns, refused } = observer;
  const outcomes = [...settled.values()];
  const unknown = [...settled.keys()].filter((id) => settled.get(id) === 'storage_failed');
  const expect = (name: string, got: unknown, expected: unknown): void => {
    if (got !== expected) wrong.push(`${name}: expected ${expected}, got ${got}`);
  };
  const canceled = outcomes.filter((outcome) => outcome === 'canceled').length;
  const completed = outcomes.filter((outcome) => typeof outcome === 'object').length;
  expect('completed', stats.completed, completed);
  expect('canceled', stats.canceled, canceled);
  expect('failed', stats.failed, outcomes.length - completed - canceled);
  expect('accepted', stats.accepted, outcomes.length);
  expect('refused', stats.refused, refused);
  expect('unsettled', stats.unsettled, 0);
  expect('queueLength', stats.queueLength, 0);
  expect('waitingCallers', stats.waitingCallers, 0);
  expect('activeWorkers', stats.activeWorkers, 0);
  expect('stalled', stats.stalled, running.size);
  expect('state', stats.state, 'closed');
  expect('shutdown events', shutdowns.length, 1);
  const [summary] = shutdowns;
  if (summary === undefined) return wrong;
  const { unsettled } = summary;
  const sum = summary.completed + summary.failed + summary.canceled + unsettled.length;
  expect('settled in shutdown', sum, unsettledAtShutdown);
  expect('unsettled in shutdown', [...summary.unsettled].sort().join(), unknown.sort().join());
  expect('storage', summary.storageError, undefined);
  for (const id of running.keys()) {
    if (!summary.running.includes(id)) wrong.push(`${id} runs and the summary does not say so`);
  }
  return wrong;
}
