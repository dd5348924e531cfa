import type { ActionEntry } from '../api.ts';

/** So many actions are kept. */
const mostActions = 500;

/** The last actions, numbered from 1 up. */
export class ActionList {
  readonly #entries: ActionEntry[] = [];
  #seq = 0;

  /** The number of the last one. */
  get seq(): number {
    return this.#seq;
  }

  add(entry: ActionEntry): void {
    this.#seq += 1;
    this.#entries.push(entry);
    if (this.#entries.length > mostActions) this.#entries.shift();
  }

  /** The last one first. */
  get all(): readonly ActionEntry[] {
    return this.#entries.toReversed();
  }

  /** Those after a number, the oldest first. */
  after(seq: number): readonly ActionEntry[] {
    const count = Math.min(this.#seq - seq, this.#entries.length);
    return count <= 0 ? [] : this.#entries.slice(-count);
  }
}
