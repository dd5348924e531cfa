import type { Job } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import { CheckedHolds } from '../../storage/holds/checked-holds.ts';
import type { Hold, ReleasedLane, StoredHold, StoredHoldQuery } from '../../storage/holds/hold.ts';
import type { OwnedPartition, SharedOrders } from '../../storage/shared-storage.ts';
import { shown } from './failed-orders.ts';
import { HeldLanes } from './held-lanes.ts';
import { notOwned } from './hold-writes.ts';
import type { LaneSources } from './lane-holds.ts';
import { readPage } from './read-holds.ts';
import type { Release } from './release-options.ts';

/** What `LanesByPartition` needs of others. */
interface Sources extends Omit<LaneSources, 'whenTakenUp'> {
  /** Where several processors share the storage. */
  readonly shared: SharedOrders | undefined;
  /** The partition of an order that was taken up. */
  partitionOf(job: Job): OwnedPartition | undefined;
  /** Whether the storage has an order that is to be taken up here. */
  isUnsettled(orderId: string): Promise<boolean>;
  /** Resolves when the orders of an earlier process are taken up. */
  recovered(): Promise<void>;
}

/** An order that a release waits for. */
interface AwaitedOrder extends PromiseWithResolvers<void> {
  readonly partition: OwnedPartition | undefined;
}

/**
 * The held lanes of this processor: of each partition that it owns, or of all users if no other processor shares the
 * storage. The holds of a partition are read anew each time that it is gained.
 */
