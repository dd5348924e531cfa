import type { BalanceChange, BalanceResult, BalanceStorage } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { StorageAnswer } from './plan.ts';

/** A host's storage with a script of failures. A call that fails has applied nothing, but for one that `fails late`. */
export class HostStorage implements BalanceStorage {
  readonly balances = new Map<string, number>();
  readonly applied = new Map<string, { readonly userId: string; readonly balance: number }>();
  /** Ids of the last calls that failed, and of which no call has been answered since. */
  readonly open = new Set<string>();
  /** What broke the contract that the processor has with a storage. */
  readonly offences: string[] = [];
  readonly #answered = new Set<string>();
  /** It keeps refusals too: after a call that fails late, they would be decided behind later orders. */
  readonly #refused = new Set<string>();
  readonly #answers: StorageAnswer[];
  readonly #latencyMs: readonly number[];
  readonly #clock: VirtualClock | undefined;
  #calls = 0;
  #isUnderWay = false;
  #isClosed = false;

  /** With a clock it answers with promises. */
  constructor(
    answers: readonly StorageAnswer[],
    latencyMs: readonly number[] = [0],
    clock?: VirtualClock,
  ) {
    this.#answers = [...answers];
    this.#latencyMs = latencyMs;
    this.#clock = clock;
  }

  get(userId: string): number | undefined {
    return this.balances.get(userId);
  }

  apply(
    changes: readonly BalanceChange[],
  ): readonly BalanceResult[] | Promise<readonly BalanceResult[]> {
    if (this.#isUnderWay) this.offences.push('two calls at once');
    if (this.#isClosed) this.offences.push('a call after `close`');
    if (changes.length === 0) this.offences.push('a call without changes');
    this.#calls += 1;
    for (const { orderId } of changes) this.open.add(orderId);
    const answer = this.#answers.shift() ?? 'works';
    if (answer === 'throws') throw new Error('The storage threw');
    return this.#clock === undefined ? this.#answer(answer, changes) : this.#late(answer, changes);
  }

  close(): void {
    if (this.#isClosed) this.offences.push('closed twice');
    this.#isClosed = true;
  }

  async #late(
    answer: StorageAnswer,
    changes: readonly BalanceChange[],
  ): Promise<readonly BalanceResult[]> {
    this.#isUnderWay = true;
    const ms = this.#latencyMs[this.#calls % this.#latencyMs.length] ?? 0;
    try {
      await (this.#clock as VirtualClock).sleep(ms);
      return this.#answer(answer, changes);
    } finally {
      this.#isUnderWay = false;
    }
  }

  #answer(answer: StorageAnswer, changes: readonly BalanceChange[]): readonly BalanceResult[] {
    if (answer === 'rejects') throw undefined;
    if (answer === 'falls short') return [];
    if (answer === 'is nonsense') return changes.map(() => ({ balance: Number.NaN }));
    const results = changes.map((change) => this.#apply(change));
    if (answer === 'fails late') throw new Error('The connection broke after the commit');
    for (const { orderId } of changes) {
      this.open.delete(orderId);
      this.#answered.add(orderId);
    }
    return results;
  }

  #apply({ orderId, userId, amount, minBalance }: BalanceChange): BalanceResult {
    if (this.#answered.has(orderId)) this.offences.push(`asked again: ${orderId}`);
    const before = this.applied.get(orderId);
    if (before !== undefined) return { balance: before.balance };
    if (this.#refused.has(orderId)) return { refused: 'insufficient_funds' };
    const balance = (this.balances.get(userId) ?? 0) + amount;
    if (minBalance !== undefined && amount < 0 && balance < minBalance) {
      this.#refused.add(orderId);
      return { refused: 'insufficient_funds' };
    }
    this.balances.set(userId, balance);
    this.applied.set(orderId, { userId, balance });
    return { balance };
  }
}
