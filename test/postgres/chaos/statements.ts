/** The first byte of the message that ends a statement: `Sync`, or a simple `Query`. */
const ends = [0x53, 0x51];

/** Statements that come closer than this are sent at once: without an answer between them. In milliseconds. */
const atOnceMs = 5;

/**
 * What a client sends to PostgreSQL, cut where its statements end: statements that are sent at once need not arrive at
 * once. In a session that accepts orders each one behind another waits for a pause, and all those behind it do.
 */
export class Statements {
  readonly #arrived: (data: Buffer) => void;
  /** How long the next pause is, in milliseconds. */
  readonly #pauses: () => number;
  #rest: Buffer = Buffer.alloc(0);
  #hasBegun = false;
  #accepts = false;
  #waiting: { readonly data: Buffer; readonly ms: number }[] = [];
  #lastAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(arrived: (data: Buffer) => void, pauses: () => number) {
    this.#arrived = arrived;
    this.#pauses = pauses;
  }

  take(data: Buffer): void {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    for (let end = this.#endOfStatement(); end > 0; end = this.#endOfStatement()) {
      const now = performance.now();
      const ms = this.#accepts && now - this.#lastAt < atOnceMs ? this.#pauses() : 0;
      this.#lastAt = now;
      this.#waiting.push({ data: this.#rest.subarray(0, end), ms });
      this.#rest = this.#rest.subarray(end);
    }
    this.#goOn();
  }

  /** The client sends nothing any more: what it has sent arrives. */
  flush(): void {
    clearTimeout(this.#timer);
    for (const { data } of this.#waiting) this.#arrived(data);
    this.#arrived(this.#rest);
    this.#waiting = [];
    this.#rest = Buffer.alloc(0);
    this.#timer = undefined;
  }

  #goOn(): void {
    while (this.#timer === undefined) {
      const next = this.#waiting[0];
      if (next === undefined) return;
      if (next.ms === 0) this.#leave();
      else {
        this.#timer = setTimeout(() => {
          this.#timer = undefined;
          this.#leave();
          this.#goOn();
        }, next.ms);
      }
    }
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.#arrived(next.data);
  }

  /** How many bytes the first statement has, and 0 while it is not complete. The first message has no type. */
  #endOfStatement(): number {
    let at = 0;
    for (;;) {
      const head = this.#hasBegun ? 1 : 0;
      if (this.#rest.length < at + head + 4) return 0;
      const type = this.#hasBegun ? (this.#rest[at] as number) : undefined;
      at += head + this.#rest.readInt32BE(at + head);
      if (this.#rest.length < at) return 0;
      if (type === undefined) {
        this.#hasBegun = true;
        this.#accepts = this.#rest.includes('order-processor accept');
        return at;
      }
      if (ends.includes(type) || type === 0x58) return at;
    }
  }
}
