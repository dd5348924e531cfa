import { checkInteger, checkOptions, wrong } from '../../runtime/checks.ts';

/** Which settled orders a storage keeps by itself; one that misses either bound is not kept. */
export interface RetainBounds {
  readonly days?: number | undefined;
  readonly bytes?: number | undefined;
}

const mostDays = 36_500;

/** @throws TypeError or RangeError */
export function checkRetainBounds(retain: RetainBounds): void {
  const form = 'an object with `days`, `bytes` or both';
  if (typeof retain !== 'object' || retain === null) throw wrong(TypeError, 'retain', form, retain);
  checkOptions('retain', retain, ['days', 'bytes']);
  const { days, bytes } = retain;
  if (days === undefined && bytes === undefined) throw wrong(TypeError, 'retain', form, retain);
  if (days !== undefined && !(typeof days === 'number' && days > 0 && days <= mostDays)) {
    const kind = typeof days === 'number' ? RangeError : TypeError;
    throw wrong(kind, 'retain.days', `a number above 0, up to ${mostDays}`, days);
  }
  if (bytes !== undefined) checkInteger('retain.bytes', bytes, 2 ** 20);
}
