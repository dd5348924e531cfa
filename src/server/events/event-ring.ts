/** An event as it is kept. */
export interface Entry<T> {
  readonly userId: string | undefined;
  readonly event: T;
  readonly bytes: number;
  /** The same for clients of the user itself, where they see something else. */
  readonly scoped: T | undefined;
  /** Whether it is for operators alone. */
  readonly isOperators: boolean;
}

/** The last events, numbered from 1 up, bounded in number and in bytes. */
export class EventRing<T> {
  readonly #entries: (Entry<T> | undefined)[];
  readonly #maxBytes: number;
  /** Differs in each process, so that event ids of an earlier process are recognized. */
  readonly #epoch = crypto.randomUUID().slice(0, 8);
  #seq = 0;
  /** The number of the first event that is kept, or of the next one. */
  #first = 1;
  /** Of all that are kept. */
  #bytes = 0;

  constructor(count: number, maxBytes: number) {
    this.#entries = new Array(count).fill(undefined);
    this.#maxBytes = maxBytes;
  }

  /** The last event's number. */
  get seq(): number {
    return this.#seq;
  }

  /** The id that the next event will have. */
  get nextId(): string {
    return this.idOf(this.#seq + 1);
  }

  /** Whether the event after this one is gone. */
  isLost(seq: number): boolean {
    return seq + 1 < this.#first;
  }

  idOf(seq: number): string {
    return `${this.#epoch}-${seq}`;
  }

  /** The number of an id, unless the event after it is gone. */
  seqOf(id: string | undefined): number | undefined {
    const [, epoch, digits] = /^([0-9a-f]{8})-(\d{1,16})$/.exec(id ?? '') ?? [];
    const seq = Number(digits);
    const isKept = epoch === this.#epoch && seq <= this.#seq && !this.isLost(seq);
    return isKept ? seq : undefined;
  }

  /** One that is kept. */
  at(seq: number): Entry<T> {
    return this.#entries[seq % this.#entries.length] as Entry<T>;
  }

  add(entry: Entry<T>): void {
    this.#seq += 1;
    if (this.#seq - this.#first === this.#entries.length) this.#drop();
    this.#entries[this.#seq % this.#entries.length] = entry;
    this.#bytes += entry.bytes;
    // The last one stays, however long it is.
    while (this.#bytes > this.#maxBytes && this.#first < this.#seq) this.#drop();
  }

  /** Forgets all, and one more that was not seen: every earlier id is lost. */
  clear(): void {
    this.#seq += 1;
    while (this.#first <= this.#seq) this.#drop();
  }

  /** The first one of those that are kept. */
  #drop(): void {
    const at = this.#first % this.#entries.length;
    this.#bytes -= this.#entries[at]?.bytes ?? 0;
    this.#entries[at] = undefined;
    this.#first += 1;
  }
}
