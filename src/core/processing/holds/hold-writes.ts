import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import { OrderError } from '../../order/order-error.ts';
import { isThenable } from '../../runtime/awaitable.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import type { HoldStorage, RetriedOrder, StoredHold } from '../../storage/holds/hold.ts';

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

  constructor(sources: HoldWriteSources) {
    this.#sources = sources;
  }

  /** Rejects with `storage_failed`. */
  async hold(hold: StoredHold): Promise<void> {
    try {
      await this.#written(this.#sources.storage.hold(hold));
    } catch (cause) {
      throw failed('The storage did not keep the hold', cause, hold.userId);
    }
  }

  /** Rejects with `storage_failed`. */
  async end(userId: string, retried?: RetriedOrder): Promise<void> {
    try {
      await this.#written(this.#sources.storage.release(userId, retried));
    } catch (cause) {
      throw failed('The storage did not end the hold', cause, userId);
    }
  }

  /** Writes the hold of a lane that is held already: again and again as long as the storage fails. */
  async keep(hold: StoredHold): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.hold(hold);
        return;
      } catch (error) {
        this.#sources.lifecycle.events.notify.error?.(error as OrderError);
        if (this.isClosing || !(await this.#sources.mayTryAgain(attempt))) return;
      }
    }
  }

  async #written(writing: unknown): Promise<void> {
    if (isThenable(writing)) await this.#sources.questions.ask(writing);
  }
}

function failed(message: string, cause: unknown, userId: string): OrderError {
  return new OrderError('storage_failed', message, { cause, userId });
}
