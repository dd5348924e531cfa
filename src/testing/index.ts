/**
 * The tests that every storage passes, to be run on a host's own: {@link checkBalanceStorage} and
 * {@link checkOrderStorage}.
 *
 * @module order-processor/testing
 */

export { checkBalanceStorage, checkOrderStorage } from './check.ts';
export type {
  BalanceStorageCheckOptions,
  Fault,
  HostTransaction,
  OrderStorageCheckOptions,
  StorageFaults,
  TestFunction,
} from './options.ts';
