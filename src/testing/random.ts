/** Random choices that are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 up to but without 1. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    const state = this.#state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `least` to `greatest`. */
  integer(least: number, greatest: number): number {
    return least + Math.floor(this.fraction() * (greatest - least + 1));
  }

  /** True in so many of a hundred cases. */
  chance(percent: number): boolean {
    return this.fraction() * 100 < percent;
  }

  /** One of some; there must be one. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)] as T;
  }

  /** So many, each made anew. */
  many<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }
}

/** Does something random. An error says how to do the same again. */
export async function replayable(
  seed: number | undefined,
  run: (random: Random) => Promise<void>,
): Promise<void> {
  const used = seed ?? Math.floor(Math.random() * 2 ** 31);
  try {
    await run(new Random(used));
  } catch (error) {
    if (error instanceof Error) prefix(error, `With \`seed: ${used}\`: `);
    throw error;
  }
}

/** Changes the stack too, which some runners print and which was made before. */
function prefix(error: Error, text: string): void {
  const { message, stack = '' } = error;
  error.message = text + message;
  error.stack = stack.includes(message)
    ? stack.replace(message, () => text + message)
    : text + stack;
}
