import { checkInteger, checkOptions, wrong } from '../../core/runtime/checks.ts';

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

const mostDays = 36_500;

/** @throws TypeError or RangeError */
export function checkRetain(
  retain: RetainOptions | undefined,
  maxBytes: number | undefined,
): RetainOptions | undefined {
  if (retain === undefined) return undefined;
  if (typeof retain !== 'object' || retain === null) {
    throw wrong(TypeError, 'retain', 'an object with `days`, `bytes` or both', retain);
  }
  checkOptions('retain', retain, ['days', 'bytes']);
  const { days, bytes } = retain;
  if (days === undefined && bytes === undefined) {
    throw wrong(TypeError, 'retain', 'an object with `days`, `bytes` or both', retain);
  }
  if (days !== undefined && !(typeof days === 'number' && days > 0 && days <= mostDays)) {
    const kind = typeof days === 'number' ? RangeError : TypeError;
    throw wrong(kind, 'retain.days', `a number above 0, up to ${mostDays}`, days);
  }
  if (bytes !== undefined) checkInteger('retain.bytes', bytes, 2 ** 20);
  if (bytes !== undefined && maxBytes !== undefined && bytes >= maxBytes) {
    throw wrong(RangeError, 'retain.bytes', `less than \`maxBytes\` (${maxBytes})`, bytes);
  }
  return { days, bytes };
}
