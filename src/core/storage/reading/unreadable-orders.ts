import { quote } from '../../runtime/thrown.ts';

/** What is kept of an order was changed by hand, or by a fault of the disk, to an impossible value. */
export class UnreadableOrder extends Error {
  readonly id: string;

  constructor(id: string, reason: string) {
    super(`The order ${quote(id)} cannot be read: ${reason}`);
    this.id = id;
  }
}

/** Takes an order that cannot be read, or throws the error. */
export type TakeUnreadable = (error: UnreadableOrder) => void;

/** A number of an order is no safe integer. */
export function beyond(id: string): UnreadableOrder {
  return new UnreadableOrder(id, 'one of its numbers is beyond the safe integers');
}

/** A balance is no safe integer. */
export function beyondBalance(userId: string, balance: string | bigint): Error {
  return new Error(
    `The balance of user ${quote(userId)} cannot be read: ${balance} is no safe integer`,
  );
}

/** How many orders are reported at most, each once. */
const mostReported = 100;

/** Reports orders that cannot be read, and are left out where others can. */
export class UnreadableOrders {
  readonly #place: string;
  readonly #reported = new Set<string>();

  /** @param place - what has the orders, and a `check()` */
  constructor(place: string) {
    this.#place = place;
  }

  /** Warns once for each order. */
  readonly report: TakeUnreadable = ({ id, message }) => {
    if (this.#reported.has(id) || this.#reported.size === mostReported) return;
    this.#reported.add(id);
    process.emitWarning(
      `${message}; it is left out of lists. \`check()\` of ${this.#place} finds all`,
      { type: 'OrderProcessorWarning', code: 'unreadable_order' },
    );
  };
}
