interface Sequenced {
  readonly sequence: number;
}

/** How many orders are in one block at most. */
const blockBits = 10;
const blockSize = 2 ** blockBits;

/** Orders whose sequences differ in the last bits only. */
interface Block<T> {
  /** The sequence of its first slot, divided by the size of a block. */
  number: number;
  readonly entries: (T | undefined)[];
  count: number;
}

/**
 * Unsettled orders in the order of acceptance. The sequence of an order gives its slot, so that a page of a list begins
 * anywhere at once, even among a million orders. Sequences come almost without gaps, in ascending order.
 */
export class SequenceIndex<T extends Sequenced> {
  /** From the least number to the greatest. */
  readonly #blocks: Block<T>[] = [];

  add(entry: T): void {
    const block = this.#blockFor(Math.floor(entry.sequence / blockSize));
    block.entries[entry.sequence % blockSize] = entry;
    block.count += 1;
  }

  /** Removes an order if it is here. */
  delete(entry: T): void {
    const number = Math.floor(entry.sequence / blockSize);
    const at = this.#firstFrom(number);
    const block = this.#blocks[at];
    const slot = entry.sequence % blockSize;
    if (block?.number !== number || block.entries[slot] !== entry) return;
    block.entries[slot] = undefined;
    block.count -= 1;
    // The last one is written soon, or used again for the next.
    if (block.count === 0 && at < this.#blocks.length - 1) this.#blocks.splice(at, 1);
  }

  /**
   * Visits the orders of one block, those below `before`, the newest first, until a visit says that it is enough.
   *
   * @returns below which sequence to go on; `undefined` at the end. Orders may come and go meanwhile
   */
  visit(before: number, isEnough: (entry: T) => boolean): number | undefined {
    const block = this.#blocks[this.#firstFrom(Math.ceil(before / blockSize)) - 1];
    if (block === undefined) return undefined;
    const first = block.number * blockSize;
    for (let slot = Math.min(blockSize, before - first) - 1; slot >= 0; slot -= 1) {
      const entry = block.entries[slot];
      if (entry !== undefined && isEnough(entry)) return undefined;
    }
    return first;
  }

  /** Where the blocks with this number or a greater one begin. */
  #firstFrom(number: number): number {
    const { length } = this.#blocks;
    // Most orders are among the last.
    if (length > 0 && (this.#blocks[length - 1] as Block<T>).number < number) return length;
    let [from, to] = [0, length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#blocks[middle] as Block<T>).number < number) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #blockFor(number: number): Block<T> {
    const last = this.#blocks.at(-1);
    if (last?.number === number) return last;
    if (last?.count === 0 && last.number < number) {
      last.number = number;
      return last;
    }
    const at = this.#firstFrom(number);
    const known = this.#blocks[at];
    if (known?.number === number) return known;
    const entries = new Array<T | undefined>(blockSize).fill(undefined);
    const block = { number, entries, count: 0 };
    this.#blocks.splice(at, 0, block);
    return block;
  }
}
