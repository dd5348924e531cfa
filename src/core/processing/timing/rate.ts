import { checkInteger, checkOptions, checkTimeout } from '../../runtime/checks.ts';

/**
 * How often orders of one user may begin.
 *
 * @category Processor
 */
export interface Rate {
  /** How many orders of a user may begin within `intervalMs`. An integer from 1 up. */
  readonly limit: number;
  /** In milliseconds: an integer from 1 to 2 147 483 647. */
  readonly intervalMs: number;
}

/** @throws TypeError or RangeError */
export function readRate(rate: Rate): Rate {
  checkOptions('rate', rate, ['limit', 'intervalMs']);
  const { limit, intervalMs } = rate;
  checkInteger('rate.limit', limit, 1);
  checkTimeout('rate.intervalMs', intervalMs);
  return { limit, intervalMs };
}
