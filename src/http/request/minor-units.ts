import { wrong } from '../../core/runtime/checks.ts';
import { badRequest } from '../../server/http-error.ts';
import { decimalOf } from './strict-json.ts';

/**
 * Converts a decimal amount to minor units exactly: `99.99` is `9999`. No arithmetic on fractions is involved.
 *
 * @param amount - as a JSON number, or as text like `"-12.5"`
 * @param decimals - how many the currency has: an integer from 0 to 4, 2 by default
 * @returns a safe integer
 * @throws HttpError `bad_request` (400) for what is no decimal number, has more decimals than that, or is
 *   beyond the safe integers in minor units; RangeError for `decimals` out of range
 *
 * @example
 * ```ts
 * import { toMinorUnits } from 'order-processor/http';
 *
 * console.log(toMinorUnits(99.99), toMinorUnits('100.50'), toMinorUnits(-7)); // prints: 9999 10050 -700
 * ```
 */
export function toMinorUnits(amount: number | string, decimals = 2): number {
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > 4) {
    throw wrong(RangeError, 'decimals', 'an integer from 0 to 4', decimals);
  }
  const text = String(amount);
  const isText = typeof amount === 'number' || typeof amount === 'string';
  if (!isText || !/^-?\d+(\.\d+)?([eE][-+]?\d{1,3})?$/.test(text)) {
    throw badRequest(`Expected a decimal number, got \`${text.slice(0, 60)}\``);
  }
  const { digits, exponent } = decimalOf(text);
  const zeros = exponent + decimals;
  if (digits !== '' && zeros < 0) {
    throw badRequest(`Expected at most ${decimals} decimals, got \`${text.slice(0, 60)}\``);
  }
  const units = digits === '' ? 0 : Number(`${digits}e${zeros}`);
  if (!Number.isSafeInteger(units)) {
    throw badRequest(`Expected an amount within the safe integers, got \`${text.slice(0, 60)}\``);
  }
  return units !== 0 && text.startsWith('-') ? -units : units;
}
