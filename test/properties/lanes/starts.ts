import type { MemoryStorage } from 'order-processor';
import type { Plan } from './plan.ts';

interface Start {
  readonly at: number;
  /** Of the present process. */
  readonly isNew: boolean;
}

/**
 * When orders begin, and whether their users' rate allows that. Of earlier processes counts what the storage has: orders
 * that are settled, or hold their lane. An order that its settlement accepts has its event late, behind that of an order
 * that began after it, so a process is judged when it has ended.
 */
export class Starts {
  readonly #rate: Plan['rate'];
  /** By user. */
  #starts = new Map<string, Start[]>();

  constructor(rate: Plan['rate']) {
    this.#rate = rate;
  }

  begins(userId: string, at: number): void {
    this.#add(userId, { at, isNew: true });
  }

  /** The process has ended; gives what was wrong. */
  end(disk: MemoryStorage | undefined): string[] {
    const wrong = [...this.#starts].flatMap(([userId, starts]) => this.#judge(userId, starts));
    this.#starts = new Map();
    const stored = [
      ...(disk?.list({ limit: 10_000 }).orders ?? []),
      ...(disk?.holds({ limit: 100 }) ?? []).map(({ userId, failure }) => ({ ...failure, userId })),
    ];
    for (const { userId, startedAt } of stored) {
      if (startedAt !== undefined) this.#add(userId, { at: startedAt, isNew: false });
    }
    return wrong;
  }

  #judge(userId: string, starts: readonly Start[]): string[] {
    if (this.#rate === undefined) return [];
    const { limit, intervalMs } = this.#rate;
    const sorted = starts.toSorted((one, other) => one.at - other.at);
    return sorted.flatMap(({ at, isNew }, place) => {
      const span = at - (sorted[place - limit]?.at ?? Number.NEGATIVE_INFINITY);
      if (!isNew || span >= intervalMs) return [];
      return [`${limit + 1} orders of ${userId} begin in ${span} ms`];
    });
  }

  #add(userId: string, start: Start): void {
    const starts = this.#starts.get(userId) ?? [];
    this.#starts.set(userId, starts);
    starts.push(start);
  }
}
