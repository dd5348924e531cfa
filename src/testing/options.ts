import type { Awaitable } from '../core/runtime/awaitable.ts';
import { checkFunction, checkInteger, checkOptions } from '../core/runtime/checks.ts';
import type { BalanceStorage } from '../core/storage/balance-storage.ts';
import type { OrderStorage } from '../core/storage/order-storage.ts';

/**
 * Declares one test: the `test` of `node:test`, Vitest or Jest, or any function like them.
 *
 * @param name - begins with the rule that the test checks, as `balance rule 3: …`
 * @param run - rejects with an `AssertionError` if the rule is broken
 */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

/**
 * Makes every call that writes fail from now on, as a full disk or a lost connection does.
 *
 * But for `full`, each call that writes while the fault lasts has an order or a change whose id is `fault`,
 * with others before and behind it: a fault that strikes there strikes in the middle of a transaction.
 *
 * @returns a function that ends the fault
 */
export type Fault<Storage> = (storage: Storage) => Awaitable<() => Awaitable<void>>;

/** Ways to make a storage fail; the tests of what is left out are not declared. */
export interface StorageFaults<Storage> {
  /** Calls of `apply`, `accept` and `settle` throw or reject, and nothing of them is kept. */
  readonly before?: Fault<Storage> | undefined;
  /** They throw or reject though all of it is kept: only the answer is lost. */
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
   * Clears away what a storage leaves behind, its file for example. Called once for each test, when the
   * storage is closed, if it has a `close`.
   */
  readonly destroy?: ((storage: Storage) => Awaitable<void>) | undefined;
  /** Ways to make the storage fail; none by default. */
  readonly faults?: StorageFaults<Storage> | undefined;
  /**
   * What the random calls are made from: a safe integer. Another one each time by default; a test that
   * fails says which it was.
   */
  readonly seed?: number | undefined;
}

/**
 * What {@link checkOrderStorage} takes.
 *
 * @typeParam Storage - the storage's type
 */
export interface OrderStorageCheckOptions<Storage extends OrderStorage = OrderStorage>
  extends BalanceStorageCheckOptions<Storage> {
  /**
   * Opens again what a storage kept, after that one was closed. Give it if the storage is durable; the
   * tests of that are not declared without it.
   */
  readonly reopen?: ((closed: Storage) => Awaitable<Storage>) | undefined;
}

const balanceOptions = [
  'test',
  'create',
  'destroy',
  'faults',
  'seed',
] satisfies (keyof BalanceStorageCheckOptions)[];
const orderOptions = [...balanceOptions, 'reopen'] satisfies (keyof OrderStorageCheckOptions)[];
const faultNames = ['before', 'after', 'full'] satisfies (keyof StorageFaults<unknown>)[];

/** A test that a misspelt option leaves undeclared would be missed by nobody. */
export function checkSuiteOptions(
  of: 'checkBalanceStorage' | 'checkOrderStorage',
  options: object,
): void {
  checkOptions(of, options, of === 'checkOrderStorage' ? orderOptions : balanceOptions);
  const { test, create, destroy, faults = {}, seed, reopen } = options as OrderStorageCheckOptions;
  checkFunction('test', test);
  checkFunction('create', create);
  if (destroy !== undefined) checkFunction('destroy', destroy);
  if (reopen !== undefined) checkFunction('reopen', reopen);
  if (seed !== undefined) checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  checkOptions('faults', faults, faultNames);
  for (const name of faultNames) {
    if (faults[name] !== undefined) checkFunction(`faults.${name}`, faults[name]);
  }
}
