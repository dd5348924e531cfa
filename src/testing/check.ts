import type { BalanceStorage } from '../core/storage/balance-storage.ts';
import type { OrderStorage } from '../core/storage/order-storage.ts';
import {
  type BalanceStorageCheckOptions,
  checkSuiteOptions,
  type OrderStorageCheckOptions,
} from './options.ts';
import { declareAcceptRules } from './rules/accept-rules.ts';
import { declareAmendRules } from './rules/amend-rules.ts';
import { declareBalanceRules } from './rules/balance-rules.ts';
import { declareCloseRules, declareDurableRules } from './rules/durable-rules.ts';
import { declareBalanceFaults, declareOrderFaults } from './rules/fault-rules.ts';
import { declareHistoryRules } from './rules/history-rules.ts';
import {
  declareDurableHoldRules,
  declareEndedHoldRules,
  declareHoldRules,
} from './rules/hold-rules.ts';
import { declareListRules } from './rules/list-rules.ts';
import { declareBalanceListRules } from './rules/money/balance-list-rules.ts';
import { declareCreditRules, declarePostingRules } from './rules/money/posting-rules.ts';
import {
  declareDurableSettlementRules,
  declareSettlementRules,
} from './rules/money/settlement-rules.ts';
import { declareDurableRetryRules, declareRetryRules } from './rules/retry-rules.ts';
import { declareSettleRules } from './rules/settle-rules.ts';
import { declareAmountRules } from './rules/steps/amount-rules.ts';
import { declareDurableRememberRules, declareRememberRules } from './rules/steps/remember-rules.ts';
import { declareDueRules, declareTimeRules } from './rules/times/due-rules.ts';
import { declareTraceRules } from './rules/trace/trace-rules.ts';
import { declareUnsettledRules } from './rules/unsettled-rules.ts';
import { SettlingBalances } from './settle-as-apply.ts';
import { declareRequestRules } from './shared/request-rules.ts';
import { declareSharedRules } from './shared/shared-rules.ts';
import { declareTransactionRules } from './shared/transaction-rules.ts';
import { type Declare, declareWith } from './suite.ts';

/**
 * Declares tests for all rules of {@link BalanceStorage}. The name of a test begins with the rule's number: `balance rule 3: a debit below minBalance is refused and changes nothing`.
 *
 * @example
 * ```ts
 * import { test } from 'node:test';
 * import { MemoryStorage } from 'order-processor';
 * import { checkBalanceStorage } from 'order-processor/testing';
 *
 * checkBalanceStorage({ test, create: () => new MemoryStorage() });
 * ```
 *
 * @typeParam Storage - the storage's type
 * @param options - the host's `test`, and how to make a storage
 * @throws TypeError or RangeError for an option that is unknown or not as it must be
 */
export function checkBalanceStorage<Storage extends BalanceStorage>(
  options: BalanceStorageCheckOptions<Storage>,
): void {
  checkSuiteOptions('checkBalanceStorage', options);
  declareBalance(options);
}

function declareBalance<Storage extends BalanceStorage>(
  options: BalanceStorageCheckOptions<Storage>,
): void {
  const declare = within('balance', declareWith(options));
  declareBalanceRules(declare, options.seed);
  declareCreditRules(declare);
  declareBalanceFaults(declare, options.faults ?? {});
}

/**
 * Declares tests for all rules of {@link OrderStorage}, as `order rule 1: …`, of its holds, as `hold rule 1: …`, and all tests of {@link checkBalanceStorage}.
 *
 * @example
 * ```ts
 * import { test } from 'node:test';
 * import { MemoryStorage } from 'order-processor';
 * import { checkOrderStorage } from 'order-processor/testing';
 *
 * checkOrderStorage({ test, create: () => new MemoryStorage() });
 * ```
 *
 * @typeParam Storage - the storage's type
 * @param options - the host's `test`, how to make a storage, and how to open one again
 * @throws TypeError or RangeError for an option that is unknown or not as it must be
 */
export function checkOrderStorage<Storage extends OrderStorage>(
  options: OrderStorageCheckOptions<Storage>,
): void {
  checkSuiteOptions('checkOrderStorage', options);
  const { seed, faults = {}, reopen, beside, transaction } = options;
  declareBalance(options);
  const declare = declareWith(options);
  declareAcceptRules(declare);
  declareSettleRules(declare);
  declarePostingRules(declare);
  declareAmountRules(declare);
  declareRememberRules(declare);
  declareAmendRules(declare);
  declareRetryRules(declare);
  declareTraceRules(declare);
  for (const isAccepted of [true, false]) {
    const kind = isAccepted ? 'accepted orders' : 'orders that were not accepted';
    declareBalanceRules((rule, claim, check) => {
      declare('order rule 4', `${kind}, balance ${rule}: ${claim}`, (storage) =>
        check(new SettlingBalances(storage, isAccepted)),
      );
    }, seed);
  }
  declareUnsettledRules(declare);
  declareTimeRules(declare);
  if (beside === undefined) declareDueRules(declare, reopen !== undefined);
  declareListRules(declare);
  declareHoldRules(declare);
  declareEndedHoldRules(declare);
  declareSettlementRules(declare);
  declareBalanceListRules(declare);
  declareHistoryRules(declare, { seed, canReopen: reopen !== undefined });
  declareOrderFaults(declare, faults);
  declareCloseRules(declare);
  if (beside !== undefined) {
    declareSharedRules(declare);
    declareRequestRules(declare);
    if (transaction !== undefined) declareTransactionRules(declare, transaction);
  }
  if (reopen === undefined) return;
  declareDurableRules(declare);
  declareDurableSettlementRules(declare);
  declareDurableHoldRules(declare);
  declareDurableRememberRules(declare);
  declareDurableRetryRules(declare);
}

function within<Storage>(contract: string, declare: Declare<Storage>): Declare<Storage> {
  return (rule, claim, check) => declare(`${contract} ${rule}`, claim, check);
}
