/** What an order is here, and what is done for it: your own code goes in the place of this. */
import { setTimeout as sleep } from 'node:timers/promises';
import { maxAmount, OrderError, type Rule, refuse, type Step } from 'order-processor';
import { z } from 'zod';

/** A positive amount tops up the user's balance from a card; a negative one buys items. */
export const payload = z
  .strictObject({
    /** What the payment provider calls the card. */
    card: z.string().min(1).max(100).optional(),
    items: z.array(z.string().min(1).max(64)).max(100).default([]),
  })
  .prefault({});

type Payload = z.infer<typeof payload>;

const needsCard: Rule<Payload> = ({ amount, payload: { card } }) =>
  amount > 0 && card === undefined && refuse('no_card', 'A top-up needs a card');

const needsItems: Rule<Payload> = ({ amount, payload: { items } }) =>
  amount < 0 && items.length === 0 && refuse('no_items', 'A purchase needs items');

export function rulesOf(mostAmount: number): Rule<Payload>[] {
  return [maxAmount(mostAmount), needsCard, needsItems];
}

/** Takes as long as a service in the network, and fails where the payload says so. */
const work = (signal?: AbortSignal): Promise<void> => sleep(20, undefined, { signal });

/**
 * A step may run again after a crash, and each attempt has the same `idempotencyKey`: the provider must know
 * by it that it has done this already.
 */
const reserve: Step<Payload, string> = {
  name: 'reserve',
  timeoutMs: 2_000,
  retry: { attempts: 3, delayMs: 50 },
  async run({ payload: { items } }, { idempotencyKey, signal }) {
    if (items.length === 0) return 'nothing';
    await work(signal);
    if (items.includes('sold-out')) {
      throw new OrderError('sold_out', 'An item is sold out', { retryable: false });
    }
    return `reservation:${idempotencyKey}`;
  },
  /** Releases the reservation `result`; if it has not finished, every reservation for the `idempotencyKey`. */
  compensate: (_order, { result: _, idempotencyKey: _key, signal }) => work(signal),
};

const charge: Step<Payload, string> = {
  name: 'charge',
  after: 'reserve',
  timeoutMs: 2_000,
  async run({ amount, payload: { card } }, { idempotencyKey, signal }) {
    if (amount <= 0) return 'nothing';
    // With the signal: a charge that is given up half-way may have been made all the same, so it is compensated.
    await work(signal);
    if (card === 'declined') {
      throw new OrderError('card_declined', 'The card was declined', { retryable: false });
    }
    return `charge:${idempotencyKey}`;
  },
  /** Refunds the charge `result`; if it has not finished, the charge for the `idempotencyKey`, if there is one. */
  compensate: (_order, { result: _, idempotencyKey: _key, signal }) => work(signal),
};

export const steps: Step<Payload>[] = [reserve, charge];
