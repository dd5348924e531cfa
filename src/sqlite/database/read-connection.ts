import { DatabaseSync } from 'node:sqlite';
import { failureOf } from '../failures.ts';
import type { Source } from '../file/opened-file.ts';
import { identityOf, lost } from '../file/orders-file.ts';
import type { Call, ReadKind, Result } from '../thread/calls.ts';
import { Reads } from './reads.ts';

/** How long to wait for another connection's lock, in milliseconds: a shell may hold the whole file. */
const BUSY_MS = 5_000;

/**
 * Reads a file of orders beside the connection that writes. Each call sees what was committed before it.
 */
export class ReadConnection {
  readonly #source: Source;
  readonly #db: DatabaseSync;
  readonly #reads: Reads;

  /** @param life - how many times the file was opened, see `writeRow` */
  constructor(source: Source, life: number) {
    this.#source = source;
    this.#checkIsThere();
    this.#db = new DatabaseSync(source.path, { readOnly: true, timeout: BUSY_MS });
    try {
      this.#db.exec('PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY');
      this.#reads = new Reads(this.#db, life);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  query({ kind, message }: Call<ReadKind>): Result {
    try {
      this.#checkIsThere();
      return this.#reads.query(kind, message);
    } catch (error) {
      return failureOf(error, 'read', this.#source.path);
    }
  }

  close(): void {
    this.#db.close();
  }

  #checkIsThere(): void {
    const { path, identity } = this.#source;
    if (identityOf(path) !== identity) throw lost(path);
  }
}
