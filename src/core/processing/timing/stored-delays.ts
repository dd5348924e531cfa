import type { Timed } from '../../collections/time-heap.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type DuePage, type DuePlace, isBehind, placeOf } from '../../storage/due/due-orders.ts';
import type { JournalStorage } from '../../storage/ledger.ts';
import { longestWaitMs } from './order-expiry.ts';
import { TimerList } from './timer-list.ts';

/** How many orders are read at once. */
const pageSize = 500;

/** What `StoredDelays` needs of others. */
interface Sources {
  readonly storage: Pick<JournalStorage, 'due' | 'delayed'>;
  readonly clock: Clock;
  /** The orders up to this time are taken up by the recovery. */
  readonly startedAt: number;
  /** For how many orders there is room. */
  room(): number;
  /** The order in flight that has an id. */
  get(id: string): Job | undefined;
  /** The time of an order has come that is not in flight. */
  recovered(order: StoredOrder): void;
  /** The time of an order in flight has come, which waits for that. */
  enter(job: Job): void;
  /** Reading failed, and is tried again when the storage works. */
  failed(error: OrderError): void;
  /** Resolves when the storage works, or when the processor has closed. */
  whenAvailable(): Promise<void>;
}

/**
 * The delayed orders of a storage that keeps orders. They are read when they are due, as many as there is room for, so
 * a million of them take no memory. A place says up to which order they were read.
 */
