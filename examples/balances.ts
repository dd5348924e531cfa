/**
 * The main job: 200 workers, 128 orders, 99 users. User 1 has 30 orders, which run one after the other;
 * everybody else has one, and is done after 200 ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isOrderError, type Order, OrderProcessor, type Step } from 'order-processor';

const workMs = 200;

const work: Step = {
  name: 'work',
  run: (_order, { signal }) => sleep(workMs, undefined, { signal }),
};

const orders: Order[] = [];
for (let count = 0; count < 29; count += 1) orders.push({ userId: '1', amount: 100 });
for (let user = 1; user <= 99; user += 1) orders.push({ userId: String(user), amount: 200 });

const processor = new OrderProcessor({ concurrency: 200, steps: [work] });
const { isTTY } = process.stdout;

function showProgress(): void {
  const { completed, activeWorkers, queueLength } = processor.stats();
  const line = `${completed} of ${orders.length} completed, ${activeWorkers} active, ${queueLength} waiting`;
  process.stdout.write(isTTY ? `\r\x1b[K${line}` : `${line}\n`);
}

const startedAt = performance.now();
const progress = setInterval(showProgress, isTTY ? 50 : 1_000);
const outcomes = await processor.submitMany(orders);
const seconds = (performance.now() - startedAt) / 1_000;
clearInterval(progress);
showProgress();
if (isTTY) process.stdout.write('\n');

// What one after the other would take, and what the longest line of one user must take.
const alone = (orders.length * workMs) / 1_000;
const ofUser1 = orders.filter(({ userId }) => userId === '1').length;
const least = (ofUser1 * workMs) / 1_000;

const completed = outcomes.filter(({ status }) => status === 'completed').length;
console.log(`Processed ${completed} orders in ${seconds.toFixed(1)} s`);
console.log(
  `The ${ofUser1} orders of user 1 run one after the other: ${least.toFixed(1)} s at least`,
);
console.log(`One worker for all orders would take ${alone.toFixed(1)} s`);
console.log(`Balance of user 1: ${await processor.balance('1')}`);

await processor.shutdown();
console.log('Stats:', processor.stats());

try {
  await processor.submit({ userId: '1', amount: 100 });
} catch (error) {
  if (!isOrderError(error)) throw error;
  console.log(`One more order: ${error.code} (${error.message})`);
}
