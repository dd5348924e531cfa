/** The slots of one segment that are not given yet. */
interface Run {
  /** The sequence of the first of them. */
  sequence: number;
  readonly slots: Int32Array;
  at: number;
}

/** A segment as it was when it was looked at. */
interface Segment {
  readonly place: number;
  readonly greatest: number;
  /** From the greatest sequence to the least; made when it is needed. */
  slots: Int32Array | undefined;
}

/** A ring whose slots are written in turn. */
export interface Ring {
  /** How many slots have been written. */
  readonly length: number;
  /** How many slots are one segment. */
  readonly segmentSize: number;
  /** The segment of the slot that is written next. */
  readonly current: number;
  sequenceIn(slot: number): number;
}

/**
 * Walks over the slots of a ring by their sequence: orders are settled in nearly the order of acceptance. So each
 * segment is sorted by itself, once, when a walk comes to it; writing a slot costs nothing.
 */
export class NewestFirst {
  readonly #ring: Ring;
  readonly #segments: (Segment | undefined)[] = [];

  constructor(ring: Ring) {
    this.#ring = ring;
  }

  /** A segment is about to be overwritten. */
  forget(segment: number): void {
    if (segment < this.#segments.length) this.#segments[segment] = undefined;
  }

  /** The slots with a sequence below `before`, the greatest first. */
  *slots(before: number): Generator<number> {
    const waiting = this.#byGreatest();
    const runs: Run[] = [];
    for (;;) {
      let first = firstOf(runs);
      for (let next = waiting.at(-1); next !== undefined; next = waiting.at(-1)) {
        if (first !== undefined && first.sequence > next.greatest) break;
        waiting.pop();
        const run = this.#runOf(next, before);
        if (run !== undefined) runs.push(run);
        first = firstOf(runs);
      }
      if (first === undefined) return;
      yield first.slots[first.at] as number;
      if (!this.#advance(first)) runs.splice(runs.indexOf(first), 1);
    }
  }

  /** The one with the greatest sequence last. */
  #byGreatest(): Segment[] {
    const { length, segmentSize } = this.#ring;
    const count = Math.ceil(length / segmentSize);
    const segments = Array.from({ length: count }, (_, at) => this.#segmentOf(at));
    return segments.sort((one, other) => one.greatest - other.greatest);
  }

  #segmentOf(at: number): Segment {
    const known = this.#segments[at];
    if (known !== undefined) return known;
    const { segmentSize, length, current } = this.#ring;
    const end = Math.min(length, (at + 1) * segmentSize);
    let greatest = 0;
    for (let slot = at * segmentSize; slot < end; slot += 1) {
      greatest = Math.max(greatest, this.#ring.sequenceIn(slot));
    }
    const segment = { place: at, greatest, slots: undefined };
    // The segment that is being written changes again, so it is not kept.
    if (at !== current) this.#segments[at] = segment;
    return segment;
  }

  #runOf(segment: Segment, before: number): Run | undefined {
    const slots = this.#slotsOf(segment);
    let [from, to] = [0, slots.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#ring.sequenceIn(slots[middle] as number) < before) to = middle;
      else from = middle + 1;
    }
    if (from === slots.length) return undefined;
    return { sequence: this.#ring.sequenceIn(slots[from] as number), slots, at: from };
  }

  #slotsOf(segment: Segment): Int32Array {
    segment.slots ??= this.#sorted(segment.place);
    return segment.slots;
  }

  #sorted(at: number): Int32Array {
    const { segmentSize, length } = this.#ring;
    const begin = at * segmentSize;
    const slots = Int32Array.from(
      { length: Math.min(segmentSize, length - begin) },
      (_, offset) => begin + offset,
    ).reverse();
    const ring = this.#ring;
    return slots.sort((one, other) => ring.sequenceIn(other) - ring.sequenceIn(one));
  }

  #advance(run: Run): boolean {
    run.at += 1;
    if (run.at === run.slots.length) return false;
    run.sequence = this.#ring.sequenceIn(run.slots[run.at] as number);
    return true;
  }
}

function firstOf(runs: readonly Run[]): Run | undefined {
  let first = runs[0];
  for (const run of runs) if (run.sequence > (first as Run).sequence) first = run;
  return first;
}
