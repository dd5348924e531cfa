import { noLabels, noPostings } from '../../core/order/order.ts';
import { isName, nameForm } from '../../core/order/parse-order.ts';
import { noResults, noSteps } from '../../core/order/step-result.ts';
import type { NewOrder } from '../../core/order/stored-order.ts';
import { wrong } from '../../core/runtime/checks.ts';
import { quote } from '../../core/runtime/thrown.ts';
import type { BalanceChange, BalanceResult } from '../../core/storage/balance-storage.ts';
import type {
  AcceptResult,
  RememberedOrder,
  RememberResult,
  Settlement,
  SettlementResult,
} from '../../core/storage/order-storage.ts';
import type { SettleHook } from '../hosts/settle-hook.ts';
import type { Membership } from '../members/membership.ts';
import { requirementOf } from '../sessions/errors.ts';
import { rememberStatement } from '../statements/unsettled-writes.ts';
import { plainArray, textArray } from '../values/literals.ts';
import { AcceptOrders } from './accept-orders.ts';
import { bitsOf, partsOf } from './owned-partitions.ts';
import { SettleOrders } from './settle-orders.ts';

/** What changes orders and balances. */
export class Writes {
  readonly #members: Membership;
  readonly #partitions: number;
  readonly #accept: AcceptOrders;
  readonly #settle: SettleOrders;

  /** @param hook - the host's part of settlements */
  constructor(
    members: Membership,
    schema: string,
    partitions: number,
    hook: SettleHook | undefined,
  ) {
    this.#members = members;
    this.#partitions = partitions;
    this.#accept = new AcceptOrders(members, partitions);
    this.#settle = new SettleOrders(members, schema, partitions, hook);
  }

  async accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    return this.#accept.accept(orders);
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return this.#settle.settle(settlements);
  }

  async remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    const { life } = this.#members;
    const parts = partsOf(orders, this.#partitions);
    const values = [
      life.number,
      life.token,
      bitsOf(parts),
      plainArray(orders.map(({ sequence }) => sequence)),
      textArray(orders.map(({ steps }) => JSON.stringify(steps))),
    ];
    try {
      await life.settle.alone(() => life.settle.query(rememberStatement, values));
      return orders.map(() => ({ status: 'remembered' }));
    } catch (error) {
      if (requirementOf(error) !== 'lost') throw error;
      this.#members.lost(life, parts);
      return orders.map(() => ({ status: 'lost' }));
    }
  }

  async apply(changes: readonly BalanceChange[]): Promise<readonly BalanceResult[]> {
    for (const { orderId, userId } of changes) {
      if (!isName(orderId)) throw wrong(TypeError, 'orderId', nameForm, orderId);
      if (!isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
    }
    const now = this.#members.clock.now();
    const settlements = changes.map((change) => asSettlement(change, now));
    const results = await this.#settle.settle(settlements, false);
    return results.map((result, at) => appliedResult(result, changes[at]?.orderId ?? ''));
  }
}

/** A change outside a processor, as the settlement of an order that was not accepted. */
function asSettlement(change: BalanceChange, now: number): Settlement {
  const { orderId: id, userId, amount, minBalance, postings = noPostings } = change;
  return {
    ...{ id, userId, amount, minBalance, postings, orderedAmount: amount },
    ...{ priority: 'medium', labels: noLabels, payload: undefined, content: undefined },
    ...{ acceptedAt: now, startedAt: now, settledAt: now },
    ...{ outcome: 'completed', error: undefined, steps: noSteps, results: noResults },
    ...{ isAccepted: false, isCompensable: false, isProvisional: false },
  };
}

function appliedResult(result: SettlementResult, id: string): BalanceResult {
  if (result.status === 'refused') return { refused: result.code };
  if (result.status === 'settled') {
    const { balance = 0, balances } = result;
    return balances === undefined ? { balance } : { balance, balances };
  }
  if (result.status !== 'known') throw (result as { readonly error?: unknown }).error;
  const { balance, code, postings } = result.order;
  if (balance !== undefined) {
    if (postings.length === 0) return { balance };
    return { balance, balances: postings.map((posting) => posting.balance as number) };
  }
  if (code === 'insufficient_funds' || code === 'balance_overflow') return { refused: code };
  throw new Error(`The order id ${quote(id)} is taken by an order that did not complete`);
}
