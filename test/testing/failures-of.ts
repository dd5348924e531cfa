import {
  type BalanceStorageCheckOptions,
  checkBalanceStorage,
  checkOrderStorage,
  type OrderStorageCheckOptions,
} from 'order-processor/testing';
import { expect } from 'vitest';
import type { BalanceStorage } from '../../src/core/storage/balance-storage.ts';
import type { OrderStorage } from '../../src/core/storage/order-storage.ts';

type Tests = [name: string, run: () => Promise<void>][];

/**
 * That the suite finds a storage to break a rule, in a test of that rule, and blames no other thing
 * than the storage.
 *
 * @param rule - how the names of the rule's tests begin
 */
export async function expectBroken(rule: string, tests: Tests): Promise<void> {
  const ofRule = tests.filter(([name]) => name.startsWith(`${rule}: `));
  expect(ofRule.length, `There are tests of ${rule}`).toBeGreaterThan(0);
  const failures = await failuresOf(ofRule);
  expect(failures.length, `Tests of ${rule} that fail`).toBeGreaterThan(0);
}

/** The names of the tests that fail. */
export async function failuresOf(tests: Tests): Promise<string[]> {
  const failures: string[] = [];
  for (const [name, run] of tests) {
    try {
      await run();
    } catch {
      failures.push(name);
    }
  }
  return failures;
}

export function balanceTests(
  create: () => BalanceStorage,
  options: Partial<BalanceStorageCheckOptions> = {},
): Tests {
  const tests: Tests = [];
  checkBalanceStorage({ create, ...options, test: (name, run) => tests.push([name, run]) });
  return tests;
}

export function orderTests(
  create: () => OrderStorage,
  options: Partial<OrderStorageCheckOptions> = {},
): Tests {
  const tests: Tests = [];
  checkOrderStorage({ create, ...options, test: (name, run) => tests.push([name, run]) });
  return tests;
}
