import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { newOrder, rejection, settlement, useFolder } from '../helpers.ts';

const folder = useFolder();

describe('prune', () => {
  it('deletes what was accepted and settled before, and nothing else', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('waits'), newOrder('late')]);
    await storage.settle([
      settlement('old'),
      settlement('at', { settledAt: 2_000 }),
      settlement('late', { isAccepted: true, settledAt: 3_000 }),
      settlement('new', { acceptedAt: 2_500, settledAt: 3_000 }),
    ]);
    expect(await storage.prune({ settledBefore: 2_000 })).toBe(1);
    const left = (await storage.list({ limit: 9 })).orders.map(({ id }) => id);
    expect(left).toEqual(['new', 'at', 'late', 'waits']);
    expect(await storage.get('u-1')).toBe(4);
    expect(await storage.check()).toEqual([]);
  });

  it('goes in steps, between which other calls get their turn', async () => {
    const storage = await folder.open();
    const ids = range(5_000).map((n) => `o-${n}`);
    await storage.settle(ids.map((id, n) => settlement(id, { userId: `u-${n % 7}`, amount: n })));
    await storage.accept([newOrder('waits')]);
    const log: string[] = [];
    const pruned = storage.prune({ settledBefore: 2_000 }).then((count) => {
      log.push(`pruned ${count}`);
    });
    for (const n of range(3)) {
      await storage.settle([settlement(`new-${n}`, { settledAt: 2_000 })]);
      log.push(`settled ${n}`);
    }
    await pruned;
    expect(log).toEqual(['settled 0', 'settled 1', 'settled 2', 'pruned 5000']);
    expect((await storage.list({ limit: 9 })).orders.map(({ id }) => id)).toEqual([
      'new-2',
      'new-1',
      'new-0',
      'waits',
    ]);
    expect(await storage.check()).toEqual([]);
  });

  it('forgets ids: an order that comes again is a new one', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { amount: 5 })]);
    await storage.prune({ settledBefore: 2_000 });
    expect(await storage.settle([settlement('a', { amount: 5 })])).toEqual([
      { status: 'settled', balance: 10 },
    ]);
  });

  it.each([
    [{}, 'Expected `settledBefore` to be a safe integer, got `undefined`'],
    [{ settledBefore: 1.5 }, 'Expected `settledBefore` to be a safe integer, got `1.5`'],
    [{ before: 1 }, 'Expected the options of prune to be among settledBefore, got `before`'],
  ])('checks its options: %j', async (options, message) => {
    const storage = await folder.open();
    const prune = storage.prune.bind(storage) as (options: unknown) => Promise<number>;
    expect((await rejection(prune(options))).message).toBe(message);
  });
});

describe('prune', () => {
  it('passes over what is younger, wherever it stands', async () => {
    const storage = await folder.open();
    const old = (id: string) => settlement(id, { acceptedAt: 100, settledAt: 100 });
    const young = (id: string) => settlement(id, { acceptedAt: 9_000, settledAt: 9_000 });
    await storage.settle(range(5_000).map((at) => young(`young-${at}`)));
    await storage.settle(range(1_200).map((at) => old(`old-${at}`)));
    await storage.settle(range(5_000).map((at) => young(`later-${at}`)));
    expect(await storage.prune({ settledBefore: 1_000 })).toBe(1_200);
    expect(await storage.check()).toEqual([]);
    expect(await storage.find('old-7')).toBeUndefined();
    expect(await storage.find('young-7')).toBeDefined();
  });
});
