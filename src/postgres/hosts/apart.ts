import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Session } from '../sessions/session.ts';
import { OnSettleError } from './settle-hook.ts';

/** How many orders in a row may fail alone: with more, it is no matter of orders. */
const mostInRow = 3;

/** Settlements that are not written. */
export interface FailedPart {
  readonly settlements: readonly Settlement[];
  readonly error: unknown;
}

/**
 * Writes settlements in one transaction and in their order, by halves where `onSettle` fails, down to those with which it
 * fails alone. Later orders of the same users are not written either.
 *
 * @param write - in a savepoint
 * @throws (rejects) OnSettleError if too many fail, and what else `write` throws
 */
export function writeApart<Part>(
  session: Session,
  settlements: readonly Settlement[],
  write: (some: readonly Settlement[]) => Promise<Part>,
): Promise<(Part | FailedPart)[]> {
  const heldUp = new Set<string>();
  let inRow = 0;
  const writeSome = async (all: readonly Settlement[]): Promise<(Part | FailedPart)[]> => {
    const some = all.filter(({ userId }) => !heldUp.has(userId));
    const behind = all.filter(({ userId }) => heldUp.has(userId));
    if (behind.length > 0) {
      const error = new Error('An earlier order of its user cannot be settled');
      return [{ settlements: behind, error }, ...(await writeSome(some))];
    }
    const [first] = some;
    if (first === undefined) return [];
    await session.query('SAVEPOINT half');
    try {
      const part = await write(some);
      inRow = 0;
      return [part];
    } catch (error) {
      if (!(error instanceof OnSettleError)) throw error;
      await session.query('ROLLBACK TO half');
      const half = some.length >> 1;
      if (half > 0) {
        return [...(await writeSome(some.slice(0, half))), ...(await writeSome(some.slice(half)))];
      }
      inRow += 1;
      if (inRow > mostInRow) throw error;
      heldUp.add(first.userId);
      return [{ settlements: some, error }];
    }
  };
  return session.transaction(() => writeSome(settlements));
}
