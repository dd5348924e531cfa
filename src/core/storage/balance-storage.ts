import type { Awaitable } from '../runtime/awaitable.ts';

/**
 * One order's change of one user's balance.
 *
 * @category For authors of storages
 */
export interface BalanceChange {
  /** The order's id. */
  readonly orderId: string;
  /** Whose balance changes. */
  readonly userId: string;
  /** What is added, a safe integer in minor units; negative is a debit. */
  readonly amount: number;
  /** The least balance that a debit may leave, in minor units; `undefined` for none. */
  readonly minBalance: number | undefined;
  /** Credits to other users that are applied with it, or not at all; only where the storage `appliesPostings`. */
  readonly postings?: readonly BalanceCredit[] | undefined;
}

/**
 * A credit to another user that comes with a change.
 *
 * @category For authors of storages
 */
export interface BalanceCredit {
  /** Whose balance grows: never the user of the change, and each user at most once in a change. */
  readonly userId: string;
  /** What is added, a safe integer in minor units from 0 up. */
  readonly amount: number;
}

/**
 * How much room a storage takes.
 *
 * @category For authors of storages
 */
export interface StorageSizes {
  /** The size of its file, in bytes. */
  readonly fileBytes: number;
  /** The size of the log beside it, in bytes. */
  readonly logBytes: number;
}

/**
 * The balance right after the change, or why the change was not applied.
 *
 * @category For authors of storages
 */
export type BalanceResult =
  | {
      /** The balance right after the change, in minor units. */
      readonly balance: number;
      /** Of a change with postings: the balance of each posting's user right after it, in their order. */
      readonly balances?: readonly number[] | undefined;
    }
  | {
      /** Why the change was not applied. */
      readonly refused: 'insufficient_funds' | 'balance_overflow';
    };

/**
 * Where balances are kept. Write one over your own database in twenty lines:
 *
 * 1. `apply` treats the changes in the order given and answers one result for each, in that order.
 * 2. Each order id is applied at most once: for an id it has applied before it changes nothing and answers what it
 *    answered then (or the present balance, if it does not keep that).
 * 3. A debit (negative amount) that would leave less than `minBalance` is not applied: `insufficient_funds`. A user
 *    without a balance has 0. A sum that is no safe integer is not applied either: `balance_overflow`. The other
 *    changes of the call are.
 * 4. A call that throws or rejects has applied nothing, or it applies nothing new when its changes come again (rule
 *    2). The processor makes it again with the same changes, maybe among others, until it has an answer for each.
 *    What can never be applied is to be refused. If the call throws, the processor makes smaller calls until it has
 *    found that order, which then waits alone. A refusal need not be kept: it is decided anew when its change comes again.
 * 5. The processor has one `apply` under way at a time. It does not change what it has handed over.
 * 6. `get` answers what the last finished `apply` left.
 * 7. Where the storage `appliesPostings`, a change's postings are applied after its amount, in their order, all or none
 *    together with it: if one of the sums is no safe integer, the answer is `balance_overflow` and nothing of the change
 *    is applied. The answer has their `balances`. `minBalance` does not concern them. Elsewhere no change has postings.
 *
 * Methods may answer at once or with a promise; answering at once is the fast way in memory.
 *
 * @example
 * ```ts
 * import { type BalanceStorage, OrderProcessor } from 'order-processor';
 *
 * const balances = new Map<string, number>();
 * const applied = new Map<string, number>();
 * const storage: BalanceStorage = {
 *   get: (userId) => balances.get(userId),
 *   apply: (changes) =>
 *     changes.map(({ orderId, userId, amount, minBalance = -Infinity }) => {
 *       const before = applied.get(orderId);
 *       if (before !== undefined) return { balance: before };
 *       const balance = (balances.get(userId) ?? 0) + amount;
 *       if (!Number.isSafeInteger(balance)) return { refused: 'balance_overflow' };
 *       if (amount < 0 && balance < minBalance) return { refused: 'insufficient_funds' };
 *       balances.set(userId, balance);
 *       applied.set(orderId, balance);
 *       return { balance };
 *     }),
 * };
 *
 * await using processor = new OrderProcessor({ storage });
 * await processor.submit({ userId: 'u-1', amount: 1200 });
 * console.log(balances.get('u-1')); // prints: 1200
 * ```
 *
 * @category Storages
 */
export interface BalanceStorage {
  /** What it is, for traces: `'sqlite'`, for example. Messages of diagnostics channels have none by default. */
  readonly kind?: string | undefined;
  /** Whether it has been closed: no processor is made with it then. */
  readonly isClosed?: boolean;
  /**
   * How many settled orders the processor remembers beside this storage, for idempotency and for
   * `order(id)`: an integer from 0 up, 100 000 by default.
   */
  readonly retainSettled?: number;
  /**
   * How much their payloads, labels and errors may take in memory together, in bytes, as they are estimated: an
   * integer from 0 up, 67 108 864 (64 MiB) by default. The oldest that has any is forgotten first.
   */
  readonly retainBytes?: number;
  /** Whether `apply` applies the postings of changes (rule 7). Elsewhere orders with postings are refused. `false` by default. */
  readonly appliesPostings?: boolean;
  /**
   * The user's balance in minor units, or `undefined` if the user has never had one.
   *
   * @param userId - any accepted order's `userId`
   */
  get(userId: string): Awaitable<number | undefined>;
  /**
   * Applies every change in the order given, each order id at most once; index-aligned results.
   *
   * @param changes - one or more
   */
  apply(changes: readonly BalanceChange[]): Awaitable<readonly BalanceResult[]>;
  /**
   * How much room the storage takes now, if it can say so at once; for `stats()` and metrics. Called each time they are
   * read. An answer that is no pair of integers from 0 up is ignored.
   */
  sizes?(): StorageSizes | undefined;
  /** Releases what the storage holds. Called once, by `shutdown`. */
  close?(): Awaitable<void>;
}
