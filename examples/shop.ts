/**
 * A web shop: a schema checks what comes in, rules refuse orders or make them urgent, and live statistics
 * redraw in place on a terminal and are plain lines elsewhere.
 */
import { clearScreenDown, moveCursor } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  maxAmount,
  maxItems,
  minAmount,
  type Order,
  OrderError,
  OrderProcessor,
  prioritize,
  type Receipt,
  type Rule,
  type StandardSchema,
  type StandardSchemaIssue,
  type Step,
  urgentAbove,
} from 'order-processor';

interface Purchase {
  readonly customer: { readonly name: string; readonly card: string };
  readonly address: string;
  readonly items: readonly string[];
  readonly notes?: string;
}

// Written by hand, so that the example needs nothing else; one of Zod, Valibot or ArkType fits as it is.
const schema: StandardSchema<unknown, Purchase> = {
  '~standard': {
    version: 1,
    vendor: 'shop',
    validate(value) {
      const { customer, address, items, notes } = (value ?? {}) as Partial<Purchase>;
      const issues: StandardSchemaIssue[] = [];
      const expectString = (part: unknown, ...path: (string | number)[]): void => {
        if (typeof part !== 'string') issues.push({ message: 'expected a string', path });
      };
      expectString(customer?.name, 'customer', 'name');
      expectString(customer?.card, 'customer', 'card');
      expectString(address, 'address');
      if (notes !== undefined) expectString(notes, 'notes');
      if (!Array.isArray(items)) issues.push({ message: 'expected an array', path: ['items'] });
      else for (const [index, item] of items.entries()) expectString(item, 'items', index);
      return issues.length > 0 ? { issues } : { value: value as Purchase };
    },
  },
};

const expedited: Rule = (order) => order.priority === 'high' && prioritize('high', 'expedited');

const stock: Step<Purchase> = {
  name: 'stock',
  async run({ payload }, { signal }) {
    await sleep(20 * payload.items.length, undefined, { signal });
    if (payload.items.includes('rare')) {
      throw new OrderError('out_of_stock', 'There are no rare ones left');
    }
  },
};

const payment: Step<Purchase> = {
  name: 'payment',
  after: 'stock',
  async run({ payload }, { signal }) {
    await sleep(50, undefined, { signal });
    if (payload.customer.card === 'expired') {
      throw new OrderError('payment_declined', 'The card has expired', { retryable: false });
    }
  },
};

const processor = new OrderProcessor({
  schema,
  rules: [
    minAmount(1),
    maxAmount(1_000_000),
    maxItems(50),
    urgentAbove(100_000, 'priority_processing'),
    expedited,
  ],
  steps: [stock, payment],
});

const manyOf = (item: string, count: number): string[] => Array.from({ length: count }, () => item);
const purchase: Purchase = {
  customer: { name: 'Ada', card: 'valid' },
  address: '1 Market Street',
  items: ['tea', 'cup'],
  notes: 'Please ring twice',
};

// Two orders of each of 150 customers, and four that the shop does not take.
const orders: Order[] = Array.from({ length: 300 }, (_, number) => ({
  userId: `customer-${number % 150}`,
  amount: 1_000 * (1 + ((7 * number) % 120)),
  priority: number % 9 === 3 ? 'high' : 'medium',
  payload: {
    ...purchase,
    customer: { name: 'Ada', card: number % 20 === 11 ? 'expired' : 'valid' },
    items: manyOf(number % 25 === 7 ? 'rare' : 'tea', 1 + (number % 7)),
  },
}));
orders.push(
  { userId: 'customer-0', amount: 0, payload: purchase },
  { userId: 'customer-0', amount: 1_000_001, payload: purchase },
  { userId: 'customer-0', amount: 5_100, payload: { ...purchase, items: manyOf('tea', 51) } },
  { userId: 'customer-0', amount: 100, payload: { customer: { name: 'Ada' }, items: ['tea', 7] } },
);

const { isTTY } = process.stdout;
let linesShown = 0;

/** As wide as the terminal, and at most 60 columns. */
function progressBar(share: number): string {
  const width = Math.min(process.stdout.columns ?? 60, 60) - 7;
  const filled = Math.round(Math.min(share, 1) * width);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]${percent}`;
}

function showStats(): void {
  const stats = processor.stats();
  const figures = [
    ['processed', stats.completed + stats.failed],
    ['succeeded', stats.completed],
    ['failed', stats.failed],
    ['average', `${Math.round(stats.durationMs.mean)} ms`],
    ['95th percentile', `${stats.durationMs.p95} ms`],
    ['active workers', stats.activeWorkers],
    ['queue length', stats.queueLength],
    ['uptime', `${(stats.uptimeMs / 1_000).toFixed(1)} s`],
  ] as const;
  if (!isTTY) {
    console.log(figures.map((figure) => figure.join(' ')).join(', '));
    return;
  }
  moveCursor(process.stdout, 0, -linesShown);
  clearScreenDown(process.stdout);
  const done = stats.completed + stats.failed + stats.refused;
  const rate = done / Math.max(stats.uptimeMs / 1_000, 0.1);
  console.log(`A shop: ${orders.length} orders, ${rate.toFixed(0)} a second`);
  console.log(progressBar(done / orders.length));
  for (const [name, value] of figures) console.log(name.padEnd(16), String(value).padStart(8));
  linesShown = figures.length + 2;
}

const redraw = setInterval(showStats, isTTY ? 100 : 1_000);
const outcomes = await processor.submitMany(orders);
clearInterval(redraw);
showStats();

function tally(names: readonly string[]): string {
  const groups = Map.groupBy(names, (name) => name);
  return [...groups].map(([name, { length }]) => `${length} ${name}`).join(', ');
}

function averageWait(receipts: readonly Receipt[]): string {
  const total = receipts.reduce((sum, { waitMs }) => sum + waitMs, 0);
  return `${Math.round(total / receipts.length)} ms`;
}

const receipts = outcomes.filter((outcome) => outcome.status === 'completed');
const urgent = receipts.filter(({ labels }) => labels.length > 0);
const usual = receipts.filter(({ labels }) => labels.length === 0);

console.log();
for (const outcome of outcomes) {
  if (outcome.status === 'refused') console.log(`Refused: ${outcome.error.message}`);
}
console.log('Outcomes:', tally(outcomes.map((o) => ('error' in o ? o.error.code : o.status))));
console.log('Labels:', tally(urgent.flatMap(({ labels }) => labels)));
console.log(`Average wait: ${averageWait(urgent)} if urgent, else ${averageWait(usual)}`);
await processor.shutdown();
