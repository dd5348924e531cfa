import type { FinalMoney } from '../../order/decision.ts';
import {
  type AcceptedOrder,
  type FinalPosting,
  noPostings,
  type Posting,
} from '../../order/order.ts';
import { checkOptions, wrong } from '../../runtime/checks.ts';
import type { FinalAmountOptions } from '../contexts.ts';

/**
 * Checks what a step says is settled of an order.
 *
 * @throws TypeError or RangeError
 */
export function readFinalMoney(
  order: AcceptedOrder,
  amount: number,
  options: FinalAmountOptions = {},
): FinalMoney {
  const { amount: ordered } = order;
  checkAmount('amount', amount, ordered < 0 ? ordered : 0, ordered < 0 ? 0 : ordered);
  checkOptions('setAmount', options, ['postings']);
  const postings = readPostings(order.postings, options.postings);
  // Another sum would make money out of nothing, or destroy some.
  if (ordered + sumOf(order.postings) === 0 && amount + sumOf(postings) !== 0) {
    const sum = sumOf(postings);
    throw new RangeError(
      `Expected \`amount\` to be minus the sum of \`postings\`, as ordered, got ${amount} and ${sum}`,
    );
  }
  // `+ 0` makes of -0 a 0.
  return { amount: amount + 0, postings };
}

/** The ordered postings, each with what is settled of it. */
function readPostings(
  ordered: readonly Posting[],
  given: readonly Posting[] | undefined,
): readonly FinalPosting[] {
  if (given === undefined && ordered.length === 0) return noPostings;
  if (!Array.isArray(given)) {
    throw wrong(TypeError, 'postings', 'an array, as the order has some', given);
  }
  const amounts = new Map(ordered.map(({ userId, amount }) => [userId, amount]));
  const settled = new Map<string, number>();
  for (const [at, posting] of (given as readonly Posting[]).entries()) {
    const { userId, amount } = posting ?? {};
    const most = amounts.get(userId);
    if (most === undefined || settled.has(userId)) {
      const form = `a user of the order's postings, each at most once`;
      throw wrong(TypeError, `postings[${at}].userId`, form, userId);
    }
    checkAmount(`postings[${at}].amount`, amount, 0, most);
    settled.set(userId, amount + 0);
  }
  return Object.freeze(ordered.map((posting) => settledOf(posting, settled.get(posting.userId))));
}

function settledOf(posting: Posting, amount = 0): FinalPosting {
  const { userId, amount: orderedAmount } = posting;
  return amount === orderedAmount ? posting : Object.freeze({ userId, amount, orderedAmount });
}

function checkAmount(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const kind = typeof value === 'number' ? RangeError : TypeError;
  throw wrong(kind, name, `an integer from ${least} to ${most}`, value);
}

function sumOf(postings: readonly Posting[]): number {
  return postings.reduce((sum, { amount }) => sum + amount, 0);
}
