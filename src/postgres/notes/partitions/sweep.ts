import type { Session } from '../../sessions/session.ts';
import { fromKept } from '../../values/kept-text.ts';
import { readSequences } from '../order-reads.ts';
import type { PartitionReadings } from './partition-readings.ts';

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

  /** @returns sequences of orders of live partitions that are to be read */
  async find(readings: PartitionReadings): Promise<number[]> {
    const { live } = readings;
    const high = Math.max(0, ...live.map((reading) => reading.high));
    const parts = live.map(({ partition }) => partition.number);
    this.isDue = false;
    // What is older was found, or is settled; a vacuum may not have removed it.
    const mark = this.#marks.length < sweepsBack ? 0 : (this.#marks[0] as number);
    this.#marks = [...this.#marks, high].slice(-sweepsBack);
    if (parts.length === 0) return [];
    const after = Math.max(this.#cursor ?? 0, mark);
    const most = Math.ceil(mostAtOnce / parts.length);
    const rows = await readSequences(this.#session, parts, after, most);
    const ofParts = [...Map.groupBy(rows, ({ part }) => part).values()];
    const cut = ofParts.filter(({ length }) => length === most);
    this.#cursor =
      cut.length === 0 ? undefined : Math.min(...cut.map((each) => each.at(-1)?.seq ?? 0));
    const wanted = rows.filter(({ seq, part, user_id }) => {
      const reading = readings.get(part);
      return reading?.takesNoted(seq, fromKept(user_id)) === true && !reading.has(seq);
    });
    const before = this.#suspects;
    this.#suspects = new Set(wanted.map(({ seq }) => seq));
    return [...this.#suspects].filter((sequence) => before.has(sequence)).slice(0, mostRead);
  }
}
