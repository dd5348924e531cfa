/** Reads the clock of the server, in Unix milliseconds. */
export const serverMs = 'floor(extract(epoch FROM clock_timestamp()) * 1000)';

/** The clock of the server, as far as a processor knows it. The clock of its machine may be an hour off, or be set. */
export class ServerClock {
  #aheadMs = 0;

  /** By how many milliseconds it is ahead of the machine's clock: 0 as long as they agree within a round trip. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** In Unix milliseconds. */
  now(): number {
    return Date.now() + this.#aheadMs;
  }

  /**
   * The server has answered what time it is. That was between question and answer, so each answer bounds the
   * difference; what is known of it changes only where it is out of bounds.
   *
   * @param askedAt - by the machine's clock, in Unix milliseconds
   * @param serverAt - by the server's
   */
  answered(askedAt: number, serverAt: number): void {
    const least = serverAt - Date.now();
    // Below `least` if the machine's clock was set back meanwhile: then what it says now counts.
    const most = Math.max(least, serverAt - askedAt);
    if (this.#aheadMs >= least && this.#aheadMs <= most) return;
    this.#aheadMs = Math.round((least + most) / 2);
  }
}
