import type { OrderError } from '../../core/order/order-error.ts';
import type { FailureView } from '../api.ts';

const minutes = 60;
const minuteMs = 60_000;
/** So many codes are counted by themselves, and all others as `other`. */
const mostCodes = 100;
const longestMessage = 500;

interface Failures {
  /** By minute modulo 60. */
  readonly counts: Uint32Array;
  /** The last minute that was counted. */
  minute: number;
  last: { readonly at: number; readonly error: OrderError };
}

/** Counts the failed orders of the last hour by code and minute. */
export class FailureCounts {
  readonly #codes = new Map<string, Failures>();

  add(error: OrderError, at: number): void {
    const minute = Math.floor(at / minuteMs);
    const failures = this.#of(error, minute, at);
    advance(failures, minute);
    failures.counts[minute % minutes] = (failures.counts[minute % minutes] as number) + 1;
    failures.last = { at, error };
  }

  /** The greatest count first. */
  views(now: number): FailureView[] {
    const minute = Math.floor(now / minuteMs);
    const views: FailureView[] = [];
    for (const [code, failures] of this.#codes) {
      advance(failures, minute);
      const byMinute = Array.from(
        { length: minutes },
        (_, index) => failures.counts[(minute + 1 + index) % minutes] as number,
      );
      const count = byMinute.reduce((sum, each) => sum + each, 0);
      // Codes of hours ago make room for others.
      if (count === 0) this.#codes.delete(code);
      else views.push({ code, count, byMinute, last: lastOf(failures) });
    }
    return views.sort((one, other) => other.count - one.count);
  }

  #of(error: OrderError, minute: number, at: number): Failures {
    const known = this.#codes.get(error.code);
    if (known !== undefined) return known;
    const code = this.#codes.size < mostCodes ? error.code : 'other';
    const other = this.#codes.get(code);
    if (other !== undefined) return other;
    const failures = { counts: new Uint32Array(minutes), minute, last: { at, error } };
    this.#codes.set(code, failures);
    return failures;
  }
}

/** Forgets the minutes that are more than an hour ago, or in the future of a clock that was set back. */
function advance(failures: Failures, minute: number): void {
  const last = Math.max(minute, failures.minute);
  const passed = Math.min(minutes, Math.abs(minute - failures.minute));
  for (let back = 0; back < passed; back += 1) failures.counts[(last - back) % minutes] = 0;
  failures.minute = minute;
}

function lastOf({ last: { at, error } }: Failures): FailureView['last'] {
  const { orderId = '', userId = '', message } = error;
  return { at, orderId, userId, message: message.slice(0, longestMessage) };
}
