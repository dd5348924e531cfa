import assert from 'node:assert/strict';
import type { BalanceStorage } from '../../core/storage/balance-storage.ts';
import { awkwardNames } from '../awkward-ids.ts';
import { apply, assertBalance, assertSameList, change, range } from '../balances.ts';
import { replayable } from '../random.ts';
import type { DeclarePlain } from '../suite.ts';

const greatest = Number.MAX_SAFE_INTEGER;
const least = Number.MIN_SAFE_INTEGER;

/** Declares what holds for every balance storage, without any fault. */
export function declareBalanceRules(
  declare: DeclarePlain<BalanceStorage>,
  seed: number | undefined,
): void {
  declareOrderRules(declare);
  declareOnceRules(declare);
  declareLimitRules(declare);
  declareReadRules(declare);

  declare('rules 1 to 6', 'random changes have the results of the model', (storage) =>
    replayable(seed, async (random) => {
      const balances = new Map<string, number>();
      const applied: string[] = [];
      for (const call of range(40)) {
        const changes = range(random.integer(1, 12)).map((at) => {
          const isAgain = applied.length > 0 && random.chance(20);
          const id = isAgain ? random.pick(applied) : `o-${call}-${at}`;
          const minBalance = random.chance(60) ? random.integer(-50, 50) : undefined;
          return change(id, `u-${random.integer(0, 4)}`, random.integer(-99, 99), minBalance);
        });
        const answers = await apply(storage, changes);
        for (const [at, { orderId, userId, amount, minBalance }] of changes.entries()) {
          if (applied.includes(orderId)) continue;
          const balance = (balances.get(userId) ?? 0) + amount;
          const isRefused = amount < 0 && minBalance !== undefined && balance < minBalance;
          assert.equal(
            answers[at],
            isRefused ? 'insufficient_funds' : balance,
            `Change ${orderId}`,
          );
          if (isRefused) continue;
          balances.set(userId, balance);
          applied.push(orderId);
        }
        for (const at of range(5)) await assertBalance(storage, `u-${at}`, balances.get(`u-${at}`));
      }
    }),
  );
}

function declareOrderRules(declare: DeclarePlain<BalanceStorage>): void {
  declare('rule 1', 'each change has its result, in the order given', async (storage) => {
    const changes = range(50).map((at) => change(`o-${at}`, `u-${at}`, (at * 37) % 50));
    const answers = await apply(storage, changes);
    assert.deepEqual(
      answers,
      changes.map(({ amount }) => amount),
    );
  });

  declare('rule 1', 'a change finds what those before it have left', async (storage) => {
    const changes = [
      change('o-1', 'u-1', 10, 0),
      change('o-2', 'u-2', 5, 0),
      change('o-3', 'u-1', -8, 0),
      change('o-4', 'u-2', -5, 0),
      change('o-5', 'u-1', -2, 0),
    ];
    assert.deepEqual(await apply(storage, changes), [10, 5, 2, 0, 0]);
    const next = [change('o-6', 'u-1', -1, 0), change('o-7', 'u-1', 1, 0)];
    assert.deepEqual(await apply(storage, next), ['insufficient_funds', 1]);
  });

  declare('rule 1', 'one call applies 10 000 changes', async (storage) => {
    const changes = range(10_000).map((at) => change(`o-${at}`, `u-${at % 100}`, 1));
    const answers = await apply(storage, changes);
    assertSameList(
      answers,
      range(10_000).map((at) => Math.floor(at / 100) + 1),
    );
    await assertBalance(storage, 'u-99', 100);
  });
}

