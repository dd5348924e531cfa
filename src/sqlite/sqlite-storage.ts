import { isName, nameForm } from '../core/order/parse-order.ts';
import type { StepResult } from '../core/order/step-result.ts';
import type { NewOrder, StoredOrder } from '../core/order/stored-order.ts';
import { wrong } from '../core/runtime/checks.ts';
import type {
  BalanceChange,
  BalanceResult,
  StorageSizes,
} from '../core/storage/balance-storage.ts';
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
import { UnreadableOrders } from '../core/storage/reading/unreadable-orders.ts';
import { realPathOf } from './file/file-name.ts';
import * as calls from './history-calls.ts';
import { OpenFile } from './open-file.ts';
import { type CheckedOptions, checkedOptions, type SqliteStorageOptions } from './open-options.ts';
import { type PruneOptions, Retention } from './retention/retention.ts';
import * as codec from './thread/codec.ts';
import { amending, remembering } from './thread/step-calls.ts';
import { delayedCount, duePage, unsettledPages } from './unsettled-pages.ts';

/**
 * Keeps orders and balances in one file, through Node's own `node:sqlite`: an order that was
 * acknowledged survives `kill -9`. A thread of its own waits for the disk, so that the host's event loop
 * does not; calls that come meanwhile share the next transaction. A second thread reads lists, on a
 * connection of its own, so that no order waits for a list; it is started with the first one.
 *
 * Payloads come back as JSON has them. Give a file to one storage at a time; others are refused, but
 * the sqlite3 shell may read it meanwhile. Beside it are its log (`-wal`, `-shm`) and its owner (`-owner`) while it
 * is open, and its lock (`-lock`), which stays. Copy it with `backup`, and not by reading the files in this process: closing
 * any of them drops the locks that this process has on it. Not for file systems of a network.
 *
 * A storage whose file was opened by another one all the same, because its lock was lost, rejects every later write.
 * A call that fails rejects with an `Error` that says what could not be done, with SQLite's own as its
 * `cause`, and has changed nothing unless the file was lost on the way; the next may succeed.
 *
 * @example
 * ```ts
 * import { SqliteStorage } from 'order-processor/sqlite';
 *
 * const storage = await SqliteStorage.open('orders.db');
 * await storage.apply([{ orderId: 'opening-1', userId: 'u-1', amount: 1200, minBalance: undefined }]);
 * await storage.get('u-1'); // 1200, also after the next opening
 * await storage.close();
 * ```
 */
export class SqliteStorage implements OrderStorage {
  /** The build renames a class that refers to itself to `_SqliteStorage`. @internal */
  static readonly name = 'SqliteStorage';
  /** Always `'json'`: payloads come back as JSON has them. */
  readonly payloads = 'json';
  /** What it is, for traces. */
  readonly kind = 'sqlite';
  /** Changes may have postings: always `true`. */
  readonly appliesPostings = true;
  /** The file, without links. */
  readonly path: string;
  /** What an acknowledged order survives; see {@link SqliteStorageOptions}. */
  readonly durability: 'full' | 'relaxed';
  readonly #file: OpenFile;
  readonly #retention: Retention;
  readonly #unreadable: UnreadableOrders;

  /**
   * Opens a file, or makes one if there is none or an empty one: with the mode 0600. A file of an earlier version is
   * brought to this one.
   *
   * @param path - the file; its folder must exist. A symbolic link is followed
   * @param options - how to keep it
   * @throws (rejects) TypeError or RangeError for an option that is unknown or out of range
   * @throws (rejects) Error if the file is in use for `waitMs`, has several hard links, is mounted without its folder,
   *    is not one of orders, is of a later version, is a copy beside another file's log, or cannot be read and written;
   *    then it is left as it was
   */
  static async open(path: string, options: SqliteStorageOptions = {}): Promise<SqliteStorage> {
    const checked = checkedOptions(path, options);
    return new SqliteStorage(await OpenFile.open(path, checked), checked);
  }

  /** Whether `close` has been called. */
  get isClosed(): boolean {
    return this.#file.isClosed;
  }

  private constructor(file: OpenFile, { durability, retain }: CheckedOptions) {
    this.#file = file;
    this.#retention = new Retention(file, retain);
    this.path = file.path;
    this.durability = durability;
    this.#unreadable = new UnreadableOrders(file.path);
  }

