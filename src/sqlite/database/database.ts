import { statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { StorageSizes } from '../../core/storage/balance-storage.ts';
import { ConnectionLost, type Failure, failureOf, isBusy, isOfOneOrder } from '../failures.ts';
import { checkVersion } from '../file/file-contents.ts';
import { HeldLocks } from '../file/held-locks.ts';
import { LOG_BYTES } from '../file/log-bound.ts';
import type { DatabaseOptions, Opened } from '../file/opened-file.ts';
import { fenced, identityOf, lockLost, lockPathOf, lost } from '../file/orders-file.ts';
import { makePrivate } from '../file/private-file.ts';
import type { Call, ReadKind, Result, WriteKind } from '../thread/calls.ts';
import type { Message } from '../thread/wire.ts';
import type { OrderRows } from './order-rows.ts';
import { Reads } from './reads.ts';
import { migrate, pragma } from './schema.ts';
import { Writes } from './writes.ts';

/** How long to wait for another connection's lock, in milliseconds: a shell may hold it. */
const BUSY_MS = 5_000;

/**
 * The log is copied into the file when it has this many pages (16 MB). Orders of many users change a
 * page each in the index by user, and the longer the log, the more of them share a copy.
 */
const CHECKPOINT_PAGES = 4_000;

const CACHE_KIB = 32_768;

/** A file of orders: synchronous, in the thread that makes it. */
export class Database {
  readonly opened: Opened;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #logIdentity: string | undefined;
  readonly #lock: string | undefined;
  readonly #dataVersion: StatementSync;
  readonly #held: HeldLocks;
  readonly #life: StatementSync;
  /** Changes with each transaction of another connection. */
  #lastVersion: unknown;

  /**
   * Opens a file, or makes one where there is none.
   *
   * @param path - without links
   * @throws Error for a file that cannot be opened or is not one of orders
   */
  constructor(path: string, options: DatabaseOptions) {
    this.#path = path;
    const { reopened } = options;
    this.#lock = options.lock;
    // The lock that is there now may be another storage's.
    if (!this.#isLocked()) throw lockLost(path);
    if (reopened !== undefined && identityOf(path) !== reopened.identity) throw lost(path);
    makePrivate(path);
    this.#db = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: false });
    try {
      checkVersion(this.#db, path);
      configure(this.#db, options);
      const { life, id } = reopened ?? this.#begin();
      this.#life = this.#db.prepare('SELECT life FROM meta');
      // The log exists from the first read or write on, as long as there is a connection.
      this.#db.exec('BEGIN IMMEDIATE; COMMIT');
      this.#logIdentity = identityOf(`${path}-wal`);
      this.#held = new HeldLocks(path, reopened?.areLocksListed);
      const { areListed: areLocksListed } = this.#held;
      this.opened = { life, id, identity: identityOf(path) ?? '', areLocksListed };
      this.#dataVersion = this.#db.prepare('PRAGMA data_version');
      this.#reads = new Reads(this.#db, life);
      this.#writes = new Writes(this.#db, this.#reads, life);
      if (reopened !== undefined) this.#checkLife();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Counts the openings: an order's attempts are counted by them. */
  #begin(): { readonly life: number; readonly id: string } {
    // In a transaction of its own: `get` does not throw if its implicit one fails.
    this.#db.exec('BEGIN IMMEDIATE');
    const row = this.#db
      .prepare('UPDATE meta SET life = life + 1 RETURNING life, file_id AS id')
      .get();
    this.#db.exec('COMMIT');
    if (row === undefined) throw new Error(`Could not open ${this.#path}: its table meta is empty`);
    return row as { life: number; id: string };
  }

  /** Makes all calls in one transaction. */
  commit(calls: readonly Call<WriteKind>[]): readonly Result[] {
    try {
      return this.#transactAgain(calls);
    } catch (error) {
      if (calls.length === 1 || error instanceof ConnectionLost || isBusy(error)) {
        const failure = this.#failureOf(error, 'write to');
        return calls.map(() => failure);
      }
      // A call that fails must not make others fail.
      return calls.flatMap((call) => this.commit([call]));
    }
  }

  /** If an order has failed and not the file, all orders are tried again, each in a savepoint. */
  #transactAgain(calls: readonly Call<WriteKind>[]): readonly Message[] {
    try {
      return this.#transact(calls, false);
    } catch (error) {
      if (!isOfOneOrder(error)) throw error;
      return this.#transact(calls, true);
    }
  }

  #transact(calls: readonly Call<WriteKind>[], isEachAlone: boolean): readonly Message[] {
    let messages: readonly Message[];
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      this.#checkOtherWriters();
      this.#writes.rows.touched.id = '';
      messages = calls.map(({ kind, message }) => this.#writes.write(kind, message, isEachAlone));
      this.#writes.balances.write();
      this.#writes.settlements.write();
      this.#db.exec('COMMIT');
    } catch (error) {
      this.#writes.forget();
      this.#rollBack(error);
      throw error;
    }
    this.#writes.balances.shrink();
    if (!this.#isLocked()) throw lockLost(this.#path);
    if (!this.#isThere()) throw lost(this.#path);
    return messages;
  }

  /** Whether an earlier connection's last transaction is in the file; `false` if it wrote no order. */
  has({ id, settledAt }: OrderRows['touched']): boolean {
    const row = this.#db.prepare('SELECT settled_at FROM orders WHERE id = ?').get(id);
    return row !== undefined && row.settled_at === settledAt;
  }

  /** What was written last. */
  get touched(): OrderRows['touched'] {
    return this.#writes.rows.touched;
  }

  /** A connection that stayed inside a transaction could begin no other. */
  #rollBack(cause: unknown): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    } catch {
      throw new ConnectionLost(`Could not write to ${this.#path}, nor roll back: it is reopened`, {
        cause,
      });
    }
  }

  /**
   * Finds out whether another connection has written. A shell may have changed a balance: those in memory are out of
   * date then. Another storage may have begun: the locks that should prevent that can be lost without notice.
   */
  #checkOtherWriters(): void {
    const version = Object.values(this.#dataVersion.get() ?? {})[0];
    if (version === this.#lastVersion) return;
    this.#checkLife();
    this.#writes.forget();
    this.#lastVersion = version;
  }

  /** Each opening increments the number, so the file itself says which storage writes. */
  #checkLife(): void {
    const row = this.#life.get() as { life: number } | undefined;
    if (row?.life !== this.opened.life) throw fenced(this.#path);
  }

  /** SQLite does not notice that its files were deleted, and goes on writing to them. */
  #isThere(): boolean {
    return (
      identityOf(this.#path) === this.opened.identity &&
      identityOf(`${this.#path}-wal`) === this.#logIdentity
    );
  }

  /**
   * Whether another program may have copied the log into the file. Then the log of this connection is out of date, and
   * would overwrite what was written since.
   */
  #isTakenOver(): boolean {
    const log = identityOf(`${this.#path}-wal`);
    const isReplaced = log !== undefined && log !== this.#logIdentity;
    return (
      !this.areLocksHeld(true) || (isReplaced && identityOf(this.#path) === this.opened.identity)
    );
  }

  /** Whether the locks of this process on the file are still there; see `HeldLocks`. */
  areLocksHeld(isNow = false): boolean {
    return isNow ? this.#held.areHeldNow() : this.#held.areHeld();
  }

  #isLocked(): boolean {
    return this.#lock === undefined || identityOf(lockPathOf(this.#path)) === this.#lock;
  }

  /** Makes a call that only reads. */
  query({ kind, message }: Call<ReadKind>): Result {
    try {
      return this.#reads.query(kind, message);
    } catch (error) {
      return this.#failureOf(error, 'read');
    }
  }

  #failureOf(error: unknown, doing: string): Failure {
    return failureOf(error, doing, this.#path);
  }

  /**
   * Empties the log, unless another connection reads from it. It does not wait for that: calls that come meanwhile
   * would wait too.
   */
  shortenLog(): void {
    try {
      // What stands at the path now may be another storage's.
      if (!this.#isLocked() || !this.#isThere()) return;
      this.#db.exec('PRAGMA busy_timeout = 0');
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // It is tried again later. A real fault fails the next transaction.
    } finally {
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    }
  }

  /** How large the file and its log are now. */
  sizes(): StorageSizes {
    const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return { fileBytes: sizeOf(this.#path), logBytes: sizeOf(`${this.#path}-wal`) };
  }

  /** Copies the log into the file, and closes it. */
  close(): void {
    try {
      // SQLite leaves the log of a moved file in its place, where another file that comes to the path would get its
      // content. What was committed belongs to the file, wherever that is now.
      if (!this.#isThere() && !this.#isTakenOver()) {
        this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      }
    } finally {
      this.#held.close();
      this.#db.close();
    }
  }
}

/** Brings the file to the newest version and configures the connection. */
export function configure(db: DatabaseSync, { durability, maxBytes }: DatabaseOptions): void {
  // A schema that was changed at a shell must not run functions in this process.
  db.exec('PRAGMA trusted_schema = OFF');
  migrate(db);
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'};
    PRAGMA fullfsync = ${durability === 'full' ? 'ON' : 'OFF'};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA journal_size_limit = ${LOG_BYTES};
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA temp_store = MEMORY;
  `);
  if (maxBytes === undefined) return;
  db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pragma(db, 'page_size'))}`);
}
