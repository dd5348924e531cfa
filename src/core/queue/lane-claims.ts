/** Who takes a lane next that is no entry of it, by user. */
export class LaneClaims {
  readonly #byUser = new Map<string, (() => void)[]>();

  /**
   * @param begin - called when the lane is taken
   * @returns gives the claim up, if the lane has not been taken
   */
  add(userId: string, begin: () => void): () => void {
    const claims = this.#byUser.get(userId) ?? [];
    this.#byUser.set(userId, claims);
    claims.push(begin);
    return () => {
      if (!claims.includes(begin)) return;
      claims.splice(claims.indexOf(begin), 1);
      if (claims.length === 0) this.#byUser.delete(userId);
    };
  }

  /** The next one for a lane; its turn has come. */
  take(userId: string): (() => void) | undefined {
    if (this.#byUser.size === 0) return undefined;
    const claims = this.#byUser.get(userId);
    const begin = claims?.shift();
    if (claims?.length === 0) this.#byUser.delete(userId);
    return begin;
  }
}
