import { storageFailed } from '../../order/processor-errors.ts';
import { isThenable } from '../../runtime/awaitable.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import type { HoldStorage, StoredHold, StoredHoldQuery } from '../../storage/holds/hold.ts';

/** How many holds are read at once. */
const pageSize = 500;

/** All holds of a storage, by user. */
export async function readHolds(storage: HoldStorage): Promise<Map<string, StoredHold>> {
  const holds = new Map<string, StoredHold>();
  let after: string | undefined;
  do after = add(await storage.holds({ after, limit: pageSize }), holds);
  while (after !== undefined);
  return holds;
}

/**
 * The same of a storage that answers at once.
 *
 * @throws TypeError for one that does not
 */
export function readHoldsNow(storage: HoldStorage): Map<string, StoredHold> {
  const holds = new Map<string, StoredHold>();
  let after: string | undefined;
  do {
    const page = storage.holds({ after, limit: pageSize });
    if (isThenable(page)) {
      throw new TypeError('Expected `holds` of a volatile storage to answer at once');
    }
    after = add(page, holds);
  } while (after !== undefined);
  return holds;
}

/** One page of them for a caller; rejects with `storage_failed`. */
export async function readPage(
  storage: HoldStorage,
  query: StoredHoldQuery,
  questions: UntilClosed,
): Promise<readonly StoredHold[]> {
  try {
    const page = storage.holds(query);
    return isThenable(page) ? await questions.ask(page) : page;
  } catch (cause) {
    throw storageFailed('The storage could not give the holds', cause);
  }
}

/**
 * Adds a page of holds to those before it.
 *
 * @returns behind whose hold the next page begins; `undefined` after the last one
 */
function add(page: readonly StoredHold[], holds: Map<string, StoredHold>): string | undefined {
  for (const hold of page) {
    if (holds.has(hold.userId)) {
      throw new TypeError("Expected the storage's `holds` to give each hold once");
    }
    holds.set(hold.userId, hold);
  }
  return page.length < pageSize ? undefined : page.at(-1)?.userId;
}
