import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';

/**
 * A connection that the host has begun a transaction on. A `Client` of `pg` is one, or any object with this method that
 * sends the statement on the connection of the transaction.
 *
 * @category For authors of storages
 */
export interface TransactionClient {
  /**
   * Sends one statement.
   *
   * @param text - its SQL, with `$1` for the first value
   * @param values - what stands for them: texts
   * @returns (resolves) its rows
   */
  query(text: string, values: string[]): PromiseLike<TransactionRows>;
}

/**
 * What a statement of a {@link TransactionClient} gives.
 *
 * @category For authors of storages
 */
export interface TransactionRows {
  /** Its rows: each is an object by the names of its columns. */
  readonly rows: readonly unknown[];
}

/**
 * What a storage answers to an order that it is asked to keep in a transaction of the host's.
 *
 * @category For authors of storages
 */
export type TransactionResult =
  | {
      /** It is written, and kept once the transaction commits. */
      readonly status: 'kept';
      /** See {@link StoredOrder.sequence}. */
      readonly sequence: number;
    }
  | {
      /** Its id is taken, perhaps by an order of the same transaction; nothing was changed. */
      readonly status: 'known';
      /** The order that has it. */
      readonly order: StoredOrder;
    };

/**
 * A transaction of the host's in which a storage keeps orders; see {@link SharedStorage}.
 *
 * @category For authors of storages
 */
export interface OrderTransaction {
  /**
   * Keeps an order, if the transaction commits. A call that throws or rejects may leave the transaction unable to
   * commit.
   *
   * @param order - the order
   */
  accept(order: NewOrder): Awaitable<TransactionResult>;
}
