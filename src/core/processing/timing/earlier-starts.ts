import type { Ledger } from '../../storage/ledger.ts';

/** How many orders of a user are read at once. */
const pageSize = 100;

/** How many orders in a row may have begun earlier: delayed orders begin later than they are accepted. */
const mostEarlier = 1_000;

/**
 * When orders of a user began after a time, as the records of the storage have it, the oldest first.
 *
 * @param after - in Unix milliseconds, as are the results
 */
export async function startsIn(ledger: Ledger, userId: string, after: number): Promise<number[]> {
  const starts: number[] = [];
  let earlier = 0;
  let before: number | undefined;
  do {
    const page = await ledger.list({ userId, before, limit: pageSize });
    for (const { startedAt } of page.orders) {
      if (startedAt !== undefined && startedAt > after) starts.push(startedAt);
      else earlier += 1;
    }
    before = page.next;
  } while (before !== undefined && earlier < mostEarlier);
  return starts.sort((one, other) => one - other);
}
