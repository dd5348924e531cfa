import type { RetainState } from '../thread/codec.ts';

/** How long nothing is deleted after nothing was left to delete. */
const idleMs = 1_000;

/** How long nothing is deleted after a step that left some: so many times as long as it took, with its commit. */
const pauseFactor = 4;

/** The least and the most of such a pause, in milliseconds. */
const pauseMs = { least: 16, most: 1_000 } as const;

/** How often it is looked whether calls still wait for the thread that writes. */
const lookMs = 4;

/** For how long a step is put off while they do. */
const mostPutOffMs = 48;

/** The longest pause after a step that failed; it doubles up to that. */
const mostFailedMs = 60_000;

/** After so many failures in a row a process warning says so. */
const failuresToReport = 3;

/** What the loop calls. */
export interface RetentionWork {
  /** Deletes for some milliseconds. */
  step(): Promise<RetainState>;
  /** Whether calls wait for the thread that writes. */
  isBusy(): boolean;
}

/**
 * Lets a file delete, step by step, the orders that are not to be kept. Each step is a transaction of some
 * milliseconds, which it shares with the calls of the moment. A step gives way to calls that wait, but not for ever.
 */
export class RetentionLoop {
  readonly #work: RetentionWork;
  #timer: NodeJS.Timeout | undefined;
  #state: RetainState = 'done';
  #putOffMs = 0;
  #failures = 0;
  #isClosed = false;

  constructor(work: RetentionWork) {
    this.#work = work;
    this.#after(idleMs);
  }

  /** A step that is under way ends by itself. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #after(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#due(), ms);
    // What is to be deleted does not keep the process running.
    this.#timer.unref();
  }

  #due(): void {
    const mayWait = this.#state !== 'behind' && this.#putOffMs < mostPutOffMs;
    if (mayWait && this.#work.isBusy()) {
      this.#putOffMs += lookMs;
      this.#after(lookMs);
      return;
    }
    this.#putOffMs = 0;
    void this.#step();
  }

  async #step(): Promise<void> {
    try {
      const startedAt = performance.now();
      this.#state = await this.#work.step();
      this.#failures = 0;
      const pause = (performance.now() - startedAt) * pauseFactor;
      const { least, most } = pauseMs;
      this.#after(this.#state === 'done' ? idleMs : Math.min(Math.max(pause, least), most));
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** The disk may be full, or a shell may hold the file: it is tried again. */
  #failed({ message }: Error): void {
    if (this.#isClosed) return;
    this.#failures += 1;
    this.#after(Math.min(idleMs * 2 ** this.#failures, mostFailedMs));
    if (this.#failures !== failuresToReport) return;
    process.emitWarning(`Settled orders that are not to be kept could not be deleted: ${message}`, {
      type: 'OrderProcessorWarning',
      code: 'retention_failed',
    });
  }
}
