import { Tally } from '../../collections/tally.ts';
import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import type { Job } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { UntilClosed } from '../../runtime/until-closed.ts';
import type { StoredHold } from '../../storage/holds/hold.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { type HoldWriteSources, HoldWrites } from './hold-writes.ts';
import { readHolds, readHoldsNow } from './read-holds.ts';
import { TurnsByUser } from './turns-by-user.ts';

/** What held lanes need of others. */
export interface LaneSources extends HoldWriteSources {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly inFlight: InFlightOrders;
  /** Resolves when an unsettled order of the storage is taken up; `undefined` if it need not be waited for. */
  whenTakenUp(orderId: string): Promise<void> | undefined;
  /** A failed order holds the lane, with all that waits in it. */
  failed(userId: string): void;
  /** The hold of a failed order is written. */
  kept(job: Job): void;
  /** What waits in a lane keeps no recovery waiting any more. */
  stopped(): void;
  /** Orders of the queue that their settlement was to accept are accepted before. */
  keepWaiting(userId: string): void;
}

/** The holds of lanes in memory, and which lanes of the queue are stopped. */
export class LaneHolds {
  protected readonly sources: LaneSources;
  protected readonly writes: HoldWrites;
  /** By user, the oldest hold first. */
  protected holds = new Map<string, StoredHold>();
  /** Ends the waiting for what comes of them when they end. */
  readonly untilOver = new UntilClosed();
  protected isClosed = false;
  /** By user: what is being done to the hold; a later call waits for that. */
  readonly #turns = new TurnsByUser();
  readonly #loaded = Promise.withResolvers<void>();
  /** By user: how many calls that are to hold the lane have not ended. */
  readonly #stopping = new Tally();
  #isLoaded = false;
  #isOver = false;

  constructor(sources: LaneSources) {
    this.sources = sources;
    this.writes = new HoldWrites(sources);
  }

  /** How many lanes are held. */
  get size(): number {
    return this.holds.size;
  }

  /** For how long the oldest hold has held its lane, in milliseconds. */
  get oldestMs(): number {
    for (const { heldAt } of this.holds.values()) return Math.max(0, this.now() - heldAt);
    return 0;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  get(userId: string): StoredHold | undefined {
    return this.holds.get(userId);
  }

  has(userId: string): boolean {
    return this.holds.has(userId);
  }

  /** Reads the holds of earlier processes, before any of their orders begins. Rejects if the storage fails. */
  async load(): Promise<void> {
    if (!this.#isLoaded) this.#loadedAll(await readHolds(this.sources.storage));
  }

  /**
   * The same of a storage that answers at once.
   *
   * @throws TypeError for one that does not
   */
  loadNow(): void {
    this.#loadedAll(readHoldsNow(this.sources.storage));
  }

  /** When the failed order began that holds a lane, in Unix milliseconds, if one does. */
  async beganAt(userId: string): Promise<number | undefined> {
    await this.#loaded.promise;
    return this.holds.get(userId)?.failure?.startedAt;
  }

  /** The processor shuts down: no call holds or releases a lane any more. An order that fails may still hold its own. */
  close(): void {
    this.isClosed = true;
    this.writes.isClosing = true;
    this.#loaded.resolve();
  }

  /** Resolves when no hold is being written or ended. */
  whenWritten(): Promise<void> {
    return this.#turns.whenDone();
  }

  /**
   * Another processor may own the lanes from now on: they are forgotten, and nothing more is written of them.
   *
   * @returns resolves when the writes under way are answered
   */
  end(): Promise<void> {
    const users = new Set([...this.holds.keys(), ...this.#stopping.keys]);
    this.#isOver = true;
    this.holds.clear();
    for (const userId of users) this.sources.dispatcher.queue.unhold(userId);
    this.#loaded.resolve();
    this.untilOver.close();
    return this.writes.end();
  }

  /** The calls for one user are made in the order in which they came, at once where none is under way. */
  protected inTurn<T>(userId: string, call: () => Promise<T>): Promise<T> {
    return this.afterTurns(userId, async () => {
      this.checkOpen(userId);
      return call();
    });
  }

  protected afterTurns<T>(userId: string, call: () => Promise<T>): Promise<T> {
    return this.#turns.after(userId, call, this.#isLoaded ? undefined : this.#loaded.promise);
  }

  protected checkOpen(userId: string): void {
    if (!this.isClosed) return;
    throw new OrderError('shut_down', 'The processor holds and releases no more lanes', { userId });
  }

  /** Nothing of the lane begins from now on, though an earlier call may be under way. */
  protected stop(userId: string): void {
    this.#stopping.add(userId, 1);
    this.sources.dispatcher.queue.hold(userId);
    this.sources.keepWaiting(userId);
    this.sources.stopped();
  }

  /** A call that was to hold the lane has ended. */
  protected stopEnded(userId: string): void {
    this.#stopping.add(userId, -1);
    this.goOn(userId);
  }

  /**
   * The lane goes on unless it is held, or a call is to hold it. While the processor shuts down none does: a later order
   * would overtake those that stay in the storage.
   */
  protected goOn(userId: string): void {
    if (this.isClosed || this.#isOver) return;
    if (this.holds.has(userId) || this.#stopping.of(userId) > 0) return;
    const { queue } = this.sources.dispatcher;
    const { heldSize } = queue;
    queue.unhold(userId);
    // What waited in the lane is work again.
    if (queue.heldSize < heldSize) this.sources.lifecycle.idleness.end();
    this.sources.dispatcher.wake();
  }

  protected now(): number {
    const { clock } = this.sources;
    return clock.toUnix(clock.read());
  }

  #loadedAll(holds: ReadonlyMap<string, StoredHold>): void {
    if (this.#isOver) return;
    this.holds = new Map([...holds].sort(([, one], [, other]) => one.heldAt - other.heldAt));
    for (const userId of this.holds.keys()) this.sources.dispatcher.queue.hold(userId);
    this.#isLoaded = true;
    this.#loaded.resolve();
  }
}
