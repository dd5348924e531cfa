import type { StoredOrder } from '../../order/stored-order.ts';
import type {
  HistoryStorage,
  Movement,
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from '../history/history-storage.ts';
import type { SettledColumns } from './settled-columns.ts';

/** How many settlements a page looks at before it ends. */
const mostLookedAt = 4_096;

/** How many problems are reported. */
const mostProblems = 100;

/** A ring whose slots are written in the order of the settlements. */
export interface SettlementRing {
  readonly columns: SettledColumns;
  /** The number of the last settlement; 0 before the first. */
  readonly last: number;
  /** Settlements up to this one may be missing. */
  readonly forgotten: number;
  /** The slot of a settlement that is remembered. */
  slotOf(settlement: number): number;
}

/** What was settled, in the order in which it was applied, as far as it is remembered. */
export class SettledHistory implements HistoryStorage {
  readonly id = crypto.randomUUID();
  readonly #ring: SettlementRing;
  readonly #balanceOf: (userId: string) => number | undefined;

  /** @param balanceOf - a user's balance now, if that is known here */
  constructor(ring: SettlementRing, balanceOf: (userId: string) => number | undefined) {
    this.#ring = ring;
    this.#balanceOf = balanceOf;
  }

  settled({ after, limit }: SettledQuery): SettledPage {
    const { columns, last, forgotten } = this.#ring;
    const orders: StoredOrder[] = [];
    let next = Math.max(after, forgotten);
    const end = Math.min(last, next + mostLookedAt);
    while (next < end && orders.length < limit) {
      next += 1;
      const slot = this.#ring.slotOf(next);
      if (columns.ids[slot] !== undefined) orders.push(columns.storedIn(slot, next));
    }
    return { orders, next, last, forgotten };
  }

  movements({ userId, after, from, before, limit }: StoredMovementQuery): StoredMovementPage {
    const { last, forgotten } = this.#ring;
    const movements: Movement[] = [];
    const begin = from === undefined ? forgotten : this.#lastUpTo(from - 1);
    const upTo = before === undefined ? last : this.#lastUpTo(before - 1);
    let next = Math.max(after, forgotten, begin);
    const end = Math.min(upTo, next + mostLookedAt);
    while (next < end && movements.length < limit) {
      next += 1;
      const movement = this.#movementOf(userId, next);
      if (movement !== undefined) movements.push(movement);
    }
    return { movements, next: next < upTo ? next : undefined, forgotten };
  }

  balanceAt(userId: string, time: number): PastBalance {
    const { columns, last, forgotten } = this.#ring;
    const upTo = this.#lastUpTo(time);
    for (let at = upTo; at > forgotten; at -= 1) {
      const movement = this.#movementOf(userId, at);
      if (movement !== undefined) return { balance: movement.balance, isForgotten: false };
    }
    if (forgotten === 0) return { balance: undefined, isForgotten: false };
    const isBefore = last === forgotten || time < columns.timeIn(this.#ring.slotOf(forgotten + 1));
    if (isBefore && last > forgotten) return { balance: undefined, isForgotten: true };
    for (let at = upTo + 1; at <= last; at += 1) {
      const movement = this.#movementOf(userId, at);
      if (movement === undefined) continue;
      return { balance: movement.balance - movement.amount, isForgotten: false };
    }
    return { balance: this.#balanceOf(userId), isForgotten: false };
  }

  /** The time from which on each user's balance is known, though settlements were forgotten; see `StoredBalance`. */
  get knownFrom(): number | undefined {
    const { columns, last, forgotten } = this.#ring;
    if (forgotten === 0) return undefined;
    return last === forgotten ? 0 : columns.timeIn(this.#ring.slotOf(forgotten + 1));
  }

  /** Balances that do not follow from the movements that are remembered; empty if all do. */
  problems(): readonly string[] {
    const { columns, last, forgotten } = this.#ring;
    const balances = new Map<string, number>();
    const problems: string[] = [];
    const check = (userId: string, amount: number, balance: number, settlement: number): void => {
      const before = balances.get(userId);
      balances.set(userId, balance);
      if (before === undefined || before + amount === balance) return;
      const user = JSON.stringify(userId);
      const ought = `${before} and ${amount} make ${before + amount}`;
      problems.push(`Settlement ${settlement} left user ${user} ${balance}, but ${ought}`);
    };
    for (let at = forgotten + 1; at <= last && problems.length < mostProblems; at += 1) {
      const slot = this.#ring.slotOf(at);
      const balance = columns.balanceIn(slot);
      if (Number.isNaN(balance)) continue;
      check(columns.userIds[slot] as string, columns.amountIn(slot), balance, at);
      for (const posting of columns.postingsIn(slot)) {
        check(posting.userId, posting.amount, posting.balance as number, at);
      }
    }
    for (const [userId, ought] of balances) {
      const balance = this.#balanceOf(userId);
      if (balance === ought || problems.length >= mostProblems) continue;
      const user = JSON.stringify(userId);
      problems.push(
        `The balance of user ${user} is ${balance}, but the last movement left ${ought}`,
      );
    }
    return problems.slice(0, mostProblems);
  }

  /** What a settlement changed of a user's balance. */
  #movementOf(userId: string, sequence: number): Movement | undefined {
    const { columns } = this.#ring;
    const slot = this.#ring.slotOf(sequence);
    const own = columns.balanceIn(slot);
    if (Number.isNaN(own)) return undefined;
    if (columns.userIds[slot] === userId) {
      return this.#movement(slot, userId, columns.amountIn(slot), own, sequence);
    }
    const posting = columns.postingIn(slot, userId);
    if (posting === undefined) return undefined;
    return this.#movement(slot, userId, posting.amount, posting.balance as number, sequence);
  }

  #movement(
    slot: number,
    userId: string,
    amount: number,
    balance: number,
    sequence: number,
  ): Movement {
    const { columns } = this.#ring;
    const orderId = columns.ids[slot] as string;
    return { orderId, userId, amount, balance, settledAt: columns.settledAtIn(slot), sequence };
  }

  /** The last settlement whose time is not later; the one before the first that is remembered if there is none. */
  #lastUpTo(time: number): number {
    const { columns, last, forgotten } = this.#ring;
    let [below, upTo] = [forgotten, last];
    while (below < upTo) {
      const middle = Math.ceil((below + upTo) / 2);
      if (columns.timeIn(this.#ring.slotOf(middle)) <= time) below = middle;
      else upTo = middle - 1;
    }
    return below;
  }
}