  /** Keeps orders; see {@link OrderStorage.accept}. */
  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    return this.#file.write(
      'accept',
      (writer) => codec.writeNewOrders(writer, orders),
      (reader) => codec.readAcceptResults(reader, orders.length),
    );
  }

  /** Records outcomes and applies balances; see {@link OrderStorage.settle}. */
  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return this.#retention.during(settlements, () =>
      this.#file.write(
        'settle',
        (writer) => codec.writeSettlements(writer, settlements),
        (reader) => codec.readSettlementResults(reader, settlements.length),
      ),
    );
  }

  /** Keeps what steps of unsettled orders have returned; see {@link OrderStorage.remember}. */
  remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    return this.#file.write('remember', ...remembering(orders));
  }

  /** Replaces the results of a settled order's steps; see {@link OrderStorage.amend}. */
  amend(id: string, steps: readonly StepResult[]): Promise<void> {
    return this.#file.write('amend', ...amending(id, steps));
  }

  /**
   * Applies changes outside a processor, to set opening balances for example; each is kept as a completed order. Of an
   * id that was applied or refused before, the answer is what it was then.
   *
   * @param changes - see {@link BalanceChange}
   * @throws (rejects) Error if an id belongs to an order that is unsettled, was canceled, or failed by itself
   */
  apply(changes: readonly BalanceChange[]): Promise<readonly BalanceResult[]> {
    return this.#file.write(
      'apply',
      (writer) => {
        for (const { orderId, userId } of changes) {
          if (!isName(orderId)) throw wrong(TypeError, 'orderId', nameForm, orderId);
          if (!isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
        }
        codec.writeChanges(writer, changes, Date.now());
      },
      (reader) => codec.readBalanceResults(reader, changes.length),
    );
  }

  /**
   * The user's balance in minor units, or `undefined` if the user has never had one.
   *
   * @param userId - any accepted order's `userId`
   */
  get(userId: string): Promise<number | undefined> {
    return calls.get(this.#file, userId);
  }

  /** One page of balances, by the bytes of the user ids; see {@link OrderStorage.balances}. */
  balances(query: StoredBalanceQuery): Promise<readonly StoredBalance[]> {
    return calls.balances(this.#file, query);
  }

  /** The order that has this id, unsettled or settled, unless it was pruned. */
  find(id: string): Promise<StoredOrder | undefined> {
    return calls.find(this.#file, id);
  }

  /** One page of orders; see {@link OrderStorage.list}. */
  list(query: StoredOrderQuery): Promise<StoredOrderPage> {
    return this.#file.read(
      'list',
      (writer) => codec.writeQuery(writer, query),
      (reader) => codec.readListPage(reader, this.#unreadable.report),
    );
  }

  /** Identifies what the file keeps: the same at each opening of it. A copy by `backup` has another. */
  get id(): string {
    return this.#file.id;
  }

  /** One page of settled orders; see {@link OrderStorage.settled}. */
  settled(query: SettledQuery): Promise<SettledPage> {
    return calls.settled(this.#file, query, this.#unreadable);
  }

  /** One page of a user's movements; see {@link OrderStorage.movements}. Failed orders between them cost time. */
  movements(query: StoredMovementQuery): Promise<StoredMovementPage> {
    return calls.movements(this.#file, query);
  }

  /** What a user's balance was; see {@link OrderStorage.balanceAt}. */
  balanceAt(userId: string, time: number): Promise<PastBalance> {
    return calls.balanceAt(this.#file, userId, time);
  }

  /** All unsettled orders in the order of their acceptance, in pages; see {@link OrderStorage.unsettled}. */
  unsettled(upTo?: number): AsyncGenerator<readonly StoredOrder[], void, undefined> {
    return unsettledPages(this.#file, this.#unreadable.report, upTo);
  }

  /** Keeps a hold; see {@link OrderStorage.hold}. */
  hold(hold: StoredHold): Promise<void> {
    return calls.hold(this.#file, hold);
  }

  /** Ends the hold of a user; see {@link OrderStorage.release}. */
  release(userId: string, retried?: RetriedOrder): Promise<void> {
    return calls.release(this.#file, userId, retried);
  }

  /** One page of holds, by the bytes of the user ids; see {@link OrderStorage.holds}. */
  holds(query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return calls.holds(this.#file, query);
  }

  /** The next delayed orders; see {@link OrderStorage.due}. */
  due(query: DueQuery): Promise<DuePage> {
    return duePage(this.#file, this.#unreadable.report, query);
  }

  /** How many unsettled orders have a `notBefore` above a time; see {@link OrderStorage.delayed}. */
  delayed(after: number): Promise<number> {
    return delayedCount(this.#file, after);
  }

  /** How large the file and its log (`-wal`) were after the last transaction, in bytes. */
  sizes(): StorageSizes | undefined {
    return this.#file.sizes;
  }

  /**
   * Deletes settled orders, a few hundred at a time, so that other calls get their turn between. Their ids are
   * forgotten: one that comes again is a new order. Balances stay. The file does not become smaller, but what was freed
   * is used again. Orders whose `settle` has not been answered are passed over, since it will come again. `retain` of
   * {@link SqliteStorageOptions} deletes by itself, in the order of the settlements; see there.
   *
   * @param options - which
   * @returns (resolves) how many were deleted
   */
  prune(options: PruneOptions): Promise<number> {
    return this.#retention.prune(options);
  }

  /**
   * Copies the file as it is now, while calls go on; the copy can be opened like any other. Its user alone may read and
   * write it (mode 0600), even if the mode of the file is another. A copy by `cp` of a file in use is no backup: it
   * lacks what is only in the log. To restore a copy, end the process, move the log (`-wal`, `-shm`) away, and put the
   * copy in the file's place. A copy by `backup` beside the log of another file is refused.
   *
   * @param path - where nothing may be yet
   * @throws (rejects) Error if something is there, or the copy fails
   */
  async backup(path: string): Promise<void> {
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw wrong(TypeError, 'path', 'the path of a file', path);
    }
    const to = realPathOf(path);
    await this.#file.readWhole((source) => ({ kind: 'backup', ...source, to }));
  }

  /**
   * Reads the whole file, while calls go on, and looks for damage: pages and indexes that SQLite finds broken, balances
   * that are not the sum of their orders, orders that cannot be read. It makes no temporary files, and holds no more in
   * memory than a thousand users.
   *
   * @returns (resolves) what is wrong, for people; empty if nothing is
   */
  async check(): Promise<readonly string[]> {
    const { problems } = await this.#file.readWhole((source) => ({ kind: 'check', ...source }));
    return problems ?? [];
  }

  /** Waits for what is under way, brings the log into the file, and gives the file up. Later calls reject. */
  close(): Promise<void> {
    this.#retention.close();
    return this.#file.close();
  }

  /** Ends the thread as if it had failed. @internal */
  killThread(): Promise<void> {
    return this.#file.killThread();
  }
}
