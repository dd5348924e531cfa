/** How many rows are in one array. */
const SEGMENT_BITS = 10;
const LAST = 2 ** SEGMENT_BITS - 1;

/** How many rows are in one array. */
export const segmentSize = 2 ** SEGMENT_BITS;

/**
 * Rows of numbers, side by side in arrays of many rows each: what stays costs the garbage collector nothing, and no row
 * is copied when there are more.
 */
export class NumberRows {
  readonly #width: number;
  readonly #most: number;
  readonly #segments: Float64Array<ArrayBuffer>[] = [];

  /**
   * @param width - how many numbers a row has
   * @param most - how many rows there are at most
   */
  constructor(width: number, most: number) {
    this.#width = width;
    this.#most = most;
  }

  /** The array that has the numbers of a row, from `indexOf` on. Rows are written in turn. */
  segmentOf(row: number): Float64Array<ArrayBuffer> {
    const known = this.#segments[row >>> SEGMENT_BITS];
    if (known !== undefined) return known;
    const segment = new Float64Array(Math.min(segmentSize, this.#most - row) * this.#width);
    this.#segments.push(segment);
    return segment;
  }

  indexOf(row: number): number {
    return (row & LAST) * this.#width;
  }

  at(row: number, column: number): number {
    const numbers = this.#segments[row >>> SEGMENT_BITS] as Float64Array;
    return numbers[(row & LAST) * this.#width + column] as number;
  }
}

/** The place of the array that has a row. */
export function segmentAt(row: number): number {
  return row >>> SEGMENT_BITS;
}

/** Whether a row is the first one of its array. */
export function beginsSegment(row: number): boolean {
  return (row & LAST) === 0;
}
