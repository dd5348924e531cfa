import { checkInteger, checkOptions } from '../../runtime/checks.ts';

/**
 * The options of a {@link MemoryStorage}.
 *
 * @example
 * ```ts
 * import { MemoryStorage, OrderProcessor } from 'order-processor';
 *
 * const storage = new MemoryStorage({ retainSettled: 10_000 });
 * export const processor = new OrderProcessor({ storage });
 * ```
 *
 * @category Storages
 */
export interface MemoryStorageOptions {
  /**
   * How many settled orders are remembered, for idempotency and for `order(id)`; the oldest is
   * forgotten first. An integer from 0 up, 100 000 by default (about 20 MB of short ids).
   */
  readonly retainSettled?: number | undefined;
  /**
   * How much the payloads, labels and errors of settled orders, and ids that are long, may take in memory together,
   * in bytes, as they are estimated; the oldest that has any is forgotten first, and one that takes more at once.
   * An integer from 0 up, 67 108 864 (64 MiB) by default.
   */
  readonly retainBytes?: number | undefined;
}

/** How many settled orders are remembered by default. */
export const defaultRetainSettled = 100_000;

/** How many bytes of them by default. */
export const defaultRetainBytes = 67_108_864;

/** @throws TypeError or RangeError for an option that is unknown or out of range */
export function readMemoryOptions(options: MemoryStorageOptions): {
  readonly retainSettled: number;
  readonly retainBytes: number;
} {
  checkOptions('MemoryStorage', options, ['retainSettled', 'retainBytes']);
  const { retainSettled = defaultRetainSettled, retainBytes = defaultRetainBytes } = options;
  checkInteger('retainSettled', retainSettled, 0);
  checkInteger('retainBytes', retainBytes, 0);
  return { retainSettled, retainBytes };
}
