/**
 * Keep orders and balances in one file, so that what was acknowledged survives `kill -9`. Start at
 * {@link SqliteStorage}.
 *
 * @module order-processor/sqlite
 */

export type { SqliteStorageOptions } from './open-options.ts';
export type { RetainOptions } from './retention/retain-options.ts';
export type { PruneOptions } from './retention/retention.ts';
export { SqliteStorage } from './sqlite-storage.ts';
