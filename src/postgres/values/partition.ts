import { hash } from 'node:crypto';

/** How many partitions there may be: a power of two, so that the hash's bits say which. */
export const partitionLimit = 64;

/**
 * The partition of a user: the last bits of the first byte of SHA-256 of the user's id as the database keeps it. SQL
 * computes the same: `get_byte(sha256(convert_to(user_id, 'UTF8')), 0) & (partitions - 1)`.
 *
 * @param userId - as the database keeps it
 * @param partitions - how many there are: a power of two, at most {@link partitionLimit}
 */
export function partitionOf(userId: string, partitions: number): number {
  return byteOf(userId) & (partitions - 1);
}

/** How many bytes are remembered at most: some 10 MB. Hashing is slow. */
const mostBytes = 100_000;

const bytes = new Map<string, number>();

function byteOf(userId: string): number {
  const known = bytes.get(userId);
  if (known !== undefined) return known;
  if (bytes.size >= mostBytes) bytes.clear();
  const byte = hash('sha256', userId, 'buffer')[0] as number;
  bytes.set(userId, byte);
  return byte;
}

/** The same in SQL. */
export function partOfUser(userId: string): string {
  return `(SELECT (get_byte(sha256(convert_to(${userId}, 'UTF8')), 0) & (partitions - 1))::smallint FROM meta)`;
}
