import { AsyncResource } from 'node:async_hooks';
import { type Timed, TimeHeap } from '../../collections/time-heap.ts';
import type { Clock } from '../../runtime/clock.ts';

/** What a `TimerList` needs of others. */
interface Sources<T> {
  readonly clock: Clock;
  /** Gives where an item waits. */
  readonly timedOf: (item: T) => Timed;
  /** The time by which items are due, in milliseconds. */
  readonly now: () => number;
  /**
   * How long the list may wait until it reads the time again, in milliseconds: at most 2 147 483 647, the longest time
   * that a timer can wait.
   */
  readonly longestWaitMs: number;
  /** Called for each item that is due, which is not in the list any more; must not throw. */
  readonly due: (item: T) => void;
}

/**
 * Calls back for each of many items at its time, never before it, with one timer for all of them. It is the global
 * `setTimeout` of the moment, so a test can let the time pass.
 */
export class TimerList<T> {
  readonly #sources: Sources<T>;
  readonly #heap: TimeHeap<T>;
  /** Else a timer has the async context of the order for which it is set. */
  readonly #scope = new AsyncResource('OrderProcessor', { requireManualDestroy: true });
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends. */
  #timerAt = 0;
  #isCalling = false;
  #isClosed = false;

  constructor(sources: Sources<T>) {
    this.#sources = sources;
    this.#heap = new TimeHeap(sources.timedOf);
  }

  get size(): number {
    return this.#heap.size;
  }

  add(item: T, at: number): void {
    this.#heap.add(item, at);
    if (this.#heap.first === item) this.#wait();
  }

  /** Removes an item; false if it is not here. */
  remove(item: T): boolean {
    if (!this.#heap.remove(item)) return false;
    if (this.#heap.size === 0) this.#stop();
    return true;
  }

  /** The processor has closed. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stop();
    this.#scope.emitDestroy();
  }

  #wait(): void {
    const at = this.#heap.firstAt;
    if (at === undefined || this.#isCalling || this.#isClosed) return;
    const now = this.#sources.now();
    const waitMs = Math.min(Math.max(at - now, 1), this.#sources.longestWaitMs);
    if (this.#timer !== undefined && this.#timerAt <= now + waitMs) return;
    this.#stop();
    this.#timerAt = now + waitMs;
    this.#scope.runInAsyncScope(() => {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#call();
      }, waitMs);
    });
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Calls back for what is due; other items may come and go meanwhile. */
  #call(): void {
    const { clock, due, now } = this.#sources;
    this.#isCalling = true;
    for (let item = this.#heap.first; item !== undefined; item = this.#heap.first) {
      if (this.#isClosed || (this.#heap.firstAt as number) > now()) break;
      if (!clock.hasTime()) {
        clock.nextSlice().then(() => this.#call());
        return;
      }
      this.#heap.remove(item);
      due(item);
    }
    this.#isCalling = false;
    this.#wait();
  }
}