function declareOnceRules(declare: DeclarePlain<BalanceStorage>): void {
  declare('rule 2', 'an id that comes again in a later call is not applied', async (storage) => {
    assert.deepEqual(await apply(storage, [change('o-1', 'u', 10)]), [10]);
    assert.deepEqual(await apply(storage, [change('o-2', 'u', 5)]), [15]);
    const [again] = await apply(storage, [change('o-1', 'u', 10)]);
    assert.ok(again === 10 || again === 15, `The balance of then or of now, got ${again}`);
    await assertBalance(storage, 'u', 15);
  });

  declare('rule 2', 'an id that comes again in the same call is not applied', async (storage) => {
    const changes = [
      change('o-1', 'u', 10),
      change('o-1', 'u', 10),
      change('o-2', 'u', 1),
      change('o-1', 'u', 10),
    ];
    const [first, second, other, third] = await apply(storage, changes);
    assert.deepEqual([first, second, other], [10, 10, 11]);
    assert.ok(third === 10 || third === 11, `The balance of then or of now, got ${third}`);
    await assertBalance(storage, 'u', 11);
  });

  declare(
    'rule 2',
    'a call that comes again with more changes applies only those',
    async (storage) => {
      const changes = range(20).map((at) => change(`o-${at}`, `u-${at % 2}`, at));
      await apply(storage, changes);
      const again = [change('new', 'u-0', 1_000), ...changes, change('newer', 'u-1', 1_000)];
      const answers = await apply(storage, again);
      assert.deepEqual([answers[0], answers.at(-1)], [1_090, 1_100]);
      await assertBalance(storage, 'u-0', 1_090);
      await assertBalance(storage, 'u-1', 1_100);
    },
  );

  declare(
    'rule 2',
    'an applied id changes nothing, even with another user or amount',
    async (storage) => {
      await apply(storage, [change('o-1', 'u-1', 10)]);
      await apply(storage, [change('o-1', 'u-2', 99), change('o-1', 'u-1', -99, 0)]);
      await assertBalance(storage, 'u-1', 10);
      await assertBalance(storage, 'u-2', undefined);
    },
  );

  declare('rule 2', 'a debit that is refused again changes nothing either', async (storage) => {
    const debit = change('o-1', 'u', -10, 0);
    for (const _ of range(3)) {
      assert.deepEqual(await apply(storage, [debit, debit]), [
        'insufficient_funds',
        'insufficient_funds',
      ]);
    }
    await assertBalance(storage, 'u', undefined);
  });

  declare('rule 2', 'ids that look alike are not the same', async (storage) => {
    const changes = awkwardNames.map((name) => change(name, 'u', 1));
    const expected = awkwardNames.map((_, at) => at + 1);
    assert.deepEqual(await apply(storage, changes), expected);
    await apply(storage, changes);
    await assertBalance(storage, 'u', awkwardNames.length);
  });
}

