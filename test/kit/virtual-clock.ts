import { afterEach, beforeEach } from 'vitest';
import { systemTime } from '../../src/core/runtime/system-time.ts';

type Task = () => void;

interface Timer {
  readonly dueAt: number;
  readonly task: Task;
}

const realImmediate = globalThis.setImmediate;
const names = ['setTimeout', 'clearTimeout', 'setImmediate'] as const;

/**
 * Time that passes only when a test says so. Timers, `setImmediate`, `performance.now` and `Date.now`
 * are its own while it is installed, for the library's own turns too; promise callbacks run for real, and are all done before time
 * moves on, so the same calls always give the same run. Cheaper by far than vitest's fake timers,
 * which spend a real timer for each virtual one.
 */
export class VirtualClock {
  /** Virtual milliseconds since `install`. */
  now = 0;
  /** What each reading of the clock adds; more than 0 lets the library's time slices run out. */
  msPerReading = 0;
  #timers = new Map<number, Timer>();
  /** Of killed processes: no time passes for them. */
  #held = new Map<number, Timer>();
  #immediates: Task[] = [];
  #lastTimer = 0;
  #restore: Task[] = [];

  install(): void {
    this.now = 0;
    this.msPerReading = 0;
    this.#timers.clear();
    this.#held.clear();
    this.#immediates = [];
    for (const name of names) {
      const real = Object.getOwnPropertyDescriptor(globalThis, name) as PropertyDescriptor;
      this.#restore.push(() => Object.defineProperty(globalThis, name, real));
    }
    const { performance, Date: date } = globalThis;
    const realNow = date.now;
    this.#restore.push(() => {
      Reflect.deleteProperty(performance, 'now');
      date.now = realNow;
    });
    const fakes = {
      setTimeout: (task: Task, ms = 0) => this.#setTimeout(task, ms),
      clearTimeout: (timer: number) => this.#clearTimeout(timer),
      setImmediate: (task: (...given: unknown[]) => void, ...given: unknown[]) =>
        void this.#immediates.push(() => task(...given)),
    };
    for (const name of names) {
      Object.defineProperty(globalThis, name, {
        value: fakes[name],
        configurable: true,
        writable: true,
      });
    }
    const real = { ...systemTime };
    this.#restore.push(() => void Object.assign(systemTime, real));
    systemTime.setImmediate = fakes.setImmediate;
    systemTime.now = () => this.#read();
    performance.now = systemTime.now;
    date.now = () => 1_700_000_000_000 + Math.floor(this.now);
  }

  uninstall(): void {
    for (const restore of this.#restore.splice(0)) restore();
  }

  /** How many timers are set; what the library leaves behind after its end shows here. */
  get timers(): number {
    return this.#timers.size + this.#held.size;
  }

  /** Resolves after so many virtual milliseconds; rejects at once when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#setTimeout(resolve, ms);
      signal?.addEventListener(
        'abort',
        () => {
          this.#clearTimeout(timer);
          reject(signal.reason);
        },
        { once: true },
      );
    });
  }

  /** Runs promise callbacks and immediates until there are none; no time passes. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => realImmediate(resolve));
      const turn = this.#immediates;
      if (turn.length === 0) return;
      this.#immediates = [];
      for (const task of turn) task();
    }
  }

  /** Lets time pass, and everything happen that is due. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.settle();
    while (await this.#runNextTimer(end));
    this.now = Math.max(this.now, end);
  }

  /** Lets time pass until no timer is left, or at most an hour. */
  async runAll(): Promise<void> {
    const end = this.now + 3_600_000;
    await this.settle();
    while (await this.#runNextTimer(end));
  }

  /** The process was killed: none of the timers that are set now is due before `release`. */
  async hold(): Promise<void> {
    await this.settle();
    for (const [id, timer] of this.#timers) this.#held.set(id, timer);
    this.#timers.clear();
  }

  /** Held timers whose time has passed are due now. */
  release(): void {
    for (const [id, timer] of this.#held) this.#timers.set(id, timer);
    this.#held.clear();
  }

  async #runNextTimer(end: number): Promise<boolean> {
    let next: [number, Timer] | undefined;
    for (const entry of this.#timers) {
      if (next === undefined || entry[1].dueAt < next[1].dueAt) next = entry;
    }
    if (next === undefined || next[1].dueAt > end) return false;
    const [id, { dueAt, task }] = next;
    this.#timers.delete(id);
    this.now = Math.max(this.now, dueAt);
    task();
    await this.settle();
    return true;
  }

  #setTimeout(task: Task, ms: number): number {
    this.#lastTimer += 1;
    this.#timers.set(this.#lastTimer, { dueAt: this.now + Math.max(1, ms), task });
    return this.#lastTimer;
  }

  #clearTimeout(timer: number): void {
    if (!this.#timers.delete(timer)) this.#held.delete(timer);
  }

  #read(): number {
    this.now += this.msPerReading;
    return this.now;
  }
}

/** A virtual clock that is installed anew for each test of the file. */
export function useVirtualClock(): VirtualClock {
  const clock = new VirtualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());
  return clock;
}
