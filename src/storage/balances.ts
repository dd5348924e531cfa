import { show } from '../errors.ts';

/** What a storage gave as a balance, believed only if it can be one. */
export function checkBalance(balance: number | undefined): number | undefined {
  if (balance === undefined || Number.isSafeInteger(balance)) return balance;
  throw new TypeError(
    `Expected the storage's \`get\` to give a safe integer, got \`${show(balance)}\``,
  );
}
