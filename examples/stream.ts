/**
 * A source of any length, read no faster than orders can be accepted. Here a generator stands for a
 * file or a message queue.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Order, OrderProcessor, type Step } from 'order-processor';

let read = 0;

async function* source(): AsyncGenerator<Order> {
  for (; read < 500; read += 1) yield { userId: `u-${read % 50}`, amount: 100 };
}

const work: Step = {
  name: 'work',
  run: (_order, { signal }) => sleep(5, undefined, { signal }),
};

const processor = new OrderProcessor({ capacity: 100, steps: [work] });
let settled = 0;
let furthestAhead = 0;
for await (const outcome of processor.submitStream(source())) {
  if (outcome.status !== 'completed') throw outcome.error;
  settled += 1;
  furthestAhead = Math.max(furthestAhead, read - settled);
}
console.log(`${settled} orders completed; u-7 has ${await processor.balance('u-7')}`);
console.log(`The source was never far ahead: ${furthestAhead <= 202}`);
await processor.shutdown();
