import { checkFunction, checkOptions, wrong } from '../../core/runtime/checks.ts';
import {
  type CheckedOptions,
  checkedOptions,
  type PostgresStorageOptions,
} from '../open-options.ts';

/** What {@link PostgresStorage.importFrom} has taken over. */
export interface PostgresImport {
  /** How many orders, settled and unsettled. */
  readonly orders: number;
  /** How many of them are unsettled. */
  readonly unsettled: number;
  /** How many changes of balances: completed orders, and credits to other users. */
  readonly movements: number;
  /** How many balances. */
  readonly balances: number;
  /** How many holds of lanes. */
  readonly holds: number;
}

/** How far an import is. */
export interface PostgresImportProgress extends PostgresImport {
  /** What it takes over now; at last it checks what it has written. */
  readonly stage: 'settled' | 'unsettled' | 'balances' | 'holds' | 'check';
  /** About how much of the settled orders is taken over: from 0 to 1. */
  readonly fraction: number;
}

/**
 * The options of {@link PostgresStorage.importFrom}: which database, as for {@link PostgresStorage.open}, and who is
 * notified.
 *
 * @example
 * ```ts
 * import type { PostgresImportOptions } from 'order-processor/postgres';
 *
 * export const options: PostgresImportOptions = {
 *   connectionString: process.env.DATABASE_URL,
 *   onProgress: ({ stage, orders, fraction }) => {
 *     console.error(`${stage}: ${orders} orders, ${Math.round(100 * fraction)} %`);
 *   },
 * };
 * ```
 */
export interface PostgresImportOptions
  extends Pick<
    PostgresStorageOptions,
    'connectionString' | 'pg' | 'schema' | 'partitions' | 'migrate'
  > {
  /**
   * Called after each page that is written, some hundred orders or balances. The import goes on when the promise that it
   * returns has resolved, and stops if it throws or rejects. None by default.
   */
  readonly onProgress?: ((progress: PostgresImportProgress) => unknown) | undefined;
  /** Ends the import between two pages when it aborts; a later call goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

/** The options, the defaults filled in. */
export interface CheckedImportOptions extends Pick<PostgresImportOptions, 'onProgress' | 'signal'> {
  readonly storage: CheckedOptions;
}

const storageOptions = ['connectionString', 'pg', 'schema', 'partitions', 'migrate'] as const;

/** @throws TypeError or RangeError for a wrong option */
export function checkedImportOptions(options: PostgresImportOptions): CheckedImportOptions {
  checkOptions('importFrom', options, [...storageOptions, 'onProgress', 'signal']);
  const { onProgress, signal, ...storage } = options;
  if (onProgress !== undefined) checkFunction('onProgress', onProgress);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrong(TypeError, 'signal', 'an AbortSignal', signal);
  }
  return { storage: checkedOptions(storage), onProgress, signal };
}
