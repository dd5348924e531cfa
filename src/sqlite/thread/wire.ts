/**
 * What travels between the threads: numbers, and texts one after another in one long one. To clone an
 * object costs microseconds, and an array of texts a tenth of one for each; this is a copy of memory.
 */
export interface Message {
  readonly numbers: Float64Array;
  readonly text: string;
  /** Texts that are not worth being copied into the long one. */
  readonly apart: readonly string[];
}

/** Stands for a text that is none. */
const NONE = -1;
/** Stands for a text that travels apart. */
const APART = -2;

/** A place in a message that is being written. */
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
   * @param joinUpTo - the longest text that is joined with others. A part that a reader cuts out of
   *   a long text keeps all of it in memory: 0 for a reader that keeps parts.
   */
  constructor(joinUpTo = 1_024) {
    this.#joinUpTo = joinUpTo;
  }

  number(value: number | undefined): void {
    if (this.#length === this.#numbers.length) this.#grow();
    this.#numbers[this.#length] = value ?? Number.NaN;
    this.#length += 1;
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

  /** Where it stands, to go back to. */
  mark(): Mark {
    return { length: this.#length, text: this.#text, apart: this.#apart.length };
  }

  /** Forgets all since a mark. */
  rewind({ length, text, apart }: Mark): void {
    this.#length = length;
    this.#text = text;
    this.#apart.length = apart;
  }

  /** All since the last message. */
  take(): Message {
    const message = {
      numbers: this.#numbers.slice(0, this.#length),
      text: this.#text,
      apart: this.#apart,
    };
    this.clear();
    return message;
  }

  /** Forgets all since the last message. */
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