function declareLimitRules(declare: DeclarePlain<BalanceStorage>): void {
  declare('rule 3', 'a debit below minBalance is refused and changes nothing', async (storage) => {
    await apply(storage, [change('start', 'u', 100)]);
    for (const [at, minBalance] of [-1, 0, 1, 99].entries()) {
      const tooMuch = change(`too-much-${at}`, 'u', minBalance - 101, minBalance);
      assert.deepEqual(await apply(storage, [tooMuch]), ['insufficient_funds']);
      await assertBalance(storage, 'u', 100);
    }
  });

  declare('rule 3', 'a debit down to minBalance is applied', async (storage) => {
    for (const minBalance of [-1_000, -1, 0, 1, 99]) {
      const user = `u${minBalance}`;
      const changes = [
        change(`start-${user}`, user, 100),
        change(`debit-${user}`, user, minBalance - 100, minBalance),
        change(`more-${user}`, user, -1, minBalance),
      ];
      assert.deepEqual(await apply(storage, changes), [100, minBalance, 'insufficient_funds']);
      await assertBalance(storage, user, minBalance);
    }
  });

  declare('rule 3', 'minBalance holds for debits alone', async (storage) => {
    const changes = [
      change('o-1', 'u', -100),
      change('o-2', 'u', 10, 0),
      change('o-3', 'u', 0, 0),
      change('o-4', 'u', -1, 0),
      change('o-5', 'u', -1, -91),
    ];
    assert.deepEqual(await apply(storage, changes), [-100, -90, -90, 'insufficient_funds', -91]);
  });

  declare('rule 3', 'a user without a balance has 0', async (storage) => {
    const changes = [change('o-1', 'u-1', -1, 0), change('o-2', 'u-2', -1, -1)];
    assert.deepEqual(await apply(storage, changes), ['insufficient_funds', -1]);
    await assertBalance(storage, 'u-1', undefined);
  });

  declare('rule 3', 'a refused change does not hinder the others of its call', async (storage) => {
    const changes = [
      change('o-1', 'u-1', 5, 0),
      change('o-2', 'u-1', -6, 0),
      change('o-3', 'u-2', greatest),
      change('o-4', 'u-2', 1),
      change('o-5', 'u-1', -5, 0),
      change('o-6', 'u-2', -1, 0),
    ];
    const refused = ['insufficient_funds', 'balance_overflow'];
    const expected = [5, refused[0], greatest, refused[1], 0, greatest - 1];
    assert.deepEqual(await apply(storage, changes), expected);
    await assertBalance(storage, 'u-1', 0);
    await assertBalance(storage, 'u-2', greatest - 1);
  });

  declare('rule 3', 'a sum above the safe integers is a balance_overflow', async (storage) => {
    const changes = [greatest, 1, greatest, 0, -1, 1, 1].map((amount, at) =>
      change(`o-${at}`, 'u', amount),
    );
    const over = 'balance_overflow';
    const expected = [greatest, over, over, greatest, greatest - 1, greatest, over];
    assert.deepEqual(await apply(storage, changes), expected);
    await assertBalance(storage, 'u', greatest);
  });

  declare('rule 3', 'a sum below the safe integers is a balance_overflow', async (storage) => {
    const changes = [least, -1, least, 0, 1, -1, greatest].map((amount, at) =>
      change(`o-${at}`, 'u', amount),
    );
    const over = 'balance_overflow';
    const expected = [least, over, over, least, least + 1, least, 0];
    assert.deepEqual(await apply(storage, changes), expected);
    await assertBalance(storage, 'u', 0);
  });

  declare('rule 3', 'the greatest safe integers are exact', async (storage) => {
    const changes = [
      change('o-1', 'u', greatest),
      change('o-2', 'u', -greatest, 1),
      change('o-3', 'u', -greatest + 1, 1),
      change('o-4', 'u', greatest - 2),
      change('o-5', 'u', 0, greatest),
    ];
    const expected = [greatest, 'insufficient_funds', 1, greatest - 1, greatest - 1];
    assert.deepEqual(await apply(storage, changes), expected);
    await assertBalance(storage, 'u', greatest - 1);
  });
}

function declareReadRules(declare: DeclarePlain<BalanceStorage>): void {
  declare('rule 5', 'changes that are handed over are not modified', async (storage) => {
    const changes = [change('o-1', 'u', 1, 0), change('o-2', 'u', -2, 0), change('o-1', 'u', 1, 0)];
    const before = structuredClone(changes);
    // They are frozen, so a storage that would write to them throws.
    await apply(storage, changes);
    assert.deepEqual(changes, before);
  });

  declare('rule 6', 'a balance is what the last change has left', async (storage) => {
    await assertBalance(storage, 'u', undefined);
    for (const at of range(10)) {
      await apply(storage, [change(`o-${at}`, 'u', at)]);
      await assertBalance(storage, 'u', (at * (at + 1)) / 2);
    }
  });

  declare('rule 6', 'a balance of 0 is not `undefined`', async (storage) => {
    await apply(storage, [change('o-1', 'u-1', 0), change('o-2', 'u-2', 1)]);
    await apply(storage, [change('o-3', 'u-2', -1)]);
    await assertBalance(storage, 'u-1', 0);
    await assertBalance(storage, 'u-2', 0);
    await assertBalance(storage, 'u-3', undefined);
  });

  declare('rule 6', 'users whose ids look alike are not the same', async (storage) => {
    for (const name of awkwardNames) await assertBalance(storage, name, undefined);
    const changes = awkwardNames.map((name, at) => change(`o-${at}`, name, at + 1));
    await apply(storage, changes);
    for (const [at, name] of awkwardNames.entries()) await assertBalance(storage, name, at + 1);
  });
}
