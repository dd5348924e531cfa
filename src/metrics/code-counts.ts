import type { OrderErrorCode } from '../core/order/order-error.ts';
import { codeOf } from '../core/runtime/thrown.ts';
import { BoundedCodes } from './bounded-codes.ts';

/** How often each code came. */
export class CodeCounts {
  readonly #counts: Map<string, number>;
  readonly #codes = new BoundedCodes('other');

  /** @param expected - codes that start with 0, so that their first occurrence shows as an increase */
  constructor(expected: readonly OrderErrorCode[]) {
    this.#counts = new Map(expected.map((code) => [code, 0]));
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** @param error - typed as an `OrderError`, but a host may have made it */
  add(error: unknown): void {
    const code = this.#codes.labelOf(codeOf(error));
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }
}
