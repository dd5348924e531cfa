/**
 * Share one PostgreSQL database among any number of processors: each user's orders are processed by one of them at a
 * time. Start at {@link PostgresStorage}. Needs `pg`, which you install beside it, and `@types/pg` for its types.
 *
 * @module order-processor/postgres
 */

export type { OnSettle, SettlementClient, SettlementQuery } from './hosts/on-settle.ts';
export type {
  PostgresImport,
  PostgresImportOptions,
  PostgresImportProgress,
} from './import/import-options.ts';
export type { PostgresRetainOptions, PostgresStorageOptions } from './open-options.ts';
export type {
  PostgresHolder,
  PostgresPartitionReport,
  PostgresProcessorReport,
  PostgresReport,
  PostgresTableReport,
} from './operation/report.ts';
export type { PostgresPruneOptions } from './postgres-storage.ts';
export { PostgresStorage } from './postgres-storage.ts';