export class StoredDelays {
  /** How many there are. */
  count = 0;
  readonly #sources: Sources;
  #readUpTo: DuePlace;
  /** An order came behind this place while the storage was read. */
  #again: DuePlace | undefined;
  readonly #wake: Timed = { at: 0, place: -1 };
  readonly #timers: TimerList<Timed>;
  /** How many questions about delayed orders the storage has not answered. */
  #asked = 0;
  /** Orders that have left since then: an answer may have them, as they were before. */
  readonly #left = new Set<string>();
  /** By id: the places of orders that were due while another order with the id was on its way into the storage. */
  readonly #passedOver = new Map<string, DuePlace>();
  /** Those of them that `count` has no more, since nothing was left to be read. */
  readonly #uncounted = new Set<string>();
  #isReading = false;
  #isCounted = false;
  #hasBegun = false;
  #isFull = false;
  #isClosed = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#readUpTo = { notBefore: sources.startedAt, sequence: Number.MAX_SAFE_INTEGER };
    this.#timers = new TimerList({
      ...{ clock: sources.clock, longestWaitMs },
      timedOf: (wake) => wake,
      now: sources.clock.unixNow,
      due: () => this.read(),
    });
  }

  /** Counts the orders of an earlier process, before new ones come. */
  async countEarlier(): Promise<void> {
    if (this.#isCounted) return;
    const count = await this.#sources.storage.delayed(this.#sources.startedAt);
    this.count += count;
    this.#isCounted = true;
  }

  /**
   * Reads those that are due from now on. The holds of an earlier process are known, and the orders that it left are in
   * their lanes: no delayed order enters a lane that is to be held, nor overtakes.
   */
  begin(): void {
    this.#hasBegun = true;
    this.read();
  }

  /** The storage has an order whose time has not come. */
  add({ times, sequence }: Job, isCounted: boolean): void {
    if (!isCounted) this.count += 1;
    const notBefore = times?.notBefore as number;
    this.#readFrom({ notBefore, sequence });
    this.#wakeAt(notBefore);
  }

  /** An order of the storage is in memory: a call that failed may have kept it, so that nothing else reads it. */
  awaited({ times }: Job): void {
    this.#wakeAt(times?.notBefore as number);
  }

  /** An order enters its lane that its caller has handed in again, after its time and before it was read. */
  entered({ id, times }: Job): void {
    if (this.#uncounted.delete(id)) return;
    if ((times?.notBefore as number) > this.#sources.startedAt) this.count -= 1;
  }

  /** An order is canceled before its time. */
  canceled(): void {
    this.count -= 1;
  }

  /** An order is in flight no longer: there may be room. */
  left(job: Job): void {
    // One that is forgotten waits on in the storage, and one that is refused says nothing of the order there.
    const isGone = job.state !== 'kept' && job.state !== 'refused';
    if (this.#asked > 0 && job.times !== undefined && isGone) this.#left.add(job.id);
    if (this.#passedOver.size > 0) this.#mayBeFree(job);
    if (this.#isFull && this.#sources.room() > 0) this.read();
  }

  /** Whether an order of the storage, as an answer of `whileAsked` has it, waits there for its time. */
  has(order: StoredOrder): boolean {
    if (this.#isClosed || order.settledAt !== undefined || order.notBefore === undefined)
      return false;
    return isBehind(placeOf(order), this.#readUpTo) && !this.#left.has(order.id);
  }

  /** Notes which orders leave until the answer is treated. */
  async whileAsked<T>(treat: () => Promise<T>): Promise<T> {
    this.#asked += 1;
    try {
      return await treat();
    } finally {
      this.#asked -= 1;
      if (this.#asked === 0) this.#left.clear();
    }
  }

  /** Reads the orders that are due; never rejects. */
  async read(): Promise<void> {
    if (this.#isReading || this.#isClosed || !this.#hasBegun) return;
    this.#isReading = true;
    this.#isFull = false;
    while (!this.#isClosed) {
      try {
        await this.#readDue();
        break;
      } catch (cause) {
        this.#goBack();
        this.#sources.failed(storageFailed('The delayed orders could not be read', cause));
        await this.#sources.whenAvailable();
      }
    }
    this.#isReading = false;
  }

  /** The processor shuts down: no order is read any more. */
  close(): void {
    this.#isClosed = true;
    this.#timers.close();
  }

  async #readDue(): Promise<void> {
    const { clock, room, storage } = this.#sources;
    for (;;) {
      const limit = Math.min(pageSize, room());
      this.#isFull = limit <= 0;
      if (this.#isFull || this.#isClosed) break;
      const now = clock.unixNow();
      const after = this.#readUpTo;
      const next = await this.whileAsked(async () => {
        const page = await storage.due({ after, upTo: now, limit });
        return (await this.#take(page)) ? page.next : now;
      });
      if (this.#again === undefined && (next === undefined || next > clock.unixNow())) {
        if (next !== undefined) this.#wakeAt(next);
        // A call of the storage that failed may have kept or canceled an order all the same.
        else this.#countNone();
        break;
      }
      this.#goBack();
    }
    this.#goBack();
  }

  /** Takes the orders of a page, as long as there is room; false if it does not take all. */
  async #take({ orders }: DuePage): Promise<boolean> {
    const { clock, get, room } = this.#sources;
    for (const order of orders) {
      if (!clock.hasTime()) await clock.nextSlice();
      if (this.#isClosed || room() <= 0) return false;
      this.#readUpTo = placeOf(order);
      if (this.#left.has(order.id)) continue;
      const job = get(order.id);
      if (job === undefined || job.state === 'scheduled') {
        this.count -= 1;
        if (job === undefined) this.#sources.recovered(order);
        else this.#sources.enter(job);
      } else this.#passedOver.set(order.id, placeOf(order));
    }
    return true;
  }

  #countNone(): void {
    this.count = 0;
    for (const id of this.#passedOver.keys()) this.#uncounted.add(id);
  }

  /** If an order was refused, the one that was passed over for it is read again. */
  #mayBeFree({ id, state }: Job): void {
    const place = this.#passedOver.get(id);
    this.#passedOver.delete(id);
    const isUncounted = this.#uncounted.delete(id);
    if (place === undefined || state !== 'refused') return;
    if (isUncounted) this.count += 1;
    this.#readFrom(place);
    this.read();
  }

  /** An order with this place is to be read, again or at all. */
  #readFrom({ notBefore, sequence }: DuePlace): void {
    const before = { notBefore, sequence: sequence - 1 };
    if (this.#isReading) this.#again = first(this.#again ?? before, before);
    else this.#readUpTo = first(this.#readUpTo, before);
  }

  #goBack(): void {
    if (this.#again === undefined) return;
    this.#readUpTo = first(this.#readUpTo, this.#again);
    this.#again = undefined;
  }

  #wakeAt(at: number): void {
    if (this.#wake.place !== -1) {
      if (this.#wake.at <= at) return;
      this.#timers.remove(this.#wake);
    }
    this.#timers.add(this.#wake, at);
  }
}

function first(one: DuePlace, other: DuePlace): DuePlace {
  return isBehind(one, other) ? other : one;
}
