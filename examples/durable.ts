/**
 * Accepts orders, is killed in the middle of processing them, and starts again. Each accepted order is settled
 * once.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OrderProcessor, type Step } from 'order-processor';
import { SqliteStorage } from 'order-processor/sqlite';

const users = 10;
const ordersPerUser = 30;
const amount = 100;

const charge: Step = {
  name: 'charge',
  // A payment provider that knows the key never charges a user twice, even if it is asked several times.
  run: (_order, { idempotencyKey: _, signal }) => sleep(20, undefined, { signal }),
};

function processOn(storage: SqliteStorage): OrderProcessor {
  return new OrderProcessor({ storage, steps: [charge] });
}

async function balancesIn(storage: SqliteStorage): Promise<string> {
  const balances: number[] = [];
  for (let user = 1; user <= users; user += 1) {
    balances.push((await storage.get(`user-${user}`)) ?? 0);
  }
  return balances.join(' ');
}

/** The process that is killed: it says so when each order is accepted. */
async function accept(file: string): Promise<void> {
  const processor = processOn(await SqliteStorage.open(file));
  for (let count = 0; count < ordersPerUser; count += 1) {
    for (let user = 1; user <= users; user += 1) {
      const { id } = await processor.enqueue({ userId: `user-${user}`, amount });
      process.send?.(id);
    }
  }
  await processor.onIdle();
}

async function killAndStartAgain(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'durable-'));
  const file = join(folder, 'orders.db');

  const child = fork(import.meta.filename, ['accept', file]);
  const accepted: unknown[] = [];
  child.on('message', (id) => {
    // With `--watch`, Node posts messages of its own.
    if (typeof id !== 'string') return;
    accepted.push(id);
    if (accepted.length === (users * ordersPerUser) / 2) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'exit');
  console.log(`Accepted ${accepted.length} orders, and was ended by ${signal}`);

  const storage = await SqliteStorage.open(file);
  console.log(`Balances in the file: ${await balancesIn(storage)}`);
  const processor = processOn(storage);
  await processor.ready;
  console.log(processor.recovered > 0 ? 'Took up the orders that were left' : 'Nothing was left');
  await processor.onIdle();

  console.log(`Balances afterwards:  ${await balancesIn(storage)}`);

  let lost = 0;
  for (const id of accepted) {
    const record = await processor.order(String(id));
    if (record?.status !== 'completed') lost += 1;
  }
  console.log(`Lost: ${lost}`);

  let wrong = 0;
  for (let user = 1; user <= users; user += 1) {
    const userId = `user-${user}`;
    const { orders } = await processor.orders({ userId, status: 'completed' });
    if ((await processor.balance(userId)) !== orders.length * amount) wrong += 1;
  }
  console.log(`Balances that are not the sum of their orders: ${wrong}`);

  await processor.shutdown();
  await rm(folder, { recursive: true });
}

const [, , role, file] = process.argv;
if (role === 'accept' && file !== undefined) await accept(file);
else await killAndStartAgain();
