import type { OrderErrorCode } from '../core/order/order-error.ts';

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

/** So many codes of rules and steps are labels of their own. */
const mostCodes = 100;

/**
 * Which codes may be labels. Rules and steps give codes of their own, and each one is a time series for as long as the
 * process runs, so their number is bounded: a code that contains an id must not overload the collector.
 */
export class BoundedCodes {
  readonly #other: string;
  readonly #foreign = new Set<string>();

  /** @param other - the label of all other codes */
  constructor(other: string) {
    this.#other = other;
  }

  labelOf(code: string | undefined): string {
    if (code === undefined || code === this.#other) return this.#other;
    if (ownCodes.has(code) || this.#foreign.has(code)) return code;
    if (this.#foreign.size >= mostCodes) return this.#other;
    this.#foreign.add(code);
    return code;
  }
}
