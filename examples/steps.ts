/**
 * An order's steps start together, and the first failure aborts the rest. A failed order changes no
 * balance, and its user's next order goes on.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderError, OrderProcessor, type Step } from 'order-processor';

interface Meal {
  readonly dish: string;
}

const payment: Step<Meal> = {
  name: 'payment',
  async run(order, { signal }) {
    await sleep(20, undefined, { signal });
    if (order.amount > 50_000) throw new OrderError('declined', 'Card declined');
  },
};
const vendor: Step<Meal> = {
  name: 'vendor',
  run: (_order, { signal }) => sleep(50, undefined, { signal }),
};

const processor = new OrderProcessor<Meal>({ steps: [payment, vendor], timeoutMs: 1_000 });
processor.on('stepped', ({ orderId, step }) => {
  console.log(`${orderId}: ${step.name} ${step.status}`);
});

const outcomes = await processor.submitMany([
  { id: 'lunch', userId: 'u-1', amount: 1_200, payload: { dish: 'soup' } },
  { id: 'banquet', userId: 'u-1', amount: 90_000, payload: { dish: 'everything' } },
]);
for (const outcome of outcomes) {
  if (outcome.status === 'completed') {
    console.log(`${outcome.orderId}: balance ${outcome.balance}`);
  } else {
    console.log(`${outcome.error.orderId}: ${outcome.status}, ${outcome.error.code}`);
  }
}
await processor.shutdown();
