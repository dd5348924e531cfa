/**
 * A message between the threads: numbers, and texts joined in one. Cloning an object costs microseconds, and an array
 * of texts a tenth of one for each text; this is a copy of memory.
 */
export interface Message {
  readonly numbers: Float64Array;
  readonly text: string;
  /** Texts that are too long to be joined. */
  readonly apart: readonly string[];
}

/** In place of a length: the text is `null`. */
const NONE = -1;
/** In place of a length: the text is in `apart`. */
const APART = -2;

/** A position in a message that is being written. */
export interface Mark {
  readonly length: number;
  readonly text: string;
  readonly apart: number;
}

/** Writes messages, one after another. */
export class Writer {
  readonly #joinUpTo: number;
  #numbers = new Float64Array(1_024);
  #length = 0;
  #text = '';
  #apart: string[] = [];

  /**
   * @param joinUpTo - the longest text that is joined with others. A part of the joined text keeps all of it in
   *   memory: 0 if the reader keeps parts.
   */
  constructor(joinUpTo = 1_024) {
    this.#joinUpTo = joinUpTo;
  }

  number(value: number | undefined): void {
    if (this.#length === this.#numbers.length) this.#grow();
    this.#numbers[this.#length] = value ?? Number.NaN;
    this.#length += 1;
  }

  numbers(...values: readonly (number | undefined)[]): void {
    for (const value of values) this.number(value);
  }

  text(value: string | null | undefined): void {
    if (value === undefined || value === null) {
      this.number(NONE);
    } else if (value.length <= this.#joinUpTo) {
      this.number(value.length);
      this.#text += value;
    } else {
      this.number(APART);
      this.#apart.push(value);
    }
  }

  /** The position to which `rewind` goes back. */
  mark(): Mark {
    return { length: this.#length, text: this.#text, apart: this.#apart.length };
  }

  /** Discards what was written since a mark. */
  rewind({ length, text, apart }: Mark): void {
    this.#length = length;
    this.#text = text;
    this.#apart.length = apart;
  }

  /** Returns what was written since the last message. */
  take(): Message {
    const message = {
      numbers: this.#numbers.slice(0, this.#length),
      text: this.#text,
      apart: this.#apart,
    };
    this.clear();
    return message;
  }

  /** Discards what was written since the last message. */
  clear(): void {
    this.#length = 0;
    this.#text = '';
    this.#apart = [];
  }

  #grow(): void {
    const grown = new Float64Array(this.#length * 2);
    grown.set(this.#numbers);
    this.#numbers = grown;
  }
}

/** Reads one message, in the order in which it was written. */
export class Reader {
  readonly #message: Message;
  #at = 0;
  #textAt = 0;
  #apartAt = 0;

  constructor(message: Message) {
    this.#message = message;
  }

  number(): number {
    const value = this.#message.numbers[this.#at] as number;
    this.#at += 1;
    return value;
  }

  /** A number, or `null` for one that was `undefined`. */
  maybeNumber(): number | null {
    const value = this.number();
    return Number.isNaN(value) ? null : value;
  }

  text(): string {
    return this.maybeText() as string;
  }

  /** A text, or `null` for one that was none. */
  maybeText(): string | null {
    const length = this.number();
    if (length === NONE) return null;
    if (length === APART) {
      this.#apartAt += 1;
      return this.#message.apart[this.#apartAt - 1] as string;
    }
    this.#textAt += length;
    return this.#message.text.slice(this.#textAt - length, this.#textAt);
  }
}
