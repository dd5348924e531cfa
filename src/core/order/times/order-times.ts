import type { Clock } from '../../runtime/clock.ts';

/** A hundred years of 365.25 days: no order may wait for longer. */
const furthestMs = 3_155_760_000_000;

/** The form of a time of an order, for an error. */
export const timeForm = 'Unix milliseconds: an integer from 0 up, at most a hundred years from now';

/** Whether a value can be a time of an order, which may have none. */
export function isTime(value: unknown): value is number | undefined {
  if (value === undefined) return true;
  if (!Number.isSafeInteger(value) || (value as number) < 0) return false;
  return (value as number) <= Date.now() + furthestMs;
}

/** When an order may begin, in Unix milliseconds. */
export class OrderTimes {
  readonly notBefore: number | undefined;
  readonly expiresAt: number | undefined;
  /** When it entered its lane, on the processor's clock; `undefined` if that was when it was accepted. */
  enteredAt: number | undefined = undefined;
  /** Where the order waits in a list of timers: at what time, and at which place. */
  at = 0;
  place = -1;

  constructor(notBefore: number | undefined, expiresAt: number | undefined) {
    this.notBefore = notBefore;
    this.expiresAt = expiresAt;
  }

  /** Whether the order must not enter its lane yet. */
  isEarly(clock: Clock): boolean {
    return this.notBefore !== undefined && clock.unixNow() < this.notBefore;
  }

  /** Whether the order must not begin any more. */
  isExpired(clock: Clock): boolean {
    return this.expiresAt !== undefined && clock.unixNow() >= this.expiresAt;
  }
}

/** The times of an order; those that it does not have are absent. */
export interface TimeFields {
  readonly notBefore?: number | undefined;
  readonly expiresAt?: number | undefined;
}

export function timeFields({ notBefore, expiresAt }: TimeFields): TimeFields {
  return {
    ...(notBefore !== undefined && { notBefore }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

export function hasTimes({ notBefore, expiresAt }: TimeFields): boolean {
  return notBefore !== undefined || expiresAt !== undefined;
}

/** The times of an order; `undefined` if it has none. */
export function timesOf(fields: TimeFields): OrderTimes | undefined {
  return hasTimes(fields) ? new OrderTimes(fields.notBefore, fields.expiresAt) : undefined;
}

/** Whether an order was accepted before its time; `acceptedAt` is in Unix milliseconds. */
export function isDelayed(notBefore: number | undefined, acceptedAt: number): boolean {
  return notBefore !== undefined && notBefore > acceptedAt;
}

/**
 * How long an order waited for its turn, in milliseconds. The time until it entered its lane does not count.
 *
 * @param acceptedAt - in Unix milliseconds, as are the others
 */
export function waitMsOf(
  notBefore: number | undefined,
  acceptedAt: number,
  startedAt: number,
): number {
  if (!isDelayed(notBefore, acceptedAt)) return startedAt - acceptedAt;
  return Math.max(0, startedAt - (notBefore as number));
}
