/**
 * A processor under load on a file, to be killed: every acknowledgement goes to standard output, one
 * JSON line each, in the moment in which it is given.
 *
 * ```sh
 * node test/crash/child.ts FILE LIFE SEED plain|steps|bank [BYTES OF AN ORDER]
 * ```
 */
import { flushCompileCache } from 'node:module';
import { isOrderError, OrderProcessor, type Posting, type Step } from '../../src/index.ts';
import { SqliteStorage } from '../../src/sqlite/index.ts';
import { randomFrom } from '../kit/random.ts';
import type { Acknowledgement } from './judge.ts';

const [, , file = '', number = '', seed = '', kind = '', bytes = '0'] = process.argv;
const random = randomFrom(Number(seed));
const filling = 'x'.repeat(Number(bytes));
const callers = 40;
const users = 12;
/** The accounts of a bank; half of its orders meet at a few of them. */
const accounts = 1_000;
const isBank = kind === 'bank';

/** Written before it returns, as Node.js does with pipes, and waits where the pipe is full. */
function acknowledge(line: Acknowledgement): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function pause(): Promise<void> {
  const ms = random() * 4;
  return new Promise((resolve) => {
    if (ms < 1) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}

/** An order that cannot begin at once is kept first; then others follow that need not be. */
function pauseBriefly(userId: string): void {
  processor.pause(userId);
  setImmediate(() => processor.resume(userId));
}

/** One that fails now and then, one that is slow; both can be compensated. */
const steps: Step[] = [
  {
    name: 'payment',
    run: ({ id }, { attempt }) => {
      const isOld = !id.startsWith(`${number}-`);
      // An order of a bank that held its lane is tried again.
      if (isOld ? attempt === 1 : attempt > 1 && !isBank) {
        acknowledge({ fault: `attempt ${attempt}`, id });
      }
      if (random() < 0.1) throw Object.assign(new Error('declined'), { code: 'payment_declined' });
      return true;
    },
    compensate: () => pause(),
  },
  { name: 'courier', run: () => pause(), compensate: () => {} },
];

/** Says of every second transfer that a part of it is settled, and keeps what it said. */
const measure: Step = {
  name: 'measure',
  remember: true,
  when: ({ id }) => /[02468]$/.test(id),
  run({ postings }, { setAmount }) {
    const final = postings.map((each) => ({ ...each, amount: Math.floor(each.amount / 2) }));
    setAmount(-sumOf(final), { postings: final });
  },
};

const processor = new OrderProcessor({
  storage: await SqliteStorage.open(file),
  capacity: 300,
  overflow: 'wait',
  ...(kind === 'steps' ? { steps, minBalance: -200 } : {}),
  // In every third process transfers are settled by one write.
  ...(isBank && Number(number) % 3 > 0 ? { steps: [measure, ...steps], onFailure: 'hold' } : {}),
});

function sumOf(postings: readonly Posting[]): number {
  return postings.reduce((sum, { amount }) => sum + amount, 0);
}

function anyUser(): string {
  const most = isBank && random() < 0.5 ? accounts : users;
  return `u-${Math.floor(random() * most)}`;
}

/** A transfer to up to three other users, which makes no money. */
function transfer(userId: string): { amount: number; postings: readonly Posting[] } {
  const payees = new Set(Array.from({ length: 3 }, anyUser));
  payees.delete(userId);
  const postings = [...payees].map((payee) => ({
    userId: payee,
    amount: Math.ceil(random() * 50),
  }));
  return { amount: -sumOf(postings), postings };
}

/** Holds lanes by hand, releases all that are held, and has orders that failed come again. */
async function operate(): Promise<void> {
  for (;;) {
    await pause();
    const userId = anyUser();
    if (random() < 0.5) await processor.hold(userId, { reason: 'to be looked at' });
    await pause();
    const { holds } = await processor.holds({ limit: 100 });
    for (const { userId: held, orderId } of holds) {
      const action = random() < 0.5 ? 'retry' : 'skip';
      const released =
        orderId === undefined
          ? processor.release(held)
          : processor.release(held, action, { orderId });
      // It may be another order that holds the lane by now, or none.
      await released.catch(() => {});
    }
    const { orders } = await processor.orders({ status: 'failed', limit: 1 });
    for (const { id } of orders) await processor.retry(id).catch(() => {});
  }
}

async function call(caller: number): Promise<void> {
  for (let at = 0; ; at += 1) {
    const how = random();
    const isEnqueued = how < 0.4;
    const id = `${number}-${isEnqueued ? 'e' : 's'}-${caller}-${at}`;
    const userId = anyUser();
    // Without debits the balances alone say in what order a user's orders were settled.
    const amount = Math.ceil(random() * 100) - (kind === 'steps' ? 40 : 0);
    const isDelayed = isBank && random() < 0.1;
    const money = {
      ...(isBank ? transfer(userId) : { amount }),
      ...(isDelayed && { notBefore: Date.now() + Math.floor(random() * 60) }),
    };
    const order = { id, userId, ...money, payload: { caller, at, filling } };
    if (random() < 0.05) pauseBriefly(userId);
    try {
      if (isEnqueued) {
        await processor.enqueue(order);
        acknowledge({ enqueued: id });
        if (random() < 0.2 && (await processor.cancel(id))) acknowledge({ canceled: id });
      } else if (how < 0.5) {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), random() * 10);
        const receipt = await processor.submit(order, { signal: controller.signal });
        acknowledge({ completed: id, balance: receipt.balance });
      } else {
        const { balance } = await processor.submit(order);
        acknowledge({ completed: id, balance });
      }
    } catch (error) {
      if (!isOrderError(error)) acknowledge({ fault: String(error), id });
      else if (error.code === 'canceled') acknowledge({ gone: id });
      else acknowledge({ failed: id, code: error.code });
    }
    if (random() < 0.3) await pause();
  }
}

// Otherwise the next process would compile everything again: a process that is killed cannot store its compiled code.
flushCompileCache();

// Then all orders are kept before they are settled.
if (Number(number) % 2 === 0) processor.on('accepted', () => {});
await processor.ready;
acknowledge({ ready: processor.recovered });
if (isBank) void operate();
await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
