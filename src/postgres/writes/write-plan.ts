import type { DecidedOutcome } from '../../core/order/stored-order.ts';
import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Account } from '../decisions/account.ts';
import type { Life } from '../members/life.ts';
import { columnArrays, type InsertedRow, insertStatement } from '../statements/accept.ts';
import { endHoldsOf } from '../statements/holds.ts';
import {
  removeAbsentStatement,
  type SettledRow,
  settleCreditsStatement,
  settleStatement,
} from '../statements/settle.ts';
import { decideStatement } from '../statements/unsettled-writes.ts';
import { acceptedColumnsOf } from '../values/accepted-columns.ts';
import { sortByBytes } from '../values/byte-order.ts';
import { toKept } from '../values/kept-text.ts';
import { integersOf, plainArray, textArray } from '../values/literals.ts';
import type { SettlementPlan } from './plan.ts';
import { accountValues, OutcomeColumns } from './settle-values.ts';

/** Where a plan is written. */
export interface WriteSettings {
  readonly life: Life;
  readonly partitions: number;
  /** The lock of settlements. */
  readonly lock: readonly [number, number];
  /** The partitions that the processor must own; `null` where it need not. */
  readonly bits: string | null;
  /** The sequences of accepted orders, by id. */
  readonly sequences: ReadonlyMap<string, number>;
  /** Whether a user is known to have a balance. */
  readonly hasBalance: (userId: string) => boolean;
}

/** What was written. */
export interface Written {
  /** The accounts, in the order of `row.openings`. */
  readonly accounts: readonly Account[];
  /** Those of them that had no balance, and have none. */
  readonly absent: readonly Account[];
  /** `undefined` where nothing was settled. */
  readonly row: SettledRow | undefined;
}

const noSequences: ReadonlyMap<string, number> = new Map();

/**
 * Writes what a call of `settle` is to do, in the transaction that its caller has begun, if that is more than one
 * statement.
 *
 * @throws (rejects) an error of a requirement: what the plan was made by has changed
 */
export async function writePlan(plan: SettlementPlan, settings: WriteSettings): Promise<Written> {
  const { life, bits, lock, sequences } = settings;
  if (plan.notes.size > 0 || plan.left.size > 0) await writeNotes(plan, settings);
  const added = plan.unaccepted.length > 0 ? await insertUnaccepted(plan, settings) : noSequences;
  if (plan.endedHolds.length > 0) await endHoldsOf(life.settle, plan.endedHolds);
  if (plan.outcomes.length === 0) return { accounts: [], absent: [], row: undefined };
  const accounts = sortedAccounts(plan.accounts);
  const absent = absentOf(plan, settings);
  const columns = new OutcomeColumns(new Map(accounts.map((account, at) => [account, at + 1])));
  const accepted: number[] = [];
  for (const outcome of plan.outcomes) {
    const { id, isAccepted } = outcome.settlement;
    const sequence = (isAccepted ? sequences : added).get(id) as number;
    if (isAccepted) accepted.push(sequence);
    columns.add(sequence, outcome);
  }
  const statement = columns.hasCredits ? settleCreditsStatement : settleStatement;
  const [row] = await life.settle.query<SettledRow>(statement, [
    life.number,
    life.token,
    bits,
    plainArray(accepted),
    ...accountValues(accounts),
    ...lock,
    ...columns.values(),
  ]);
  if (absent.length > 0) {
    const users = textArray(absent.map(({ userId }) => toKept(userId)));
    await life.settle.query(removeAbsentStatement, [users]);
  }
  return { accounts, absent, row };
}

/** The accounts of users without a balance, by which something was decided and nothing was changed. */
export function absentOf(plan: SettlementPlan, settings: WriteSettings): readonly Account[] {
  return plan.accounts.filter(({ isMoved, userId }) => !isMoved && !settings.hasBalance(userId));
}

async function writeNotes(plan: SettlementPlan, settings: WriteSettings): Promise<void> {
  const { life, bits, sequences } = settings;
  const sequenceOf = (id: string): number => sequences.get(id) as number;
  await life.settle.query(decideStatement, [
    life.number,
    life.token,
    bits,
    plainArray([...plan.notes.keys()].map(sequenceOf)),
    textArray([...plan.notes.values()].map(decidedJson)),
    plainArray([...plan.left].map(sequenceOf)),
  ]);
}

/** Adds the orders that come with their settlement. */
async function insertUnaccepted(
  plan: SettlementPlan,
  { life, partitions }: WriteSettings,
): Promise<ReadonlyMap<string, number>> {
  const { unaccepted } = plan;
  const columns = unaccepted.map((settlement) =>
    acceptedColumnsOf(settlement, partitions, settlement.orderedAmount),
  );
  const [row] = await life.settle.query<InsertedRow>(insertStatement, columnArrays(columns));
  const drawn = integersOf(row?.drawn ?? null);
  return new Map(unaccepted.map(({ id }, at) => [id, drawn[at] as number]));
}

function decidedJson({ outcome, error, cause, holds }: Settlement): string {
  const decided: DecidedOutcome = {
    outcome: outcome === 'canceled' ? outcome : 'failed',
    code: error?.code ?? 'internal',
    message: error?.message ?? '',
    retryable: error?.retryable ?? false,
    cause,
    holds: holds || undefined,
  };
  return JSON.stringify(decided);
}

/** By the bytes of the users: in that order all transactions lock balances. */
function sortedAccounts(accounts: readonly Account[]): readonly Account[] {
  const byUser = new Map(accounts.map((account) => [toKept(account.userId), account]));
  return sortByBytes([...byUser.keys()]).map((userId) => byUser.get(userId) as Account);
}
