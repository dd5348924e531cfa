import type { Ledger } from '../../storage/ledger.ts';

/** How many orders of a user are read at once. */
const pageSize = 100;

/** How many orders of an outcome may have begun earlier: delayed orders begin later than they are accepted. */
const mostEarlier = 1_000;

/** Those that wait are not read: there may be any number of them, accepted later than what has begun. */
const outcomes = ['completed', 'failed', 'canceled'] as const;

/**
 * When orders of a user began after a time that are settled by now, as the records of the storage have it, the oldest
 * first.
 *
 * @param after - in Unix milliseconds, as are the results
 */
export async function startsIn(ledger: Ledger, userId: string, after: number): Promise<number[]> {
  const all = outcomes.map((status) => startsOf(ledger, userId, status, after));
  return (await Promise.all(all)).flat().sort((one, other) => one - other);
}

async function startsOf(
  ledger: Ledger,
  userId: string,
  status: (typeof outcomes)[number],
  after: number,
): Promise<number[]> {
  const starts: number[] = [];
  let earlier = 0;
  let before: number | undefined;
  do {
    const page = await ledger.list({ userId, status, before, limit: pageSize });
    for (const { startedAt } of page.orders) {
      if (startedAt !== undefined && startedAt > after) starts.push(startedAt);
      else earlier += 1;
    }
    before = page.next;
  } while (before !== undefined && earlier < mostEarlier);
  return starts;
}
