import { Tally } from '../../collections/tally.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import { isThenable } from '../../runtime/awaitable.ts';
import type { Clock } from '../../runtime/clock.ts';
import { quote } from '../../runtime/thrown.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import type { Hold, HoldStorage, ReleasedLane, StoredHoldQuery } from '../../storage/holds/hold.ts';
import type { Dispatcher } from '../dispatcher.ts';

/** How many holds are read at once. */
const pageSize = 500;

/** What `HeldLanes` needs of others. */
interface Sources {
  readonly storage: HoldStorage;
  readonly dispatcher: Pick<Dispatcher, 'queue' | 'wake'>;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly questions: UntilClosed;
  /** Orders of the queue that their settlement was to accept are accepted before. */
  keepWaiting(userId: string): void;
}

/**
 * The lanes that are held: a lane is stopped before its hold is written, and goes on after the end of the hold is
 * written. All holds of the storage are in memory.
 */
export class HeldLanes {
  readonly #sources: Sources;
  /** By user, the oldest hold first. */
  #holds = new Map<string, Hold>();
  /** By user: what is being done to the hold; a later call waits for that. */
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #loaded = Promise.withResolvers<void>();
  /** By user: how many calls that are to hold the lane have not ended. */
  readonly #stopping = new Tally();
  #isLoaded = false;
  #isClosed = false;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** How many lanes are held. */
  get size(): number {
    return this.#holds.size;
  }

  /** The users whose lanes are held. */
  get users(): Iterable<string> {
    return this.#holds.keys();
  }

