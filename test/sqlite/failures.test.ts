/** A storage that fails is an error, never a success (invariant 10), and work resumes when it can. */
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { Database } from '../../src/sqlite/database/database.ts';
import * as codec from '../../src/sqlite/thread/codec.ts';
import { Writer } from '../../src/sqlite/thread/wire.ts';
import {
  found,
  newOrder,
  rejection,
  settlement,
  tamper,
  unsettledOf,
  useFolder,
} from './helpers.ts';

const folder = useFolder();
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('a full disk', () => {
  const payload = 'x'.repeat(1_000);
  const batch = (name: string) => range(20).map((n) => settlement(`${name}-${n}`, { payload }));

  it('rejects all of a call, until there is room, and then goes on', async () => {
    const storage = await folder.open({ maxBytes: 200_000 });
    let full = 0;
    while ((await storage.settle(batch(`${full}`)).catch(() => undefined)) !== undefined) full += 1;
    expect(full).toBeGreaterThan(2);
    const error = await rejection(storage.settle(batch('over')));
    expect(error.message).toBe(
      `Could not write to ${folder.path()}: the disk is full, or \`maxBytes\` is reached`,
    );
    expect(error.cause).toMatchObject({ errcode: 13, message: 'database or disk is full' });
    expect(await storage.find('over-0')).toBeUndefined();
    expect(await storage.get('u-1')).toBe(20 * full);

    let more = 0;
    const one = () => storage.settle([settlement(`one-${more}`, { payload })]);
    while ((await one().catch(() => undefined)) !== undefined) more += 1;
    expect((await rejection(storage.accept([]))).message).toContain('the disk is full');

    expect(await storage.prune({ settledBefore: 2_000 })).toBe(20 * full + more);
    await storage.accept([]);
    await storage.settle(batch('over'));
    expect(await storage.get('u-1')).toBe(20 * (full + 1) + more);
    expect(await storage.check()).toEqual([]);
  });

  it('asked for room, leaves nothing behind (rule 7)', async () => {
    const storage = await folder.open();
    expect(await storage.accept([])).toEqual([]);
    expect(await unsettledOf(storage)).toEqual([]);
    expect((await storage.list({ limit: 1 })).orders).toEqual([]);
  });
});

describe('a worker thread that ends', () => {
  it('rejects what is under way; the next call starts another, in the same life', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    // While another connection writes, no call is answered.
    const other = new DatabaseSync(folder.path());
    other.exec('BEGIN IMMEDIATE');
    const accepted = rejection(storage.accept([newOrder('b')]));
    await Promise.resolve();
    const underWay = [accepted, rejection(storage.get('u-1'))];
    const killed = storage.killThread();
    other.close();
    for (const error of await Promise.all(underWay)) {
      expect(error.message).toBe('The worker thread of the storage has ended with code 1');
    }
    await killed;
    await storage.accept([newOrder('b')]);
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
    expect([(await found(storage, 'a')).attempt, (await found(storage, 'b')).attempt]).toEqual([
      1, 1,
    ]);
    await storage.settle([settlement('a', { isAccepted: true })]);
    expect(await storage.get('u-1')).toBe(1);
  });

  it('leaves nothing of a transaction that it was in', async () => {
    const storage = await folder.open();
    for (const round of range(8)) {
      const ids = range(2_000).map((n) => `${round}-${n}`);
      const call = storage.accept(ids.map((id) => newOrder(id))).catch(() => undefined);
      for (let turn = 0; turn < round * 20; turn += 1) await setImmediate();
      await storage.killThread();
      const wasAnswered = (await call) !== undefined;
      const kept = (await unsettledOf(storage)).filter((id) => id.startsWith(`${round}-`));
      expect([0, ids.length]).toContain(kept.length);
      if (wasAnswered) expect(kept).toEqual(ids);
    }
  });

  it('is tried again by each call while the file cannot be opened', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.killThread();
    tamper(folder.path(), 'PRAGMA user_version = 99');
    for (const call of [() => storage.accept([newOrder('b')]), () => storage.get('u-1')]) {
      expect((await rejection(call())).message).toContain('its version is 99');
    }
    tamper(folder.path(), 'PRAGMA user_version = 1');
    await storage.accept([newOrder('b')]);
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
  });

  it('is not waited for by close', async () => {
    const storage = await folder.open();
    await storage.killThread();
    await storage.close();
    expect(await unsettledOf(await folder.open())).toEqual([]);
  });
});

it('a transaction that cannot be rolled back ends the connection', () => {
  const options = { durability: 'full', maxBytes: undefined, reopened: undefined } as const;
  const database = new Database(folder.path(), options);
  tamper(folder.path(), 'DROP TABLE balances');
  const writer = new Writer();
  codec.writeSettlements(writer, [settlement('a')]);
  const calls = [{ kind: 'settle', message: writer.take() } as const];
  const { exec } = DatabaseSync.prototype;
  const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (
    this: DatabaseSync,
    sql,
  ) {
    if (sql === 'ROLLBACK') throw new Error('No');
    exec.call(this, sql);
  });
  const [failure] = database.commit(calls);
  spy.mockRestore();
  database.close();
  // Upon which the thread closes the file, and the next call starts another.
  expect(failure).toMatchObject({
    isFinal: true,
    message: expect.stringContaining('nor roll back'),
    cause: { message: 'no such table: balances' },
  });
});

describe('another connection', () => {
  it('who writes for a moment is waited for', async () => {
    const storage = await folder.open();
    const db = new DatabaseSync(folder.path());
    db.exec('BEGIN IMMEDIATE');
    const accepted = storage.accept([newOrder('a')]);
    await storage.get('u-1').catch(() => undefined);
    db.exec('COMMIT');
    db.close();
    expect(await accepted).toMatchObject([{ status: 'accepted' }]);
  });

  it('who shares a transaction with a call that cannot be treated is not hurt', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('taken')]);
    const change = { userId: 'u-1', amount: 1, minBalance: undefined };
    const [before, wrong, after] = await Promise.allSettled([
      storage.apply([{ ...change, orderId: 'a' }]),
      storage.apply([{ ...change, orderId: 'taken' }]),
      storage.apply([{ ...change, orderId: 'b' }]),
    ]);
    expect(wrong.status).toBe('rejected');
    expect([before, after]).toEqual([
      { status: 'fulfilled', value: [{ balance: 1 }] },
      { status: 'fulfilled', value: [{ balance: 2 }] },
    ]);
  });

  it('nor one whose call could not even be written down', async () => {
    const storage = await folder.open();
    const [wrong, right] = await Promise.allSettled([
      storage.accept([newOrder('a'), newOrder('b', { payload: 1n })]),
      storage.accept([newOrder('c', { payload: [1] })]),
    ]);
    expect(wrong).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) });
    expect(right).toMatchObject({ status: 'fulfilled' });
    expect(await unsettledOf(storage)).toEqual(['c']);
    expect(await found(storage, 'c')).toMatchObject({ payload: [1] });
  });

  it('the process that has broken the file is named', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    tamper(folder.path(), 'DROP TABLE balances');
    const error = await rejection(storage.settle([settlement('a', { isAccepted: true })]));
    expect(error.message).toBe(`Could not write to ${folder.path()}: no such table: balances`);
    expect(await unsettledOf(storage)).toEqual(['a']);
  });
});
