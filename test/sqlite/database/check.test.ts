import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { ask, rejection, settlement, tamper, useFolder } from '../helpers.ts';

const folder = useFolder();

describe('check', () => {
  async function tampered(sql: string): Promise<readonly string[]> {
    const storage = await folder.open();
    await storage.apply([{ orderId: 'a', userId: 'u-1', amount: 5, minBalance: undefined }]);
    await storage.settle([settlement('b'), settlement('c', { amount: -2 })]);
    await storage.prune({ settledBefore: 2_000 });
    expect(await storage.check()).toEqual([]);
    tamper(folder.path(), sql);
    return await storage.check();
  }

  it.each([
    [
      'a balance that is not the sum of its orders',
      'UPDATE balances SET balance = 7',
      'The balance of user "u-1" is 7, but its orders sum up to 4',
    ],
    [
      'an order whose amount was changed',
      "UPDATE orders SET amount = 50 WHERE id = 'a'",
      'The balance of user "u-1" is 4, but its orders sum up to 49',
    ],
    [
      'a balance that is gone',
      'DELETE FROM balances',
      'The balance of user "u-1" is none, but its orders sum up to 5',
    ],
    [
      'an order of the future',
      'UPDATE orders SET life = 9',
      'Order "a" was accepted in opening 9, but the last opening was 1',
    ],
    [
      'a status without its time',
      "PRAGMA ignore_check_constraints = ON; UPDATE orders SET status = 'pending'",
      'CHECK constraint failed in orders',
    ],
  ])('finds %s', async (_, sql, problem) => {
    expect(await tampered(sql)).toContainEqual(problem);
  });

  it('finds a page that was written over', async () => {
    const storage = await folder.open();
    await storage.settle(range(100).map((n) => settlement(`o-${n}`)));
    await storage.close();
    const [index] = ask(
      folder.path(),
      "SELECT rootpage FROM sqlite_schema WHERE name = 'orders_by_block'",
    );
    const bytes = readFileSync(folder.path());
    const end = Number(index?.rootpage) * bytes.readUInt16BE(16);
    writeFileSync(folder.path(), bytes.fill(0, end - 200, end));
    const problems = await (await folder.open()).check();
    expect(problems.join()).toContain('missing from index orders_by_block');
  });

  it('and backup reject when another file has come in its place', async () => {
    const storage = await folder.open();
    await storage.backup(folder.path('copy.db'));
    rmSync(folder.path());
    for (const call of [() => storage.check(), () => storage.backup(folder.path('other.db'))]) {
      expect((await rejection(call())).message).toContain('was deleted, moved or replaced');
    }
    expect(folder.files()).not.toContain('orders.db');
    expect(folder.files()).not.toContain('other.db');
  });
});
