/** Calls for one user are made one after the other, in the order in which they came. */
export class TurnsByUser {
  /** By user: the end of the last call. */
  readonly #ends = new Map<string, Promise<void>>();

  /**
   * Makes a call when the earlier ones of its user have ended: at once if none is under way.
   *
   * @param first - what the first call waits for
   */
  after<T>(userId: string, call: () => Promise<T>, first?: Promise<void>): Promise<T> {
    const before = this.#ends.get(userId) ?? first;
    const turn = before === undefined ? call() : before.then(call);
    const end = turn.then(ignore, ignore).then(() => {
      if (this.#ends.get(userId) === end) this.#ends.delete(userId);
    });
    this.#ends.set(userId, end);
    return turn;
  }

  /** Resolves when no call is under way. */
  async whenDone(): Promise<void> {
    while (this.#ends.size > 0) await Promise.all(this.#ends.values());
  }
}

function ignore(): void {}
