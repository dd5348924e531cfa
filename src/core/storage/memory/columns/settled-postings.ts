import type { FinalPosting } from '../../../order/order.ts';
import type { AppliedPosting } from '../../../order/outcome.ts';

/** How many postings are in one page. */
const pageSize = 1_024;

// A page's numbers, side by side for each posting.
const AMOUNT = 0;
const ORDERED = 1;
const BALANCE = 2;
/** How many postings of the order there are from this one on. */
const REST = 3;
/** Of all postings of the order. */
const BYTES = 4;
const WIDTH = 5;

interface Page {
  readonly userIds: string[];
  readonly numbers: Float64Array<ArrayBuffer>;
}

/** What a posting takes beside its user's id, in bytes: its numbers and a reference. */
const postingBytes = 8 * (WIDTH + 1);

/** About how many bytes are kept for the postings of an order. */
export function bytesOfPostings(postings: readonly FinalPosting[]): number {
  let bytes = 0;
  for (let at = 0; at < postings.length; at += 1) {
    bytes += postingBytes + 2 * (postings[at] as FinalPosting).userId.length;
  }
  return bytes;
}

/**
 * The postings of settled orders, in the order in which the orders were settled. They are kept in columns, as the orders
 * are: an object that outlives its order costs the garbage collector more than writing it here. The postings are numbered
 * from 0, and an order's are found by the number of its first one.
 */
export class SettledPostings {
  /** With the postings that are kept. */
  readonly #pages: Page[] = [];
  /** The number of the first page, of all that there have ever been. */
  #firstPage = 0;
  /** The number of the next posting. */
  #end = 0;
  /** The last page that was dropped. */
  #spare: Page | undefined = undefined;

  /**
   * Keeps the postings of an order, which has some.
   *
   * @param balances - after each of them; none of an order that did not complete
   * @param bytes - as `bytesOfPostings` says
   * @returns the number of the first one
   */
  add(postings: readonly FinalPosting[], balances: readonly number[], bytes: number): number {
    const first = this.#end;
    const isApplied = balances.length > 0;
    for (let at = 0; at < postings.length; at += 1) {
      const { userId, amount, orderedAmount = amount } = postings[at] as FinalPosting;
      const { userIds, numbers } = this.#nextPage();
      const row = this.#end % pageSize;
      userIds[row] = userId;
      const place = row * WIDTH;
      numbers[place + AMOUNT] = isApplied ? amount : orderedAmount;
      numbers[place + ORDERED] = orderedAmount;
      numbers[place + BALANCE] = isApplied ? (balances[at] as number) : Number.NaN;
      numbers[place + REST] = postings.length - at;
      numbers[place + BYTES] = bytes;
      this.#end += 1;
    }
    return first;
  }

  /** @param first - the number of an order's first posting */
  of(first: number): readonly AppliedPosting[] {
    const end = this.#endOf(first);
    const postings: AppliedPosting[] = [];
    for (let at = first; at < end; at += 1) postings.push(this.#read(at));
    return Object.freeze(postings);
  }

  /** The posting of an order to a user, if there is one. */
  find(first: number, userId: string): AppliedPosting | undefined {
    const end = this.#endOf(first);
    for (let at = first; at < end; at += 1) {
      if (this.#pageOf(at).userIds[at % pageSize] === userId) return this.#read(at);
    }
    return undefined;
  }

  bytesOf(first: number): number {
    return this.#number(first, BYTES);
  }

  /** Drops the postings of an order, and all earlier ones. */
  dropUpTo(first: number): void {
    const page = Math.floor(this.#endOf(first) / pageSize);
    while (this.#firstPage < page) {
      this.#spare = this.#pages.shift();
      this.#firstPage += 1;
    }
  }

  #endOf(first: number): number {
    return first + this.#number(first, REST);
  }

  #number(at: number, column: number): number {
    return this.#pageOf(at).numbers[(at % pageSize) * WIDTH + column] as number;
  }

  #read(at: number): AppliedPosting {
    const { userIds, numbers } = this.#pageOf(at);
    const row = at % pageSize;
    const place = row * WIDTH;
    const balance = numbers[place + BALANCE] as number;
    return Object.freeze({
      userId: userIds[row] as string,
      amount: numbers[place + AMOUNT] as number,
      orderedAmount: numbers[place + ORDERED] as number,
      balance: Number.isNaN(balance) ? undefined : balance,
    });
  }

  #pageOf(at: number): Page {
    return this.#pages[Math.floor(at / pageSize) - this.#firstPage] as Page;
  }

  /** The page of the next posting. */
  #nextPage(): Page {
    const at = Math.floor(this.#end / pageSize) - this.#firstPage;
    const known = this.#pages[at];
    if (known !== undefined) return known;
    const page = this.#spare ?? { userIds: [], numbers: new Float64Array(pageSize * WIDTH) };
    this.#spare = undefined;
    this.#pages.push(page);
    return page;
  }
}
