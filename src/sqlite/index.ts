/**
 * Keep orders and balances in one file, so that what was acknowledged survives `kill -9`. Start at
 * {@link SqliteStorage}.
 *
 * @module
 */

export { type PruneOptions, SqliteStorage, type SqliteStorageOptions } from './sqlite-storage.ts';
