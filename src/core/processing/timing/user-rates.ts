import type { Timed } from '../../collections/time-heap.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { OrderError } from '../../order/order-error.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import type { KeyedQueue } from '../../queue/keyed-queue.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Ledger } from '../../storage/ledger.ts';
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
  /** When the user's orders began, the oldest first. */
  starts: number[] = [];
  isLimited = false;
  at = 0;
  place = -1;

  constructor(userId: string) {
    this.userId = userId;
  }
}

/**
 * Bounds how often orders of a user begin: at most `limit` in any `intervalMs`. The lane of a user that has used up its
 * rate is stopped until the oldest beginning is `intervalMs` ago. A user without a beginning in the last `intervalMs`
 * is not in memory. If the storage keeps orders, its records say what earlier processes began: what is settled, or holds
 * its lane. An order that a process had begun and left unsettled counts when it begins again.
 */
export class UserRates {
  readonly #sources: Sources;
  readonly #recent = new Map<string, Recent>();
  readonly #timers: TimerList<Recent>;
  readonly #openedAt: number;
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
  waiting(userId: string): void {
    const { ledger, rate } = this.#sources;
    if (ledger === undefined || this.#isClosed || this.#recent.has(userId)) return;
    const isShared = ledger.journal?.shared !== undefined;
    if (!isShared && this.#now() - this.#openedAt >= rate.intervalMs) return;
    const recent = new Recent(userId);
    this.#recent.set(userId, recent);
    this.#limit(recent);
    this.#ask(recent, ledger);
  }

  /**
   * An order has begun.
   *
   * @param startedAt - on the processor's clock
   */
  began(userId: string, startedAt: number): void {
    const now = this.#now();
    const recent = this.#recent.get(userId) ?? new Recent(userId);
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
    const after = Date.now() - this.#sources.rate.intervalMs;
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
