import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { AcceptNote } from './accept-note.ts';
import type { PartitionReading } from './partitions/partition-reading.ts';

/** An own call of `accept` that the server has answered. */
export interface AnsweredCall {
  /** As its note says it. */
  readonly call: number;
  /** Those of its orders that are kept, and need not be read. */
  readonly orders: readonly StoredOrder[];
  /** The partition of each. */
  readonly parts: readonly number[];
  /** The partitions that the processor owned when they were accepted: the bit of each, in hex; `null` for none. */
  readonly owned: string | null;
}

export interface OwnOrder {
  readonly order: StoredOrder;
  readonly part: number;
  /** That of its partition at that time, if the processor owned it. */
  readonly reading: PartitionReading | undefined;
}

type ReadingOf = (part: number) => PartitionReading | undefined;

/** How many calls wait for their notes at most: each of them should come soon. */
const mostCalls = 1_000;

/** Orders of own calls of `accept` whose notes have not come yet: they are taken from memory, and not read. */
export class OwnCalls {
  readonly #processor: number;
  readonly #readingOf: ReadingOf;
  /** The orders of each call, by sequence. */
  readonly #calls = new Map<number, Map<number, OwnOrder>>();
  /** Calls whose notes came before their answers: their orders are read. */
  readonly #early = new Set<number>();
  /** What the newest answer has said of what is owned: mostly the same as the one before. */
  #owned: { readonly bits: string | null; readonly parts: ReadonlySet<number> } = ownedOf(null);

  /** @param readingOf - how far an owned partition is read */
  constructor(processor: number, readingOf: ReadingOf) {
    this.#processor = processor;
    this.#readingOf = readingOf;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  answered({ call, orders, parts, owned }: AnsweredCall): void {
    if (this.#early.delete(call) || orders.length === 0) return;
    if (owned !== this.#owned.bits) this.#owned = ownedOf(owned);
    const own = new Map<number, OwnOrder>();
    for (const [at, order] of orders.entries()) {
      const part = parts[at] as number;
      const reading = this.#readingOf(part);
      if (reading?.has(order.sequence)) continue;
      const isOwned = this.#owned.parts.has(part);
      own.set(order.sequence, { order, part, reading: isOwned ? reading : undefined });
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
    if (own === undefined) return undefined;
    const orders = [...own.values()];
    return orders.every((order) => this.#isTrue(order)) ? orders : undefined;
  }

  /** An order was given: it is not taken from memory again. */
  given(sequence: number): void {
    for (const own of this.#calls.values()) own.delete(sequence);
  }

  /**
   * One that was accepted while its partition was not the processor's is none for it, even if it has not heard yet that
   * it has lost the partition. If it has gained that since, others may have begun the order.
   */
  #isTrue({ part, reading }: OwnOrder): boolean {
    const now = this.#readingOf(part);
    return now === undefined || now === reading;
  }
}

function ownedOf(bits: string | null) {
  const parts = new Set<number>();
  for (let left = BigInt(`0x${bits ?? 0}`), part = 0; left > 0n; left >>= 1n, part += 1) {
    if ((left & 1n) === 1n) parts.add(part);
  }
  return { bits, parts };
}
