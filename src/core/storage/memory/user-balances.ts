import { noPostings, type Posting } from '../../order/order.ts';
import type { Refusal } from '../../order/stored-order.ts';
import type { StoredBalance, StoredBalanceQuery } from '../history/history-storage.ts';

/** How many entries a `Map` can have. */
const mostInMap = 2 ** 24;

/** Every user's balance in memory, of more users than one `Map` takes. */
export class UserBalances {
  readonly #mostInMap: number;
  readonly #first = new Map<string, number>();
  /** The balances that do not fit into the first map; nearly all hosts have none. */
  #more: UserBalances | undefined = undefined;

  /** @param most - how many users are in one map; a test has fewer */
  constructor(most = mostInMap) {
    this.#mostInMap = most;
  }

  get(userId: string): number | undefined {
    const balance = this.#first.get(userId);
    return balance === undefined && this.#more !== undefined ? this.#more.get(userId) : balance;
  }

  /** The balance after a change, or why it is refused. Changes nothing. */
  afterChange(userId: string, amount: number, minBalance: number | undefined): number | Refusal {
    const balance = (this.get(userId) ?? 0) + amount;
    if (!Number.isSafeInteger(balance)) return 'balance_overflow';
    if (minBalance !== undefined && amount < 0 && balance < minBalance) return 'insufficient_funds';
    return balance;
  }

  /** The balance after each posting; `undefined` if one of them would leave the safe integers. Changes nothing. */
  after(postings: readonly Posting[]): readonly number[] | undefined {
    if (postings.length === 0) return noPostings;
    const balances: number[] = [];
    for (let at = 0; at < postings.length; at += 1) {
      const { userId, amount } = postings[at] as Posting;
      const balance = (this.get(userId) ?? 0) + amount;
      if (!Number.isSafeInteger(balance)) return undefined;
      balances.push(balance);
    }
    return balances;
  }

  /** @param balances - after each posting, as `after` gives them */
  setAll(postings: readonly Posting[], balances: readonly number[]): void {
    for (let at = 0; at < postings.length; at += 1) {
      this.set((postings[at] as Posting).userId, balances[at] as number);
    }
  }

  /** The same with the balances before each posting. */
  setBack(postings: readonly Posting[], balances: readonly number[]): void {
    for (const [at, { userId, amount }] of postings.entries()) {
      this.set(userId, (balances[at] as number) - amount);
    }
  }

  set(userId: string, balance: number): void {
    if (this.#first.size < this.#mostInMap || this.#first.has(userId)) {
      this.#first.set(userId, balance);
      return;
    }
    this.#more ??= new UserBalances(this.#mostInMap);
    this.#more.set(userId, balance);
  }

  /**
   * One page of them, in the order in which they came to be; see `HistoryStorage.balances`.
   *
   * @param knownFrom - of all of them
   */
  page({ after, limit }: StoredBalanceQuery, knownFrom: number | undefined): StoredBalance[] {
    const page: StoredBalance[] = [];
    for (const [userId, balance] of this.#behind(after)) {
      page.push({ userId, balance, knownFrom });
      if (page.length === limit) break;
    }
    return page;
  }

  *#behind(after: string | undefined): Generator<readonly [string, number]> {
    let isBehind = after === undefined;
    for (let balances: UserBalances | undefined = this; balances; balances = balances.#more) {
      for (const entry of balances.#first) {
        if (isBehind) yield entry;
        else isBehind = entry[0] === after;
      }
    }
  }
}
