/** A hundred years of 365.25 days: no order may wait for longer. */
const furthestMs = 3_155_760_000_000;

/** The form of a time of an order, for an error. */
export const timeForm = 'Unix milliseconds: an integer from 0 up, at most a hundred years from now';

/** Whether a value can be a time of an order. */
export function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= latest();
}

function latest(): number {
  return Date.now() + furthestMs;
}

/** When an order may begin, in Unix milliseconds. The machine's clock says what time it is. */
export class OrderTimes {
  readonly expiresAt: number | undefined;
  /** Where the order waits in a list of timers: at what time, and at which place. */
  at = 0;
  place = -1;

  constructor(expiresAt: number | undefined) {
    this.expiresAt = expiresAt;
  }

  /** Whether the order must not begin any more. */
  get isExpired(): boolean {
    return this.expiresAt !== undefined && Date.now() >= this.expiresAt;
  }
}

/** The fields of an order that has times; those that it has not are absent. */
export interface TimeFields {
  readonly expiresAt?: number | undefined;
}

export function timeFields({ expiresAt }: TimeFields): TimeFields {
  return { ...(expiresAt !== undefined && { expiresAt }) };
}

/** The times of an order; `undefined` if it has none. */
export function timesOf({ expiresAt }: TimeFields): OrderTimes | undefined {
  return expiresAt === undefined ? undefined : new OrderTimes(expiresAt);
}
