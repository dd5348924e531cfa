/**
 * A shop and its dashboard: simulated users, a payment provider that declines and is slow, and a lane that is held. Open the
 * URL that it prints; it ends with Ctrl-C, or at once where there is no terminal.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type OrderError, OrderProcessor, prioritize, type Step } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { serve } from 'order-processor/http';

interface Purchase {
  readonly items: number;
}

const random = (most: number): number => Math.floor(Math.random() * most);

function fault(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

const reserve: Step<Purchase> = {
  name: 'reserve',
  run: ({ payload }) => sleep(5 + 5 * payload.items),
  compensate: () => sleep(5),
};

const pay: Step<Purchase> = {
  name: 'pay',
  after: 'reserve',
  retry: { attempts: 3, delayMs: 200 },
  async run(_order, { signal }) {
    await sleep(20 + random(60), undefined, { signal });
    const luck = random(100);
    if (luck < 8) throw new Error('The payment provider does not answer');
    if (luck < 12) throw Object.assign(fault('card_declined', 'Declined'), { retryable: false });
  },
};

const ship: Step<Purchase> = {
  name: 'ship',
  after: 'pay',
  // A top-up is shipped to no address.
  when: ({ payload }) => payload.items > 0,
  async run({ userId }, { progress, signal }) {
    for (const fraction of [0.25, 0.5, 0.75, 1]) {
      await sleep(15 + random(30), undefined, { signal });
      progress(fraction, 'packing');
    }
    if (userId === 'user-13') throw fault('no_such_address', 'The courier found no such address');
  },
  onFailure: 'hold',
};

const processor = new OrderProcessor<Purchase>({
  steps: [reserve, pay, ship],
  rules: [({ amount }) => amount < -9_000 && prioritize('high', 'large')],
  concurrency: 24,
  minBalance: 0,
});

// Only this machine reaches it, so every visitor is an operator.
const dashboard = createDashboard(processor, {
  title: 'Example shop',
  authenticate: () => ({ users: 'all', client: 'you' }),
  currency: { code: 'EUR' },
  showPayloads: true,
  onAction: ({ action, by, targetIds }) => console.log(`${by}: ${action} ${targetIds.join(', ')}`),
});
const isCheck = !process.stdout.isTTY;
const port = Number(process.env.PORT ?? (isCheck ? 0 : 8080));
const server = await serve(dashboard, { processor, port });
console.log(`The dashboard is at ${server.url}/`);

const stop = new AbortController();
processor.once('shutdown', () => stop.abort());
if (isCheck) setTimeout(() => stop.abort(), 3_000);

const users = Array.from({ length: 40 }, (_, at) => `user-${at}`);
await Promise.all(users.map((userId) => processor.submit(topUp(userId)).catch(ignore)));
await processor.hold('user-7', { reason: 'Chargeback: ask the customer first' });
while (!stop.signal.aborted) {
  const userId = users[random(users.length)] ?? 'user-0';
  const order = random(6) === 0 ? topUp(userId) : purchase(userId);
  processor.enqueue(order).catch(ignore);
  await sleep(30, undefined, { signal: stop.signal }).catch(ignore);
}

if (isCheck) {
  const response = await fetch(`${server.url}/api/attention`);
  const { heldLanes, failures } = (await response.json()) as {
    heldLanes: number;
    failures: { code: string; count: number }[];
  };
  const { completed } = processor.stats();
  console.log(`${completed > 0 ? 'Orders completed' : 'No order completed'}`);
  console.log(`${heldLanes} lanes held, ${failures.length} codes`);
}
await server.close();

function topUp(userId: string) {
  return { userId, amount: 50_000, payload: { items: 0 } };
}

function purchase(userId: string) {
  return { userId, amount: -500 - random(10_000), payload: { items: 1 + random(4) } };
}

/** A full queue or a shutdown refuses an order: the dashboard shows it. */
function ignore(_error: OrderError | Error): void {}
