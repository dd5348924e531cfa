import { type AcceptedOrder, type Priority, ranks } from '../order/order.ts';
import { isOwnCode, OrderError } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { asPromise, isThenable } from '../runtime/awaitable.ts';
import { checkInteger, wrong } from '../runtime/checks.ts';
import { causeOf, codeOf, hostFault, show, wentWrong } from '../runtime/thrown.ts';

/**
 * A rule's answer to an order: see {@link refuse} and {@link prioritize}.
 *
 * @category Rules and payloads
 */
export type RuleVerdict =
  | {
      /** The order is refused. */
      readonly kind: 'refuse';
      /** The refusal's code. */
      readonly code: string;
      /** The same for people. */
      readonly message: string;
    }
  | {
      /** The order has another priority, and a label. */
      readonly kind: 'prioritize';
      /** How urgent the order is. */
      readonly priority: Priority;
      /** What stands on the order's record, receipt and events. */
      readonly label: string;
    };

/**
 * Judges an order before it is accepted. Rules must answer at once, and should change nothing: they are asked for each
 * order whose id is not known yet, even if there is no room for it.
 *
 * - The first rule that refuses decides; later rules are not asked.
 * - Each rule sees the order as its caller handed it in, with the payload as the `schema` made it. If
 *   several give it a priority, the most urgent of them stands; all labels stand, in the rules' order.
 * - A rule that throws, or answers anything else, refuses the order with `internal`; the cause says which rule it was, and
 *   has what was thrown as its own cause.
 *
 * @typeParam Payload - the payload's type
 *
 * @example
 * ```ts
 * import { isOrderError, OrderProcessor, prioritize, type Rule, refuse } from 'order-processor';
 *
 * const opening: Rule = (order) => order.amount > 500 && refuse('too_early', 'Small orders only');
 * const express: Rule = (order) => order.priority === 'high' && prioritize('high', 'express');
 *
 * await using processor = new OrderProcessor({ rules: [opening, express] });
 * const receipt = await processor.submit({ userId: 'u-1', amount: 100, priority: 'high' });
 * console.log(receipt.labels); // prints: [ 'express' ]
 * await processor.submit({ userId: 'u-1', amount: 600 }).catch((error) => {
 *   if (isOrderError(error)) console.log(error.code, error.message);
 *   // prints: too_early Small orders only
 * });
 * ```
 *
 * @category Rules and payloads
 */
export type Rule<Payload = unknown> = (
  order: AcceptedOrder<Payload>,
  // biome-ignore lint/suspicious/noConfusingVoidType: so that a rule may return nothing at all
) => RuleVerdict | undefined | null | false | void;

/**
 * A rule's answer: the order is refused.
 *
 * @param code - lower snake case, up to 64 characters, and no other {@link OrderErrorCode}; `'rule_refused'`
 *   by default
 * @param message - for people
 * @throws TypeError for a code or a message that can't be one
 *
 * @category Rules and payloads
 */
export function refuse(
  code = 'rule_refused',
  message = `A rule refused the order with \`${code}\``,
): RuleVerdict {
  if (codeOf({ code }) === undefined) throw wrong(TypeError, 'code', 'lower snake case', code);
  if (code !== 'rule_refused' && isOwnCode(code)) {
    throw wrong(TypeError, 'code', "a code that is not the processor's own", code);
  }
  if (typeof message !== 'string') throw wrong(TypeError, 'message', 'a string', message);
  return { kind: 'refuse', code, message };
}

/**
 * A rule's answer: the order has this priority instead of its caller's, and this label says why.
 *
 * @param priority - `'high'`, `'medium'` or `'low'`
 * @param label - stands on the order's record, receipt and events
 * @throws TypeError for a priority or a label that can't be one
 *
 * @category Rules and payloads
 */
export function prioritize(priority: Priority, label: string): RuleVerdict {
  if (!ranks.includes(priority)) {
    throw wrong(TypeError, 'priority', "'high', 'medium' or 'low'", priority);
  }
  if (typeof label !== 'string' || label === '') {
    throw wrong(TypeError, 'label', 'a string that is not empty', label);
  }
  return { kind: 'prioritize', priority, label };
}

/**
 * A rule: refuses orders below an amount with `amount_too_small`.
 *
 * @param least - in minor units; a safe integer
 *
 * @category Rules and payloads
 */
export function minAmount(least: number): Rule {
  checkInteger('least', least, Number.MIN_SAFE_INTEGER);
  return ({ amount }) =>
    amount < least && refuse('amount_too_small', `The least amount is ${least}, got ${amount}`);
}

