import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { AcceptNote } from './accept-note.ts';

export interface OwnOrder {
  readonly order: StoredOrder;
  readonly part: number;
}

/** How many calls wait for their notes at most: each of them should come soon. */
const mostCalls = 1_000;

/** Orders of own calls of `accept` whose notes have not come yet: they are taken from memory, and not read. */
export class OwnCalls {
  readonly #processor: number;
  /** The orders of each call, by sequence. */
  readonly #calls = new Map<number, Map<number, OwnOrder>>();
  /** Calls whose notes came before their answers: their orders are read. */
  readonly #early = new Set<number>();

  constructor(processor: number) {
    this.#processor = processor;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  answered(
    call: number,
    orders: readonly StoredOrder[],
    parts: readonly number[],
    isGiven: (order: StoredOrder, part: number) => boolean,
  ): void {
    if (this.#early.delete(call) || orders.length === 0) return;
    const own = new Map<number, OwnOrder>();
    for (const [at, order] of orders.entries()) {
      const part = parts[at] as number;
      if (!isGiven(order, part)) own.set(order.sequence, { order, part });
    }
    this.#calls.set(call, own);
    if (this.#calls.size <= mostCalls) return;
    const [oldest] = this.#calls.keys();
    this.#calls.delete(oldest as number);
  }

  /** A note of which nothing is taken from memory. */
  passed({ processor, call }: AcceptNote): void {
    if (processor !== this.#processor || this.#calls.delete(call)) return;
    this.#early.add(call);
  }

  /**
   * @param comesAgain - whether the note is looked at once more
   * @returns the call's orders; `undefined` for another processor's, or where they have to be read
   */
  noted(note: AcceptNote, comesAgain: boolean): OwnOrder[] | undefined {
    if (note.processor !== this.#processor) return undefined;
    const own = this.#calls.get(note.call);
    if (own === undefined) this.#early.add(note.call);
    else if (!comesAgain) this.#calls.delete(note.call);
    return own && [...own.values()];
  }

  /** An order was given: it is not taken from memory again. */
  given(sequence: number): void {
    for (const own of this.#calls.values()) own.delete(sequence);
  }
}
