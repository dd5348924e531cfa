import type { OrderErrorCode } from '../core/order/order-error.ts';
import { codeOf } from '../core/runtime/thrown.ts';

const ownCodes: ReadonlySet<string> = new Set(
  Object.keys({
    invalid_order: true,
    order_conflict: true,
    rule_refused: true,
    queue_full: true,
    shut_down: true,
    insufficient_funds: true,
    balance_overflow: true,
    timeout: true,
    canceled: true,
    expired: true,
    history_forgotten: true,
    storage_failed: true,
    deadlock: true,
    not_held: true,
    not_failed: true,
    compensation_failed: true,
    internal: true,
  } satisfies Record<OrderErrorCode, true>),
);

/** So many codes of rules and steps are counted by themselves. */
const mostCodes = 100;
const other = 'other';

/**
 * How often each code came. Rules and steps give codes of their own, and each one is a time series for
 * as long as the process runs, so their number is bounded: a code that contains an id must not overload the collector.
 */
export class CodeCounts {
  readonly #counts: Map<string, number>;
  #foreign = 0;

  /** @param expected - codes that start with 0, so that their first occurrence shows as an increase */
  constructor(expected: readonly OrderErrorCode[]) {
    this.#counts = new Map(expected.map((code) => [code, 0]));
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** @param error - typed as an `OrderError`, but a host may have made it */
  add(error: unknown): void {
    const code = this.#labelOf(codeOf(error) ?? other);
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  #labelOf(code: string): string {
    if (code === other || ownCodes.has(code) || this.#counts.has(code)) return code;
    if (this.#foreign >= mostCodes) return other;
    this.#foreign += 1;
    return code;
  }
}
