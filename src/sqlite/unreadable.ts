/** The row of an order was changed at a shell, or by a fault of the disk, to an impossible value. */
export class UnreadableOrder extends Error {
  readonly id: string;

  constructor(id: string, reason: string) {
    super(`The order ${JSON.stringify(id)} cannot be read: ${reason}`);
    this.id = id;
  }
}

/** A number of an order is no safe integer. */
export function beyond(id: string): UnreadableOrder {
  return new UnreadableOrder(id, 'one of its numbers is beyond the safe integers');
}

/** A balance is no safe integer. */
export function beyondBalance(userId: string, balance: string | bigint): Error {
  const user = JSON.stringify(userId);
  return new Error(`The balance of user ${user} cannot be read: ${balance} is no safe integer`);
}

/** How many orders are reported at most, each once. */
const mostReported = 100;

/** Reports orders that cannot be read, and are left out where others can. */
export class UnreadableOrders {
  readonly #path: string;
  readonly #reported = new Set<string>();

  /** @param path - the file */
  constructor(path: string) {
    this.#path = path;
  }

  /** Warns once for each order. */
  report({ id, message }: UnreadableOrder): void {
    if (this.#reported.has(id) || this.#reported.size === mostReported) return;
    this.#reported.add(id);
    process.emitWarning(
      `${message}; it is left out of lists. \`check()\` of ${this.#path} finds all`,
      {
        type: 'OrderProcessorWarning',
        code: 'unreadable_order',
      },
    );
  }
}
