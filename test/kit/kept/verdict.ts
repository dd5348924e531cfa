import { isOrderError } from 'order-processor';
import { isGone, promised } from './claims.ts';
import type { Settled } from './disk.ts';
import type { Driver } from './driver.ts';
import type { World } from './process.ts';

/** Compares what all processes promised with what the disk has in the end; returns all contradictions. */
export function verdict(driver: Driver): string[] {
  const { world, processes } = driver;
  const wrong = [...world.wrong];
  for (const { storage, work } of processes) wrong.push(...storage.offences, ...work.wrong);
  wrong.push(...outcomesWrong(world), ...promisesWrong(world), ...cancelsWrong(driver));
  wrong.push(...balancesWrong(world), ...orderWrong(world), ...restWrong(driver));
  return wrong;
}

/** Each id comes to one outcome; what failed for the storage may come again. */
function outcomesWrong({ disk }: World): string[] {
  const wrong: string[] = [];
  const outcomes = new Map<string, Settled>();
  for (const settled of disk.recorded) {
    const before = outcomes.get(settled.id);
    if (before !== undefined && before.code !== 'storage_failed') {
      wrong.push(`invariant 3: ${settled.id}: ${before.outcome}, then ${settled.outcome}`);
    }
    outcomes.set(settled.id, settled);
  }
  for (const { id, attempt } of disk.list({ status: 'pending', limit: 1_000 }).orders) {
    wrong.push(`invariant 9: ${id} is unsettled after ${attempt} processes`);
  }
  for (const { id } of disk.kept) {
    if (!outcomes.has(id)) wrong.push(`invariant 9: ${id} was kept and has no outcome`);
  }
  return wrong;
}

function promisesWrong({ calls, disk }: World): string[] {
  const wrong: string[] = [];
  for (const call of calls) {
    const promise = promised(call);
    if (promise === undefined) continue;
    if (isOrderError(promise) && isGone(disk, call.id, promise.code)) continue;
    const { id, processAt } = call;
    const stored = disk.find(id);
    const has = stored && (stored.code ?? stored.status);
    const name = `invariant 9: ${id} of process ${processAt}`;
    if (stored === undefined) wrong.push(`${name} is lost`);
    else if (promise === 'kept') continue;
    else if (isOrderError(promise)) {
      if (stored.code !== promise.code) wrong.push(`${name} promised ${promise.code}, is ${has}`);
    } else if (stored.balance !== promise.balance) {
      wrong.push(`${name} has a receipt of ${promise.balance}, and is ${has} ${stored.balance}`);
    }
  }
  return wrong;
}

function cancelsWrong({ world, processes }: Driver): string[] {
  const { calls, cancels, disk } = world;
  const wrong: string[] = [];
  const mayBeOtherwise = processes.slice(0, -1).some(({ hasShutDown }) => hasShutDown);
  for (const { id, answer } of cancels) {
    const isCanceled = disk.find(id)?.status === 'canceled';
    if (answer === true && !isCanceled && !isGone(disk, id, 'canceled'))
      wrong.push(`invariant 9: ${id} is not canceled`);
    const isOnes = cancels.some((cancel) => cancel.id === id && cancel.answer !== false);
    const isSignals = calls.some((call) => call.id === id && call.hasSignal);
    // The storage may have recorded what it then failed to confirm.
    const isUncertain = calls.some(
      (call) =>
        call.id === id && isOrderError(call.answer) && call.answer.code === 'storage_failed',
    );
    if (isCanceled && !isOnes && !isSignals && !isUncertain && !mayBeOtherwise) {
      wrong.push(`${id} is canceled, and its cancel resolved with false`);
    }
  }
  return wrong;
}

/** A balance is the sum of what completed, after each order and in the end. */
function balancesWrong({ disk, scenario: { minBalance } }: World): string[] {
  const wrong: string[] = [];
  const balances = new Map<string, number>();
  for (const { id, userId, amount, outcome, balance } of disk.recorded) {
    if (outcome !== 'completed') continue;
    const sum = (balances.get(userId) ?? 0) + amount;
    balances.set(userId, sum);
    if (balance !== sum) wrong.push(`invariant 3: ${id} left ${balance}, not ${sum}`);
    if (minBalance !== undefined && amount < 0 && sum < minBalance) {
      wrong.push(`invariant 3: ${id} went below the least balance`);
    }
  }
  for (const [userId, sum] of balances) {
    if (disk.get(userId) !== sum) wrong.push(`invariant 3: ${userId} has ${disk.get(userId)}`);
  }
  return wrong;
}

/** Orders of one user are settled in the order in which they were handed in, over all processes. */
function orderWrong(world: World): string[] {
  const { disk } = world;
  const wrong: string[] = [];
  const places = new Map<string, number>();
  for (const [at, { id, how }] of world.calls.entries()) {
    // Which of several callers entered it is not to be seen from here; nor when one of many was.
    const isClear = !places.has(id) && how !== 'one of many' && !world.mislaid.has(id);
    places.set(id, isClear ? at : Number.NaN);
  }
  const lastOf = new Map<string, Settled>();
  for (const settled of disk.recorded) {
    const { id, userId, outcome, hasBegun } = settled;
    const place = places.get(id) ?? Number.NaN;
    // An order that waits may be canceled at any time.
    if (Number.isNaN(place) || (outcome === 'canceled' && !hasBegun)) continue;
    const last = lastOf.get(userId);
    if (last !== undefined && (places.get(last.id) as number) > place) {
      wrong.push(`invariant 1: ${last.id} was settled before ${id}`);
    }
    lastOf.set(userId, settled);
  }
  return wrong;
}

/** The last process had enough time to settle everything. */
function restWrong({ world, processes }: Driver): string[] {
  const wrong: string[] = [];
  const last = processes.at(-1);
  for (const [id, keys] of world.provider.charges) {
    const status = world.disk.find(id)?.status;
    if (status === 'completed') continue;
    for (const key of keys)
      wrong.push(`invariant 3: the charge ${key} stands, and ${id} is ${status}`);
  }
  const { kept, unsettled, running, timedOut } = last?.summary ?? {};
  if (kept !== 0 || unsettled?.length !== 0 || running?.length !== 0 || timedOut) {
    wrong.push(`the last process ended with ${JSON.stringify(last?.summary)}`);
  }
  return wrong;
}
