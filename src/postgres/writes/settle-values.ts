import type { FinalPosting } from '../../core/order/order.ts';
import { noResults } from '../../core/order/step-result.ts';
import type { Settlement } from '../../core/storage/order-storage.ts';
import { type Account, differenceOf, type Integer } from '../decisions/account.ts';
import type { Move } from '../decisions/decisions.ts';
import type { Value } from '../sessions/session.ts';
import { absentAt } from '../statements/settle.ts';
import { toKept } from '../values/kept-text.ts';
import { plainArray, textArray } from '../values/literals.ts';
import { statuses } from '../values/rows.ts';
import type { Outcome } from './plan.ts';

/** The values of one of several arrays that are rows together. */
class Column<T extends Integer | string | boolean> {
  #values: (T | null)[] = [];
  /** How many there are: as long as all of them are none, as in most calls of most columns, none is kept. */
  #count = 0;

  add(value: T | null | undefined): void {
    this.#count += 1;
    if (this.#values.length === 0) {
      if (value === null || value === undefined) return;
      this.#values = new Array<T | null>(this.#count - 1).fill(null);
    }
    this.#values.push(value ?? null);
  }

  texts(this: Column<string>): string {
    return textArray(this.#values);
  }

  plain(this: Column<Integer> | Column<boolean>): string {
    return plainArray(this.#values);
  }
}

/** What was added to a user's balance from the beginning of the call up to a change and with it. */
function prefixOf({ account, balance }: Move): Integer {
  return differenceOf(balance, account.opening);
}

/** The values $12 to $29 of a settlement's statement, and of one with credits up to $36. */
export class OutcomeColumns {
  readonly #seq = new Column<number>();
  readonly #account = new Column<number>();
  readonly #prefix = new Column<Integer>();
  readonly #amount = new Column<number>();
  readonly #startedAt = new Column<number>();
  readonly #settledAt = new Column<number>();
  readonly #appliedAt = new Column<number>();
  readonly #status = new Column<number>();
  readonly #retryable = new Column<boolean>();
  readonly #userId = new Column<string>();
  readonly #code = new Column<string>();
  readonly #message = new Column<string>();
  readonly #cause = new Column<string>();
  readonly #steps = new Column<string>();
  readonly #results = new Column<string>();
  readonly #postings = new Column<string>();
  readonly #firstCredit = new Column<number>();
  readonly #lastCredit = new Column<number>();
  readonly #credits = new CreditColumns();
  readonly #places: ReadonlyMap<Account, number>;
  #count = 0;

  /** @param places - the place of each account among the users of the call, from 1 up */
  constructor(places: ReadonlyMap<Account, number>) {
    this.#places = places;
  }

  get hasCredits(): boolean {
    return this.#credits.count > 0;
  }

  add(seq: number, { settlement, status, decision }: Outcome): void {
    const { amount, orderedAmount, startedAt, settledAt, error, cause, steps } = settlement;
    this.#count += 1;
    this.#seq.add(seq);
    this.#startedAt.add(startedAt);
    this.#settledAt.add(settledAt);
    this.#status.add(statuses.indexOf(status));
    this.#userId.add(toKept(settlement.userId));
    this.#steps.add(steps.length === 0 ? null : JSON.stringify(steps));
    this.#results.add(resultsJson(settlement));
    const isRefused = decision !== undefined && 'refusal' in decision;
    const move = decision === undefined || isRefused ? undefined : decision.move;
    this.#amount.add(move === undefined ? orderedAmount : amount);
    this.#account.add(move && this.#places.get(move.account));
    this.#prefix.add(move && prefixOf(move));
    this.#appliedAt.add(move?.appliedAt === settledAt ? null : move?.appliedAt);
    this.#code.add(isRefused ? decision.refusal : error?.code);
    this.#retryable.add(isRefused ? null : error?.retryable);
    this.#message.add(isRefused || error === undefined ? null : toKept(error.message));
    this.#cause.add(isRefused || cause === undefined ? null : JSON.stringify(cause));
    const credits = decision === undefined || isRefused ? [] : decision.credits;
    const { length } = credits;
    this.#postings.add(length === 0 ? null : lessThanOrdered(settlement.postings));
    this.#firstCredit.add(length === 0 ? null : this.#credits.count + 1);
    for (const credit of credits) {
      this.#credits.add(this.#count, seq, this.#places.get(credit.account) as number, credit);
    }
    this.#lastCredit.add(length === 0 ? null : this.#credits.count);
  }

  values(): Value[] {
    return [
      this.#seq.plain(),
      this.#account.plain(),
      this.#prefix.plain(),
      this.#amount.plain(),
      this.#startedAt.plain(),
      this.#settledAt.plain(),
      this.#appliedAt.plain(),
      this.#status.plain(),
      this.#retryable.plain(),
      this.#userId.texts(),
      this.#code.texts(),
      this.#message.texts(),
      this.#cause.texts(),
      this.#steps.texts(),
      this.#results.texts(),
      this.#postings.texts(),
      this.#firstCredit.plain(),
      this.#lastCredit.plain(),
      ...(this.hasCredits ? this.#credits.values() : []),
    ];
  }
}

/** The postings as JSON, where what is settled of one is less than was ordered. */
function lessThanOrdered(postings: readonly FinalPosting[]): string | null {
  const isLess = ({ amount, orderedAmount = amount }: FinalPosting): boolean =>
    amount !== orderedAmount;
  if (!postings.some(isLess)) return null;
  return JSON.stringify(postings.map(({ userId, amount }) => ({ userId, amount })));
}

class CreditColumns {
  count = 0;
  readonly #place = new Column<number>();
  readonly #seq = new Column<number>();
  readonly #account = new Column<number>();
  readonly #prefix = new Column<Integer>();
  readonly #amount = new Column<number>();
  readonly #appliedAt = new Column<number>();
  readonly #userId = new Column<string>();

  add(place: number, seq: number, account: number, credit: Move): void {
    this.count += 1;
    this.#place.add(place);
    this.#seq.add(seq);
    this.#account.add(account);
    this.#prefix.add(prefixOf(credit));
    this.#amount.add(credit.amount);
    this.#appliedAt.add(credit.appliedAt);
    this.#userId.add(toKept(credit.account.userId));
  }

  values(): Value[] {
    return [
      this.#place.plain(),
      this.#seq.plain(),
      this.#account.plain(),
      this.#prefix.plain(),
      this.#amount.plain(),
      this.#appliedAt.plain(),
      this.#userId.texts(),
    ];
  }
}

function resultsJson({ results }: Settlement): string | null {
  if (results === noResults) return null;
  const json = JSON.stringify(results);
  return json === '{}' ? null : json;
}

/** The values $5 to $9: the users by their bytes, what is added, the last time, and the bounds of the opening. */
export function accountValues(accounts: readonly Account[]): Value[] {
  return [
    textArray(accounts.map(({ userId }) => toKept(userId))),
    plainArray(accounts.map(({ total }) => total)),
    plainArray(accounts.map(({ isMoved, appliedAt }) => (isMoved ? appliedAt : absentAt))),
    plainArray(accounts.map(({ least }) => least)),
    plainArray(accounts.map(({ most }) => most)),
  ];
}
