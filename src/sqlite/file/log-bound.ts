import type { StorageSizes } from '../../core/storage/balance-storage.ts';

/**
 * How large the log may stay, in bytes. It is copied into the file at 16 MB, and a transaction may come on top.
 * It grows beyond while another connection reads an older state, as a backup and a check do.
 */
export const LOG_BYTES = 20 * 2 ** 20;

/** How long after the log was found too large it is shortened, in milliseconds; the pause doubles up to `most`. */
const pauseMs = { first: 250, most: 4_000 } as const;

/**
 * Keeps the log near its bound. SQLite shortens a log only when it restarts it, which a reader prevents, and which
 * needs a transaction: without one, the log would keep its largest size.
 */
export class LogBound {
  readonly #shorten: () => Promise<unknown>;
  #sizes: StorageSizes | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isShortening = false;
  #isClosed = false;
  #pauseMs: number = pauseMs.first;

  /** @param shorten - tries to empty the log, and notes the sizes before it resolves */
  constructor(shorten: () => Promise<unknown>) {
    this.#shorten = shorten;
  }

  /** The sizes that were noted last. */
  get sizes(): StorageSizes | undefined {
    return this.#sizes;
  }

  /** Notes the sizes of the file and the log. */
  note(sizes: StorageSizes | undefined): void {
    if (sizes === undefined) return;
    this.#sizes = sizes;
    if (this.#isTooLarge) this.#shortenLater();
    else this.#pauseMs = pauseMs.first;
  }

  /** A long read has ended: shortening the log may work now. */
  readerEnded(): void {
    this.#pauseMs = pauseMs.first;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#shortenLater();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  get #isTooLarge(): boolean {
    return (this.#sizes?.logBytes ?? 0) > LOG_BYTES;
  }

  #shortenLater(): void {
    if (this.#timer !== undefined || this.#isShortening || this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#shortenNow(), this.#pauseMs);
    // A log that is too large does not keep the process running.
    this.#timer.unref();
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.most);
  }

  async #shortenNow(): Promise<void> {
    this.#timer = undefined;
    // A transaction may have shortened it since then.
    if (!this.#isTooLarge) return;
    this.#isShortening = true;
    // A failure is tried again. A connection that is lost fails the next call.
    await this.#shorten().catch(() => {});
    this.#isShortening = false;
    if (this.#isTooLarge) this.#shortenLater();
  }
}
