import type { StoredOrder } from '../../../../src/index.ts';
import type { Witness } from '../witness.ts';

/** A row that a step or a compensation has written. */
export interface Run {
  /** The number of the row: in the order in which they were written. */
  readonly at: number;
  readonly run: string;
  /** It has `declined` if it is known to have had no effect. */
  readonly event: 'began' | 'ended' | 'declined';
  readonly userId: string;
  readonly orderId: string;
  readonly step: 'pay' | 'ship' | 'deliver' | 'refund';
  /** The step's `idempotencyKey`; a refund has that of the payment. */
  readonly key: string;
  readonly paidBy: string;
  readonly worker: string;
  /** That of the partition; `null` if the worker did not own it then. */
  readonly epoch: number | null;
  /** The order that held the lane, by what the storage had. */
  readonly heldBy: string | null;
  /** In Unix milliseconds by the server's clock. */
  readonly writtenAt: number;
}

export async function readRuns(witness: Witness): Promise<readonly Run[]> {
  return witness.query<Run>(
    `SELECT at::int, run, event, user_id AS "userId", order_id AS "orderId", step, key, paid_by AS "paidBy", worker,
       epoch, held_by AS "heldBy", (extract(epoch FROM written_at) * 1000)::float8 AS "writtenAt"
     FROM chaos.runs ORDER BY at`,
  );
}

/** What is wrong with what has run. Epochs say what was the owner's: no clock does. */
export function runProblems(runs: readonly Run[], settled: readonly StoredOrder[]): string[] {
  return [
    ...atTheSameTime(runs),
    ...remembered(runs, new Map(settled.map((order) => [order.id, order]))),
    ...compensated(runs, new Map(settled.map((order) => [order.id, order]))),
  ];
}

/** Invariant 1: while an order runs no other one of its user begins, unless its partition was taken away. */
function* atTheSameTime(runs: readonly Run[]): Generator<string> {
  const open = new Map<string, Map<string, Run>>();
  for (const run of runs) {
    const ofUser = open.get(run.userId) ?? new Map<string, Run>();
    open.set(run.userId, ofUser);
    if (run.event !== 'began') {
      ofUser.delete(run.run);
      continue;
    }
    if (run.epoch === null) continue;
    for (const other of ofUser.values()) {
      if (other.orderId === run.orderId || other.epoch !== run.epoch) continue;
      yield `${run.orderId} began at ${run.worker} while ${other.orderId} ran at ${other.worker} (invariant 1)`;
    }
    ofUser.set(run.run, run);
  }
}

/** By run of `pay`: its key. It has another one when the order runs again after its refund. */
function keysOf(runs: readonly Run[]): ReadonlyMap<string, string> {
  return new Map(runs.filter(({ step }) => step === 'pay').map(({ run, key }) => [run, key]));
}

/** Invariant 9: a result that was remembered is the only one that is used, and its step does not begin again. */
function* remembered(
  runs: readonly Run[],
  settled: ReadonlyMap<string, StoredOrder>,
): Generator<string> {
  const keys = keysOf(runs);
  /** By key of `pay`: the first owner's run of what comes after it. */
  const used = new Map<string, Run>();
  for (const run of runs) {
    const { step, event, epoch, orderId, paidBy, worker } = run;
    if (event !== 'began' || epoch === null) continue;
    const key = step === 'pay' ? run.key : (keys.get(paidBy) ?? '');
    const first = used.get(key);
    if (step === 'ship') {
      if (first === undefined) used.set(key, run);
      else if (first.paidBy !== paidBy) {
        yield `${orderId} was shipped for ${first.paidBy} at ${first.worker} and for ${paidBy} at ${worker} (invariant 9)`;
      }
    } else if (step === 'pay' && first !== undefined && epoch >= (first.epoch as number)) {
      yield `${orderId} was paid again at ${worker}, after it was remembered at ${first.worker} (invariant 9): ${historyOf(runs, orderId, settled.get(orderId))}`;
    }
  }
}

/**
 * Invariant 3: a payment that completed was not refunded, was made once, and is the one that is remembered; every other
 * one was refunded that may have had an effect.
 */
function* compensated(
  runs: readonly Run[],
  settled: ReadonlyMap<string, StoredOrder>,
): Generator<string> {
  const keys = keysOf(runs);
  const began = runs.filter(({ event }) => event === 'began');
  /** The payment that an order has completed with. */
  const completedWith = (orderId: string): string | undefined => {
    const { status, results } = settled.get(orderId) ?? {};
    if (status !== 'completed') return undefined;
    return (results as { pay?: { run?: string } }).pay?.run;
  };
  const refunded = new Set<string>();
  for (const { step, event, key } of runs) {
    if (step === 'refund' && event === 'ended') refunded.add(key);
  }
  for (const { orderId, step, key } of began) {
    if (step !== 'refund' || keys.get(completedWith(orderId) ?? '') !== key) continue;
    yield `${orderId} completed and was refunded (invariant 3): ${historyOf(runs, orderId, settled.get(orderId))}`;
  }
  for (const { orderId, step, epoch, paidBy, worker } of began) {
    const paid = completedWith(orderId);
    if (step !== 'ship' || epoch === null || paid === undefined || paid === paidBy) continue;
    if (keys.get(paid) !== keys.get(paidBy)) continue;
    yield `${orderId} was shipped for ${paidBy} at ${worker}, and settled for ${paid} (invariant 9)`;
  }
  const declined = new Set<string>();
  for (const { event, epoch, key } of runs) {
    if (event === 'declined' && epoch !== null) declined.add(key);
  }
  for (const { orderId, step, epoch, key } of began) {
    const order = settled.get(orderId);
    if (step !== 'pay' || epoch === null || order === undefined) continue;
    const isIts = keys.get(completedWith(orderId) ?? '') === key;
    if (isIts || refunded.has(key) || declined.has(key)) continue;
    yield `${orderId} is ${order.status}, and was paid and not refunded: ${historyOf(runs, orderId, order)}`;
  }
}

/** All that is known of how an order ran. */
export function historyOf(
  runs: readonly Run[],
  id: string,
  order: StoredOrder | undefined,
): string {
  const own = runs
    .filter(({ orderId }) => orderId === id)
    .map(({ step, event, key, worker, epoch, heldBy, writtenAt }) => {
      const where = `at ${worker} in ${epoch}, held by ${heldBy}`;
      return `${Math.round(writtenAt) % 1_000_000} ${step} ${event} (${key}) ${where}`;
    });
  return `${own.join('; ')}; ${JSON.stringify(order)}`;
}
