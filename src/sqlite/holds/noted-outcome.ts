import type { Row } from '../database/rows.ts';
import type { Incoming } from '../incoming.ts';

/** Where `decided` stands in a row. */
const DECIDED = 18;

/**
 * The column `decided` of an order with a provisional settlement.
 *
 * @param row - of the order; how often its steps were compensated before stands there, and stays
 */
export function notedJson({ ending, holds }: Incoming, row: Row | undefined): string {
  const { status: outcome, code, message, retryable, cause: kept } = ending;
  const cause = kept === null ? undefined : JSON.parse(kept);
  const noted = { outcome, code, message, retryable: retryable === 1, cause };
  return JSON.stringify({
    ...noted,
    holds: holds || undefined,
    compensations: compensationsIn(row),
  });
}

function compensationsIn(row: Row | undefined): unknown {
  const decided = row?.[DECIDED];
  return typeof decided === 'string' ? JSON.parse(decided).compensations : undefined;
}
