import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RetryLinks } from '../../core/order/retry/retry-links.ts';

/** Writes which orders name each other, inside a transaction that `Database` begins and ends. */
export class RetryRows {
  readonly #get: StatementSync;
  readonly #set: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare('SELECT links FROM orders WHERE id = ?');
    this.#set = db.prepare('UPDATE orders SET links = ? WHERE id = ?');
  }

  /** An order has come again as another one; it may have been pruned since. */
  retried(retryOf: string, retriedAs: string): void {
    this.#set.run(JSON.stringify({ retryOf }), retriedAs);
    const row = this.#get.get(retryOf) as { readonly links: string | null } | undefined;
    if (row === undefined) return;
    const links = JSON.parse(row.links ?? '{}') as RetryLinks;
    this.#set.run(JSON.stringify({ ...links, retriedAs }), retryOf);
  }
}
