const greatest = Number.MAX_SAFE_INTEGER;
const least = Number.MIN_SAFE_INTEGER;

/** An integer; one that is not safe is a `bigint`. */
export type Integer = number | bigint;

/** One exactly, whatever the parts are. */
export function sumOf(one: Integer, other: Integer): Integer {
  if (typeof one === 'number' && typeof other === 'number') {
    const sum = one + other;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(one) + BigInt(other);
  return Number.isSafeInteger(Number(sum)) ? Number(sum) : sum;
}

/** `one` less `other`, exactly. */
export function differenceOf(one: Integer, other: Integer): Integer {
  return sumOf(one, typeof other === 'bigint' ? -other : -other + 0);
}

/** The same, rounded beyond the safe integers, where bounds are cut off. */
function roundedDifferenceOf(one: Integer, other: Integer): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return Number(differenceOf(one, other));
}

/** A user's balance in one call of `settle`, and for which openings all that was decided by it is right. */
export class Account {
  readonly userId: string;
  /** What the balance is taken to be before the call. One that was set by hand may be no safe integer. */
  readonly opening: Integer;
  /** After what was decided so far. */
  balance: Integer;
  /** Whether the call has changed the balance, if only by 0. */
  isMoved = false;
  /** The greatest time of a settlement that has changed it. */
  appliedAt = 0;
  // How much less and more the opening may be. Beyond 2^53 from it the bounds are narrower than they could be.
  #less = Number.NEGATIVE_INFINITY;
  #more = Number.POSITIVE_INFINITY;

  constructor(userId: string, opening: Integer) {
    this.userId = userId;
    this.opening = opening;
    this.balance = opening;
  }

  /** The least opening for which all decisions are the same. */
  get least(): Integer {
    const { opening } = this;
    if (typeof opening === 'bigint') return opening;
    return Math.max(least, opening + Math.max(this.#less, least));
  }

  /** The greatest opening for which all decisions are the same. */
  get most(): Integer {
    const { opening } = this;
    if (typeof opening === 'bigint') return opening;
    return Math.min(greatest, opening + Math.min(this.#more, greatest));
  }

  /** Whether something was decided by it. */
  get isBound(): boolean {
    return this.#less !== Number.NEGATIVE_INFINITY || this.#more !== Number.POSITIVE_INFINITY;
  }

  /** What was added. */
  get total(): Integer {
    return differenceOf(this.balance, this.opening);
  }

  /** The balance after a change; a `bigint` if that is no balance. */
  after(amount: number): Integer {
    return sumOf(this.balance, amount);
  }

  /** The decision needs the balance, which would be `after`, to be at least `floor`. */
  needsAtLeast(floor: Integer, after: Integer): void {
    this.#less = Math.max(this.#less, roundedDifferenceOf(floor, after));
  }

  /** The decision needs the balance, which would be `after`, to be at most `ceiling`. */
  needsAtMost(ceiling: Integer, after: Integer): void {
    this.#more = Math.min(this.#more, roundedDifferenceOf(ceiling, after));
  }

  move(after: number, settledAt: number): void {
    this.balance = after;
    this.isMoved = true;
    this.appliedAt = Math.max(this.appliedAt, settledAt);
  }
}
