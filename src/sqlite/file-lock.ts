import { DatabaseSync } from 'node:sqlite';
import { isBusy } from './failures.ts';
import { identityOf, lockPathOf } from './orders-file.ts';
import { pragma } from './schema.ts';

/** Marks a file as a lock, in `PRAGMA application_id`: the letters `ordl`. */
const lockId = 0x6f72646c;

/**
 * Keeps a file of orders for one storage. The lock is one of SQLite's on a file of its own, since one on
 * the orders would keep readers out: the system gives it up however its process ends, and within a
 * process it holds as well. Its `user_version` is the process that has it.
 */
export class FileLock {
  /** Tells it from another that comes to its path; see `identityOf`. */
  readonly identity: string;
  readonly #db: DatabaseSync;

  /**
   * @param path - the file of orders
   * @throws Error if it is in use
   */
  constructor(path: string) {
    const lockPath = lockPathOf(path);
    try {
      this.#db = new DatabaseSync(lockPath, { timeout: 100 });
    } catch (cause) {
      throw new Error(`Could not open ${path}: its lock ${lockPath} cannot be opened`, { cause });
    }
    try {
      this.#take(lockPath);
      this.identity = identityOf(lockPath) ?? '';
    } catch (cause) {
      const holder = isBusy(cause) ? this.#holder() : undefined;
      this.#db.close();
      if (holder !== undefined)
        throw new Error(`The file ${path} is in use by ${holder}`, { cause });
      throw new Error(`Could not open ${path}: its lock ${lockPath} cannot be taken`, { cause });
    }
  }

  #take(lockPath: string): void {
    // Nothing in it is worth a journal; what a crash leaves of it is written anew.
    this.#db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN IMMEDIATE');
    const id = pragma(this.#db, 'application_id');
    const isEmpty = this.#db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
    if (id !== lockId && (id !== 0 || !isEmpty)) {
      throw new Error(`${lockPath} is an SQLite database, but no lock`);
    }
    // The lock is free between the transactions, and whoever gets there writes its own process.
    do {
      this.#db.exec(
        `PRAGMA application_id = ${lockId}; PRAGMA user_version = ${process.pid}; COMMIT`,
      );
      this.#db.exec('BEGIN IMMEDIATE');
    } while (pragma(this.#db, 'user_version') !== process.pid);
  }

  #holder(): string {
    try {
      const pid = pragma(this.#db, 'user_version');
      if (pid === process.pid) return `this process (${pid})`;
      if (pid > 0) return `process ${pid}`;
    } catch {
      // It is just being written.
    }
    return 'another process';
  }

  /** Gives the file up. The lock's own stays: somebody may be waiting at it. */
  release(): void {
    this.#db.close();
  }
}
