import type { KeptRequest, OwnerRequest } from 'order-processor';
import type { SharedDatabase, Tenure } from './shared-database.ts';
import type { SharedStorage } from './shared-storage.ts';

interface Kept {
  readonly request: OwnerRequest;
  /** Which processor made it. */
  readonly by: SharedStorage;
  isBegun: boolean;
  answer: string | undefined;
}

/** The requests to owners of a `SharedDatabase`. */
export class SharedRequests {
  readonly #database: SharedDatabase;
  readonly #kept = new Map<string, Kept>();

  constructor(database: SharedDatabase) {
    this.#database = database;
  }

  /** How many are not answered. */
  get size(): number {
    return [...this.#kept.values()].filter(({ answer }) => answer === undefined).length;
  }

  keep(request: OwnerRequest, by: SharedStorage): void {
    const kept = { request, by, isBegun: false, answer: undefined };
    this.#kept.set(request.id, kept);
    const owner = this.#database.ownerOf(request.userId);
    // Else the next owner hears of it when it gains the partition.
    if (owner?.isTold) this.#ask(owner, kept);
  }

  begin(id: string): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.isBegun = true;
  }

  answer(id: string, answer: string): void {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.answer !== undefined) return;
    kept.answer = answer;
    kept.by.tell((listener) => listener.answered(id, answer));
  }

  /** A processor has gained a partition. */
  gained(tenure: Tenure): void {
    for (const kept of this.#kept.values()) {
      const isOfIt = this.#database.partitionOf(kept.request.userId) === tenure.number;
      if (isOfIt && kept.answer === undefined) this.#ask(tenure, kept);
    }
  }

  #ask(tenure: Tenure, kept: Kept): void {
    tenure.storage.tell((listener) => {
      if (!tenure.storage.tenures.has(tenure)) return;
      const request: KeptRequest = { ...kept.request, isBegun: kept.isBegun };
      listener.asked(request, tenure);
    });
  }
}
