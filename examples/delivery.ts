/**
 * Food deliveries. Payment, vendor and courier start together; the first that fails cancels the others,
 * and what they may have done by then is compensated. A payment that is canceled while its request is on its way
 * is refunded too. There are five couriers, however many orders come in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderError, OrderProcessor, type Step, type StepResult } from 'order-processor';

interface Delivery {
  readonly card: string;
  readonly vendor: string;
  readonly address: string;
}

/** What the payment provider has. It charges when a request arrives, even if its answer never does. */
const charges = new Map<string, string>();

async function charge(card: string, key: string, signal: AbortSignal): Promise<string | undefined> {
  if (card !== 'expired') charges.set(key, `charge ${key}`);
  await sleep(150, undefined, { signal });
  return charges.get(key);
}

const payment: Step<Delivery, string> = {
  name: 'payment',
  async run({ payload }, { signal, idempotencyKey }) {
    const made = await charge(payload.card, idempotencyKey, signal);
    // The provider has answered, so it is known that nothing was charged: nothing is to be compensated.
    if (made === undefined) {
      throw new OrderError('payment_declined', 'The card has expired', { retryable: false });
    }
    return made;
  },
  async compensate(order, { signal, isFinished, result, idempotencyKey, error }) {
    await sleep(20, undefined, { signal });
    // Without an answer only the provider knows whether it has charged.
    const made = isFinished ? result : charges.get(idempotencyKey);
    if (made === undefined) return;
    charges.delete(idempotencyKey);
    const when = isFinished ? '' : ', which was lost in flight';
    console.log(`${order.id}: refunded ${made}${when} (${error.code})`);
  },
};

const vendor: Step<Delivery> = {
  name: 'vendor',
  async run({ payload }, { signal }) {
    await sleep(payload.vendor === 'slow' ? 5_000 : 200, undefined, { signal });
    if (payload.vendor === 'closed') {
      throw new OrderError('vendor_unavailable', 'The kitchen is closed');
    }
  },
};

let couriersOut = 0;
let mostCouriersOut = 0;

const courier: Step<Delivery> = {
  name: 'courier',
  concurrency: 5,
  async run({ payload }, { signal }) {
    couriersOut += 1;
    mostCouriersOut = Math.max(mostCouriersOut, couriersOut);
    try {
      await sleep(100, undefined, { signal });
    } finally {
      couriersOut -= 1;
    }
    if (payload.address === 'far away') {
      throw new OrderError('no_courier', 'No courier goes there');
    }
  },
  compensate(order, { error }) {
    // Called back on the way, if it had not arrived yet.
    console.log(`${order.id}: called the courier back (${error.code})`);
  },
};

const processor = new OrderProcessor({
  concurrency: 20,
  steps: [payment, vendor, courier],
  timeoutMs: 1_000,
});

const delivery: Delivery = { card: 'valid', vendor: 'open', address: '1 Harbour Street' };

// Twenty customers at once.
const rush = Array.from({ length: 20 }, (_, customer) => ({
  userId: `customer-${customer}`,
  amount: 2_500,
  payload: delivery,
}));
const startedAt = performance.now();
const outcomes = await processor.submitMany(rush);
const completed = outcomes.filter(({ status }) => status === 'completed').length;
console.log(`${completed} of 20 completed in ${Math.round(performance.now() - startedAt)} ms`);
console.log(`Most couriers out at once: ${mostCouriersOut}\n`);

// Two deliveries that go well, and four that do not; the last one has to wait for a courier.
function show(title: string, steps: readonly StepResult[]): void {
  console.log(title);
  for (const step of steps) console.dir(step, { breakLength: Number.POSITIVE_INFINITY });
  console.log();
}
processor.on('completed', ({ orderId, steps }) => show(`${orderId}: completed`, steps));
processor.on('failed', ({ orderId, code, steps }) => show(`${orderId}: ${code}`, steps));

const order = { amount: 2_500, payload: delivery };
await processor.submitMany([
  { ...order, id: 'fine', userId: 'ann' },
  { ...order, id: 'fine too', userId: 'ben' },
  { ...order, id: 'closed', userId: 'cleo', payload: { ...delivery, vendor: 'closed' } },
  { ...order, id: 'remote', userId: 'dan', payload: { ...delivery, address: 'far away' } },
  { ...order, id: 'late', userId: 'eve', payload: { ...delivery, vendor: 'slow' } },
  { ...order, id: 'declined', userId: 'flo', payload: { ...delivery, card: 'expired' } },
]);
await processor.shutdown();

const isEach = charges.size === processor.stats().completed;
console.log(
  `Charges that stand: ${charges.size}, ${isEach ? '' : 'not '}as many as orders that completed`,
);
