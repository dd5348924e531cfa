import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Fields } from '../incoming.ts';
import type { Links } from '../links.ts';

/** Writes what orders name, inside a transaction that `Database` begins and ends. */
export class LinkRows {
  readonly #get: StatementSync;
  readonly #set: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare('SELECT links FROM orders WHERE id = ?');
    this.#set = db.prepare('UPDATE orders SET links = ? WHERE id = ?');
  }

  /** An order was added. The one that it comes again for may have been pruned since. */
  add({ id, retryOf, trace }: Pick<Fields, 'id' | 'retryOf' | 'trace'>): void {
    if (retryOf === null && trace === null) return;
    this.#write(id, { ...(retryOf !== null && { retryOf }), ...(trace !== null && { trace }) });
    if (retryOf === null) return;
    const row = this.#get.get(retryOf) as { readonly links: string | null } | undefined;
    if (row === undefined) return;
    const links = JSON.parse(row.links ?? '{}') as Links;
    this.#write(retryOf, { ...links, retriedAs: id });
  }

  #write(id: string, links: Links): void {
    this.#set.run(JSON.stringify(links), id);
  }
}
