import assert from 'node:assert/strict';
import type { BalanceStorage } from '../../core/storage/balance-storage.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { apply, assertBalance, change } from '../balances.ts';
import type { Fault, StorageFaults } from '../options.ts';
import {
  accept,
  acceptNew,
  assertStored,
  idsOf,
  newOrder,
  pendingOrder,
  readUnsettled,
  settle,
  settledOrder,
  settlementOf,
} from '../orders.ts';
import { assertFails, type Declare } from '../suite.ts';

type Moment = 'before' | 'after';

/** Makes a storage fail while something is done. */
type During<Storage> = (storage: Storage, act: () => Promise<void>) => Promise<void>;

/** Declares what a failing balance storage does, for each fault that is given. */
export function declareBalanceFaults<Storage extends BalanceStorage>(
  declare: Declare<Storage>,
  faults: StorageFaults<Storage>,
): void {
  forEachFault(faults, (moment, during) => {
    declare('rule 4', `a call that fails ${moment} its commit comes again`, async (storage) => {
      await apply(storage, [change('start', 'u', 10)]);
      const changes = [
        change('o-1', 'u', 5, 0),
        change('fault', 'v', 7, 0),
        change('o-2', 'u', -15, 0),
        change('o-3', 'u', -1, 0),
      ];
      await during(storage, async () => {
        await assertFails(() => storage.apply(changes), '`apply` fails');
        await assertFails(() => storage.apply(changes), '`apply` fails again');
      });
      await assertBalance(storage, 'u', moment === 'before' ? 10 : 0);
      await assertBalance(storage, 'v', moment === 'before' ? undefined : 7);
      const [first, second, third, refused, more] = await apply(storage, [
        ...changes,
        change('o-4', 'u', 1, 0),
      ]);
      // Then or now: a storage need not keep what it answered.
      assert.ok(first === 15 || (moment === 'after' && first === 0), `Got ${first}`);
      assert.deepEqual([second, third, refused, more], [7, 0, 'insufficient_funds', 1]);
      await assertBalance(storage, 'u', 1);
      await assertBalance(storage, 'v', 7);
    });
  });
}

/** Declares what a failing order storage does, for each fault that is given. */
export function declareOrderFaults<Storage extends OrderStorage>(
  declare: Declare<Storage>,
  faults: StorageFaults<Storage>,
): void {
  forEachFault(faults, (moment, during) => {
    declareAcceptFault(declare, moment, during);
    declareSettleFault(declare, moment, during);
  });
  if (faults.full !== undefined) declareFullFault(declare, duringOf(faults.full));
}

function declareAcceptFault<Storage extends OrderStorage>(
  declare: Declare<Storage>,
  moment: Moment,
  during: During<Storage>,
): void {
  const claim = `an accept that fails ${moment} its commit is done in full or not at all`;
  declare('order rule 6', claim, async (storage) => {
    const old = newOrder('old');
    await acceptNew(storage, [old]);
    const orders = ['o-1', 'fault', 'o-2'].map((id) => newOrder(id));
    await during(storage, () => assertFails(() => storage.accept(orders), '`accept` fails'));
    const kept = moment === 'before' ? [old] : [old, ...orders];
    assert.deepEqual(idsOf((await readUnsettled(storage)).orders), idsOf(kept));
    const answers = await accept(storage, [old, ...orders, newOrder('o-3')]);
    const again = moment === 'before' ? 'accepted' : 'known';
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['known', again, again, again, 'accepted'],
    );
    for (const order of orders) await assertStored(storage, pendingOrder(order));
    const { orders: unsettled } = await readUnsettled(storage);
    assert.deepEqual(idsOf(unsettled), ['old', 'o-1', 'fault', 'o-2', 'o-3']);
  });
}

function declareFullFault<Storage extends OrderStorage>(
  declare: Declare<Storage>,
  during: During<Storage>,
): void {
  declare('order rule 7', 'a call without orders fails while none can be kept', async (storage) => {
    await during(storage, async () => {
      await assertFails(() => storage.accept([]), '`accept` of no orders fails');
      await assertFails(() => storage.accept([newOrder('fault')]), '`accept` fails');
    });
    assert.deepEqual(await accept(storage, []), []);
    assert.equal(await storage.find('fault'), undefined);
    await acceptNew(storage, [newOrder('fault')]);
  });
}

function declareSettleFault<Storage extends OrderStorage>(
  declare: Declare<Storage>,
  moment: Moment,
  during: During<Storage>,
): void {
  const claim = `a settle that fails ${moment} its commit is done in full or not at all`;
  declare('order rule 6', claim, async (storage) => {
    const orders = ['o-1', 'o-2', 'fault', 'o-3'].map((id) => newOrder(id));
    await acceptNew(storage, orders);
    const fresh = newOrder('fresh', { userId: 'v' });
    const settlements = [
      ...orders.map((order, at) =>
        settlementOf(order, { outcome: at === 1 ? 'failed' : 'completed' }),
      ),
      settlementOf(fresh, { isAccepted: false }),
    ];
    await during(storage, () => assertFails(() => storage.settle(settlements), '`settle` fails'));
    const isDone = moment === 'after';
    await assertBalance(storage, 'u', isDone ? 300 : undefined);
    await assertBalance(storage, 'v', isDone ? 100 : undefined);
    if (!isDone) {
      for (const order of orders) await assertStored(storage, pendingOrder(order));
      assert.equal(await storage.find('fresh'), undefined);
    }
    const results = await settle(storage, settlements);
    const balances = [100, undefined, 200, 300, 100];
    for (const [at, settlement] of settlements.entries()) {
      assert.equal(results[at]?.status, isDone ? 'known' : 'settled');
      const recorded = { status: 'settled', balance: balances[at] } as const;
      await assertStored(storage, settledOrder(settlement, recorded));
    }
    await assertBalance(storage, 'u', 300);
    await assertBalance(storage, 'v', 100);
    assert.deepEqual((await readUnsettled(storage)).orders, []);
  });
}

function forEachFault<Storage>(
  faults: StorageFaults<Storage>,
  use: (moment: Moment, during: During<Storage>) => void,
): void {
  for (const moment of ['before', 'after'] as const) {
    const fault = faults[moment];
    if (fault !== undefined) use(moment, duringOf(fault));
  }
}

function duringOf<Storage>(fault: Fault<Storage>): During<Storage> {
  return async (storage, act) => {
    const end = await fault(storage);
    try {
      await act();
    } finally {
      await end();
    }
  };
}
