/**
 * What stands outside the service: a bank, a phone, a shelf and a vendor of vouchers. Each knows a request by its key, so that
 * the same request twice is one charge, one item and one voucher.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderError } from 'order-processor';

interface Charge {
  readonly chargeId: string;
  readonly amount: number;
}

/** Of cards; what is paid out is below 0. */
const charges = new Map<string, Charge>();
let chargesMade = 0;

export const bank = {
  isOpen: true,

  /** All that cards have paid, less what was paid out. */
  get total(): number {
    return [...charges.values()].reduce((sum, { amount }) => sum + amount, 0);
  },

  async charge(key: string, card: string, amount: number, signal: AbortSignal): Promise<string> {
    await sleep(5, undefined, { signal });
    // The bank has answered, so it is known that nothing was charged: nothing is to be compensated.
    if (card === 'expired') {
      throw new OrderError('card_declined', 'The card has expired', { retryable: false });
    }
    const known = charges.get(key);
    if (known !== undefined) return known.chargeId;
    chargesMade += 1;
    charges.set(key, { chargeId: `ch-${chargesMade}`, amount });
    return `ch-${chargesMade}`;
  },

  async pay(key: string, _account: string, amount: number, signal: AbortSignal): Promise<string> {
    await sleep(5, undefined, { signal });
    if (!bank.isOpen) throw new OrderError('bank_closed', 'The bank is closed');
    if (!charges.has(key)) charges.set(key, { chargeId: `out-${charges.size}`, amount: -amount });
    return charges.get(key)?.chargeId ?? '';
  },

  /** Pays a charge back, if it was made. */
  refund(key: string): void {
    charges.delete(key);
  },
};

export const phone = {
  /** @returns for how many minutes it lasted */
  async call(_number: string, signal: AbortSignal): Promise<number> {
    await sleep(5, undefined, { signal });
    return 13;
  },
};

const taken = new Set<string>();

export const shelf = {
  get taken(): number {
    return taken.size;
  },

  take(key: string): void {
    taken.add(key);
  },

  putBack(key: string): void {
    taken.delete(key);
  },
};

const vouchers = new Map<string, string>();
let vouchersMade = 0;

export const vendor = {
  isOpen: true,

  get vouchers(): readonly string[] {
    return [...vouchers.values()];
  },

  async issue(key: string, signal: AbortSignal): Promise<string> {
    await sleep(5, undefined, { signal });
    if (!vendor.isOpen) throw new OrderError('vendor_closed', 'The vendor is closed');
    const known = vouchers.get(key);
    if (known !== undefined) return known;
    vouchersMade += 1;
    vouchers.set(key, `V-${vouchersMade}`);
    return `V-${vouchersMade}`;
  },

  /** Makes a voucher worthless. */
  cancel(voucher: string): void {
    for (const [key, issued] of vouchers) if (issued === voucher) vouchers.delete(key);
  },
};
