/** A file or a memory is moved to a database, with all that it keeps. */
import { type AcceptedOrder, MemoryStorage, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import type { StoredBalance } from '../../../src/core/storage/history/history-storage.ts';
import { newOrder, settlementOf, start } from '../../../src/testing/orders.ts';
import { fillWithEverything, keptIn } from './kit.ts';
import { useTarget } from './target.ts';

const times = [0, start + 900, start + 1_010, start + 1_030, start + 5_000, Date.now() * 2];

const target = useTarget();
const { importInto, open } = target;

const byUser = (balances: readonly StoredBalance[]) =>
  balances.toSorted((one, other) => (one.userId < other.userId ? -1 : 1));

describe('what a file keeps', () => {
  it('is told as before by the database: orders, feed, statements, past balances, holds', async () => {
    const filled = await target.file.open();
    await fillWithEverything(filled);
    await filled.close();
    // So that each unsettled order has an attempt above 1.
    const source = await target.file.open();
    const before = await keptIn(source, times);
    const report = await importInto(source);
    const storage = await open();
    try {
      expect(await keptIn(storage, times)).toEqual(before);
      expect(storage.id).toBe(source.id);
      expect(await storage.check()).toEqual([]);
    } finally {
      await storage.close();
      await source.close();
    }
    const { length: orders } = before.orders;
    const { length: unsettled } = before.unsettled;
    const movements = Object.values(before.movements).flat().length;
    expect(report).toEqual({
      ...{ orders, unsettled, movements, balances: before.balances.length, holds: 2 },
    });
    expect(unsettled).toBeGreaterThan(15);
  });

  it('is told as before where orders were pruned: what is forgotten stays forgotten', async () => {
    const source = await target.file.open();
    await fillWithEverything(source);
    await source.prune({ settledBefore: start + 1_010 });
    const before = await keptIn(source, times);
    const balances = await source.balances({ limit: 1_000 });
    const report = await importInto(source);
    const storage = await open();
    const after = await keptIn(storage, times);
    expect(await storage.check()).toEqual([]);
    expect(byUser(await storage.balances({ limit: 1_000 }))).toEqual(byUser(balances));
    await storage.close();
    await source.close();
    expect(report.orders).toBe(before.orders.length);
    for (const key of ['orders', 'unsettled', 'feed', 'balances', 'holds'] as const) {
      expect(after[key], key).toEqual(before[key]);
    }
    const forgotten = balances.filter(({ knownFrom }) => knownFrom !== undefined);
    expect(forgotten.length).toBeGreaterThan(3);
    for (const user of forgotten.map(({ userId }) => `of ${userId}`)) {
      expect(after.past[user], user).toEqual(before.past[user]);
      expect(after.movements[user], user).toEqual(before.movements[user]);
    }
    // Of the others the database tells as much, and does not call forgotten what never was.
    for (const user of Object.keys(before.past)) {
      for (const [at, past] of before.past[user]?.entries() ?? []) {
        if (past.balance !== undefined) expect(after.past[user]?.[at]).toEqual(past);
      }
    }
  });

  it('goes on at a processor: unsettled orders in order, known ids, cursors of the feed', async () => {
    const source = await target.file.open();
    const orders = Array.from({ length: 600 }, (_, at) =>
      newOrder(`o-${at}`, { userId: `u-${at % 3}`, amount: 1, acceptedAt: start + at }),
    );
    await source.accept(orders.slice(0, 300));
    await source.settle(orders.slice(0, 300).map((order) => settlementOf(order)));
    const opened = new OrderProcessor({ storage: source });
    let cursor: string | undefined;
    for await (const outcome of opened.outcomes()) {
      cursor = outcome.cursor;
      if (outcome.sequence === 200) break;
    }
    await opened.shutdown();
    const again = await target.file.open();
    await again.accept(orders.slice(300));
    await again.hold({ userId: 'u-2', reason: 'A dispute', heldAt: start });
    await importInto(again);
    await again.close();
    const begun: string[] = [];
    const steps = [{ name: 'note', run: (order: AcceptedOrder) => void begun.push(order.id) }];
    const processor = new OrderProcessor({ storage: await open(), steps });
    await expect.poll(() => begun.length, { timeout: 60_000 }).toBe(200);
    await processor.onIdle();
    await expect(processor.submit({ id: 'o-7', userId: 'u-1', amount: 1 })).resolves.toMatchObject({
      acceptedAt: start + 7,
    });
    const sequences: number[] = [];
    for await (const { sequence } of processor.outcomes({ after: cursor })) {
      sequences.push(sequence);
      if (sequences.length === 300) break;
    }
    await processor.shutdown();
    for (const user of [0, 1]) {
      const ids = orders.slice(300).filter(({ userId }) => userId === `u-${user}`);
      const own = begun.filter((id) => Number(id.slice(2)) % 3 === user);
      expect(own).toEqual(ids.map(({ id }) => id));
    }
    expect(begun).toHaveLength(200);
    expect(sequences.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, at) => 201 + at));
    expect(sequences.at(100)).toBeGreaterThan(300);
  });
});

it('a memory is taken over, also what it has forgotten', async () => {
  const source = new MemoryStorage({ retainSettled: 40 });
  for (let at = 0; at < 100; at += 1) {
    const order = newOrder(`o-${at}`, { userId: `u-${at % 7}`, amount: at - 40 });
    await source.settle([settlementOf(order, { isAccepted: false, settledAt: start + at })]);
  }
  const asked = [start + 61, start + 75, start + 99, start + 200];
  const before = await keptIn(source, [start, ...asked]);
  await importInto(source);
  const storage = await open();
  const after = await keptIn(storage, [start, ...asked]);
  await storage.close();
  expect(before.past['of u-1']?.[0]).toEqual({ balance: undefined, isForgotten: true });
  expect(after).toEqual(before);
});
