import type { Settlement, SettlementResult } from '../../core/storage/order-storage.ts';
import { type Account, differenceOf, type Integer, sumOf } from '../decisions/account.ts';
import type { Move } from '../decisions/decisions.ts';
import type { Session } from '../sessions/session.ts';
import { balancesOf } from '../statements/balances.ts';
import { knownOrders } from './known-orders.ts';
import type { Outcome, SettlementPlan, Treatment } from './plan.ts';

const settledWithoutBalance: SettlementResult = Object.freeze({
  status: 'settled',
  balance: undefined,
});

/** What balances were before a call: perhaps not what they were taken to be, with the same decisions. */
export class Openings {
  readonly #shifts = new Map<Account, Integer>();

  /** @param openings - of each account, as an array's text */
  constructor(accounts: readonly Account[], openings: string | null) {
    const texts = openings?.slice(1, -1).split(',') ?? [];
    for (const [at, account] of accounts.entries()) {
      const text = texts[at];
      if (text === undefined || text === String(account.opening)) continue;
      this.#shifts.set(account, differenceOf(integerOf(text), account.opening));
    }
  }

  /** The balance after the call. */
  closingOf(account: Account): Integer {
    return sumOf(account.balance, this.#shifts.get(account) ?? 0);
  }

  /** The balance right after one change. */
  after({ account, balance }: Move): number {
    const shift = this.#shifts.get(account);
    return shift === undefined ? balance : Number(sumOf(balance, shift));
  }
}

function integerOf(text: string): Integer {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** The answers to a call whose plan was carried out. */
export async function settlementResults(
  session: Session,
  settlements: readonly Settlement[],
  { treatments }: SettlementPlan,
  openings: Openings,
): Promise<readonly SettlementResult[]> {
  const closed = settlements.filter((_, at) => treatments[at]?.kind === 'closed');
  const known = await session.alone(() =>
    knownOrders(
      session,
      closed.map(({ id }) => id),
    ),
  );
  const gone = closed.filter(({ id }) => !known.has(id));
  const users = gone.flatMap(({ userId, postings }) => [
    userId,
    ...postings.map((posting) => posting.userId),
  ]);
  const balances =
    users.length === 0 ? new Map() : await session.alone(() => balancesOf(session, users, false));
  return settlements.map((settlement, at): SettlementResult => {
    const treatment = treatments[at] as Treatment;
    if (treatment.kind === 'noted') return settledWithoutBalance;
    if (treatment.kind === 'left') return { status: 'refused', code: treatment.refusal };
    if (treatment.kind === 'settled') return recorded(treatment.outcome, openings);
    return known.get(settlement.id) ?? goneResult(settlement, balances);
  });
}

function recorded({ decision }: Outcome, openings: Openings): SettlementResult {
  if (decision === undefined) return settledWithoutBalance;
  if ('refusal' in decision) return { status: 'refused', code: decision.refusal };
  const { move, credits } = decision;
  const settled = { status: 'settled', balance: openings.after(move) } as const;
  if (credits.length === 0) return settled;
  return { ...settled, balances: credits.map((credit) => openings.after(credit)) };
}

/** It was accepted, and was deleted by hand. An error here would come again at each try. */
function goneResult(
  { outcome, userId, postings }: Settlement,
  balances: ReadonlyMap<string, Integer>,
): SettlementResult {
  if (outcome !== 'completed') return settledWithoutBalance;
  const balanceOf = (user: string): number => Number(balances.get(user) ?? 0);
  const settled = { status: 'settled', balance: balanceOf(userId) } as const;
  if (postings.length === 0) return settled;
  return { ...settled, balances: postings.map((posting) => balanceOf(posting.userId)) };
}
