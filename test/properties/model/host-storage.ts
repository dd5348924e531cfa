import type { BalanceChange, BalanceResult, BalanceStorage } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { StorageAnswer } from './plan.ts';

/** A host's storage with a script of failures. A call that fails has applied nothing. */
export class HostStorage implements BalanceStorage {
  readonly balances = new Map<string, number>();
  readonly applied = new Map<string, BalanceResult>();
  /** What broke the contract that the processor has with a storage. */
  readonly offences: string[] = [];
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
    return changes.map((change) => this.#apply(change));
  }

  #apply({ orderId, userId, amount, minBalance }: BalanceChange): BalanceResult {
    if (this.applied.has(orderId)) this.offences.push(`applied twice: ${orderId}`);
    const balance = (this.balances.get(userId) ?? 0) + amount;
    if (minBalance !== undefined && amount < 0 && balance < minBalance) {
      return { refused: 'insufficient_funds' };
    }
    this.balances.set(userId, balance);
    const result = { balance };
    this.applied.set(orderId, result);
    return result;
  }
}
