import { wrong } from '../../core/runtime/checks.ts';
import { checkRetainBounds } from '../../core/storage/history/retain-bounds.ts';

/** Which settled orders a file keeps; one that misses either bound is not kept. At least one is to be given. */
export interface RetainOptions {
  /**
   * For how many days of 24 hours after its settlement an order is kept: a number above 0, fractions included, up to
   * 36 500. Choose more than any caller waits before it submits an id again. No bound by default.
   */
  readonly days?: number | undefined;
  /**
   * How much of the file may be in use, in bytes: an integer from 1 048 576 up, and below `maxBytes` if that is given.
   * Pages that are free do not count, and the log beside the file neither. No bound by default.
   */
  readonly bytes?: number | undefined;
}

/** @throws TypeError or RangeError */
export function checkRetain(
  retain: RetainOptions | undefined,
  maxBytes: number | undefined,
): RetainOptions | undefined {
  if (retain === undefined) return undefined;
  checkRetainBounds(retain);
  const { days, bytes } = retain;
  if (bytes !== undefined && maxBytes !== undefined && bytes >= maxBytes) {
    throw wrong(RangeError, 'retain.bytes', `less than \`maxBytes\` (${maxBytes})`, bytes);
  }
  return { days, bytes };
}
