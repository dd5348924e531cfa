/** Locks the row of the processor $1 with the token $2, if it is there: its time is not ended meanwhile. */
export const fencing = `f AS MATERIALIZED (
    SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid FOR KEY SHARE)`;

/** That the processor is there, and owns the partitions whose bits are $3. */
export const fence = `require(EXISTS (SELECT FROM f) AND $3::bigint =
    $3::bigint & (SELECT bit_or(1::bigint << part) FROM partitions WHERE owner = $1), 'lost')`;

/** The same of one partition, $3 unless it is another expression. */
export function fenceOf(part = '$3'): string {
  return `require(EXISTS (SELECT FROM f)
    AND EXISTS (SELECT FROM partitions WHERE owner = $1 AND part = ${part}), 'lost')`;
}
