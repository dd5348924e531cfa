import type { Session } from '../sessions/session.ts';
import { fromKept } from '../values/kept-text.ts';
import { readSequences } from './order-reads.ts';

/** How many orders one sweep looks at. */
const mostAtOnce = 10_000;

/** How many orders one sweep reads. */
const mostRead = 1_000;

/** How many sweeps back it begins: what was accepted without a note has got its sequence since then. */
const sweepsBack = 8;

/**
 * Looks for orders that no note has come of: the processor that accepted them has died between the two. Two sweeps must have found
 * one, since the note of a newer one is on its way.
 */
export class Sweep {
  isDue = false;
  readonly #session: Session;
  /** The greatest sequence that was known at each of the newest sweeps. */
  #marks: number[] = [];
  /** Where a sweep ended early. */
  #cursor: number | undefined;
  #suspects = new Set<number>();

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * @param parts - the live partitions
   * @param high - the greatest sequence that is known
   * @returns sequences of orders that are to be read
   */
  async find(
    parts: readonly number[],
    high: number,
    isWanted: (sequence: number, part: number, userId: string) => boolean,
  ): Promise<number[]> {
    this.isDue = false;
    // What is older was found, or is settled; a vacuum may not have removed it.
    const mark = this.#marks.length < sweepsBack ? 0 : (this.#marks[0] as number);
    this.#marks = [...this.#marks, high].slice(-sweepsBack);
    if (parts.length === 0) return [];
    const rows = await readSequences(this.#session, parts, this.#cursor ?? mark, mostAtOnce);
    this.#cursor = rows.length === mostAtOnce ? rows.at(-1)?.seq : undefined;
    const wanted = rows.filter(({ seq, part, user_id }) => isWanted(seq, part, fromKept(user_id)));
    const before = this.#suspects;
    this.#suspects = new Set(wanted.map(({ seq }) => seq));
    return [...this.#suspects].filter((sequence) => before.has(sequence)).slice(0, mostRead);
  }
}