export class LanesByPartition {
  readonly #sources: Sources;
  readonly #lanes = new Map<OwnedPartition | undefined, HeldLanes>();
  readonly #loads = new Map<HeldLanes, Promise<void>>();
  /** By number of the partition: the writes of an earlier time of owning it that are not answered. */
  readonly #ending = new Map<number, Promise<void>>();
  /** By id: releases wait for these orders to be taken up. */
  readonly #awaited = new Map<string, AwaitedOrder>();
  /** Partitions that are handed over or lost: no more of their orders are taken up. */
  readonly #left = new WeakSet<OwnedPartition>();
  #isClosed = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    if (sources.shared === undefined) this.#lanes.set(undefined, this.#newLanes(undefined));
  }

  /** How many lanes are held. */
  get size(): number {
    return this.#all.reduce((sum, { size }) => sum + size, 0);
  }

  /** For how long the oldest hold has held its lane, in milliseconds. */
  get oldestMs(): number {
    return this.#all.reduce((most, { oldestMs }) => Math.max(most, oldestMs), 0);
  }

  /** Where no other processor shares the storage: reads the holds of an earlier process. */
  async load(): Promise<void> {
    await this.#lanes.get(undefined)?.load();
  }

  loadNow(): void {
    this.#lanes.get(undefined)?.loadNow();
  }

  /** The lanes of an owned partition, or of all users. */
  of(partition: OwnedPartition | undefined): HeldLanes | undefined {
    return this.#lanes.get(partition);
  }

  hold(userId: string, reason: string | undefined): Promise<Hold> {
    return (this.#lanes.get(undefined) as HeldLanes).hold(userId, reason);
  }

  release(userId: string, release: Release): Promise<ReleasedLane> {
    return (this.#lanes.get(undefined) as HeldLanes).release(userId, release);
  }

  /** An order has failed for good, and nothing of it runs: it holds its lane, at its head. */
  holdBy(job: Job): void {
    this.#of(job)?.holdBy(job);
  }

  /** Whether a failed order holds its lane. */
  isHeldBy(job: Job): boolean {
    return this.#of(job)?.isHeldBy(job) ?? false;
  }

  /** The hold of a user where several processors share the storage; rejects with `storage_failed`. */
  async holdOf(userId: string): Promise<StoredHold | undefined> {
    const { questions, shared } = this.#sources;
    try {
      return await questions.ask(Promise.resolve(shared?.holdOf(userId)));
    } catch (cause) {
      const message = 'The storage could not give the hold';
      throw new OrderError('storage_failed', message, { cause, userId });
    }
  }

  /** Cancels a failed order that holds its lane; false for any other. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    return this.#of(job)?.cancel(job, cancellation) ?? false;
  }

  /** When the failed order began that holds a lane, in Unix milliseconds, if one does. */
  async beganAt(userId: string): Promise<number | undefined> {
    const lanes = this.#lanes.get(undefined) ?? this.#all.find((each) => each.has(userId));
    return lanes?.beganAt(userId);
  }

  /** The hold of a user as callers see it: none, or one. Rejects with `storage_failed`. */
  async heldOf(userId: string): Promise<readonly Hold[]> {
    const lanes = this.#lanes.get(undefined);
    const hold = lanes === undefined ? await this.holdOf(userId) : lanes.get(userId);
    return hold === undefined ? [] : [shown(hold)];
  }

  /** One page of the holds that the storage has. */
  async page(query: StoredHoldQuery): Promise<readonly Hold[]> {
    const { storage, questions } = this.#sources;
    return (await readPage(storage, query, questions)).map(shown);
  }

  /** A partition is owned from now on. */
  gained(partition: OwnedPartition): void {
    const { shared, storage } = this.#sources;
    const ofPartition = {
      hold: storage.hold.bind(storage),
      release: storage.release.bind(storage),
      holds: (query: StoredHoldQuery) => (shared as SharedOrders).holdsOf(partition.number, query),
    };
    const lanes = this.#newLanes(partition, new CheckedHolds(ofPartition, false));
    this.#lanes.set(partition, lanes);
    if (this.#isClosed) lanes.close();
    this.#loads.set(lanes, this.#load(lanes, partition.number));
  }

  /** Resolves when the holds of a partition are read, or it is owned no longer. */
  async loaded(partition: OwnedPartition): Promise<void> {
    const lanes = this.#lanes.get(partition);
    if (lanes !== undefined) await this.#loads.get(lanes);
  }

  /** A partition is handed over. Resolves when no hold of it is being written or ended. */
  async released(partition: OwnedPartition): Promise<void> {
    this.#giveUp(partition);
    await this.#lanes.get(partition)?.whenWritten();
  }

  /** A partition is owned no longer. */
  ended(partition: OwnedPartition): void {
    const lanes = this.#lanes.get(partition);
    if (lanes === undefined) return;
    this.#lanes.delete(partition);
    this.#giveUp(partition);
    const { number } = partition;
    const answered = Promise.all([this.#ending.get(number), lanes.end()]).then(() => {
      if (this.#ending.get(number) === answered) this.#ending.delete(number);
    });
    this.#ending.set(number, answered);
  }

  /** An order of the storage is taken up. */
  takenUp({ id }: Job): void {
    if (this.#awaited.size === 0) return;
    this.#awaited.get(id)?.resolve();
    this.#awaited.delete(id);
  }

  /** The processor shuts down. */
  close(): void {
    this.#isClosed = true;
    for (const lanes of this.#all) lanes.close();
  }

  /** Resolves when no hold is being written or ended. */
  async whenWritten(): Promise<void> {
    await Promise.all(this.#all.map((lanes) => lanes.whenWritten()));
  }

  get #all(): HeldLanes[] {
    return [...this.#lanes.values()];
  }

  #of(job: Job): HeldLanes | undefined {
    return this.#lanes.get(this.#sources.partitionOf(job));
  }

  #newLanes(partition: OwnedPartition | undefined, storage = this.#sources.storage): HeldLanes {
    const whenTakenUp = (orderId: string): Promise<void> | undefined =>
      this.#whenTakenUp(orderId, partition);
    return new HeldLanes({ ...this.#sources, storage, whenTakenUp });
  }

  /** Orders of a partition are taken up no more. */
  #giveUp(partition: OwnedPartition): void {
    this.#left.add(partition);
    for (const [id, awaited] of this.#awaited) {
      if (awaited.partition !== partition) continue;
      this.#awaited.delete(id);
      awaited.reject(notOwned());
    }
  }

  /** Again and again as long as the storage fails. While the processor shuts down, none of its orders need begin. */
  async #load(lanes: HeldLanes, number: number): Promise<void> {
    const { lifecycle, mayTryAgain } = this.#sources;
    await this.#ending.get(number);
    for (let attempt = 1; !lanes.isOver; attempt += 1) {
      try {
        await lanes.load();
        break;
      } catch (cause) {
        const error = storageFailed('The holds of a partition could not be read', cause);
        lifecycle.events.notify.error?.(error);
        if (this.#isClosed) return new Promise(() => {});
        await mayTryAgain(attempt);
      }
    }
    this.#loads.delete(lanes);
  }

  #whenTakenUp(orderId: string, partition: OwnedPartition | undefined): Promise<void> | undefined {
    const { inFlight, recovered, shared } = this.#sources;
    if (shared === undefined) return inFlight.isRecovering ? recovered() : undefined;
    const state = inFlight.get(orderId)?.state;
    if (state !== undefined && state !== 'awaited') return undefined;
    if (partition !== undefined && this.#left.has(partition)) return Promise.reject(notOwned());
    return this.#awaitOrder(orderId, { ...Promise.withResolvers<void>(), partition });
  }

  async #awaitOrder(orderId: string, awaited: AwaitedOrder): Promise<void> {
    this.#awaited.set(orderId, awaited);
    awaited.promise.catch(() => {});
    try {
      if (await this.#sources.isUnsettled(orderId)) await awaited.promise;
    } finally {
      if (this.#awaited.get(orderId) === awaited) this.#awaited.delete(orderId);
    }
  }
}
