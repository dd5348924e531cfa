import {
  type ClusterStats,
  MemoryStorage,
  type OwnedPartition,
  type StoredHold,
  type StoredHoldQuery,
  type StoredOrder,
} from 'order-processor';
import { SharedRequests } from './shared-requests.ts';
import type { SharedStorage } from './shared-storage.ts';

/** What is taken out of the storage, to see tests fail. */
export interface Faults {
  /** A settlement is recorded whoever owns the order. */
  readonly hasNoFence?: boolean;
  /** Owners hear of orders in another order than that of their acceptance. */
  readonly hasNoOrder?: boolean;
  /** The next owner of a partition is not told which lanes are held. */
  readonly hidesHolds?: boolean;
  /** A processor is not told that it has lost a partition. */
  readonly hidesLoss?: boolean;
}

/** One processor's time of owning a partition. */
export class Tenure implements OwnedPartition {
  readonly number: number;
  readonly storage: SharedStorage;
  /** The processor has been told that it owns the partition. */
  isTold = false;
  isReleasing = false;
  /** The partition was taken away by force. */
  isLost = false;
  /** The orders that the processor has taken from a page. */
  readonly given = new Set<string>();

  constructor(number: number, storage: SharedStorage) {
    this.number = number;
    this.storage = storage;
  }
}

/** An order has got its outcome. */
export interface Commit {
  readonly order: StoredOrder;
  readonly isByOwner: boolean;
}

/** What several processors share: orders and balances in memory, and who owns which partition. */
export class SharedDatabase {
  readonly disk = new MemoryStorage();
  readonly requests = new SharedRequests(this);
  readonly owners: (Tenure | undefined)[];
  readonly members = new Set<SharedStorage>();
  /** Every outcome, in the order in which they were recorded. */
  readonly commits: Commit[] = [];
  readonly faults: Faults;
  /** Resolves after what a call of a network takes. */
  readonly delay: (most?: number) => Promise<void>;
  readonly #unsettled = new Map<string, StoredOrder>();
  readonly #takeOvers = new Map<string, number>();
  readonly #watchers = new Map<string, Set<SharedStorage>>();
  readonly #toCancel = new Set<string>();
  /** Unsettled orders whose time has not come. */
  readonly #scheduled = new Set<string>();

  constructor(
    partitions: number,
    delay: (most?: number) => Promise<void> = async () => {},
    faults: Faults = {},
  ) {
    this.owners = Array.from({ length: partitions }, () => undefined);
    this.delay = delay;
    this.faults = faults;
  }

  partitionOf(userId: string): number {
    let hash = 0;
    for (const char of userId) hash = (hash * 31 + char.charCodeAt(0)) % 65_536;
    return hash % this.owners.length;
  }

  ownerOf(userId: string): Tenure | undefined {
    return this.owners[this.partitionOf(userId)];
  }

