/**
 * Settles millions of orders and fails if the heap grows or a balance is wrong. Runs against the built
 * package: `node --expose-gc test/soak/soak.ts [orders]`, 6 000 000 by default, about a minute.
 */
import { isOrderError, type Order, OrderProcessor, type Step } from 'order-processor';

const orders = Number(process.argv[2] ?? 6_000_000);
const callers = 500;
const users = 2_000;
const growthLimitBytes = 20 * 2 ** 20;
const { gc } = globalThis;
if (gc === undefined) throw new Error('Run it with --expose-gc');

let unhandled = 0;
process.on('unhandledRejection', () => {
  unhandled += 1;
});

let state = 1;

/** Numbers from 0 up to but without `n`, always the same. */
function random(n: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

const step: Step = {
  name: 'mixed',
  run({ amount }, { signal }) {
    if (amount % 97 === 0) throw Object.assign(new Error('Declined'), { code: 'declined' });
    if (amount % 13 === 0) return Promise.resolve();
    if (amount % 31 !== 0) return undefined;
    return new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      setImmediate(resolve);
    });
  },
};

/** Never aborted: all listeners on it must be removed. */
const shared = new AbortController();
const sums = new Map<string, number>();
let made = 0;

/** One caller of a closed loop: it hands in its next order when the one before is settled. */
async function call(processor: OrderProcessor, until: number): Promise<void> {
  while (made < until) {
    made += 1;
    const order: Order = {
      id: `o-${made}`,
      userId: `u-${random(users)}`,
      amount: 1 + random(1_000),
    };
    const submitted = [processor.submit(order)];
    const kind = random(20);
    if (kind === 0) submitted.push(processor.submit({ ...order }));
    if (kind === 1) void processor.cancel(order.id as string);
    if (kind === 2) submitted.push(processor.submit(order, { signal: shared.signal }));
    const settled = await Promise.allSettled(submitted);
    for (const { status } of settled) {
      if (status !== settled[0]?.status) fail(`two outcomes: ${order.id}`);
    }
    const [first] = settled;
    if (first?.status === 'fulfilled') {
      sums.set(order.userId, (sums.get(order.userId) ?? 0) + order.amount);
    } else if (!isOrderError(first?.reason)) fail(`not an OrderError: ${first?.reason}`);
  }
}

let failures = 0;
function fail(message: string): void {
  failures += 1;
  if (failures < 20) console.error(`FAILED: ${message}`);
}

function heapUsed(): number {
  gc?.();
  gc?.();
  return process.memoryUsage().heapUsed;
}

/** The heap after each quarter of the orders: with steps, and without. */
async function soak(name: string, steps: Step[]): Promise<void> {
  const processor = new OrderProcessor({ steps, concurrency: 16, capacity: 2_000 });
  let heard = 0;
  for (const event of ['completed', 'failed', 'canceled'] as const) {
    processor.on(event, () => {
      heard += 1;
    });
  }
  sums.clear();
  const heaps: number[] = [];
  made = 0;
  const startedAt = performance.now();
  for (const quarter of [1, 2, 3, 4]) {
    const until = Math.round((orders * quarter) / 4);
    await Promise.all(Array.from({ length: callers }, () => call(processor, until)));
    await processor.onIdle();
    heaps.push(heapUsed());
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const stats = processor.stats();
  for (const [userId, sum] of sums) {
    const balance = await processor.balance(userId);
    if (balance !== sum) fail(`${userId} has ${balance} and not ${sum}`);
  }
  if (stats.accepted !== heard) fail(`${stats.accepted} accepted and ${heard} outcomes`);
  if (stats.unsettled + stats.queueLength + stats.activeWorkers > 0) fail('something is left');
  const growth = (heaps[3] as number) - (heaps[0] as number);
  if (growth > growthLimitBytes) fail(`the heap grew by ${Math.round(growth / 2 ** 20)} MB`);
  const megabytes = heaps.map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(', ');
  const { completed, failed, canceled, duplicates } = stats;
  console.log(`${name}: ${stats.accepted} orders in ${seconds.toFixed(1)} s; heap ${megabytes} MB`);
  console.log(
    `  ${completed} completed, ${failed} failed, ${canceled} canceled, ${duplicates} again`,
  );
  await processor.shutdown();
}

await soak('with a step', [step]);
await soak('without steps', []);
if (unhandled > 0) fail(`${unhandled} unhandled rejections`);
process.exitCode = failures === 0 ? 0 : 1;
