/** Which moves from state to state are allowed, a row of bits for each state. A look-up by two names costs more. */
export class MoveTable<State extends string> {
  readonly #rows: number[];
  readonly #numberOf: (state: State) => number;

  /**
   * @param moves - by state: the states that can follow it; 31 states at most
   * @param numberOf - gives each state a number of its own, from 0 up without gaps
   */
  constructor(
    moves: Readonly<Record<State, readonly State[]>>,
    numberOf: (state: State) => number,
  ) {
    this.#numberOf = numberOf;
    this.#rows = [];
    for (const [from, all] of Object.entries(moves) as [State, readonly State[]][]) {
      this.#rows[numberOf(from)] = all.reduce((row, to) => row | (1 << numberOf(to)), 0);
    }
  }

  allows(from: State, to: State): boolean {
    const row = this.#rows[this.#numberOf(from)] as number;
    return ((row >>> this.#numberOf(to)) & 1) === 1;
  }
}
