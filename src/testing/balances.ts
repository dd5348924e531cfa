import assert from 'node:assert/strict';
import type { BalanceChange, BalanceStorage } from '../core/storage/balance-storage.ts';

/** A change, frozen like everything that the suite hands over. */
export function change(
  orderId: string,
  userId: string,
  amount: number,
  minBalance?: number,
): BalanceChange {
  return Object.freeze({ orderId, userId, amount, minBalance });
}

/** The result of each change: the balance, or the code of the refusal. */
export async function apply(
  storage: BalanceStorage,
  changes: readonly BalanceChange[],
): Promise<(number | string)[]> {
  const results = await storage.apply(Object.freeze([...changes]));
  assert.ok(Array.isArray(results), 'The results are an array');
  assert.equal(results.length, changes.length, 'There is one result for each change');
  return Array.from(results, (result: { balance?: number; refused?: string }, at) => {
    const answer = result?.refused ?? result?.balance;
    assert.notEqual(answer, undefined, `Result ${at} has a \`balance\` or \`refused\``);
    return answer as number | string;
  });
}

/** Asserts that a user has this balance. */
export async function assertBalance(
  storage: BalanceStorage,
  userId: string,
  balance: number | undefined,
): Promise<void> {
  assert.equal(await storage.get(userId), balance, `The balance of ${JSON.stringify(userId)}`);
}

/** The integers from 0 up to but without `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at);
}

/** Asserts that two long lists of plain values are equal, without a diff: one of 10 000 lines takes seconds. */
export function assertSameList(
  actual: readonly (string | number)[],
  expected: readonly (string | number)[],
): void {
  const length = Math.max(actual.length, expected.length);
  for (let at = 0; at < length; at += 1) {
    assert.equal(actual[at], expected[at], `Entry ${at} is ${expected[at]}, got ${actual[at]}`);
  }
}
