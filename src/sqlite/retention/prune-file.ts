import type { OpenFile } from '../open-file.ts';
import { type PruneStep, readPruneStep } from '../thread/codec.ts';
import type { UnconfirmedSettlements } from './unconfirmed-settlements.ts';

/**
 * Deletes settled orders of a file, step by step.
 *
 * @param unconfirmed - their orders are passed over
 * @returns (resolves) how many were deleted
 */
export async function pruneFile(
  file: OpenFile,
  settledBefore: number,
  unconfirmed: UnconfirmedSettlements,
): Promise<number> {
  let total = 0;
  let after: number | undefined = 0;
  while (after !== undefined) {
    const from: number = after;
    const step: PruneStep = await file.write(
      'prune',
      (writer) => {
        for (const value of [settledBefore, from]) writer.number(value);
        unconfirmed.write(writer);
      },
      readPruneStep,
    );
    total += step.deleted;
    after = step.after;
  }
  return total;
}
