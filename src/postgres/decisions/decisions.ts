import type { Posting } from '../../core/order/order.ts';
import type { Refusal } from '../../core/order/stored-order.ts';
import { Account, type Integer } from './account.ts';

const greatest = Number.MAX_SAFE_INTEGER;
const least = Number.MIN_SAFE_INTEGER;

/** What a completed order is to change. */
export interface Change {
  readonly userId: string;
  readonly amount: number;
  readonly minBalance: number | undefined;
  readonly postings: readonly Posting[];
  readonly settledAt: number;
}

/** One change of one balance. */
export interface Move {
  readonly account: Account;
  readonly amount: number;
  /** The balance right after it, if the account has the opening that it was taken to have. */
  readonly balance: number;
  /** The greatest time of a settlement of the call that has changed the balance so far. */
  readonly appliedAt: number;
}

/** What becomes of a completed order. */
export type Decision =
  | { readonly move: Move; readonly credits: readonly Move[] }
  | { readonly refusal: Refusal };

const noMoves: readonly Move[] = Object.freeze([]);

/**
 * Decides which completed orders of a call are applied, in their order, and notes of each user in which interval the
 * opening balance may lie so that every decision stays the same.
 */
export class Decisions {
  readonly accounts = new Map<string, Account>();
  readonly #openingOf: (userId: string) => Integer;

  /** @param openingOf - what a user's balance is taken to be before the call */
  constructor(openingOf: (userId: string) => Integer) {
    this.#openingOf = openingOf;
  }

  decide(change: Change): Decision {
    const { userId, amount, minBalance, postings, settledAt } = change;
    const account = this.#accountOf(userId);
    const after = account.after(amount);
    if (typeof after === 'bigint') return overflow(account, after);
    const floor = amount < 0 && minBalance !== undefined ? Math.max(minBalance, least) : least;
    if (after < floor) {
      account.needsAtLeast(least, after);
      account.needsAtMost(floor - 1, after);
      return { refusal: 'insufficient_funds' };
    }
    account.needsAtLeast(floor, after);
    account.needsAtMost(greatest, after);
    for (const posting of postings) {
      const credited = this.#accountOf(posting.userId);
      const sum = credited.after(posting.amount);
      if (typeof sum === 'bigint') return overflow(credited, sum);
    }
    const move = moved(account, amount, after, settledAt);
    if (postings.length === 0) return { move, credits: noMoves };
    const credits = postings.map((posting) => {
      const credited = this.#accountOf(posting.userId);
      const sum = credited.after(posting.amount) as number;
      credited.needsAtLeast(least, sum);
      credited.needsAtMost(greatest, sum);
      return moved(credited, posting.amount, sum, settledAt);
    });
    return { move, credits };
  }

  #accountOf(userId: string): Account {
    const known = this.accounts.get(userId);
    if (known !== undefined) return known;
    const account = new Account(userId, this.#openingOf(userId));
    this.accounts.set(userId, account);
    return account;
  }
}

function overflow(account: Account, after: bigint): Decision {
  if (after > 0n) account.needsAtLeast(BigInt(greatest) + 1n, after);
  else account.needsAtMost(BigInt(least) - 1n, after);
  return { refusal: 'balance_overflow' };
}

function moved(account: Account, amount: number, balance: number, settledAt: number): Move {
  account.move(balance, settledAt);
  return { account, amount, balance, appliedAt: account.appliedAt };
}
