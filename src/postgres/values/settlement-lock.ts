import { hash } from 'node:crypto';

/** The letters `op`. */
const group = 0x6f70;

/**
 * The advisory lock of a schema's settlements, as the two integers that `pg_advisory_xact_lock_shared` takes. Each
 * transaction takes it before it draws a number of `settlement_sequence`. So a reader of settlements can tell which
 * numbers are still to come, whatever was committed above them.
 */
export function settlementLock(schema: string): readonly [number, number] {
  return [group, hash('sha256', schema, 'buffer').readInt32BE(0)];
}
