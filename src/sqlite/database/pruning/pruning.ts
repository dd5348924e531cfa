import type { DatabaseSync } from 'node:sqlite';
import type { Reader, Writer } from '../../thread/wire.ts';
import type { Balances } from '../accounts/balances.ts';
import { Deletion } from './deletion.ts';
import { prune } from './prune.ts';
import { RetentionStep } from './retention-step.ts';

/** Deletes settled orders inside a transaction that `Database` begins and ends. */
export class Pruning {
  readonly #db: DatabaseSync;
  readonly #balances: Balances;
  #prepared: { readonly deletion: Deletion; readonly step: RetentionStep } | undefined;

  constructor(db: DatabaseSync, balances: Balances) {
    this.#db = db;
    this.#balances = balances;
  }

  prune(reader: Reader, writer: Writer): void {
    prune(this.#db, this.#begin().deletion, reader, writer);
  }

  retain(reader: Reader, writer: Writer): void {
    this.#begin().step.run(reader, writer);
  }

  #begin() {
    // Before the deletions of the same transaction.
    this.#balances.write();
    this.#prepared ??= this.#prepare();
    this.#prepared.deletion.clear();
    return this.#prepared;
  }

  #prepare() {
    const deletion = new Deletion(this.#db);
    return { deletion, step: new RetentionStep(this.#db, deletion) };
  }
}
