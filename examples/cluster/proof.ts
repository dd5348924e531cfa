/** That nothing was lost, nothing was applied twice, and every balance is what the callers know. */
import { OrderProcessor, type OrderRecord } from 'order-processor';
import { PostgresStorage } from 'order-processor/postgres';
import type { Callers, Submitted } from './callers.ts';

interface Finding {
  readonly text: string;
  /** How much is wrong. */
  readonly wrong: number;
}

/** What the orders that have completed come to. */
function balancesOf(submitted: Iterable<Submitted>): Map<string, number> {
  const balances = new Map<string, number>();
  const add = (userId: string, amount: number): void =>
    void balances.set(userId, (balances.get(userId) ?? 0) + amount);
  for (const { order, outcome } of submitted) {
    if (outcome !== 'completed') continue;
    add(order.userId, order.amount);
    for (const { userId, amount } of order.postings ?? []) add(userId, amount);
  }
  return balances;
}

/** All orders that the database has. */
async function* everyOrder(processor: OrderProcessor): AsyncGenerator<OrderRecord> {
  let cursor: string | undefined;
  do {
    const page = await processor.orders({ limit: 1_000, cursor });
    yield* page.orders;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Of the orders in the database: how many have not the outcome that their callers know, or are there twice. */
async function compareOrders(processor: OrderProcessor, callers: Callers): Promise<number> {
  const unseen = new Map(callers.submitted);
  let wrong = 0;
  for await (const { id, status, code } of everyOrder(processor)) {
    const known = unseen.get(id);
    if (known?.outcome !== (code ?? status)) wrong += 1;
    unseen.delete(id);
  }
  return wrong + unseen.size;
}

export async function prove(url: string, callers: Callers): Promise<readonly Finding[]> {
  const storage = await PostgresStorage.open({ connectionString: url, name: 'proof' });
  await using processor = new OrderProcessor({ storage });
  const { submitted, users, opening, contradicted } = callers;
  const isAnswered = ({ outcome }: Submitted): boolean => outcome !== undefined;
  const answered = [...submitted.values()].filter(isAnswered).length;
  const expected = balancesOf(submitted.values());
  let sum = 0;
  let inexact = 0;
  for (const user of users) {
    const balance = (await processor.balance(user)) ?? 0;
    sum += balance;
    if (balance !== expected.get(user)) inexact += 1;
  }
  const paidIn = users.length * opening;
  return [
    { text: 'orders without an answer', wrong: submitted.size - answered },
    { text: 'orders without just that outcome', wrong: await compareOrders(processor, callers) },
    { text: 'orders answered twice, differently', wrong: contradicted.length },
    { text: 'balances that are not exact', wrong: inexact },
    { text: 'cents made or lost', wrong: Math.abs(sum - paidIn) },
    { text: 'contradictions that check() finds', wrong: (await storage.check()).length },
  ];
}
