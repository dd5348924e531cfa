import type { OrderRecord } from '../../core/order/outcome.ts';
import { appliedPostings, orderedPostings, refusals } from '../../core/order/receipt.ts';
import { recordOf } from '../../core/order/record.ts';
import { acceptedRecord } from '../../core/storage/reading/accepted-record.ts';
import type { Outcome } from '../writes/plan.ts';
import type { Openings } from '../writes/settled-results.ts';

/** The record of an order whose settlement is written, as it would be read. */
export function settledRecord(
  { settlement, status, decision }: Outcome,
  openings: Openings,
): OrderRecord {
  const { amount, orderedAmount, postings, startedAt, settledAt, steps, results } = settlement;
  const ordered = { ...settlement, amount: orderedAmount, postings: orderedPostings(postings) };
  const { sequence = 0 } = settlement;
  const record = {
    ...recordOf(acceptedRecord(ordered, sequence)),
    ...{ status, startedAt, settledAt, steps, results },
  };
  if (decision === undefined) {
    const { error, cause } = settlement;
    const { code, message, retryable } = error ?? {};
    return { ...record, code, message, retryable, cause };
  }
  if ('refusal' in decision) {
    const { refusal: code } = decision;
    return { ...record, code, message: refusals[code], retryable: false };
  }
  const balances = decision.credits.map((credit) => openings.after(credit));
  return {
    ...record,
    amount,
    balance: openings.after(decision.move),
    postings: appliedPostings(postings, balances),
  };
}
