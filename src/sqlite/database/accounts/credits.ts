import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { quote } from '../../../core/runtime/thrown.ts';
import { beyond } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Credit } from '../../incoming.ts';
import { results } from '../../thread/codec.ts';
import type { Writer } from '../../thread/wire.ts';
import { isReadable, type Row } from '../rows.ts';
import type { Balances } from './balances.ts';

/** Where `postings` stands in a row. */
const POSTINGS = 19;

/** A credit with the balance after it. */
export interface AppliedCredit extends Credit {
  readonly balance: number;
}

const none: readonly AppliedCredit[] = Object.freeze([]);

/** Applies the credits to other users that orders bring. */
export class Credits {
  readonly #balances: Balances;
  readonly #insert: StatementSync;

  constructor(db: DatabaseSync, balances: Balances) {
    this.#balances = balances;
    this.#insert = db.prepare(
      'INSERT INTO postings (user_id, settlement, seq, amount, balance) VALUES (?, ?, ?, ?, ?)',
    );
  }

  /** The postings with the balance after each; `undefined` if one would leave the safe integers. Changes nothing. */
  after(postings: readonly Credit[]): readonly AppliedCredit[] | undefined {
    if (postings.length === 0) return none;
    const applied: AppliedCredit[] = [];
    for (const { userId, amount, orderedAmount } of postings) {
      const balance = this.#balances.after(this.#balances.of(userId), amount, null);
      if (typeof balance !== 'number') return undefined;
      applied.push({ userId, amount, orderedAmount, balance });
    }
    return applied;
  }

  /**
   * Applies them.
   *
   * @param settlement - the number of their order's settlement
   * @param seq - the order's
   */
  post(applied: readonly AppliedCredit[], settlement: number, seq: number): void {
    for (const { userId, amount, balance } of applied) {
      this.#balances.set(this.#balances.of(userId), balance);
      this.#insert.run(userId, settlement, seq, amount, balance);
    }
  }
}

export function jsonOf(postings: readonly Credit[]): string | null {
  return postings.length === 0 ? null : JSON.stringify(postings);
}

/** Answers an `apply` of an id that is taken. */
export function writeApplied(writer: Writer, id: string, known: Row): void {
  if (!isReadable(known)) throw beyond(id);
  const [, , , , , , , , balance, , , code] = known;
  if (balance !== null) {
    const postings = JSON.parse(known[POSTINGS] ?? '[]') as readonly AppliedCredit[];
    writer.number(postings.length === 0 ? results.done : results.posted);
    writer.number(balance);
    if (postings.length > 0) writer.number(postings.length);
    for (const posting of postings) writer.number(posting.balance);
  } else if (code === 'insufficient_funds') {
    writer.number(results.insufficientFunds);
  } else if (code === 'balance_overflow') {
    writer.number(results.balanceOverflow);
  } else {
    throw new Error(`The order id ${quote(id)} is taken by an order that did not complete`);
  }
}
