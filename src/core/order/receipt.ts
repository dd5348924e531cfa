import { type FinalPosting, noPostings, type Posting } from './order.ts';
import { OrderError } from './order-error.ts';
import type { AppliedPosting, OrderOutcome, Receipt } from './outcome.ts';
import type { StepResult, StepValues } from './step-result.ts';
import type { Refusal, SettledFields, Times } from './stored-order.ts';
import { waitMsOf } from './times/order-times.ts';

/** Why the storage refused a completed order's change, for people. */
export const refusals: Readonly<Record<Refusal, string>> = {
  insufficient_funds: 'The debit would take the balance below `minBalance`',
  balance_overflow: 'The balance would leave the safe integers',
};

interface Receivable
  extends Pick<SettledFields, 'id' | 'userId' | 'amount' | 'labels' | 'payload' | 'notBefore'> {
  readonly orderedAmount: number;
  readonly results: Partial<StepValues>;
}

/** @param balances - after each posting; none before the order has completed */
export function appliedPostings(
  postings: readonly FinalPosting[],
  balances: readonly (number | undefined)[] = noPostings,
): readonly AppliedPosting[] {
  if (postings.length === 0) return noPostings;
  return Object.freeze(
    postings.map(({ userId, amount, orderedAmount = amount }, at) =>
      Object.freeze({ userId, amount, orderedAmount, balance: balances[at] }),
    ),
  );
}

/** The same postings as they were ordered. */
export function orderedPostings(postings: readonly FinalPosting[]): readonly Posting[] {
  if (postings.length === 0) return noPostings;
  return Object.freeze(
    postings.map(({ userId, amount, orderedAmount = amount }) =>
      Object.freeze({ userId, amount: orderedAmount }),
    ),
  );
}

/**
 * Makes a receipt that looks like a literal. Not a literal, because V8 counts how many of a literal's objects outlive a
 * collection of the young generation. If nearly all do, as in a long list, it makes all later ones in the old
 * generation: every order then costs half as much again.
 */
const PlainReceipt = function (
  this: { -readonly [F in keyof Receipt]: Receipt[F] },
  order: Receivable,
  balance: number,
  { acceptedAt, startedAt = acceptedAt, settledAt }: Times,
  steps: readonly StepResult[],
  postings: readonly AppliedPosting[],
): void {
  const { id, userId, amount, orderedAmount, results, labels, payload } = order;
  this.status = 'completed';
  this.orderId = id;
  this.userId = userId;
  this.amount = amount;
  this.orderedAmount = orderedAmount;
  this.balance = balance;
  this.acceptedAt = acceptedAt;
  this.waitMs = waitMsOf(order.notBefore, acceptedAt, startedAt);
  this.durationMs = settledAt - startedAt;
  this.steps = steps;
  this.results = results;
  this.labels = labels;
  this.postings = postings;
  this.payload = payload;
} as unknown as new (
  ...fields: Parameters<typeof receiptOf>
) => Receipt;
PlainReceipt.prototype = Object.prototype;

export function receiptOf(
  order: Receivable,
  balance: number,
  times: Times,
  steps: readonly StepResult[],
  postings: readonly AppliedPosting[],
): Receipt {
  return new PlainReceipt(order, balance, times, steps, postings);
}

/** The outcome of an order whose change the storage refused. */
export function refusedBy(
  refusal: Refusal,
  { id: orderId, userId, labels }: Pick<SettledFields, 'id' | 'userId' | 'labels'>,
  steps: readonly StepResult[],
): OrderOutcome {
  const facts = { outcome: 'failed', orderId, userId, labels, steps } as const;
  const error = new OrderError(refusal, refusals[refusal], facts);
  return { status: 'failed', error };
}
