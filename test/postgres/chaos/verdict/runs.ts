import type { StoredOrder } from '../../../src/index.ts';
import type { ChaosPayload } from './messages.ts';
import type { Witness } from './witness.ts';

/** A row that a step or a compensation has written. */
export interface Run {
  readonly run: string;
  readonly event: 'began' | 'ended';
  readonly userId: string;
  readonly orderId: string;
  readonly step: 'pay' | 'ship' | 'refund';
  readonly key: string;
  readonly paidBy: string;
  readonly worker: string;
  /** That of the partition; `null` if the worker did not own it then. */
  readonly epoch: number | null;
}

/** In the order in which they were written. */
export async function readRuns(witness: Witness): Promise<readonly Run[]> {
  return witness.query<Run>(
    `SELECT run, event, user_id AS "userId", order_id AS "orderId", step, key, paid_by AS "paidBy", worker, epoch
     FROM chaos.runs ORDER BY at`,
  );
}

/** What is wrong with what has run. Epochs say what was the owner's: no clock does. */
export function runProblems(runs: readonly Run[], settled: readonly StoredOrder[]): string[] {
  return [
    ...atTheSameTime(runs),
    ...remembered(runs),
    ...compensated(runs, new Map(settled.map((order) => [order.id, order]))),
  ];
}

/** Invariant 1: while an order runs no other one of its user begins, unless its partition was taken away. */
function* atTheSameTime(runs: readonly Run[]): Generator<string> {
  const open = new Map<string, Map<string, Run>>();
  for (const run of runs) {
    const ofUser = open.get(run.userId) ?? new Map<string, Run>();
    open.set(run.userId, ofUser);
    if (run.event === 'ended') {
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

/** Invariant 9: a result that was remembered is the only one that is used, and its step does not begin again. */
function* remembered(runs: readonly Run[]): Generator<string> {
  /** By order and key of `pay`: the first owner's run of what comes after it. */
  const used = new Map<string, Run>();
  for (const run of runs) {
    if (run.event === 'ended' || run.epoch === null || run.step === 'refund') continue;
    const key = run.orderId;
    const first = used.get(key);
    if (run.step === 'ship') {
      if (first === undefined) used.set(key, run);
      else if (first.paidBy !== run.paidBy) {
        yield `${key} was shipped for ${first.paidBy} at ${first.worker} and for ${run.paidBy} at ${run.worker} (invariant 9)`;
      }
    } else if (first !== undefined && run.epoch >= (first.epoch as number)) {
      yield `${key} was paid again at ${run.worker}, after it was remembered at ${first.worker} (invariant 9)`;
    }
  }
}

/** Invariant 3: what completed was not refunded, was paid once, and by what is remembered; what did not was refunded. */
function* compensated(
  runs: readonly Run[],
  settled: ReadonlyMap<string, StoredOrder>,
): Generator<string> {
  const began = runs.filter(({ event }) => event === 'began');
  const refunded = new Set(
    runs
      .filter(({ step, event }) => step === 'refund' && event === 'ended')
      .map((run) => run.orderId),
  );
  for (const { orderId } of began.filter(({ step }) => step === 'refund')) {
    if (settled.get(orderId)?.status !== 'completed') continue;
    yield `${orderId} completed and was refunded (invariant 3)`;
  }
  const ships = began.filter(({ step, epoch }) => step === 'ship' && epoch !== null);
  for (const { orderId, paidBy, worker } of ships) {
    const order = settled.get(orderId);
    const { pay } = (order?.results ?? {}) as { pay?: { run?: string } };
    if (order?.status !== 'completed' || pay?.run === paidBy) continue;
    yield `${orderId} was shipped for ${paidBy} at ${worker}, and settled for ${pay?.run} (invariant 9)`;
  }
  const paid = began.filter(({ step, epoch }) => step === 'pay' && epoch !== null);
  for (const { orderId } of paid) {
    const order = settled.get(orderId);
    if (order === undefined || order.status === 'completed' || refunded.has(orderId)) continue;
    // It fails without an effect, also where it was canceled meanwhile.
    if ((order.payload as ChaosPayload).fails === 'pay') continue;
    yield `${orderId} is ${order.status}, and was paid and not refunded: ${historyOf(runs, order)}`;
  }
}

/** All that is known of how an order ran. */
function historyOf(runs: readonly Run[], order: StoredOrder): string {
  const own = runs
    .filter(({ orderId }) => orderId === order.id)
    .map(({ step, event, worker, epoch }) => `${step} ${event} at ${worker} in ${epoch}`);
  return `${own.join(', ')}; ${JSON.stringify(order)}`;
}
