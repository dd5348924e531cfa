import assert from 'node:assert/strict';
import type { Awaitable } from '../../core/runtime/awaitable.ts';
import type { TransactionResult } from '../../core/storage/order-transaction.ts';
import type { HostTransaction } from '../options.ts';
import { assertOrder, newOrder, pendingOrder } from '../orders.ts';
import type { Declare } from '../suite.ts';
import type { Member } from './member.ts';

/** What a check of a transaction of the host's gets. */
interface Begun {
  readonly one: Member;
  readonly other: Member;
  readonly host: HostTransaction;
  /** Keeps an order in the transaction, by the storage of the second processor. */
  keep(id: string, fields?: Parameters<typeof newOrder>[1]): Promise<TransactionResult>;
}

/**
 * Declares what holds for a shared storage that keeps orders in transactions of the host's: two processors, and one
 * transaction.
 */
export function declareTransactionRules<Storage>(
  declare: Declare<Storage>,
  begin: (storage: Storage) => Awaitable<HostTransaction>,
): void {
  const rule = (number: number, claim: string, check: (begun: Begun) => Promise<void>): void =>
    declare(`transaction rule ${number}`, claim, async (storage, trial) => {
      assert.ok(trial.member, 'The storage is shared');
      const other = await trial.beside();
      const host = await begin(storage);
      const transaction = other.storage.transaction?.(host.client);
      assert.ok(transaction, 'The storage has `transaction`');
      const keep = async (id: string, fields?: Parameters<typeof newOrder>[1]) =>
        transaction.accept(newOrder(id, fields));
      await check({ one: trial.member, other, host, keep });
    });

  rule(1, 'its orders come when it commits, in their order', async ({ one, other, host, keep }) => {
    await one.storage.accept([newOrder('before')]);
    for (const id of ['a', 'b']) {
      const { status } = await keep(id);
      assert.equal(status, 'kept');
    }
    assert.equal(await one.storage.find('a'), undefined, 'It is not there before the commit');
    await host.commit();
    await other.storage.accept([newOrder('later')]);
    const count = (): number => one.given.length + other.given.length;
    await one.until('All orders come', () => count() === 4);
    const [owner, stranger] = one.given.length > 0 ? [one, other] : [other, one];
    assert.deepEqual(owner.idsOf(newOrder('a').userId), ['before', 'a', 'b', 'later']);
    assert.deepEqual(stranger.given, []);
    assertOrder(await one.storage.find('a'), pendingOrder(newOrder('a')));
  });

  rule(2, 'nothing is left if it does not commit', async ({ one, other, host, keep }) => {
    await keep('a');
    await host.rollback();
    const [again] = await one.storage.accept([newOrder('a', { amount: 7 })]);
    assert.equal(again?.status, 'kept', 'The id is free');
    await one.until('The order comes', () => one.given.length + other.given.length > 0);
    const [{ order } = {}] = [...one.given, ...other.given];
    assert.equal(order?.amount, 7);
  });

  rule(2, 'an id that is taken is known, also in the same one', async ({ one, host, keep }) => {
    await one.storage.accept([newOrder('a')]);
    const known = await keep('a', { amount: 7 });
    assert.ok(known.status === 'known', 'The id is taken');
    assertOrder(known.order, pendingOrder(newOrder('a')));
    await keep('b');
    const own = await keep('b', { amount: 7 });
    assert.ok(own.status === 'known', 'The id is taken in the transaction');
    assertOrder(own.order, pendingOrder(newOrder('b')));
    await host.commit();
  });
}
