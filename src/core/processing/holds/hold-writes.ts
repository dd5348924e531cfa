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

  /** Writes that are not answered. */
  readonly #open = new Set<Promise<void>>();
  #isOver = false;

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

  /** Nothing is written any more. Resolves when all is answered. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#open);
  }

  /** Rejects with `storage_failed`. */
  async hold(hold: StoredHold): Promise<void> {
    try {
      await this.#write(hold.userId, () => this.#sources.storage.hold(hold));
    } catch (cause) {
      if (!isNotOwned(cause)) this.#unsure.set(hold.userId, hold);
      throw failed('The storage did not keep the hold', cause, hold.userId);
    }
  }

  /** Rejects with `storage_failed`. */
  async release(userId: string, retried?: RetriedOrder): Promise<void> {
    try {
      await this.#write(userId, () => this.#sources.storage.release(userId, retried));
    } catch (cause) {
      if (!isNotOwned(cause) && !this.#unsure.has(userId)) this.#unsure.set(userId, undefined);
      throw failed('The storage did not end the hold', cause, userId);
    }
  }

  /** Writes the hold of a lane that is held already: again and again as long as the storage fails. */
  keep(hold: StoredHold): Promise<boolean> {
    return this.#untilWritten(() => this.hold(hold));
  }

  /** Ends the hold of a lane that nothing holds any more, or whose release is certain, in the same way. */
  endHold(userId: string, retried?: RetriedOrder): Promise<boolean> {
    return this.#untilWritten(() => this.release(userId, retried));
  }

  /** Resolves with false if the processor shuts down before it is written. */
  async #untilWritten(write: () => Promise<void>): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await write();
        return true;
      } catch (error) {
        if (isNotOwned(error)) return false;
        this.#sources.lifecycle.events.notify.error?.(error as OrderError);
        if (this.isClosing || !(await this.#sources.mayTryAgain(attempt))) return false;
      }
    }
  }

  async #write(userId: string, write: () => FencedWrite): Promise<void> {
    if (this.#isOver) throw notOwned();
    const writing = write();
    if (isThenable(writing)) {
      const answered = this.#sources.questions.ask(writing).then(checkOwned);
      this.#open.add(answered);
      await answered.finally(() => this.#open.delete(answered));
    } else checkOwned(writing);
    this.#unsure.delete(userId);
  }
}

const laneOfAnother = 'Another processor owns the lane';

/** What was to be done is the next owner's. */
export function notOwned(): Error {
  return new Error(laneOfAnother, { cause: laneOfAnother });
}

/** Whether something has failed since another processor owns the lane. */
export function isNotOwned(error: unknown): boolean {
  const { cause } = Object(error) as Partial<Error>;
  return cause === laneOfAnother || (Object(cause) as Partial<Error>).cause === laneOfAnother;
}

function checkOwned(answer: Awaited<FencedWrite>): void {
  if (answer === 'lost') throw notOwned();
}

function failed(message: string, cause: unknown, userId: string): OrderError {
  return new OrderError('storage_failed', message, { cause, userId });
}
