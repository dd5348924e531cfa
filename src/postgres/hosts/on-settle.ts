import type { QueryResult, QueryResultRow } from 'pg';
import type { OrderRecord } from '../../core/order/outcome.ts';

/** A statement of the host's, as `pg` takes it. */
export interface SettlementQuery {
  /** One statement, with `$1` for the first value. */
  readonly text: string;
  /** What stands for `$1` and those that follow. None by default. */
  readonly values?: readonly unknown[] | undefined;
  /** `'array'` for rows as arrays; objects by the names of their columns by default. */
  readonly rowMode?: 'array' | undefined;
  /** How values are made of what the server sends, as `pg` takes it. As `pg` does by default. */
  readonly types?: unknown;
}

/**
 * The connection of a transaction that settles orders, for {@link OnSettle} and no longer than it runs. The transaction
 * is the storage's: it begins and ends it.
 */
export interface SettlementClient {
  /**
   * Sends one statement that reads or writes: `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `WITH`, `VALUES`, `TABLE`,
   * `CALL`, `LOCK` or `NOTIFY`. Any other is refused, and so are all after the end of `onSettle`. Names of tables are
   * looked up in the `search_path` that the role or the database has.
   *
   * @typeParam Row - what a row is
   * @param query - the statement
   * @param values - what stands for `$1` and those that follow
   * @returns (resolves) what `pg` gives for it
   */
  query<Row extends QueryResultRow = QueryResultRow>(
    query: string | SettlementQuery,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>>;
}

/**
 * The host's part of each transaction that settles orders. It is called behind the statements of the settlement and before
 * the commit, with the records of all orders that the transaction settles, in the order in which they are settled: those
 * that completed, failed or were canceled. It may be called again for the same orders, but what one call has written holds
 * only if its transaction commits: exactly once for each order.
 *
 * If it throws, rejects, swallows the error of a statement, or runs for longer than `onSettleTimeoutMs`, the transaction
 * is rolled back to before the settlement. It is tried once more with the same orders, and then with halves of them: the
 * others are settled, and an order with which it fails alone waits alone, with the orders of its user behind it, and is
 * tried again from time to time. The event `error` says which. If more than three orders in a row fail alone, the storage
 * counts as failing.
 *
 * @param client - the connection of the transaction
 * @param outcomes - the records of the settled orders
 * @returns what it returns is awaited, and not used
 */
export type OnSettle = (client: SettlementClient, outcomes: readonly OrderRecord[]) => unknown;
