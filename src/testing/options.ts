import type { Awaitable } from '../core/runtime/awaitable.ts';
import { checkFunction, checkInteger, checkOptions } from '../core/runtime/checks.ts';
import type { BalanceStorage } from '../core/storage/balance-storage.ts';
import type { OrderStorage } from '../core/storage/order-storage.ts';
import type { TransactionClient } from '../core/storage/order-transaction.ts';

/**
 * Declares one test: the `test` of `node:test`, Vitest or Jest, or any function like them.
 *
 * @param name - begins with the rule that the test checks, as `balance rule 3: …`
 * @param run - rejects with an `AssertionError` if the rule is broken
 */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

/**
 * Makes every call that writes fail from now on, like a full disk or a lost connection.
 *
 * But for `full`, each call that writes while the fault lasts has an order or a change whose id is `fault`,
 * with others before and after it: a fault at that id is one in the middle of a transaction.
 *
 * @returns a function that ends the fault
 */
export type Fault<Storage> = (storage: Storage) => Awaitable<() => Awaitable<void>>;

/** Ways to make a storage fail. The tests of a way that is left out are not declared. */
export interface StorageFaults<Storage> {
  /** Calls of `apply`, `accept` and `settle` throw or reject, and nothing of them is kept. */
  readonly before?: Fault<Storage> | undefined;
  /** They throw or reject although all of it is kept: only the answer is lost. */
  readonly after?: Fault<Storage> | undefined;
  /** Of an order storage: none can be kept, so that even an `accept` of no orders throws or rejects. */
  readonly full?: Fault<Storage> | undefined;
}

/**
 * What {@link checkBalanceStorage} takes.
 *
 * @typeParam Storage - the storage's type
 */
export interface BalanceStorageCheckOptions<Storage extends BalanceStorage = BalanceStorage> {
  /** Declares a test. */
  readonly test: TestFunction;
  /** Makes a storage that is empty. Called once for each test. */
  readonly create: () => Awaitable<Storage>;
  /**
   * Removes what a storage leaves behind, its file for example. Called once for each test, when the
   * storage is closed, if it has a `close`.
   */
  readonly destroy?: ((storage: Storage) => Awaitable<void>) | undefined;
  /** Ways to make the storage fail; none by default. */
  readonly faults?: StorageFaults<Storage> | undefined;
  /**
   * The seed of the random calls: a safe integer. Another one each time by default; the error of a test that fails
   * names it.
   */
  readonly seed?: number | undefined;
}

/** A transaction that a host has begun on a connection of its own. */
export interface HostTransaction {
  /** The connection, as the storage takes it. */
  readonly client: TransactionClient;
  /** Commits the transaction, and gives the connection back. */
  commit(): Awaitable<void>;
  /** Rolls it back, and gives the connection back. */
  rollback(): Awaitable<void>;
}

/**
 * What {@link checkOrderStorage} takes.
 *
 * @typeParam Storage - the storage's type
 */
export interface OrderStorageCheckOptions<Storage extends OrderStorage = OrderStorage>
  extends BalanceStorageCheckOptions<Storage> {
  /**
   * Opens what a storage kept again, after it was closed. Give it if the storage is durable; without it, the tests of
   * that are not declared.
   */
  readonly reopen?: ((closed: Storage) => Awaitable<Storage>) | undefined;
  /**
   * Opens the storage of another processor on what the given one keeps. Give it if the storage is shared; without it,
   * the tests of that are not declared. The suite calls `join` of each storage, and `orders` until its mark: a
   * processor that is alone owns all partitions by then, and one beside it those that it is to own.
   */
  readonly beside?: ((storage: Storage) => Awaitable<Storage>) | undefined;
  /**
   * Begins a transaction of the host's where the storage keeps its orders. Give it, with `beside`, if the storage has
   * `transaction`; without it, the tests of that are not declared.
   */
  readonly transaction?: ((storage: Storage) => Awaitable<HostTransaction>) | undefined;
}

const balanceOptions = [
  'test',
  'create',
  'destroy',
  'faults',
  'seed',
] satisfies (keyof BalanceStorageCheckOptions)[];
const orderOptions = [
  ...balanceOptions,
  'reopen',
  'beside',
  'transaction',
] satisfies (keyof OrderStorageCheckOptions)[];
const faultNames = ['before', 'after', 'full'] satisfies (keyof StorageFaults<unknown>)[];

/** Without this check, a misspelt option would leave tests undeclared without an error. */
export function checkSuiteOptions(
  of: 'checkBalanceStorage' | 'checkOrderStorage',
  options: object,
): void {
  checkOptions(of, options, of === 'checkOrderStorage' ? orderOptions : balanceOptions);
  const { test, create, destroy, faults = {} } = options as OrderStorageCheckOptions;
  const { seed, reopen, beside, transaction } = options as OrderStorageCheckOptions;
  checkFunction('test', test);
  checkFunction('create', create);
  if (destroy !== undefined) checkFunction('destroy', destroy);
  if (reopen !== undefined) checkFunction('reopen', reopen);
  if (beside !== undefined) checkFunction('beside', beside);
  if (transaction !== undefined) checkFunction('transaction', transaction);
  if (seed !== undefined) checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  checkOptions('faults', faults, faultNames);
  for (const name of faultNames) {
    if (faults[name] !== undefined) checkFunction(`faults.${name}`, faults[name]);
  }
}
