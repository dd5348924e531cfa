import { hash } from 'node:crypto';

/**
 * The names under which the processors of one schema hear of each other. A database has one list of channels and of
 * advisory locks for all of its schemas, so each schema has names of its own.
 */
export class Channels {
  /** Orders were accepted. */
  readonly accepted: string;
  /** Processors and partitions changed, or an order is to be canceled. */
  readonly control: string;
  /** The first key of the lock that a processor holds as long as it lives; the second one is its number. */
  readonly lockKey: number;
  readonly #prefix: string;

  constructor(schema: string) {
    const digits = hash('sha256', schema).slice(0, 8);
    this.#prefix = `op_${digits}_`;
    this.accepted = `${this.#prefix}accepted`;
    this.control = `${this.#prefix}control`;
    this.lockKey = Number.parseInt(digits, 16) | 0;
  }

  /** Outcomes that are awaited at one processor. */
  outcomes(processor: number): string {
    return `${this.#prefix}${processor}`;
  }

  /** What the name of a processor's channel begins with; its number follows. */
  get outcomesPrefix(): string {
    return this.#prefix;
  }
}
