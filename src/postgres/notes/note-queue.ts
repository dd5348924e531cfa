import type { AcceptNote } from './accept-note.ts';

/** Notes that were heard, in their order, and are to be looked at. */
export class NoteQueue {
  #notes: AcceptNote[] = [];
  /** How many orders they stand for at most. */
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get isEmpty(): boolean {
    return this.#notes.length === 0;
  }

  push(note: AcceptNote): void {
    this.#notes.push(note);
    this.#size += sizeOf(note);
  }

  takeAll(): AcceptNote[] {
    const notes = this.#notes;
    this.#notes = [];
    this.#size = 0;
    return notes;
  }

  /** Notes come before all others. */
  unshift(notes: readonly AcceptNote[]): void {
    this.#notes.unshift(...notes);
    for (const note of notes) this.#size += sizeOf(note);
  }
}

function sizeOf({ low, high }: AcceptNote): number {
  return high - low + 1;
}
