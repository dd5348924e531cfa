/**
 * Keep orders and balances in one file, so that what was acknowledged survives `kill -9`. Start at
 * {@link SqliteStorage}.
 *
 * @module
 */

export type { SqliteStorageOptions } from './open-options.ts';
export { type PruneOptions, SqliteStorage } from './sqlite-storage.ts';
