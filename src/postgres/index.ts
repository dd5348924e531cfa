/**
 * Many processors on one PostgreSQL database.
 *
 * @module
 */

export type { PostgresStorageOptions } from './open-options.ts';
export type { PostgresPruneOptions } from './postgres-storage.ts';
export { PostgresStorage } from './postgres-storage.ts';
