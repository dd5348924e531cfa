/** Reads hold up no order: the loop of orders goes on beside lists, and sees what it wrote. */
import { renameSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { newOrder, rejection, settlement, useFolder } from '../helpers.ts';

const folder = useFolder();
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a transaction goes before reads', () => {
  it('that were asked for earlier: lists', async () => {
    const storage = await folder.open();
    await storage.settle(
      range(2_000).map((n) => settlement(`o-${n}`, { payload: 'x'.repeat(99) })),
    );
    await storage.list({ limit: 1 });
    const log: string[] = [];
    const lists = range(20).map(async (n) => {
      await storage.list({ limit: 1_000 });
      log.push(`list ${n}`);
    });
    await storage.settle([settlement('new')]);
    log.push('settled');
    await Promise.all(lists);
    expect(log.at(-1)).toBe('list 19');
    expect(log).toHaveLength(21);
  });

  it('that were asked for earlier: orders and balances', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { payload: 'x'.repeat(10_000) })]);
    const log: string[] = [];
    const reads = range(2_000).map(async (n) => {
      await (n % 2 === 0 ? storage.find('a') : storage.get('u-1'));
      log.push(`read ${n}`);
    });
    await storage.settle([settlement('new')]);
    log.push('settled');
    await Promise.all(reads);
    expect(log.at(-1)).toBe('read 1999');
    expect(log.slice(0, -1).filter((entry) => entry !== 'settled')).toEqual(
      range(1_999).map((n) => `read ${n}`),
    );
  });
});

describe('a read on its own connection', () => {
  it('sees all calls that were answered before (rule 8)', async () => {
    const storage = await folder.open();
    for (const n of range(100)) {
      await storage.accept([newOrder(`o-${n}`, { acceptedAt: 1_000 + n })]);
      const [newest] = (await storage.list({ limit: 1 })).orders;
      expect(newest).toMatchObject({ id: `o-${n}`, status: 'pending', attempt: 1 });
    }
    await storage.settle([settlement('o-99', { isAccepted: true, acceptedAt: 1_099 })]);
    const [newest] = (await storage.list({ limit: 1 })).orders;
    expect(newest).toMatchObject({ id: 'o-99', status: 'completed', balance: 1 });
  });

  it('counts attempts as any other', async () => {
    const first = await folder.open();
    await first.accept([newOrder('a')]);
    await first.close();
    const storage = await folder.open();
    expect((await storage.list({ limit: 1 })).orders).toEqual([await storage.find('a')]);
  });

  it('goes on when the thread that writes has ended', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.list({ limit: 1 });
    await storage.killThread();
    await storage.accept([newOrder('b', { acceptedAt: 2_000 })]);
    expect((await storage.list({ limit: 9 })).orders.map(({ id }) => id)).toEqual(['b', 'a']);
  });

  it('says that the file is gone, and works when it is back', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    expect((await storage.list({ limit: 9 })).orders).toHaveLength(1);
    renameSync(folder.path(), folder.path('away.db'));
    for (const _ of range(2)) {
      const { message } = await rejection(storage.list({ limit: 9 }));
      expect(message).toContain('was deleted, moved or replaced');
    }
    renameSync(folder.path('away.db'), folder.path());
    expect((await storage.list({ limit: 9 })).orders).toHaveLength(1);
  });
});
