/** A service of prepaid credits: what users may do, and what each of these orders takes. */
import {
  OrderError,
  OrderProcessor,
  type OrderRecord,
  onlyWhen,
  type Receipt,
  type Step,
} from 'order-processor';
import type { SqliteStorage } from 'order-processor/sqlite';
import { bank, phone, shelf, vendor } from './outside.ts';

/** What an order is about. */
export type Action =
  | { readonly kind: 'top-up'; readonly card: string }
  | { readonly kind: 'purchase'; readonly item: string }
  | { readonly kind: 'call'; readonly number: string }
  | { readonly kind: 'renewal'; readonly month: string }
  | { readonly kind: 'payout'; readonly account: string }
  | { readonly kind: 'transfer'; readonly note: string }
  | { readonly kind: 'refund'; readonly purchase: string; readonly voucher: string };

type Kind = Action['kind'];
type ActionOf<K extends Kind> = Extract<Action, { readonly kind: K }>;

/** What the steps return, by their names. An order has the results of the steps that it needed. */
export interface Results {
  readonly card?: { readonly chargeId: string };
  readonly stock?: unknown;
  readonly voucher?: { readonly code: string };
  readonly call?: { readonly minutes: number };
  readonly payout?: { readonly transferId: string };
  readonly cancelVoucher?: unknown;
}

/** A step that orders of one kind need. All others skip it. */
function only<K extends Kind, Result, Name extends string>(
  kind: K,
  step: Step<ActionOf<K>, Result, Name>,
): Step<Action, Result, Name> {
  return onlyWhen((payload: Action): payload is ActionOf<K> => payload.kind === kind, step);
}

/** Money from outside. */
const card = only('top-up', {
  name: 'card',
  async run({ amount, payload }, { idempotencyKey, signal }) {
    return { chargeId: await bank.charge(idempotencyKey, payload.card, amount, signal) };
  },
  // It may have charged even if it has not finished. The bank knows by the key.
  compensate: (_order, { idempotencyKey }) => bank.refund(idempotencyKey),
});

const stock = only('purchase', {
  name: 'stock',
  run: (_order, { idempotencyKey }) => shelf.take(idempotencyKey),
  compensate: (_order, { idempotencyKey }) => shelf.putBack(idempotencyKey),
});

/** The last step of a purchase. If it fails, the item goes back, and the credits were never taken. */
const voucher = only('purchase', {
  name: 'voucher',
  after: 'stock',
  async run(_order, { idempotencyKey, signal }) {
    return { code: await vendor.issue(idempotencyKey, signal) };
  },
});

/** What a call costs is known at its end. Until then the caller's other orders wait, so the credits are there. */
const call = only('call', {
  name: 'call',
  async run({ payload }, { setAmount, signal }) {
    const minutes = await phone.call(payload.number, signal);
    setAmount(-10 * minutes);
    return { minutes };
  },
});

/**
 * Credits that leave. If the bank does not take them, the order holds the user's lane until an operator has looked at it:
 * a later order is not to spend what is on its way out.
 */
const payout = only('payout', {
  name: 'payout',
  onFailure: 'hold',
  retry: { attempts: 2, delayMs: 5 },
  async run({ amount, payload }, { idempotencyKey, signal }) {
    return { transferId: await bank.pay(idempotencyKey, payload.account, -amount, signal) };
  },
});

const cancelVoucher = only('refund', {
  name: 'cancelVoucher',
  run: ({ payload }) => vendor.cancel(payload.voucher),
});

/** The accounts of the house are users as all others. */
export const shop = 'shop';
export const fees = 'fees';

export class Credits {
  readonly processor: OrderProcessor<Action, Action, Results>;

  constructor(storage: SqliteStorage) {
    this.processor = new OrderProcessor({
      storage,
      minBalance: 0,
      steps: [card, stock, voucher, call, payout, cancelVoucher],
    });
  }

  topUp(
    id: string,
    userId: string,
    amount: number,
    card: string,
  ): Promise<Receipt<Action, Results>> {
    return this.processor.submit({ id, userId, amount, payload: { kind: 'top-up', card } });
  }

  /** The buyer pays, the shop gets its part and the house a tenth, all at once or not at all. */
  purchase(
    id: string,
    userId: string,
    item: string,
    price: number,
  ): Promise<Receipt<Action, Results>> {
    const fee = Math.floor(price / 10);
    return this.processor.submit({
      id,
      userId,
      amount: -price,
      postings: [
        { userId: shop, amount: price - fee },
        { userId: fees, amount: fee },
      ],
      payload: { kind: 'purchase', item },
    });
  }

  call(id: string, userId: string, most: number): Promise<Receipt<Action, Results>> {
    const payload = { kind: 'call', number: '0123' } as const;
    return this.processor.submit({ id, userId, amount: -most, payload });
  }

  payout(id: string, userId: string, amount: number): Promise<Receipt<Action, Results>> {
    const payload = { kind: 'payout', account: 'NL00' } as const;
    return this.processor.submit({ id, userId, amount: -amount, payload });
  }

  /** Orders the next month of a subscription now. It is due then. */
  async renewLater(userId: string, month: string, price: number, dueAt: number): Promise<string> {
    const { id } = await this.processor.enqueue({
      id: `renewal-${month}-${userId}`,
      userId,
      amount: -price,
      postings: [{ userId: shop, amount: price }],
      payload: { kind: 'renewal', month },
      notBefore: dueAt,
    });
    return id;
  }

  transfer(
    id: string,
    from: string,
    to: string,
    amount: number,
    note: string,
  ): Promise<Receipt<Action, Results>> {
    return this.processor.submit({
      id,
      userId: from,
      amount: -amount,
      postings: [{ userId: to, amount }],
      payload: { kind: 'transfer', note },
    });
  }

  /**
   * The shop pays the price back. What the purchase's steps returned stands in its record, so nothing is asked of the
   * vendor but to cancel that voucher. A purchase has one refund, since the id follows from its own.
   */
  async refund(id: string): Promise<Receipt<Action, Results>> {
    const purchase = await this.processor.order(id);
    if (purchase?.status !== 'completed' || purchase.results.voucher === undefined) {
      throw new OrderError('not_refundable', `There is no purchase ${id} to refund`);
    }
    return this.processor.submit({
      id: `refund:${id}`,
      userId: shop,
      amount: purchase.amount,
      postings: [{ userId: purchase.userId, amount: -purchase.amount }],
      payload: { kind: 'refund', purchase: id, voucher: purchase.results.voucher.code },
    });
  }

  /** Hands in once more what failed, as it was ordered. */
  again(id: string): Promise<OrderRecord<Action, Results>> {
    return this.processor.retry(id);
  }

  /** Stops a user's orders, until an operator lets them go on. */
  async freeze(userId: string, reason: string): Promise<void> {
    await this.processor.hold(userId, { reason });
  }

  async unfreeze(userId: string): Promise<void> {
    await this.processor.release(userId);
  }

  /** Runs the failed order that holds a user's lane once more. */
  async tryAgain(userId: string): Promise<void> {
    await this.processor.release(userId, 'retry');
  }
}
