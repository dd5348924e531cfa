import { isOrderError, type OrderError, type OrderOutcome, type Receipt } from 'order-processor';
import type { Disk } from './disk.ts';
import type { OrderPlan } from './plan.ts';

/** What a caller got: a receipt, an error, or that the order is kept. */
export type Answer = Receipt | OrderError | 'kept';

/** One order as it was handed in, and what its caller got before the process was killed. */
export interface Call {
  readonly id: string;
  readonly plan: OrderPlan;
  readonly processAt: number;
  readonly how: 'submit' | 'enqueue' | 'one of many';
  readonly hasSignal: boolean;
  /** What the id stood for when it was handed in: this content, another, or nothing that is certain. */
  readonly known: 'same' | 'other' | undefined;
  /** The storage could keep nothing then, and the id was new. */
  readonly isHopeless: boolean;
  answer: Answer | undefined;
}

export interface Cancel {
  readonly id: string;
  /** Its outcome, if a caller was notified. */
  answer: boolean | undefined;
}

/** They say nothing of what becomes of an order with that id. */
const promisesNothing: readonly string[] = [
  'storage_failed',
  'shut_down',
  'queue_full',
  'order_conflict',
  'rule_refused',
];

/** The outcome of an order, if a caller was notified of it. */
export function promised({ answer, hasSignal }: Call): Answer | undefined {
  if (!isOrderError(answer)) return answer;
  // Its caller may have given up before it was accepted.
  if (promisesNothing.includes(answer.code) || (answer.code === 'canceled' && hasSignal)) return;
  return answer;
}

/** An order that was in no call of `accept` is gone when it is canceled, even if that could not be noted. */
export function isGone(disk: Disk, id: string, code: string): boolean {
  return code === 'canceled' && !disk.kept.some((kept) => kept.id === id);
}

/** What a caller is notified of must be on the disk already: the process may be killed now. */
export function wrongPromise(call: Call, disk: Disk): string[] {
  const { id, plan, answer, known, isHopeless } = call;
  const stored = disk.find(id);
  const found = JSON.stringify(stored && [stored.status, stored.code, stored.decided?.code]);
  const name = `${call.how} of ${id}`;
  const wrong: string[] = [];
  const code = isOrderError(answer) ? answer.code : undefined;
  if (isHopeless && code !== 'storage_failed' && code !== 'shut_down') {
    wrong.push(`invariant 10: ${name} got ${code ?? 'success'} though nothing can be kept`);
  }
  if (known === 'same' && (code === 'rule_refused' || code === 'order_conflict')) {
    wrong.push(`invariant 5: ${name} got ${code} of what was accepted`);
  }
  if (known === 'other' && code === undefined) wrong.push(`invariant 5: ${name}: no conflict`);
  if (code === 'internal') wrong.push(`${name} got internal: ${(answer as OrderError).message}`);
  const promise = promised(call);
  if (promise === undefined || (code !== undefined && isGone(disk, id, code))) return wrong;
  if (promise === 'kept') {
    if (stored === undefined) wrong.push(`invariant 9: ${name} is acknowledged and not kept`);
  } else if (isOrderError(promise)) {
    const isSettled = stored?.code === promise.code && stored.status !== 'completed';
    if (!isSettled && stored?.decided?.code !== promise.code) {
      wrong.push(`invariant 9: ${name} got ${promise.code}, the disk has ${found}`);
    }
  } else if (stored?.balance !== promise.balance || plan.amount !== promise.amount) {
    wrong.push(`invariant 10: ${name} has a receipt of ${promise.balance}, the disk has ${found}`);
  }
  return wrong;
}

/** The same for a caller that awaited an order's outcome. */
export function wrongOutcome(
  id: string,
  outcome: OrderOutcome,
  disk: Disk,
  hasShutDown: boolean,
): string | undefined {
  const stored = disk.find(id);
  const found = JSON.stringify(stored && [stored.status, stored.code, stored.decided?.code]);
  if (outcome.status === 'completed') {
    if (stored?.balance === outcome.balance) return undefined;
    return `invariant 10: outcome of ${id} is ${outcome.balance}, the disk has ${found}`;
  }
  const { code } = outcome.error;
  if (outcome.status === 'refused') return `outcome of ${id} was refused with ${code}`;
  if (code === 'storage_failed' || (code === 'shut_down' && hasShutDown)) return undefined;
  if (stored?.code === code || stored?.decided?.code === code || isGone(disk, id, code)) {
    return undefined;
  }
  return `invariant 9: outcome of ${id} is ${code}, the disk has ${found}`;
}
