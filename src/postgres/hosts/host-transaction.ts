import type { NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { quote, show } from '../../core/runtime/thrown.ts';
import type {
  OrderTransaction,
  TransactionClient,
  TransactionResult,
} from '../../core/storage/order-transaction.ts';
import { quoteName } from '../schema/names.ts';
import { acceptedColumnsOf } from '../values/accepted-columns.ts';
import { fromKept } from '../values/kept-text.ts';
import { type OrderRow, orderOf } from '../values/rows.ts';

/** What the function `accept_order` answers: the sequence, or the row of the order that has the id. */
type Answer = { readonly seq: number } | { readonly known: OrderRow };

/** Keeps orders in transactions of the host's own connections, by the schema's function `accept_order`. */
export class HostTransactions {
  readonly #statement: string;
  readonly #find: (id: string) => Promise<StoredOrder | undefined>;

  /** @param find - the order that has an id, as other transactions have committed it */
  constructor(schema: string, find: (id: string) => Promise<StoredOrder | undefined>) {
    // One text for another: drivers differ in what they make of any other type.
    this.#statement = `SELECT ${quoteName(schema)}.accept_order($1::text::json)::text AS answer`;
    this.#find = find;
  }

  /** @throws TypeError for a pool, and for a connection that is in no transaction */
  of(client: TransactionClient): OrderTransaction {
    checkInTransaction(client);
    return { accept: (order) => this.#accept(client, order) };
  }

  async #accept(client: TransactionClient, order: NewOrder): Promise<TransactionResult> {
    const { rows } = await client.query(this.#statement, [rowJson(order)]);
    const answer = answerIn(rows);
    if ('seq' in answer) return { status: 'kept', sequence: answer.seq };
    // Other sessions do not see what this transaction has kept: that is unsettled.
    const known = await this.#find(fromKept(answer.known.id));
    return { status: 'known', order: known ?? orderOf(answer.known) };
  }
}

/** The columns of the order's row, by their names. The function adds its sequence and its partition. */
function rowJson(order: NewOrder): string {
  const { userId, acceptedAt, notBefore, expiresAt, retryOf, part, ...same } = acceptedColumnsOf(
    order,
    1,
  );
  return JSON.stringify({
    ...same,
    user_id: userId,
    accepted_at: acceptedAt,
    not_before: notBefore,
    expires_at: expiresAt,
    retry_of: retryOf,
  });
}

function answerIn(rows: readonly unknown[] | undefined): Answer {
  const { answer } = ((Array.isArray(rows) ? rows[0] : undefined) ?? {}) as { answer?: unknown };
  if (typeof answer === 'string') return JSON.parse(answer) as Answer;
  const expected = '`client.query` to give `{ rows }`, each an object by the names of its columns';
  throw new TypeError(`Expected ${expected}, got \`${show(rows)}\` as rows`);
}

/** A statement by any other connection would be committed by itself, whatever becomes of the transaction. */
function checkInTransaction(client: TransactionClient): void {
  const { totalCount, getTransactionStatus } = client as {
    readonly totalCount?: unknown;
    readonly getTransactionStatus?: unknown;
  };
  if (typeof totalCount === 'number') {
    throw new TypeError('Expected `client` to be one connection, got a pool');
  }
  if (typeof getTransactionStatus !== 'function') return;
  if (getTransactionStatus.call(client) !== 'I') return;
  throw new TypeError(`Expected \`client\` to be in a transaction: await ${quote('BEGIN')} first`);
}
