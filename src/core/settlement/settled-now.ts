import type { Clock } from '../runtime/clock.ts';
import type { OrderSettlement } from './settlement.ts';

/**
 * The ids that were accepted, decided and settled in this millisecond. The storage's record of such an id looks like
 * the settlement of an order that comes again with it in the same millisecond.
 */
export class SettledNow {
  readonly #clock: Clock;
  readonly #ids = new Set<string>();
  #at = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ id, job, acceptedAt, settledAt }: OrderSettlement): void {
    const now = this.#clock.last;
    if (acceptedAt !== settledAt || job.acceptedAt !== now) return;
    if (this.#at !== now) this.#ids.clear();
    this.#at = now;
    this.#ids.add(id);
  }

  has(id: string): boolean {
    return this.#at === this.#clock.last && this.#ids.has(id);
  }
}
