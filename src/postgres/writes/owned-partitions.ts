import { toKept } from '../values/kept-text.ts';
import { partitionOf } from '../values/partition.ts';

/** The partition of each order's user. */
export function partsOf(
  orders: readonly { readonly userId: string }[],
  partitions: number,
): readonly number[] {
  return orders.map(({ userId }) => partitionOf(toKept(userId), partitions));
}

/** Partitions as the bits of a `bigint` of the database. */
export function bitsOf(parts: Iterable<number>): string {
  let bits = 0n;
  for (const partition of new Set(parts)) bits |= 1n << BigInt(partition);
  return BigInt.asIntN(64, bits).toString();
}
