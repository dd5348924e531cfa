import type { Timed } from '../../collections/time-heap.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import type { KeyedQueue } from '../../queue/keyed-queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Ledger } from '../../storage/ledger.ts';
import type { OwnedPartition } from '../../storage/shared-storage.ts';
import { startsIn } from './earlier-starts.ts';
import type { Rate } from './rate.ts';
import { TimerList } from './timer-list.ts';

/** The longest time that a timer can wait. */
const longestWaitMs = 2_147_483_647;

/** Node's own `setTimeout`, unless the library was loaded later than a test's fake timers. */
const { setTimeout: loaded } = globalThis;

/** What `UserRates` needs of others. */
interface Sources {
  readonly rate: Rate;
  readonly clock: Clock;
  readonly queue: KeyedQueue<Job>;
  /** Has the orders that earlier processes began; only where the storage keeps orders. */
  readonly ledger: Ledger | undefined;
  /** The partition of an order, where several processors share the storage. */
  partitionOf(job: Job): OwnedPartition | undefined;
  /** When the failed order began that holds a user's lane, in Unix milliseconds, if one does. */
  heldOrderBeganAt(userId: string): Promise<number | undefined>;
  /** Orders of a user wait from now on. */
  waits(userId: string): void;
  /** An order may begin. */
  wake(): void;
  failed(error: OrderError): void;
  /** Resolves when the storage may be asked again. */
  whenAvailable(): Promise<void>;
}

/** A user of whom an order has begun within the interval. */
class Recent implements Timed {
  readonly userId: string;
  /** Since when what it has is whole: another processor may have owned the user before. */
  readonly partition: OwnedPartition | undefined;
  /** When the user's orders began, the oldest first. */
  starts: number[] = [];
  isLimited = false;
  at = 0;
  place = -1;

  constructor(userId: string, partition: OwnedPartition | undefined) {
    this.userId = userId;
    this.partition = partition;
  }
}

/**
 * Bounds how often orders of a user begin: at most `limit` in any `intervalMs`. The lane of a user that has used up its
 * rate is stopped until the oldest beginning is `intervalMs` ago. A user without a beginning in the last `intervalMs`
 * is not in memory. If the storage keeps orders, its records say what earlier processes began: what is settled, or holds
 * its lane. An order that a process had begun and left unsettled counts when it begins again. Where several processors
 * share the storage, that is asked anew of the users of a partition each time that it is gained.
 */
export class UserRates {
  readonly #sources: Sources;
  readonly #recent = new Map<string, Recent>();
  readonly #timers: TimerList<Recent>;
  readonly #openedAt: number;
  /** When the first order of a partition waited, since it was gained. */
  readonly #firstAt = new WeakMap<OwnedPartition, number>();
  #isFaked = false;
  /** What a reading of fake timers is ahead of the processor's clock. */
  #offset = 0;
  #last = 0;
  #isClosed = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#timers = new TimerList({
      ...{ clock: sources.clock, longestWaitMs },
      timedOf: (recent) => recent,
      now: () => this.#now(),
      due: (recent) => this.#due(recent),
    });
    this.#openedAt = this.#now();
  }

  /** An order waits in the lane of a user: what was begun before this process must be known first. */
  waiting(job: Job): void {
    const { ledger, partitionOf, rate } = this.#sources;
    if (ledger === undefined || this.#isClosed) return;
    const { userId } = job;
    const partition = partitionOf(job);
    const before = this.#recent.get(userId);
    if (before !== undefined && before.partition === partition) return;
    // Since then all of the user's orders have begun here.
    if (this.#now() - this.#since(partition) >= rate.intervalMs) return;
    const recent = new Recent(userId, partition);
    if (before !== undefined) {
      recent.isLimited = before.isLimited;
      this.#timers.remove(before);
    }
    this.#recent.set(userId, recent);
    this.#limit(recent);
    this.#ask(recent, ledger);
  }

  #since(partition: OwnedPartition | undefined): number {
    if (partition === undefined) return this.#openedAt;
    const known = this.#firstAt.get(partition);
    if (known !== undefined) return known;
    const now = this.#now();
    this.#firstAt.set(partition, now);
    return now;
  }

  /**
   * An order has begun.
   *
   * @param startedAt - on the processor's clock
   */
  began(job: Job, startedAt: number): void {
    const now = this.#now();
    const { userId } = job;
    const known = this.#recent.get(userId);
    const recent = known ?? new Recent(userId, this.#sources.partitionOf(job));
    this.#recent.set(userId, recent);
    recent.starts.push(this.#isFaked ? now : startedAt + this.#offset);
    this.#update(recent, now);
  }

  /** The processor has closed. */
  close(): void {
    this.#isClosed = true;
    this.#timers.close();
  }

  #due(recent: Recent): void {
    this.#update(recent, this.#now());
  }

  /** Stops the lane or lets it go on, as the beginnings of the last interval have it. */
  #update(recent: Recent, now: number): void {
    const { limit, intervalMs } = this.#sources.rate;
    const { starts } = recent;
    while (starts.length > 0 && (starts[0] as number) + intervalMs <= now) starts.shift();
    this.#timers.remove(recent);
    const first = starts.at(-limit);
    if (first !== undefined) this.#limit(recent);
    else this.#free(recent);
    if (starts.length === 0) this.#recent.delete(recent.userId);
    else this.#timers.add(recent, (first ?? (starts.at(-1) as number)) + intervalMs);
  }

  #limit(recent: Recent): void {
    if (recent.isLimited) return;
    recent.isLimited = true;
    this.#sources.queue.limit(recent.userId);
    this.#sources.waits(recent.userId);
  }

  #free(recent: Recent): void {
    if (!recent.isLimited) return;
    recent.isLimited = false;
    this.#sources.queue.unlimit(recent.userId);
    this.#sources.wake();
  }

  async #ask(recent: Recent, ledger: Ledger): Promise<void> {
    const { clock, failed, whenAvailable } = this.#sources;
    while (!this.#isClosed) {
      try {
        const starts = await this.#startsBefore(recent.userId, ledger);
        // The partition was lost and gained meanwhile.
        if (this.#recent.get(recent.userId) !== recent) return;
        const now = this.#now();
        const unixNow = clock.toUnix(clock.read());
        // A clock that was set back since makes none of them later than now.
        recent.starts.unshift(...starts.map((at) => now - Math.max(0, unixNow - at)));
        this.#update(recent, now);
        return;
      } catch (cause) {
        const message = 'The storage could not say when orders of a user began';
        failed(storageFailed(message, cause));
        await whenAvailable();
      }
    }
  }

  /** When orders of a user began in earlier processes within the interval, in Unix milliseconds, the oldest first. */
  async #startsBefore(userId: string, ledger: Ledger): Promise<number[]> {
    const { clock, rate } = this.#sources;
    const after = clock.unixNow() - rate.intervalMs;
    const held = this.#sources.heldOrderBeganAt(userId);
    const starts = await startsIn(ledger, userId, after);
    const heldAt = await held;
    // An order that holds its lane is not settled. It is the last one that has begun.
    if (heldAt !== undefined && heldAt > after) starts.push(heldAt);
    return starts;
  }

  /** Milliseconds that pass as the timers do: a test may have replaced these. */
  #now(): number {
    const isFaked = globalThis.setTimeout !== loaded;
    const reading = isFaked ? Date.now() : this.#sources.clock.read();
    if (isFaked !== this.#isFaked) {
      this.#isFaked = isFaked;
      this.#offset = this.#last - reading;
    }
    this.#last = Math.max(this.#last, reading + this.#offset);
    return this.#last;
  }
}
