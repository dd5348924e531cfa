import { partitionOf } from '../../../../src/postgres/values/partition.ts';
import type { ChaosOrder, NotifiedOutcome } from '../messages.ts';

/** An order, as its callers know it. Times are places in one log of what was called and answered. */
export interface Called {
  readonly order: ChaosOrder;
  readonly calledAt: number;
  /** When a caller was first notified that it is accepted. */
  ackedAt: number | undefined;
  /** What callers were notified of. */
  readonly notified: NotifiedOutcome[];
  isCanceled: boolean;
  /** Which order came again as this one, if it did. */
  readonly retryOf?: string | undefined;
}

/** Into how many partitions the users are divided. */
export const partitions = 16;

/** Partitions that have only a few orders: their owners take each order by its note, and read no pages. */
const quiet = 6;

/** The first users with names of a kind whose partitions are quiet, or are not. */
function usersOf(kind: string, isQuiet: boolean, count: number): string[] {
  const names = Array.from({ length: 100 }, (_, at) => `${kind}-${at}`);
  const some = names.filter((name) => partitionOf(name, partitions) < quiet === isQuiet);
  return some.slice(0, count);
}

/** Credited by many orders. */
const fees = usersOf('fees', false, 1)[0] as string;

/** Each has a crowd of callers. */
export const crowded = usersOf('crowded', false, 2);

/** Each has one caller: an order that overtakes another one of them begins before it. */
export const lonely = usersOf('lonely', true, 8);

/** Whose orders pay others. */
export const payers = [...usersOf('u', false, 20), fees, ...crowded];

/** Whose orders are accepted, and whom they credit. */
export const users = [...lonely, ...payers];

export function pick<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}

export function upTo(most: number, random: () => number): number {
  return 1 + Math.floor(random() * most);
}

/** Half of the orders are of a few users, so that they wait for each other. */
export function aUser(random: () => number): string {
  return pick(random() < 0.5 ? payers.slice(-4) : payers, random);
}

/** Which step fails, and for how long, if one does. */
function faultOf(random: () => number): Pick<ChaosOrder['payload'], 'fails' | 'works'> {
  const fault = random();
  if (fault < 0.05) return { fails: 'pay' };
  if (fault < 0.1) return { fails: 'ship' };
  if (fault < 0.16) return { fails: 'deliver', works: pick([2, 2, 3, undefined], random) };
  return {};
}

/** Money from outside, money that leaves with or without a fee, or a transfer; some of them have to wait. */
export function anOrder(id: string, userId: string, random: () => number): ChaosOrder {
  const order = anUndelayedOrder(id, userId, random);
  if (random() >= 0.05) return order;
  return { ...order, notBefore: Date.now() + Math.floor(random() * 3_000) };
}

function anUndelayedOrder(id: string, userId: string, random: () => number): ChaosOrder {
  const kind = random();
  const fault = faultOf(random);
  const percent = random() < 0.2 ? Math.floor(random() * 101) : undefined;
  if (kind < 0.4) return { id, userId, amount: upTo(100, random), payload: { ...fault, percent } };
  if (kind < 0.65) {
    const amount = -upTo(120, random);
    const hasFee = userId !== fees && random() < 0.4;
    if (!hasFee) return { id, userId, amount, payload: { ...fault, percent } };
    const postings = [{ userId: fees, amount: upTo(5, random) }];
    return { id, userId, amount, postings, payload: fault };
  }
  const payees = new Set([aUser(random), pick(payers, random), fees]);
  payees.delete(userId);
  const postings = [...payees].map((payee) => ({ userId: payee, amount: upTo(30, random) }));
  const amount = -postings.reduce((sum, posting) => sum + posting.amount, 0);
  return { id, userId, amount, postings, payload: { ...fault, percent } };
}
