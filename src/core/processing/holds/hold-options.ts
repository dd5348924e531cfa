import { checkOptions, wrong } from '../../runtime/checks.ts';

/**
 * What {@link OrderProcessor.hold} takes beside the user.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * await processor.hold('ann', { reason: 'chargeback' });
 * ```
 *
 * @category Lanes
 */
export interface HoldOptions {
  /** Why, for people: at most 1 024 characters (UTF-16 code units) of well-formed Unicode. Empty by default. */
  readonly reason?: string | undefined;
}

/** In UTF-16 code units. */
export const longestReason = 1_024;

/** @throws TypeError or RangeError */
export function readHoldOptions(options: HoldOptions): string | undefined {
  checkOptions('hold', options, ['reason']);
  const { reason } = options;
  if (reason === undefined) return undefined;
  const form = `a well-formed string of at most ${longestReason} characters`;
  if (typeof reason !== 'string') throw wrong(TypeError, 'reason', form, reason);
  if (isReason(reason)) return reason;
  throw wrong(RangeError, 'reason', form, reason);
}

export function isReason(text: string): boolean {
  return text.length <= longestReason && text.isWellFormed();
}
