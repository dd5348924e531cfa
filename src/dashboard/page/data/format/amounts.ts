import type { Amount, CurrencyView } from '../../../api.ts';

/** Writes amounts exactly: a decimal text of any length is never made a floating-point number. */
export function formatAmount(amount: Amount, { code, digits, locale }: CurrencyView): string {
  const decimal = withPoint(amount, digits);
  const fraction = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const style = code === undefined ? {} : { style: 'currency', currency: code };
  const format = formatOf(locale, { ...style, ...fraction } as Intl.NumberFormatOptions);
  return format.format(decimal as Intl.StringNumericLiteral);
}

/** The same with a plus sign for what is added. */
export function formatChange(amount: Amount, currency: CurrencyView): string {
  const text = formatAmount(amount, currency);
  return BigInt(amount) > 0n ? `+${text}` : text;
}

/** A number for the axis of a chart, in major units; only there may it be rounded. */
export function majorUnits(amount: Amount, { digits }: CurrencyView): number {
  return Number(withPoint(amount, digits));
}

/** A short text for the axis of a chart. */
export function formatTick(value: number, { code, locale }: CurrencyView): string {
  const style = code === undefined ? {} : { style: 'currency', currency: code };
  const format = formatOf(locale, {
    ...style,
    notation: Math.abs(value) >= 10_000 ? 'compact' : 'standard',
    maximumFractionDigits: 2,
    minimumFractionDigits: 0,
  } as Intl.NumberFormatOptions);
  return format.format(value);
}

function withPoint(amount: Amount, digits: number): string {
  const minor = BigInt(amount);
  if (digits === 0) return String(minor);
  const sign = minor < 0n ? '-' : '';
  const text = String(minor < 0n ? -minor : minor).padStart(digits + 1, '0');
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

const formats = new Map<string, Intl.NumberFormat>();

/** To make one takes longer than to use it a hundred times. */
function formatOf(locale: string | undefined, options: Intl.NumberFormatOptions) {
  const key = JSON.stringify([locale, options]);
  const known = formats.get(key) ?? new Intl.NumberFormat(locale, options);
  formats.set(key, known);
  return known;
}
