import type { OwnedPartition, SharedStorageListener } from '../../core/storage/shared-storage.ts';
import type { Life } from '../members/life.ts';
import { unansweredRequests } from '../statements/requests.ts';

/** An owned partition, and the requests of it that its owner was called with. */
interface Owned {
  readonly partition: OwnedPartition;
  given: Set<string>;
}

/** How long a read waits that has failed while the life goes on, in milliseconds. */
const pauseMs = 500;

/** The requests to this processor, which owns the partitions of their users. */
export class OwnedRequests {
  readonly #life: () => Life | undefined;
  readonly #asked: SharedStorageListener['asked'];
  readonly #owned = new Map<number, Owned>();
  /** Partitions that may have requests that were not read. */
  readonly #due = new Set<number>();
  #isReading = false;

  constructor(life: () => Life | undefined, asked: SharedStorageListener['asked']) {
    this.#life = life;
    this.#asked = asked;
  }

  gain(partition: OwnedPartition): void {
    this.#owned.set(partition.number, { partition, given: new Set() });
    this.noted(partition.number);
  }

  drop(partition: OwnedPartition): void {
    const { number } = partition;
    if (this.#owned.get(number)?.partition === partition) this.#owned.delete(number);
  }

  /** A request of a partition was made. */
  noted(part: number): void {
    if (!this.#owned.has(part)) return;
    this.#due.add(part);
    if (!this.#isReading) void this.#readAll();
  }

  /** One read after the other: what a read does not show any more that was given before is answered. */
  async #readAll(): Promise<void> {
    this.#isReading = true;
    // Partitions are gained one after the other, in one call.
    await Promise.resolve();
    while (this.#due.size > 0) {
      const owned = [...this.#due].flatMap((part) => this.#owned.get(part) ?? []);
      this.#due.clear();
      const life = this.#life();
      // The next life gains its partitions anew.
      if (life === undefined || owned.length === 0) continue;
      try {
        await this.#read(life, owned);
      } catch {
        for (const { partition } of owned) this.#due.add(partition.number);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    this.#isReading = false;
  }

  async #read({ read }: Life, owned: readonly Owned[]): Promise<void> {
    const parts = owned.map(({ partition }) => partition.number);
    const requests = await unansweredRequests(read, parts);
    const byPart = Map.groupBy(requests, ([part]) => part);
    for (const each of owned) {
      const { partition, given } = each;
      if (this.#owned.get(partition.number) !== each) continue;
      const now = (byPart.get(partition.number) ?? []).map(([, request]) => request);
      each.given = new Set(now.map(({ id }) => id));
      for (const request of now) if (!given.has(request.id)) this.#asked(request, partition);
    }
  }
}
