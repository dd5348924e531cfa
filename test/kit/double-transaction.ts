import {
  MemoryStorage,
  type NewOrder,
  type TransactionClient,
  type TransactionResult,
} from 'order-processor';
import type { SharedDatabase } from './shared-database.ts';

/** A transaction of the host's on a `SharedDatabase`: its orders are kept when it commits. */
export class DoubleTransaction implements TransactionClient {
  readonly #database: SharedDatabase;
  readonly #orders: NewOrder[] = [];
  /** What it sees of them. */
  readonly #own = new MemoryStorage();
  /** What a call with it fails with. */
  failure: Error | undefined;

  constructor(database: SharedDatabase) {
    this.#database = database;
  }

  query(): never {
    throw new Error('Nothing is asked by it');
  }

  async accept(order: NewOrder): Promise<TransactionResult> {
    await this.#database.delay();
    if (this.failure !== undefined) throw this.failure;
    const known = this.#database.find(order.id);
    if (known !== undefined) return { status: 'known', order: known };
    const [result] = this.#own.accept([order]);
    if (result?.status === 'known') return result;
    this.#orders.push(order);
    return { status: 'kept', sequence: 1_000_000 + this.#orders.length };
  }

  commit(): void {
    const results = this.#database.disk.accept(this.#orders);
    const accepted = this.#orders.filter((_, at) => results[at]?.status === 'accepted');
    this.#database.accepted(accepted.map(({ id }) => id));
  }
}