  find(id: string): StoredOrder | undefined {
    const order = this.disk.find(id);
    return order && { ...order, attempt: 1 + (this.#takeOvers.get(id) ?? 0) };
  }

  holdsOf(partition: number, { after, limit }: StoredHoldQuery): readonly StoredHold[] {
    if (this.faults.hidesHolds) return [];
    const behind = this.disk.holds({ after, limit: Number.MAX_SAFE_INTEGER });
    return behind.filter(({ userId }) => this.partitionOf(userId) === partition).slice(0, limit);
  }

  holdOf(userId: string): StoredHold | undefined {
    const holds = this.disk.holds({ limit: Number.MAX_SAFE_INTEGER });
    return holds.find((hold) => hold.userId === userId);
  }

  /** By how much its clock is ahead of the machine's, in milliseconds. */
  aheadMs: number | undefined;

  /** What time it is by its clock, in Unix milliseconds. */
  now(): number {
    return Date.now() + (this.aheadMs ?? 0);
  }

  /** Orders are accepted: their owners hear of them. */
  accepted(ids: readonly string[]): void {
    const pages = new Map<number, StoredOrder[]>();
    for (const id of ids) {
      const order = this.find(id) as StoredOrder;
      this.#unsettled.set(id, order);
      if ((order.notBefore ?? 0) > this.now()) {
        this.#scheduled.add(id);
        this.#waitFor(order);
        continue;
      }
      const partition = this.partitionOf(order.userId);
      pages.set(partition, [...(pages.get(partition) ?? []), order]);
    }
    for (const [partition, orders] of pages) void this.#note(partition, orders);
  }

  #waitFor(order: StoredOrder): void {
    const ms = (order.notBefore as number) - this.now();
    if (ms <= 0) this.#due(order);
    else setTimeout(() => this.#waitFor(order), Math.min(ms, 1_000_000)).unref?.();
  }

  /** The time of an order has come by the clock of the database. */
  comesDue(id: string): void {
    this.#due(this.find(id) as StoredOrder);
  }

  #due({ id, userId }: StoredOrder): void {
    if (!this.#scheduled.delete(id)) return;
    void this.#note(this.partitionOf(userId), [this.find(id) as StoredOrder]);
  }

  async #note(partition: number, orders: StoredOrder[]): Promise<void> {
    // Else the first owner reads what there is.
    const owner = this.owners[partition];
    if (!owner?.isTold) return;
    if (this.faults.hasNoOrder) await this.delay(20);
    owner.storage.page(owner, orders);
  }

  watch(id: string, storage: SharedStorage): void {
    if (!this.#unsettled.has(id)) return;
    this.#watchers.set(id, (this.#watchers.get(id) ?? new Set()).add(storage));
  }

  settled(id: string, by: SharedStorage): void {
    const order = this.find(id) as StoredOrder;
    this.commits.push({ order, isByOwner: this.ownerOf(order.userId)?.storage === by });
    this.#unsettled.delete(id);
    this.#scheduled.delete(id);
    this.#toCancel.delete(id);
    for (const storage of this.#watchers.get(id) ?? []) {
      storage.tell((listener) => listener.settled(order));
    }
    this.#watchers.delete(id);
    for (const storage of this.members) {
      if (storage.isFollowing) storage.tell((listener) => listener.applied());
    }
  }

  cancel(id: string): void {
    const order = this.#unsettled.get(id);
    if (order === undefined) return;
    this.#toCancel.add(id);
    this.#due(order);
    const owner = this.ownerOf(order.userId);
    if (owner?.given.has(id)) owner.storage.tell((listener) => listener.cancel(id));
  }

  isToCancel(id: string): boolean {
    return this.#toCancel.has(id);
  }

  /**
   * A processor has taken an order.
   *
   * @param isCanceled - whether its page has named it as one to be canceled
   */
  given(tenure: Tenure, id: string, isCanceled: boolean): void {
    tenure.given.add(id);
    if (this.#toCancel.has(id) && !isCanceled)
      tenure.storage.tell((listener) => listener.cancel(id));
  }

  /** A processor gains a partition that has no owner. */
  give(partition: number, storage: SharedStorage): void {
    if (this.owners[partition] !== undefined || !this.members.has(storage)) return;
    const tenure = new Tenure(partition, storage);
    this.owners[partition] = tenure;
    storage.tell((listener) => {
      if (tenure.isLost) return;
      tenure.isTold = true;
      storage.tenures.add(tenure);
      listener.gained(tenure);
      this.requests.gained(tenure);
      const orders = [...this.#unsettled.keys()]
        .map((id) => this.find(id) as StoredOrder)
        .filter(({ id, userId }) => {
          return this.partitionOf(userId) === partition && !this.#scheduled.has(id);
        })
        .sort((one, other) => one.sequence - other.sequence);
      for (let at = 0; at < orders.length; at += 3) {
        storage.page(tenure, orders.slice(at, at + 3));
      }
    });
  }

  /** The owner hands a partition over. */
  release(partition: number, next: () => SharedStorage | undefined): void {
    const tenure = this.owners[partition];
    if (tenure === undefined || tenure.isReleasing) return;
    tenure.isReleasing = true;
    tenure.storage.tell(async (listener) => {
      if (tenure.isLost) return;
      const isReleased = listener.released(tenure);
      tenure.storage.tenures.delete(tenure);
      await isReleased;
      if (this.owners[partition] !== tenure) return;
      this.owners[partition] = undefined;
      const storage = next();
      if (storage !== undefined) this.give(partition, storage);
    });
  }

  /** Takes a partition away from its owner, which hears of that later. */
  take(partition: number): void {
    const tenure = this.owners[partition];
    if (tenure === undefined) return;
    this.owners[partition] = undefined;
    tenure.isLost = true;
    for (const { id, userId } of this.#unsettled.values()) {
      if (this.partitionOf(userId) !== partition || this.#scheduled.has(id)) continue;
      this.#takeOvers.set(id, (this.#takeOvers.get(id) ?? 0) + 1);
    }
    if (this.faults.hidesLoss) return;
    tenure.storage.tell((listener) => {
      tenure.storage.tenures.delete(tenure);
      if (tenure.isTold) listener.lost(tenure);
    }, 10);
  }

  /** A call with an order of a user was answered `lost`: if the processor owns the partition, it gains it anew. */
  regain(userId: string, storage: SharedStorage): void {
    const partition = this.partitionOf(userId);
    if (this.owners[partition]?.storage !== storage) return;
    this.take(partition);
    this.give(partition, storage);
  }

  /** As one of the processors is told. */
  clusterOf(storage: SharedStorage): ClusterStats {
    const ownedBy = (member: SharedStorage | undefined): number =>
      this.owners.filter((owner) => owner?.storage === member).length;
    const due = [...this.#unsettled.values()].filter(
      ({ notBefore = 0 }) => notBefore <= this.now(),
    );
    const [oldest] = due.sort((a, b) => a.acceptedAt - b.acceptedAt);
    return {
      ageMs: 0,
      isMember: this.members.has(storage),
      processors: [...this.members].map((member) => ({
        ...{ name: 'double', isSelf: member === storage, joinedAt: 0, beatAgeMs: 0 },
        partitions: ownedBy(member),
      })),
      partitions: this.owners.length,
      ownedPartitions: ownedBy(storage),
      freePartitions: ownedBy(undefined),
      backlog: due.length,
      oldestWaitMs: oldest === undefined ? 0 : Math.max(0, this.now() - oldest.acceptedAt),
    };
  }

  /** A processor leaves: the others gain its partitions as it releases them. */
  leave(storage: SharedStorage): void {
    const next = (): SharedStorage | undefined =>
      [...this.members].find((each) => each !== storage && !each.isLeaving);
    if (next() === undefined) return;
    for (const [partition, owner] of this.owners.entries()) {
      if (owner?.storage === storage) this.release(partition, next);
    }
  }

  close(storage: SharedStorage): void {
    this.members.delete(storage);
    const [next] = [...this.members].filter(({ isLeaving }) => !isLeaving);
    for (const [partition, owner] of this.owners.entries()) {
      if (owner?.storage !== storage) continue;
      this.take(partition);
      if (next !== undefined) this.give(partition, next);
    }
  }
}
