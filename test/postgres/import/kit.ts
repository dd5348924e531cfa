/** What a storage keeps, in a form in which two storages can be compared. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewOrder, StoredOrder } from '../../../src/core/order/stored-order.ts';
import type { Movement, PastBalance } from '../../../src/core/storage/history/history-storage.ts';
import type { StoredHold } from '../../../src/core/storage/holds/hold.ts';
import type { OrderStorage } from '../../../src/core/storage/order-storage.ts';
import { SqliteStorage } from '../../../src/sqlite/sqlite-storage.ts';
import { awkwardNames } from '../../../src/testing/awkward-ids.ts';
import { failure, newOrder, settlementOf, start } from '../../../src/testing/orders.ts';
import { someResults, someSteps } from '../../../src/testing/samples.ts';

/** A file of its own, gone at the end. */
export class SourceFile implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'import-'));

  get path(): string {
    return join(this.folder, 'orders.db');
  }

  open(): Promise<SqliteStorage> {
    return SqliteStorage.open(this.path);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

export interface Kept {
  readonly orders: readonly object[];
  readonly unsettled: readonly string[];
  readonly feed: readonly (readonly [number | undefined, string])[];
  readonly balances: readonly (readonly [string, number])[];
  readonly movements: Readonly<Record<string, readonly Movement[]>>;
  readonly past: Readonly<Record<string, readonly PastBalance[]>>;
  readonly holds: readonly object[];
}

/** All that a storage keeps. `times` are those at which balances are asked for. */
export async function keptIn(storage: OrderStorage, times: readonly number[]): Promise<Kept> {
  const balances = await balancesIn(storage);
  const movements: Record<string, readonly Movement[]> = {};
  const past: Record<string, readonly PastBalance[]> = {};
  for (const [userId] of balances) {
    movements[`of ${userId}`] = await movementsIn(storage, userId);
    past[`of ${userId}`] = await Promise.all(
      times.map(async (time) => storage.balanceAt(userId, time)),
    );
  }
  const unsettled: string[] = [];
  for await (const page of storage.unsettled()) unsettled.push(...page.map(({ id }) => id));
  const { orders, feed } = { orders: await ordersIn(storage), feed: await feedIn(storage) };
  return { orders, unsettled, feed, balances, movements, past, holds: await holdsIn(storage) };
}

async function ordersIn(storage: OrderStorage): Promise<object[]> {
  const orders: object[] = [];
  for (let before: number | undefined; ; ) {
    const page = await storage.list({ before, limit: 100 });
    orders.push(...page.orders.map(comparable));
    if (page.next === undefined) return orders;
    before = page.next;
  }
}

/** Whatever JSON does not keep differs in no way that matters. */
function comparable(order: StoredOrder): object {
  const { message, retryable, startedAt, attempt, ...rest } = JSON.parse(JSON.stringify(order));
  // The processor has the message of a refusal; a storage may leave it out.
  const isRefused = ['insufficient_funds', 'balance_overflow'].includes(order.code ?? '');
  // The one is not specified for an unsettled order, the other one means nothing of a settled order.
  const started = order.status === 'pending' ? { attempt } : { startedAt };
  return { ...rest, ...started, ...(!isRefused && { message, retryable }) };
}

async function feedIn(storage: OrderStorage): Promise<(readonly [number | undefined, string])[]> {
  const feed: (readonly [number | undefined, string])[] = [];
  for (let after = 0; ; ) {
    const page = await storage.settled({ after, limit: 100 });
    feed.push(...page.orders.map(({ settlement, id }) => [settlement, id] as const));
    if (page.next >= page.last) return feed;
    after = page.next;
  }
}

async function balancesIn(storage: OrderStorage): Promise<(readonly [string, number])[]> {
  const balances: (readonly [string, number])[] = [];
  for (let after: string | undefined; ; ) {
    const page = (await storage.balances?.({ after, limit: 100 })) ?? [];
    balances.push(...page.map(({ userId, balance }) => [userId, balance] as const));
    if (page.length < 100) break;
    after = page.at(-1)?.userId;
  }
  return balances.sort(([one], [other]) => (one < other ? -1 : 1));
}

async function movementsIn(storage: OrderStorage, userId: string): Promise<Movement[]> {
  const movements: Movement[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page = await storage.movements({ userId, after, limit: 100 });
    movements.push(...page.movements);
    after = page.next;
  }
  return movements;
}

async function holdsIn(storage: OrderStorage): Promise<object[]> {
  const holds = await storage.holds({ limit: 1_000 });
  return holds.map(holdText).sort((one, other) => (one.userId < other.userId ? -1 : 1));
}

function holdText(hold: StoredHold): StoredHold {
  return JSON.parse(JSON.stringify(hold)) as StoredHold;
}

/** Orders of every kind: each state, awkward ids and texts, transfers, retries, delays, holds. */
export async function fillWithEverything(storage: OrderStorage): Promise<void> {
  const awkward = awkwardNames.map((name, at) =>
    newOrder(name, {
      userId: awkwardNames[(at * 7) % awkwardNames.length] as string,
      amount: at - 20,
      acceptedAt: start + at,
      payload: { at, name },
      labels: at % 3 === 0 ? ['rule', name] : [],
    }),
  );
  await storage.accept(awkward);
  const settled = awkward.filter((_, at) => at % 5 !== 0);
  await storage.settle(
    settled.map((order, at) => {
      const kinds = ['completed', 'failed', 'completed', 'canceled'] as const;
      // Times go back and forth.
      const settledAt = start + 1_000 + (at % 2 === 0 ? at : -at);
      const error = failure('declined', `No: ${order.id}`, at % 2 === 0);
      const outcome = kinds[at % 4] as (typeof kinds)[number];
      const cause = { name: 'TypeError', message: 'A cause \0 "1"' };
      return settlementOf(order, {
        ...{ outcome, settledAt, steps: someSteps, results: someResults },
        ...(outcome !== 'completed' && { error, cause }),
      });
    }),
  );
  await fillWithMoney(storage);
  await fillWithUnsettled(storage);
}

/** Transfers, amounts that a step has set, refused orders, and orders that were not accepted. */
async function fillWithMoney(storage: OrderStorage): Promise<void> {
  const postings = [
    { userId: 'fees', amount: 30 },
    { userId: 'a\0b', amount: 20 },
  ];
  const transfer = newOrder('transfer', { userId: 'rich', amount: -50, postings });
  const less = newOrder('less', { userId: 'rich', amount: -50, postings });
  const refused = newOrder('refused', { userId: 'poor', amount: -1, postings });
  await storage.accept([transfer, less, refused]);
  const settledAt = start + 5_000;
  await storage.apply([change('opening', 'rich', 2 ** 50), change('most', 'big', 2 ** 53 - 1)]);
  await storage.settle([
    settlementOf(transfer, { settledAt }),
    settlementOf(less, {
      ...{ settledAt, amount: -7, orderedAmount: -50 },
      postings: [
        { userId: 'fees', amount: 5, orderedAmount: 30 },
        { userId: 'a\0b', amount: 0, orderedAmount: 20 },
      ],
    }),
    settlementOf(refused, { settledAt, minBalance: 0 }),
  ]);
  const again = newOrder('refused again', { userId: 'poor', retryOf: 'refused' });
  await storage.accept([again]);
  await storage.settle([settlementOf(again, { settledAt: settledAt + 1 })]);
}

function change(orderId: string, userId: string, amount: number) {
  return { orderId, userId, amount, minBalance: undefined };
}

/** Delayed, remembered, decided, held, released and retried orders. */
async function fillWithUnsettled(storage: OrderStorage): Promise<void> {
  const orders: NewOrder[] = [
    newOrder('delayed', { userId: 'later', notBefore: Date.now() + 86_400_000 }),
    newOrder('due', { userId: 'later', notBefore: start + 1, expiresAt: Date.now() + 86_400_000 }),
    newOrder('remembered', { userId: 'steps', priority: 'high', payload: [null, { deep: '\0' }] }),
    newOrder('holding', { userId: 'held', content: undefined, payload: 'made by a schema' }),
    newOrder('behind it', { userId: 'held', priority: 'low' }),
    newOrder('released', { userId: 'released' }),
    newOrder('released at once', { userId: 'released' }),
    newOrder('again', { userId: 'later', retryOf: 'refused' }),
  ];
  await storage.accept(orders);
  const sequenceOf = async (id: string) => (await storage.find(id))?.sequence ?? 0;
  await storage.remember([
    {
      ...{ id: 'remembered', userId: 'steps', sequence: await sequenceOf('remembered') },
      steps: [{ step: 'pay', result: { charge: 'c-1' }, amount: 90 }],
    },
  ]);
  const noted = ['holding', 'released', 'released at once'].map((id) =>
    settlementOf(orders.find((order) => order.id === id) as NewOrder, {
      ...{ outcome: 'failed', isProvisional: true, holds: true },
    }),
  );
  await storage.settle(noted);
  await storage.release('released', {
    orderId: 'released',
    compensations: { payment: 2 },
  });
  await storage.release('released', { orderId: 'released at once', compensations: {} });
  await storage.hold({
    ...{ userId: 'held', reason: undefined, heldAt: start + 9 },
    ...{ orderId: 'holding', code: 'declined', message: 'No \0', compensated: ['payment'] },
    failure: { startedAt: start, retryable: true, steps: someSteps, results: someResults },
  });
  await storage.hold({ userId: 'a\0b', reason: 'By hand \0', heldAt: start + 10 });
}
