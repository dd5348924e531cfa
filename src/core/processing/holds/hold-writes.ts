import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import { OrderError } from '../../order/order-error.ts';
import { isThenable } from '../../runtime/awaitable.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import type { HoldStorage, RetriedOrder, StoredHold } from '../../storage/holds/hold.ts';
import type { FencedWrite } from '../../storage/requests/fenced-write.ts';

/** What `HoldWrites` needs of others. */
export interface HoldWriteSources {
  readonly storage: HoldStorage;
  readonly lifecycle: Lifecycle;
  readonly questions: UntilClosed;
  /** A write has failed; resolves whether to try it again. */
  mayTryAgain(attempt: number): Promise<boolean>;
}

/** Writes holds and their ends. A call that is never answered is given up when the processor has closed. */
export class HoldWrites {
  readonly #sources: HoldWriteSources;
  /** Nothing is tried again: the processor shuts down. */
  isClosing = false;
  /** By user of whom the last write has failed: the hold that the storage may have got, beside what is known. */
  readonly #unsure = new Map<string, StoredHold | undefined>();

  constructor(sources: HoldWriteSources) {
    this.#sources = sources;
  }

  /** Whether the last write for a user has failed: only another one shows what the storage has. */
  isUnsure(userId: string): boolean {
    return this.#unsure.has(userId);
  }

  /** The hold of a user that the storage may have, though it did not answer so. */
  unsure(userId: string): StoredHold | undefined {
    return this.#unsure.get(userId);
  }

  /** Rejects with `storage_failed`. */
  async hold(hold: StoredHold): Promise<void> {
    try {
      await this.#written(hold.userId, this.#sources.storage.hold(hold));
    } catch (cause) {
      if (cause !== notOwned) this.#unsure.set(hold.userId, hold);
      throw failed('The storage did not keep the hold', cause, hold.userId);
    }
  }

  /** Rejects with `storage_failed`. */
  async end(userId: string, retried?: RetriedOrder): Promise<void> {
    try {
      await this.#written(userId, this.#sources.storage.release(userId, retried));
    } catch (cause) {
      if (cause !== notOwned && !this.#unsure.has(userId)) this.#unsure.set(userId, undefined);
      throw failed('The storage did not end the hold', cause, userId);
    }
  }

  /** Writes the hold of a lane that is held already: again and again as long as the storage fails. */
  keep(hold: StoredHold): Promise<boolean> {
    return this.#untilWritten(() => this.hold(hold));
  }

  /** Ends the hold of a lane that nothing holds any more, in the same way. */
  endLeft(userId: string): Promise<boolean> {
    return this.#untilWritten(() => this.end(userId));
  }

  /** Resolves with false if the processor shuts down before it is written. */
  async #untilWritten(write: () => Promise<void>): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await write();
        return true;
      } catch (error) {
        if ((error as OrderError).cause === notOwned) return false;
        this.#sources.lifecycle.events.notify.error?.(error as OrderError);
        if (this.isClosing || !(await this.#sources.mayTryAgain(attempt))) return false;
      }
    }
  }

  async #written(userId: string, writing: FencedWrite): Promise<void> {
    const answer = isThenable(writing) ? await this.#sources.questions.ask(writing) : writing;
    this.#unsure.delete(userId);
    if (answer === 'lost') throw notOwned;
  }
}

/** What was to be written is the next owner's. */
const notOwned = new Error('Another processor owns the lane');

function failed(message: string, cause: unknown, userId: string): OrderError {
  return new OrderError('storage_failed', message, { cause, userId });
}
