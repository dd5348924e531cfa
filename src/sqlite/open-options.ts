import { checkInteger, checkOptions, wrong } from '../core/runtime/checks.ts';
import { checkRetain, type RetainOptions } from './retention/retain-options.ts';

/**
 * The options of a {@link SqliteStorage}.
 *
 * @example
 * ```ts
 * import { SqliteStorage } from 'order-processor/sqlite';
 *
 * const storage = await SqliteStorage.open('orders.db', {
 *   durability: 'relaxed',
 *   retain: { days: 90 },
 * });
 * await storage.close();
 * ```
 */
export interface SqliteStorageOptions {
  /**
   * What an acknowledged order survives. `'full'` (the default): the loss of power; each transaction waits for the
   * disk. `'relaxed'`: the end of the process, `kill -9` included; when the power fails or the system crashes, the last
   * transactions may be lost, but the file stays sound.
   */
  readonly durability?: 'full' | 'relaxed' | undefined;
  /**
   * How large the file may become, in bytes: an integer from 65 536 up, rounded down to whole pages of
   * 4 096. What would make it larger is rejected as on a full disk, until `retain` or `prune` has made room. A file
   * that is larger already does not grow. The log beside it is not counted: leave room for it on the disk.
   * It has up to 20 MB; while another connection reads an older state, as `backup`, `check` and a shell do,
   * it grows by all that is written meanwhile, and a transaction may be larger by itself. Some seconds after
   * that it is short again. No bound by default.
   */
  readonly maxBytes?: number | undefined;
  /**
   * How long `open` waits for a file that another storage has open, in milliseconds: an integer from 0
   * up. The process before this one may need some seconds to end, in a rolling deployment for
   * example. Default 0: a file in use is refused.
   */
  readonly waitMs?: number | undefined;
  /**
   * Deletes settled orders by itself: those that are older than `days`, and the oldest ones while more than `bytes` of
   * the file are in use. The order that was settled first goes first, some milliseconds at a time. Orders that are not
   * settled, holds and balances stay, even if they alone exceed `bytes`. Deleted ids are forgotten: one that comes again
   * is a new order. By default all is kept.
   */
  readonly retain?: RetainOptions | undefined;
}

/** Paths for which SQLite makes a database without a file. */
const inMemory = /^:memory:$|^file:(:memory:|.*[?&]mode=memory\b)/;

const optionNames = [
  'durability',
  'maxBytes',
  'waitMs',
  'retain',
] satisfies (keyof SqliteStorageOptions)[];

/** What a storage is opened with, the defaults filled in. */
export interface CheckedOptions {
  readonly durability: 'full' | 'relaxed';
  readonly maxBytes: number | undefined;
  readonly waitMs: number;
  readonly retain: RetainOptions | undefined;
}

/**
 * @throws TypeError or RangeError for a wrong path or option
 */
export function checkedOptions(path: string, options: SqliteStorageOptions): CheckedOptions {
  checkOptions('SqliteStorage', options, optionNames);
  const { durability = 'full', maxBytes, waitMs = 0 } = options;
  if (typeof path === 'string' && inMemory.test(path)) {
    throw wrong(
      TypeError,
      'path',
      'the path of a file (without one there is `MemoryStorage`)',
      path,
    );
  }
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw wrong(TypeError, 'path', 'the path of a file', path);
  }
  if (durability !== 'full' && durability !== 'relaxed') {
    throw wrong(TypeError, 'durability', "'full' or 'relaxed'", durability);
  }
  if (maxBytes !== undefined) checkInteger('maxBytes', maxBytes, 65_536);
  checkInteger('waitMs', waitMs, 0);
  return { durability, maxBytes, waitMs, retain: checkRetain(options.retain, maxBytes) };
}