  /** For how long the oldest hold has held its lane, in milliseconds. */
  get oldestMs(): number {
    for (const { heldAt } of this.#holds.values()) return Math.max(0, this.#now() - heldAt);
    return 0;
  }

  /** Reads the holds of an earlier process, before any of its orders begins. Rejects if the storage fails. */
  async load(): Promise<void> {
    if (this.#isLoaded) return;
    const holds = new Map<string, Hold>();
    let after: string | undefined;
    do after = add(await this.#sources.storage.holds({ after, limit: pageSize }), holds);
    while (after !== undefined);
    this.#loadedAll(holds);
  }

  /**
   * The same of a storage that answers at once.
   *
   * @throws TypeError for one that does not
   */
  loadNow(): void {
    const holds = new Map<string, Hold>();
    let after: string | undefined;
    do {
      const page = this.#sources.storage.holds({ after, limit: pageSize });
      if (isThenable(page)) {
        throw new TypeError('Expected `holds` of a volatile storage to answer at once');
      }
      after = add(page, holds);
    } while (after !== undefined);
    this.#loadedAll(holds);
  }

  /** Holds the lane of a user. If it is held already, only another `reason` is noted. */
  async hold(userId: string, reason: string | undefined): Promise<Hold> {
    this.#checkOpen(userId);
    this.#stop(userId);
    try {
      return await this.#inTurn(userId, () => this.#hold(userId, reason));
    } finally {
      this.#stopping.add(userId, -1);
      this.#goOn(userId);
    }
  }

  /** Ends the hold of a user. */
  release(userId: string): Promise<ReleasedLane> {
    return this.#inTurn(userId, () => this.#release(userId));
  }

  /** One page of the holds that the storage has. */
  async page(query: StoredHoldQuery): Promise<readonly Hold[]> {
    try {
      const page = this.#sources.storage.holds(query);
      return isThenable(page) ? await this.#sources.questions.ask(page) : page;
    } catch (cause) {
      throw storageFailed('The storage could not give the holds', cause);
    }
  }

  /** The processor shuts down: nothing is held or released any more. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#loaded.resolve();
    while (this.#turns.size > 0) await Promise.all(this.#turns.values());
  }

  #loadedAll(holds: ReadonlyMap<string, Hold>): void {
    const { queue } = this.#sources.dispatcher;
    this.#holds = new Map([...holds].sort(([, one], [, other]) => one.heldAt - other.heldAt));
    for (const userId of this.#holds.keys()) queue.hold(userId);
    this.#isLoaded = true;
    this.#loaded.resolve();
  }

  /** The calls for one user are made in the order in which they came, at once where none is under way. */
  #inTurn<T>(userId: string, call: () => Promise<T>): Promise<T> {
    const checked = async (): Promise<T> => {
      this.#checkOpen(userId);
      return call();
    };
    const before = this.#turns.get(userId) ?? (this.#isLoaded ? undefined : this.#loaded.promise);
    const turn = before === undefined ? checked() : before.then(checked);
    const end = turn.then(ignore, ignore).then(() => {
      if (this.#turns.get(userId) === end) this.#turns.delete(userId);
    });
    this.#turns.set(userId, end);
    return turn;
  }

  #checkOpen(userId: string): void {
    if (!this.#isClosed) return;
    throw new OrderError('shut_down', 'The processor holds and releases no more lanes', { userId });
  }

  /** Nothing of the lane begins from now on, though an earlier call may be under way. */
  #stop(userId: string): void {
    this.#stopping.add(userId, 1);
    this.#sources.dispatcher.queue.hold(userId);
    this.#sources.keepWaiting(userId);
  }

  async #hold(userId: string, reason: string | undefined): Promise<Hold> {
    const known = this.#holds.get(userId);
    if (known?.reason !== undefined && (reason ?? known.reason) === known.reason) return known;
    const hold: Hold = { heldAt: this.#now(), ...known, userId, reason: reason ?? '' };
    try {
      await this.#written(() => this.#sources.storage.hold(hold));
    } catch (cause) {
      throw failed('The storage did not keep the hold', cause, userId);
    }
    this.#holds.set(userId, hold);
    const { lifecycle } = this.#sources;
    if (known === undefined) lifecycle.events.tell.held?.(hold);
    lifecycle.idleness.check();
    return hold;
  }

  async #release(userId: string): Promise<ReleasedLane> {
    const hold = this.#holds.get(userId);
    if (hold === undefined) {
      const message = `The lane of user ${quote(userId)} is not held`;
      throw new OrderError('not_held', message, { userId });
    }
    try {
      await this.#written(() => this.#sources.storage.release(userId));
    } catch (cause) {
      throw failed('The storage did not end the hold', cause, userId);
    }
    this.#holds.delete(userId);
    const released = { ...hold, releasedAt: this.#now() };
    this.#sources.lifecycle.events.tell.released?.(released);
    this.#goOn(userId);
    return released;
  }

  /** @param write - is called at once; one that is never answered is given up when the processor has closed */
  async #written(write: () => unknown): Promise<void> {
    const written = write();
    if (isThenable(written)) await this.#sources.questions.ask(written);
  }

  /**
   * The lane goes on unless it is held, or a call is to hold it. While the processor shuts down none does: a later order
   * would overtake those that stay in the storage.
   */
  #goOn(userId: string): void {
    if (this.#isClosed || this.#holds.has(userId) || this.#stopping.of(userId) > 0) return;
    const { queue } = this.#sources.dispatcher;
    const { heldSize } = queue;
    queue.unhold(userId);
    // What waited in the lane is work again.
    if (queue.heldSize < heldSize) this.#sources.lifecycle.idleness.end();
    this.#sources.dispatcher.wake();
  }

  #now(): number {
    const { clock } = this.#sources;
    return clock.toUnix(clock.read());
  }
}

/**
 * Adds a page of holds to those before it.
 *
 * @returns behind whose hold the next page begins; `undefined` after the last one
 */
function add(page: readonly Hold[], holds: Map<string, Hold>): string | undefined {
  for (const hold of page) {
    if (holds.has(hold.userId)) {
      throw new TypeError("Expected the storage's `holds` to give each hold once");
    }
    holds.set(hold.userId, hold);
  }
  return page.length < pageSize ? undefined : page.at(-1)?.userId;
}

function failed(message: string, cause: unknown, userId: string): OrderError {
  return new OrderError('storage_failed', message, { cause, userId });
}

function ignore(): void {}
