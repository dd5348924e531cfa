import { checkInteger, checkOptions } from '../../core/runtime/checks.ts';
import type { Settlement } from '../../core/storage/order-storage.ts';
import type { OpenFile } from '../open-file.ts';
import { type RetainState, readRetainState } from '../thread/codec.ts';
import type { Writer } from '../thread/wire.ts';
import { pruneFile } from './prune-file.ts';
import type { RetainOptions } from './retain-options.ts';
import { RetentionLoop } from './retention-loop.ts';
import { UnconfirmedSettlements } from './unconfirmed-settlements.ts';

/** Which settled orders are to go. */
export interface PruneOptions {
  /** Those accepted and settled before this time, in Unix milliseconds: a safe integer. */
  readonly settledBefore: number;
}

const dayMs = 86_400_000;

/** Deletes settled orders of a file: by itself, and when it is asked to. */
export class Retention {
  readonly #file: OpenFile;
  readonly #unconfirmed = new UnconfirmedSettlements();
  readonly #loop: RetentionLoop | undefined;

  constructor(file: OpenFile, retain: RetainOptions | undefined) {
    this.#file = file;
    if (retain === undefined) return;
    this.#loop = new RetentionLoop({
      step: () => this.#step(retain),
      isBusy: () => file.isBusy,
    });
  }

  /** Makes a call that settles. Until it is answered its orders are not deleted. */
  during<T>(settlements: readonly Settlement[], call: () => Promise<T>): Promise<T> {
    return this.#unconfirmed.during(settlements, call);
  }

  /** Deletes settled orders. Resolves with how many. */
  async prune(options: PruneOptions): Promise<number> {
    checkOptions('prune', options, ['settledBefore']);
    const { settledBefore } = options;
    checkInteger('settledBefore', settledBefore, Number.MIN_SAFE_INTEGER);
    return pruneFile(this.#file, settledBefore, this.#unconfirmed);
  }

  /** Deletes nothing by itself any more. */
  close(): void {
    this.#loop?.close();
  }

  #step({ days, bytes }: RetainOptions): Promise<RetainState> {
    const settledBefore = days === undefined ? Number.NEGATIVE_INFINITY : Date.now() - days * dayMs;
    const write = (writer: Writer): void => {
      writer.numbers(settledBefore, bytes ?? Number.POSITIVE_INFINITY);
      this.#unconfirmed.write(writer);
    };
    return this.#file.write('retain', write, readRetainState);
  }
}
