import { closeSync, existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { pragma } from '../database/schema.ts';
import { isBusy } from '../failures.ts';
import { describeOwner, FileOwner, isOwned } from './file-owner.ts';
import { identityOf, lockPathOf } from './orders-file.ts';
import { missingPermission } from './permissions.ts';
import { makePrivate } from './private-file.ts';

/** Marks a file as a lock, in `PRAGMA application_id`: the letters `ordl`. */
const lockId = 0x6f72646c;

/** How long to wait for an owner at least, in milliseconds: another storage that is refused has the lock briefly. */
const BRIEFLY_MS = 100;

/** The longest pause between two tries, in milliseconds. */
const PAUSE_MS = 250;

class InUse extends Error {}

/**
 * Reserves a file of orders for one storage. It is a lock of SQLite on a file of its own, since a lock on the orders
 * would exclude readers. The system releases it however its process ends, and it holds within a process too. Because
 * a process can lose it without notice, the owner is also recorded beside the file, see `FileOwner`.
 */
export class FileLock {
  /** Distinguishes it from another that comes to its path; see `identityOf`. */
  readonly identity: string;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #wasMade: boolean;
  readonly #kept: number[] = [];
  #owner: FileOwner | undefined;

  /**
   * @param path - the file of orders
   * @param waitMs - how long to wait for a file in use
   * @throws (rejects) Error if it is in use, or its lock cannot be taken
   */
  static async take(path: string, waitMs: number): Promise<FileLock> {
    const until = performance.now() + Math.max(waitMs, BRIEFLY_MS);
    for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS)) {
      try {
        return await FileLock.#try(path);
      } catch (error) {
        const leftMs = until - performance.now();
        if (!(error instanceof InUse) || leftMs <= 0) throw error;
        await sleep(Math.min(pauseMs, leftMs));
      }
    }
  }

  static async #try(path: string): Promise<FileLock> {
    const lock = new FileLock(path);
    try {
      if (await isOwned(path, lock.identity)) throw inUse(path);
      lock.#writeOwner();
      return lock;
    } catch (error) {
      lock.abandon();
      throw error;
    }
  }

  #writeOwner(): void {
    try {
      this.#owner = new FileOwner(this.#path, this.identity);
    } catch (cause) {
      throw lockError(this.#path, 'taken', cause);
    }
  }

  private constructor(path: string) {
    this.#path = path;
    const lockPath = lockPathOf(path);
    this.#wasMade = !existsSync(lockPath);
    try {
      makePrivate(lockPath);
      this.#db = new DatabaseSync(lockPath);
    } catch (cause) {
      throw lockError(path, 'opened', cause);
    }
    try {
      const identity = identityOf(lockPath);
      this.#take(lockPath);
      // A storage that could not open the file has deleted the lock that it had made.
      if (identity === undefined || identityOf(lockPath) !== identity) throw inUse(path);
      this.identity = identity;
    } catch (cause) {
      this.#db.close();
      if (cause instanceof InUse) throw cause;
      throw isBusy(cause) ? inUse(path, cause) : lockError(path, 'taken', cause);
    }
  }

  #take(lockPath: string): void {
    // It needs no journal: what a crash leaves of it is written again.
    this.#db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN IMMEDIATE');
    const id = pragma(this.#db, 'application_id');
    if (id === lockId) return;
    const isEmpty = this.#db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
    if (id !== 0 || !isEmpty) throw new Error(`${lockPath} is an SQLite database, but no lock`);
    this.#db.exec(`PRAGMA application_id = ${lockId}; COMMIT; BEGIN IMMEDIATE`);
  }

  /** Keeps a descriptor open until `release`: closing it would drop the locks of this process on its file. */
  keep(descriptor: number): void {
    this.#kept.push(descriptor);
  }

  /** Releases the lock. Its file stays: another storage may be about to take it. */
  release(): void {
    this.#owner?.remove();
    for (const descriptor of this.#kept.splice(0)) closeSync(descriptor);
    this.#db.close();
  }

  /** Releases the lock of a file that could not be opened, and deletes the lock's file if there was none before. */
  abandon(): void {
    if (this.#wasMade) rmSync(lockPathOf(this.#path), { force: true });
    this.release();
  }
}

function inUse(path: string, cause?: unknown): InUse {
  const owner = describeOwner(path) ?? 'another process';
  return new InUse(`The file ${path} is in use by ${owner}`, { cause });
}

function lockError(path: string, what: string, cause: unknown): Error {
  const lockPath = lockPathOf(path);
  const missing = missingPermission(path);
  const why = missing === undefined ? '' : `: ${missing}`;
  return new Error(`Could not open ${path}: its lock ${lockPath} cannot be ${what}${why}`, {
    cause,
  });
}