/**
 * A rule: refuses orders above an amount with `amount_too_large`. The size of a debit counts like
 * the size of a credit.
 *
 * @param most - in minor units; an integer from 0 up
 *
 * @category Rules and payloads
 */
export function maxAmount(most: number): Rule {
  checkInteger('most', most, 0);
  return ({ amount }) =>
    Math.abs(amount) > most &&
    refuse('amount_too_large', `The greatest amount is ${most}, got ${amount}`);
}

/**
 * A payload whose items {@link maxItems} can count by itself.
 *
 * @category Rules and payloads
 */
export interface PayloadWithItems {
  /** The items; none if left out. */
  readonly items?: readonly unknown[] | undefined;
}

/**
 * A rule: refuses orders with more items than a limit with `too_many_items`. It counts `payload.items`; a payload
 * without them has no items.
 *
 * @param most - an integer from 0 up
 *
 * @category Rules and payloads
 */
export function maxItems(most: number): Rule<PayloadWithItems | undefined>;
/**
 * The same for payloads that count their items in another way.
 *
 * @typeParam Payload - the payload's type
 * @param most - an integer from 0 up
 * @param count - how many items a payload has
 */
export function maxItems<Payload>(most: number, count: (payload: Payload) => number): Rule<Payload>;
export function maxItems<Payload>(
  most: number,
  count: (payload: Payload) => number = lengthOfItems,
): Rule<Payload> {
  checkInteger('most', most, 0);
  return ({ payload }) => {
    const items = count(payload);
    if (!Number.isSafeInteger(items)) throw wrong(TypeError, 'count', 'an integer', items);
    return items > most && refuse('too_many_items', `At most ${most} items, got ${items}`);
  };
}

/**
 * A rule: orders above an amount have high priority. The size of a debit counts like the size of a credit.
 *
 * @param amount - in minor units; an integer from 0 up
 * @param label - `'high_value'` by default
 *
 * @category Rules and payloads
 */
export function urgentAbove(amount: number, label = 'high_value'): Rule {
  checkInteger('amount', amount, 0);
  const urgent = prioritize('high', label);
  return (order) => Math.abs(order.amount) > amount && urgent;
}

function lengthOfItems(payload: unknown): number {
  const items = (payload as PayloadWithItems | undefined)?.items;
  return items === undefined ? 0 : items.length;
}

/** Checks and copies the rules. */
export function readRules(rules: unknown): readonly Rule[] {
  if (!Array.isArray(rules)) throw wrong(TypeError, 'rules', 'an array', rules);
  return Array.from(rules, (rule: unknown, index) => {
    if (typeof rule === 'function') return rule as Rule;
    throw wrong(TypeError, `rules[${index}]`, 'a function', rule);
  });
}

/**
 * Gives an order the priority and the labels of the rules.
 *
 * @throws OrderError - a rule refuses it
 */
export function applyRules(rules: readonly Rule[], order: ParsedOrder): void {
  if (rules.length === 0) return;
  const seen = order.toOrder();
  let rank: number | undefined;
  const labels: string[] = [];
  for (const [index, rule] of rules.entries()) {
    let verdict: RuleVerdict | undefined;
    const title = rule.name === '' ? `Rule ${index}` : `Rule ${index}, \`${show(rule.name)}\`,`;
    let message = `${title} threw`;
    try {
      const answer = rule(seen);
      message = `${title} did not answer with nothing, \`refuse(…)\` or \`prioritize(…)\``;
      verdict = readVerdict(answer);
    } catch (thrown) {
      const cause = hostFault(message, causeOf(thrown, title));
      throw new OrderError('internal', wentWrong, { ...order.facts, labels, cause });
    }
    if (verdict?.kind === 'refuse') {
      const facts = { ...order.facts, labels, retryable: false };
      throw new OrderError(verdict.code, verdict.message, facts);
    }
    if (verdict === undefined) continue;
    rank = Math.min(rank ?? ranks.length, ranks.indexOf(verdict.priority));
    labels.push(verdict.label);
  }
  if (rank === undefined) return;
  order.rank = rank;
  order.labels = Object.freeze(labels);
}

/** Checks a rule's answer, which may come from another copy of the package. */
function readVerdict(answer: unknown): RuleVerdict | undefined {
  if (answer === undefined || answer === null || answer === false) return undefined;
  if (isThenable(answer)) asPromise(answer).catch(() => {});
  const { kind, code, message, priority, label } = answer as Record<string, string>;
  if (kind === 'refuse') return refuse(code, message);
  if (kind === 'prioritize') return prioritize(priority as Priority, label as string);
  throw wrong(TypeError, 'answer', 'nothing, `refuse(…)` or `prioritize(…)`', answer);
}
