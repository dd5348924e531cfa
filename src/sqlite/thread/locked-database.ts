import type { StorageSizes } from '../../core/storage/balance-storage.ts';
import { Database } from '../database/database.ts';
import { type Failure, failureOf, isFailure } from '../failures.ts';
import type { DatabaseOptions } from '../file/opened-file.ts';
import { unlocked } from '../file/orders-file.ts';
import type { Call, ReadKind, Result, WriteKind } from './calls.ts';
import type { Answer, Request } from './protocol.ts';

/** How long to wait after locks could not be taken again, in milliseconds. */
const PAUSE_MS = 1_000;

/** How often they are taken again for one transaction: the process may close the files once more. */
const MOST_TRIES = 3;

/** A file of orders that is reopened when this process has lost its locks on it; see `HeldLocks`. */
export class LockedDatabase {
  readonly #path: string;
  readonly #options: DatabaseOptions;
  #database: Database;
  /** Why it could not be reopened. */
  #failure: Failure | undefined;
  #renewAt = Number.NEGATIVE_INFINITY;
  /** Another connection of this process, perhaps the host's own, prevents the locks from being taken again. */
  #isUnlocked = false;

  constructor(path: string, options: DatabaseOptions) {
    this.#path = path;
    this.#options = options;
    this.#database = new Database(path, options);
  }

  get opened(): Database['opened'] {
    return this.#database.opened;
  }

  sizes(): StorageSizes {
    return this.#database.sizes();
  }

  answer(request: Exclude<Request, { kind: 'close' }>): Answer {
    if (request.kind === 'query') return { results: [this.#query(request.call)] };
    let results: readonly Result[] = [];
    if (request.kind === 'commit') results = this.#commit(request.calls);
    else if (request.kind === 'renew') this.#renew();
    else if (this.#failure === undefined) this.#database.shortenLog();
    const isUnlocked = this.#isUnlocked;
    this.#isUnlocked = false;
    return { results, sizes: this.#database.sizes(), isUnlocked };
  }

  /** Reopens the file if its locks are lost. To be called regularly also while the file is not used. */
  checkLocks(): void {
    if (this.#failure !== undefined || performance.now() < this.#renewAt) return;
    if (!this.#database.areLocksHeld()) this.#renew();
  }

  /** Never throws: what cannot be copied into the file stays in its log, which the next opening reads. */
  close(): void {
    try {
      this.#database.close();
    } catch {}
  }

  #query(call: Call<ReadKind>): Result {
    return this.#failure ?? this.#database.query(call);
  }

  #commit(calls: readonly Call<WriteKind>[]): readonly Result[] {
    this.checkLocks();
    if (this.#failure !== undefined) return this.#failures(calls, this.#failure);
    const results = this.#database.commit(calls);
    if (results.every(isFailure) || this.#database.areLocksHeld(true)) return results;
    return this.#confirm(calls, results);
  }

  /**
   * A transaction that was committed without locks counts only if it is found in the file after that was locked again:
   * another program may not have seen it, and may have overwritten it.
   */
  #confirm(calls: readonly Call<WriteKind>[], results: readonly Result[]): readonly Result[] {
    const { touched } = this.#database;
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      this.#renew();
      if (this.#failure !== undefined) return this.#failures(calls, this.#failure);
      if (!this.#database.has(touched)) {
        return this.#failures(calls, failureOf(unlocked(this.#path), 'write to', this.#path));
      }
      if (this.#database.areLocksHeld(true)) return results;
    }
    return results;
  }

  #failures(calls: readonly unknown[], failure: Failure): readonly Failure[] {
    return calls.map(() => failure);
  }

  #renew(): void {
    if (this.#failure !== undefined) return;
    this.close();
    try {
      const reopened = this.#database.opened;
      this.#database = new Database(this.#path, { ...this.#options, reopened });
      this.#isUnlocked = !this.#database.areLocksHeld(true);
      if (this.#isUnlocked) this.#renewAt = performance.now() + PAUSE_MS;
    } catch (error) {
      this.#failure = { ...failureOf(error, 'open', this.#path), isFinal: true };
    }
  }
}
