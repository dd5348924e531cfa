import type { StepResult } from '../core/order/step-result.ts';
import type { NewOrder, StoredOrder } from '../core/order/stored-order.ts';
import { checkInteger, checkOptions } from '../core/runtime/checks.ts';
import type { BalanceChange, BalanceResult } from '../core/storage/balance-storage.ts';
import type { DuePage, DueQuery } from '../core/storage/due/due-orders.ts';
import type {
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredBalance,
  StoredBalanceQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from '../core/storage/history/history-storage.ts';
import type { RetriedOrder, StoredHold, StoredHoldQuery } from '../core/storage/holds/hold.ts';
import type { StoredOrderPage, StoredOrderQuery } from '../core/storage/lists/stored-order-page.ts';
import type {
  AcceptResult,
  OrderStorage,
  RememberedOrder,
  RememberResult,
  Settlement,
  SettlementResult,
} from '../core/storage/order-storage.ts';
import type { OrderTransaction, TransactionClient } from '../core/storage/order-transaction.ts';
import type { SharedOrders } from '../core/storage/shared-storage.ts';
import { HostTransactions } from './hosts/host-transaction.ts';
import { importFrom } from './import/import-from.ts';
import type { PostgresImport, PostgresImportOptions } from './import/import-options.ts';
import type { Membership } from './members/membership.ts';
import { checkedOptions, type PostgresStorageOptions } from './open-options.ts';
import type { Operation } from './operation/operation.ts';
import type { PostgresReport } from './operation/report.ts';
import { openParts, type Parts } from './parts.ts';
import { PostgresSharedOrders } from './shared-orders.ts';
import type { Reads } from './statements/reads.ts';
import type { FencedWrites } from './writes/fenced-writes.ts';
import type { Writes } from './writes/writes.ts';

/** Which orders {@link PostgresStorage.prune} deletes. */
export interface PostgresPruneOptions {
  /** Those accepted and settled before this time, in Unix milliseconds: a safe integer. */
  readonly settledBefore: number;
}

/**
 * Keeps orders and balances in a PostgreSQL database (14 or newer) that any number of processors share: each of them
 * takes orders of all users, and processes those of the users whose partitions it owns. PostgreSQL decides who owns
 * which. A processor that dies or is silent for `staleMs` loses its partitions to the others, and changes nothing any
 * more, however late it wakes; it joins again by itself.
 *
 * Each storage is for one processor. It has four sessions at the database, and up to two more for what a host asks: they
 * must be sessions of its own, so a pooler in transaction mode is refused. While the database cannot be reached, calls
 * reject, and the storage connects again by itself.
 *
 * Payloads come back as JSON has them. The clocks of the machines need not agree.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { PostgresStorage } from 'order-processor/postgres';
 *
 * // The same on every machine.
 * const storage = await PostgresStorage.open({ connectionString: process.env.DATABASE_URL });
 * const processor = new OrderProcessor({ storage });
 * const receipt = await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1200 });
 * console.log(receipt.balance); // prints: 1200
 * await processor.shutdown(); // hands the partitions over as they drain, and closes the storage
 * ```
 */
export class PostgresStorage implements OrderStorage {
  /** The build renames a class that refers to itself to `_PostgresStorage`. @internal */
  static readonly name = 'PostgresStorage';
  /** Always `'json'`: payloads come back as JSON has them. */
  readonly payloads = 'json';
  /** What it is, for traces. */
  readonly kind = 'postgresql';
  /** Changes may have postings: always `true`. */
  readonly appliesPostings = true;
  /** Identifies what the schema keeps: the same in every process. */
  readonly id: string;
  /** The schema that has the tables. */
  readonly schema: string;
  readonly #members: Membership;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #fenced: FencedWrites;
  /** How its processor shares it with others. */
  readonly shared: SharedOrders;
  readonly #operation: Operation;
  readonly #transactions: HostTransactions;
  #isClosed = false;

  /**
   * Connects to the database, and makes the tables where there are none. Tables of an earlier version are brought to
   * this one while other processors go on.
   *
   * @param options - which database, and how to share it
   * @throws (rejects) TypeError or RangeError for an option that is unknown or out of range
   * @throws (rejects) Error if the database cannot be reached, or its schema is of another version, not ours or half imported
   */
  static async open(options: PostgresStorageOptions): Promise<PostgresStorage> {
    return new PostgresStorage(await openParts(checkedOptions(options)));
  }

  /**
   * Moves to a database: takes over all that another storage keeps, into a schema without orders and balances. The source
   * is a `SqliteStorage` for example, or one of the host's own that lists its `balances`. No processor uses it, and none
   * joins the schema before the import has finished. All that a processor tells is as it was: orders and their outcomes,
   * statements, past balances, holds, the feed with its cursors, and unsettled orders in the order of their acceptance.
   *
   * An import that was stopped, even by `kill -9`, goes on where it ended when it is called again with the same source.
   * At the end it reads all that it has written. It needs the role that owns the schema, as a migration does.
   *
   * @example
   * ```ts
   * import { PostgresStorage } from 'order-processor/postgres';
   * import { SqliteStorage } from 'order-processor/sqlite';
   *
   * const file = await SqliteStorage.open('orders.db'); // its processor is shut down
   * const { orders } = await PostgresStorage.importFrom(file, { connectionString: process.env.DATABASE_URL });
   * console.log(orders); // prints: 0
   * await file.close();
   * ```
   * @param source - what to take over; it is not changed
   * @param options - which database
   * @returns (resolves) how much was taken over; the same if it is called once more
   * @throws (rejects) TypeError or RangeError for a wrong option, and a source that is closed or has a processor
   * @throws (rejects) Error if the schema is in use or not empty, the source is damaged or changes, or either fails
   */
  static importFrom(source: OrderStorage, options: PostgresImportOptions): Promise<PostgresImport> {
    return importFrom(source, options);
  }

  private constructor({ id, schema, members, reads, writes, fenced, operation }: Parts) {
    this.id = id;
    this.schema = schema;
    this.#members = members;
    this.#reads = reads;
    this.#writes = writes;
    this.#fenced = fenced;
    this.shared = new PostgresSharedOrders(members, reads, fenced, operation.view);
    this.#operation = operation;
    this.#transactions = new HostTransactions(schema, (id) => reads.find(id));
  }

  /** Whether `close` has been called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Keeps orders; see {@link OrderStorage.accept}. */
  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    return this.#writes.accept(orders);
  }

  /**
   * Keeps orders in a transaction of the host's. The processor calls it for `enqueue` with a `client`.
   *
   * @param client - a `Client` of `pg` that is in a transaction, or any object with `query(text, values)` that sends the
   *   statement in one
   * @throws TypeError for a pool, and for a client that is in no transaction, as far as it says so
   */
  transaction(client: TransactionClient): OrderTransaction {
    return this.#transactions.of(client);
  }

  /** Records outcomes and applies balances; see {@link OrderStorage.settle}. */
  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return this.#writes.settle(settlements);
  }

  /** Keeps what steps of unsettled orders have returned; see {@link OrderStorage.remember}. */
  remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    return this.#writes.remember(orders);
  }

  /** Replaces the results of a settled order's steps; see {@link OrderStorage.amend}. */
  amend(id: string, steps: readonly StepResult[]): Promise<'lost' | undefined> {
    return this.#fenced.amend(id, steps);
  }

  /**
   * Applies changes outside a processor, to set opening balances for example; each is kept as a completed order. Of an
   * id that was applied or refused before, the answer is what it was then.
   *
   * @param changes - see {@link BalanceChange}
   * @throws (rejects) Error if an id belongs to an order that is unsettled, was canceled, or failed by itself
   */
  apply(changes: readonly BalanceChange[]): Promise<readonly BalanceResult[]> {
    return this.#writes.apply(changes);
  }

  /**
   * The user's balance in minor units, or `undefined` if the user has never had one.
   *
   * @param userId - any accepted order's `userId`
   */
  get(userId: string): Promise<number | undefined> {
    return this.#reads.get(userId);
  }

  /** One page of balances, by the bytes of the user ids; see {@link OrderStorage.balances}. */
  balances(query: StoredBalanceQuery): Promise<readonly StoredBalance[]> {
    return this.#reads.balances(query);
  }

  /** The order that has this id, unsettled or settled. */
  find(id: string): Promise<StoredOrder | undefined> {
    return this.#reads.find(id);
  }

  /** One page of orders; see {@link OrderStorage.list}. */
  list(query: StoredOrderQuery): Promise<StoredOrderPage> {
    return this.#reads.list(query);
  }

  /** One page of settled orders; see {@link OrderStorage.settled}. */
  settled(query: SettledQuery): Promise<SettledPage> {
    return this.#reads.settled(query);
  }

  /** One page of a user's movements; see {@link OrderStorage.movements}. */
  movements(query: StoredMovementQuery): Promise<StoredMovementPage> {
    return this.#reads.movements(query);
  }

  /** What a user's balance was; see {@link OrderStorage.balanceAt}. */
  balanceAt(userId: string, time: number): Promise<PastBalance> {
    return this.#reads.balanceAt(userId, time);
  }

  /** All unsettled orders of all processors in the order of their acceptance, in pages; see {@link OrderStorage.unsettled}. */
  unsettled(upTo?: number): AsyncGenerator<readonly StoredOrder[], void, undefined> {
    return this.#reads.unsettled(upTo);
  }

  /** Keeps a hold; see {@link OrderStorage.hold}. */
  hold(hold: StoredHold): Promise<'lost' | undefined> {
    return this.#fenced.hold(hold);
  }

  /** Ends the hold of a user; see {@link OrderStorage.release}. */
  release(userId: string, retried?: RetriedOrder): Promise<'lost' | undefined> {
    return this.#fenced.release(userId, retried);
  }

  /** One page of holds, by the bytes of the user ids; see {@link OrderStorage.holds}. */
  holds(query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#reads.holds(query);
  }

  /** The next delayed orders; see {@link OrderStorage.due}. */
  due(query: DueQuery): Promise<DuePage> {
    return this.#reads.due(query);
  }

  /** How many unsettled orders have a `notBefore` above a time; see {@link OrderStorage.delayed}. */
  delayed(after: number): Promise<number> {
    return this.#reads.delayed(after);
  }

  /**
   * Deletes settled orders, some hundreds at a time, while calls go on; no settlement waits for it. Their ids are
   * forgotten: one that comes again is a new order. Balances stay.
   *
   * @param options - which
   * @returns (resolves) how many were deleted
   */
  async prune(options: PostgresPruneOptions): Promise<number> {
    checkOptions('prune', options, ['settledBefore']);
    const { settledBefore } = options;
    checkInteger('settledBefore', settledBefore, Number.MIN_SAFE_INTEGER);
    return this.#reads.prune(settledBefore);
  }

  /**
   * Reads all tables, while calls go on, and looks for contradictions: balances that are not the sum of their movements,
   * orders that cannot be read, rows without their order. It holds no more in memory than a thousand of them.
   *
   * @returns (resolves) what is wrong, for people; empty if nothing is
   */
  check(): Promise<readonly string[]> {
    return this.#reads.check();
  }

  /**
   * What there is to know of the database, for operators: processors, the backlog of each partition, dead rows of each
   * table, and what keeps vacuum from removing them. It reads all unsettled orders: ask some times an hour.
   */
  report(): Promise<PostgresReport> {
    return this.#operation.report();
  }

  /** Waits for what is under way, and leaves the other processors. Later calls reject. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#operation.close(), this.#members.close(), this.#reads.close()]);
  }
}
