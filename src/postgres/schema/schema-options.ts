import { wrong } from '../../core/runtime/checks.ts';
import { partitionLimit } from '../values/partition.ts';

/** PostgreSQL cuts longer names. */
const longestName = 63;

/** @throws TypeError if it can be no schema of ours */
export function checkSchema(schema: unknown): void {
  const isSchema =
    typeof schema === 'string' &&
    schema !== '' &&
    schema.isWellFormed() &&
    Buffer.byteLength(schema) <= longestName &&
    !/^pg_|\0/.test(schema);
  if (isSchema) return;
  throw wrong(TypeError, 'schema', `1 to ${longestName} bytes, not beginning with \`pg_\``, schema);
}

/** @throws TypeError or RangeError */
export function checkPartitions(partitions: unknown): void {
  const form = `a power of two from 1 to ${partitionLimit}`;
  if (typeof partitions !== 'number') throw wrong(TypeError, 'partitions', form, partitions);
  const isPower = Number.isInteger(Math.log2(partitions)) && partitions >= 1;
  if (!isPower || partitions > partitionLimit) {
    throw wrong(RangeError, 'partitions', form, partitions);
  }
}
