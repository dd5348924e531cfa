import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NewOrder, StoredOrder } from '../../../src/core/order/stored-order.ts';
import { newOrder, settlementOf } from '../../../src/testing/orders.ts';
import { readMovements, readSettled } from '../../../src/testing/rules/money/settlement-rules.ts';
import type { Member } from '../../../src/testing/shared/member.ts';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { randomFrom } from '../../kit/random.ts';
import { seed } from '../../kit/seed.ts';
import { Trial } from './kit.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const count = isFull ? 6_000 : 600;
const payers = Array.from({ length: 40 }, (_, at) => `u-${at}`);
const users = ['hot', ...payers];
const opening = 20;

const random = randomFrom(seed);
const upTo = (most: number): number => Math.floor(random() * (most + 1));

/** Half of the orders debit the one user, the others credit it, and some of them a second one. */
function anOrder(at: number): NewOrder {
  if (at % 2 === 0) return newOrder(`o-${at}`, { userId: 'hot', amount: -upTo(60) });
  const [payer, other] = [payers[upTo(39)], payers[upTo(39)]] as [string, string];
  const postings = [{ userId: 'hot', amount: 1 + upTo(20) }];
  if (other !== payer && at % 3 === 0) postings.push({ userId: other, amount: 1 + upTo(9) });
  return newOrder(`o-${at}`, { userId: payer, amount: upTo(20) - 10, postings });
}

/** Settles what comes, in calls of a few. */
async function work(member: Member, isOver: () => boolean): Promise<void> {
  for (let done = 0; ; ) {
    const next = member.given.slice(done, done + 1 + upTo(6));
    if (next.length === 0) {
      if (isOver()) return;
      await sleep(1);
      continue;
    }
    done += next.length;
    const settlements = next.map(({ order }) =>
      settlementOf(order, { sequence: order.sequence, minBalance: 0, settledAt: Date.now() }),
    );
    for (const { status } of await member.storage.settle(settlements)) {
      expect(['settled', 'refused']).toContain(status);
    }
  }
}

/** What the contract says of each settlement, in the order of their numbers. */
function replay(settled: readonly StoredOrder[]): void {
  const balances = new Map<string, number>();
  for (const { id, userId, orderedAmount: amount, postings, balance, code } of settled) {
    const after = (balances.get(userId) ?? 0) + amount;
    const isRefused = amount < 0 && after < 0;
    expect([id, code, balance]).toEqual(
      isRefused ? [id, 'insufficient_funds', undefined] : [id, undefined, after],
    );
    if (isRefused) continue;
    balances.set(userId, after);
    for (const posting of postings) {
      const sum = (balances.get(posting.userId) ?? 0) + posting.amount;
      expect(posting.balance).toBe(sum);
      balances.set(posting.userId, sum);
    }
  }
}

it('credits by two processors cross debits at the bound: each decision is right in the order of the settlements (invariant 12)', async () => {
  await using trial = await Trial.start(server);
  const members = [trial.member, await trial.beside()];
  await trial.storage.apply(
    users.map((userId) => ({
      orderId: `start-${userId}`,
      userId,
      amount: opening,
      minBalance: undefined,
    })),
  );
  let isAccepted = false;
  const isOver = (): boolean =>
    isAccepted && members.reduce((sum, { given }) => sum + given.length, 0) >= count;
  const working = members.map((member) => work(member, isOver));
  for (let at = 0; at < count; at += 10) {
    const orders = Array.from({ length: 10 }, (_, place) => anOrder(at + place));
    await (members[at % 20 === 0 ? 0 : 1] as Member).storage.accept(orders);
  }
  isAccepted = true;
  await Promise.all(working);
  for (const { given } of members) expect(given.length).toBeGreaterThan(0);
  replay(await readSettled(trial.storage, 500));
  for (const userId of users) {
    const movements = await readMovements(trial.storage, userId, 500);
    expect(movements.at(-1)?.balance).toBe(await trial.storage.get(userId));
    expect(Math.min(...movements.map(({ balance }) => balance))).toBeGreaterThanOrEqual(0);
  }
  const [row] = await trial.query<{ count: number }>('SELECT count(*)::int FROM pending');
  expect(row?.count).toBe(0);
  expect(server.log).not.toContain('deadlock');
  expect(server.log).toContain('balance');
}, 120_000);

it('the same ids at two processors at once: one order each, known everywhere else (invariant 5)', async () => {
  await using trial = await Trial.start(server);
  const members = [trial.member, await trial.beside()];
  const orders = Array.from({ length: 300 }, (_, at) =>
    newOrder(`o-${at}`, { userId: `u-${at % 9}` }),
  );
  const shuffled = () =>
    [...orders]
      .map((order) => ({ order, place: random() }))
      .sort((one, other) => one.place - other.place)
      .map(({ order }) => order);
  const sequences = new Map<string, number>();
  let kept = 0;
  const accept = async ({ storage }: Member): Promise<void> => {
    const mine = shuffled();
    for (let at = 0; at < mine.length; at += 50) {
      const some = mine.slice(at, at + 50);
      for (const [place, answer] of (await storage.accept(some)).entries()) {
        if (answer.status === 'failed' || answer.status === 'accepted') throw answer;
        const sequence = answer.status === 'kept' ? answer.sequence : answer.order.sequence;
        const { id } = some[place] as NewOrder;
        if (answer.status === 'kept') kept += 1;
        expect(sequences.get(id) ?? sequence).toBe(sequence);
        sequences.set(id, sequence);
      }
    }
  };
  await Promise.all([...members, ...members].map(accept));
  expect(kept).toBe(orders.length);
  const given = (): number => members.reduce((sum, member) => sum + member.given.length, 0);
  await trial.member.until('All come', () => given() >= orders.length);
  expect(given()).toBe(orders.length);
  expect(server.log).not.toContain('deadlock');
}, 60_000);

it.each(['a', 'z'])(
  'a debit of a user without a balance beside a credit, where the call waits for user %s (invariant 3)',
  async (held) => {
    await using trial = await Trial.start(server);
    const other = await trial.beside();
    const change = (orderId: string, userId: string, amount: number) => {
      return { orderId, userId, amount, minBalance: 0 };
    };
    await trial.storage.apply([change('first', held, 5)]);
    await trial.query('BEGIN');
    await trial.query('SELECT FROM balances WHERE user_id = $1 FOR UPDATE', [held]);
    const debit = trial.storage.apply([change('o-1', held, 1), change('o-2', 'u', -4)]);
    await trial.waiting('settle');
    let isCredited = false;
    const credit = Promise.resolve(other.storage.apply([change('o-3', 'u', 10)])).then(() => {
      isCredited = true;
    });
    // Users are locked in their order: the debit is decided before the credit where its user comes first.
    if (held === 'a') await credit;
    else await sleep(200);
    expect(isCredited).toBe(held === 'a');
    await trial.query('COMMIT');
    const [, result] = await debit;
    await credit;
    expect(result).toEqual(held === 'a' ? { balance: 6 } : { refused: 'insufficient_funds' });
    expect(await trial.storage.apply([change('o-4', 'nobody', -1)])).toEqual([
      { refused: 'insufficient_funds' },
    ]);
    expect(await trial.storage.get('nobody')).toBeUndefined();
    replay(await readSettled(trial.storage, 500));
    expect(await trial.storage.check()).toEqual([]);
    expect(server.log).not.toContain('deadlock');
  },
  60_000,
);
