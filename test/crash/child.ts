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
      if (isOld !== attempt > 1) acknowledge({ fault: `attempt ${attempt}`, id });
      if (random() < 0.1) throw Object.assign(new Error('declined'), { code: 'payment_declined' });
      return true;
    },
    compensate: () => pause(),
  },
  { name: 'courier', run: () => pause(), compensate: () => {} },
];

const processor = new OrderProcessor({
  storage: await SqliteStorage.open(file),
  capacity: 300,
  overflow: 'wait',
  ...(kind === 'steps' ? { steps, minBalance: -200 } : {}),
  // In every third process transfers are settled by one write.
  ...(kind === 'bank' && Number(number) % 3 > 0 ? { steps } : {}),
});

/** A transfer to up to three other users, which makes no money. */
function transfer(userId: string): { amount: number; postings: readonly Posting[] } {
  const payees = new Set(Array.from({ length: 3 }, () => `u-${Math.floor(random() * users)}`));
  payees.delete(userId);
  const postings = [...payees].map((payee) => ({
    userId: payee,
    amount: Math.ceil(random() * 50),
  }));
  return { amount: -postings.reduce((sum, { amount }) => sum + amount, 0), postings };
}

async function call(caller: number): Promise<void> {
  for (let at = 0; ; at += 1) {
    const how = random();
    const isEnqueued = how < 0.4;
    const id = `${number}-${isEnqueued ? 'e' : 's'}-${caller}-${at}`;
    const userId = `u-${Math.floor(random() * users)}`;
    // Without debits the balances alone say in what order a user's orders were settled.
    const amount = Math.ceil(random() * 100) - (kind === 'steps' ? 40 : 0);
    const money = kind === 'bank' ? transfer(userId) : { amount };
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
await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
