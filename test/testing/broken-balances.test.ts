/** The suite is worth something if a storage that breaks a rule does not pass it. */
import type { BalanceChange, BalanceResult, BalanceStorage } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { balanceTests, expectBroken, failuresOf } from './failures-of.ts';

/** A storage as a host writes it, of which a lie changes one part. */
class Honest implements BalanceStorage {
  balances = new Map<string, number>();
  applied = new Map<string, BalanceResult>();

  get(userId: string): number | undefined {
    return this.balances.get(this.userKey(userId));
  }

  apply(changes: readonly BalanceChange[]): readonly BalanceResult[] {
    return changes.map((change) => this.applyOne(change));
  }

  applyOne(change: BalanceChange): BalanceResult {
    const before = this.applied.get(this.idKey(change));
    if (before !== undefined) return before;
    const userId = this.userKey(change.userId);
    const balance = (this.balances.get(userId) ?? 0) + change.amount;
    const refused = this.refusalOf(change, balance);
    if (refused !== undefined) return { refused };
    this.balances.set(userId, balance);
    this.applied.set(this.idKey(change), { balance });
    return { balance };
  }

  refusalOf({ amount, minBalance }: BalanceChange, balance: number) {
    if (!Number.isSafeInteger(balance)) return 'balance_overflow';
    if (amount < 0 && balance < (minBalance ?? -Infinity)) return 'insufficient_funds';
    return undefined;
  }

  idKey({ orderId }: BalanceChange): string {
    return orderId;
  }

  userKey(userId: string): string {
    return userId;
  }
}

type Part = Partial<Honest> & ThisType<Honest>;

const honest = Honest.prototype;

const lies: [rule: string, lie: string, part: Part][] = [
  [
    'balance rule 1',
    'answers in another order',
    { apply: (changes) => changes.toReversed().map((change) => ({ balance: change.amount })) },
  ],
  [
    'balance rule 1',
    'answers refusals at the end',
    {
      apply(changes) {
        const results = honest.apply.call(this, changes);
        const isRefused = (result: BalanceResult): boolean => 'refused' in result;
        return [...results.filter((result) => !isRefused(result)), ...results.filter(isRefused)];
      },
    },
  ],
  [
    'balance rule 1',
    'answers once for each user',
    {
      apply(changes) {
        const results = honest.apply.call(this, changes);
        return results.filter(
          (_, at) => changes.findIndex(({ userId }) => userId === changes[at]?.userId) === at,
        );
      },
    },
  ],
  [
    'balance rule 1',
    'reads the balances before the call',
    {
      apply(changes) {
        const before = new Map(this.balances);
        return changes.map((change) => {
          const balance = (before.get(change.userId) ?? 0) + change.amount;
          this.balances.set(change.userId, balance);
          return { balance };
        });
      },
    },
  ],
  [
    'balance rule 1',
    'takes 1 000 changes at once and drops the rest',
    { apply: (changes) => changes.slice(0, 1_000).map(({ amount }) => ({ balance: amount })) },
  ],
  [
    'balance rule 2',
    'forgets what it applied',
    {
      apply(changes) {
        this.applied.clear();
        return honest.apply.call(this, changes);
      },
    },
  ],
  [
    'balance rule 2',
    'looks for ids before the call and not in it',
    {
      apply(changes) {
        const before = this.applied;
        const later = new Map(before);
        const results = changes.map((change) => {
          this.applied = new Map(before);
          const result = this.applyOne(change);
          if ('balance' in result) later.set(change.orderId, result);
          return result;
        });
        this.applied = later;
        return results;
      },
    },
  ],
  [
    'balance rule 2',
    'knows an id by its user',
    { idKey: (change) => `${change.userId} ${change.orderId}` },
  ],
  [
    'balance rule 2',
    'knows an id by its amount',
    { idKey: (change) => `${change.amount} ${change.orderId}` },
  ],
  ['balance rule 2', 'trims ids', { idKey: ({ orderId }) => orderId.trim() }],
  [
    'balance rule 2',
    'cuts ids at a zero',
    { idKey: ({ orderId }) => orderId.split('\0', 1)[0] ?? '' },
  ],
  ['balance rule 2', 'ignores the case of ids', { idKey: ({ orderId }) => orderId.toLowerCase() }],
  ['balance rule 2', 'normalizes ids', { idKey: ({ orderId }) => orderId.normalize() }],
  ['balance rule 2', 'cuts long ids', { idKey: ({ orderId }) => orderId.slice(0, 255) }],
  [
    'balance rule 2',
    'takes ids for numbers',
    { idKey: ({ orderId }) => `${Number(orderId) || orderId}` },
  ],
  [
    'balance rule 2',
    'applies nothing of a call in which an id is known',
    {
      apply(changes) {
        const isKnown = changes.some((change) => this.applied.has(change.orderId));
        return isKnown ? changes.map(() => ({ balance: 0 })) : honest.apply.call(this, changes);
      },
    },
  ],
  [
    'balance rule 3',
    'forgets minBalance',
    {
      refusalOf: ({ orderId: _, ...rest }, balance) =>
        honest.refusalOf({ ...rest, orderId: '', minBalance: undefined }, balance),
    },
  ],
  [
    'balance rule 3',
    'refuses at minBalance',
    {
      refusalOf: ({ amount, minBalance }, balance) =>
        amount < 0 && balance <= (minBalance ?? -Infinity) ? 'insufficient_funds' : undefined,
    },
  ],
  [
    'balance rule 3',
    'lets the balance be one too low',
    {
      refusalOf: (change, balance) =>
        balance === (change.minBalance ?? 0) - 1 ? undefined : honest.refusalOf(change, balance),
    },
  ],
  [
    'balance rule 3',
    'takes no minBalance for 0',
    {
      refusalOf: (change, balance) =>
        honest.refusalOf({ ...change, minBalance: change.minBalance ?? 0 }, balance),
    },
  ],
  [
    'balance rule 3',
    'takes a minBalance of 0 for none',
    {
      refusalOf: (change, balance) =>
        honest.refusalOf({ ...change, minBalance: change.minBalance || undefined }, balance),
    },
  ],
  [
    'balance rule 3',
    'refuses credits and nothing',
    {
      refusalOf: ({ minBalance }, balance) =>
        balance < (minBalance ?? -Infinity) ? 'insufficient_funds' : undefined,
    },
  ],
  [
    'balance rule 3',
    'lets sums leave the safe integers above',
    {
      refusalOf: (change, balance) => (balance > 0 ? undefined : honest.refusalOf(change, balance)),
    },
  ],
  [
    'balance rule 3',
    'lets sums leave the safe integers below',
    {
      refusalOf: (change, balance) =>
        balance < 0 && change.minBalance === undefined
          ? undefined
          : honest.refusalOf(change, balance),
    },
  ],
  [
    'balance rule 3',
    'calls an overflow something else',
    { refusalOf: (change, balance) => honest.refusalOf(change, balance) && 'insufficient_funds' },
  ],
  [
    'balance rule 3',
    'refuses all if it refuses one',
    {
      apply(changes) {
        const before = new Map(this.balances);
        const results = honest.apply.call(this, changes);
        const refusal = results.find((result) => 'refused' in result);
        if (refusal === undefined) return results;
        this.balances = before;
        return changes.map(() => refusal);
      },
    },
  ],
  [
    'balance rule 3',
    'makes a balance for whom it refuses',
    {
      applyOne(change) {
        const result = honest.applyOne.call(this, change);
        if (!this.balances.has(change.userId)) this.balances.set(change.userId, 0);
        return result;
      },
    },
  ],
  [
    'balance rule 5',
    'sorts what it is given',
    {
      apply(changes) {
        (changes as BalanceChange[]).sort();
        return honest.apply.call(this, changes);
      },
    },
  ],
  [
    'balance rule 5',
    'writes the balance into what it is given',
    {
      applyOne: (change) => Object.assign(change, { balance: 0 }),
    },
  ],
  [
    'balance rule 6',
    'gives 0 for an unknown user',
    {
      get(userId) {
        return this.balances.get(userId) ?? 0;
      },
    },
  ],
  [
    'balance rule 6',
    'gives none for 0',
    {
      get(userId) {
        return this.balances.get(userId) || undefined;
      },
    },
  ],
  [
    'balance rule 6',
    'keeps balances in a plain object',
    {
      get(userId) {
        const table: Record<string, number> = {};
        for (const [user, balance] of this.balances) table[user] = balance;
        return table[userId];
      },
    },
  ],
  [
    'balance rule 6',
    'gives balances as they were a call ago',
    {
      apply(changes) {
        const before = new Map(this.balances);
        this.get = (userId) => before.get(userId);
        return honest.apply.call(this, changes);
      },
    },
  ],
  [
    'balance rule 6',
    'ignores accents and case of users',
    { userKey: (userId) => userId.normalize('NFKD').toLowerCase() },
  ],
  ['balance rule 6', 'takes white space off users', { userKey: (userId) => userId.trim() }],
];

describe('a balance storage that', () => {
  it('keeps all rules passes the suite', async () => {
    expect(await failuresOf(balanceTests(() => new Honest()))).toEqual([]);
  });

  it.each(lies)('breaks %s: it %s', async (rule, _, part) => {
    const create = () => Object.assign(new Honest(), part);
    await expectBroken(rule, balanceTests(create));
  });

  it('breaks balance rule 4: it applies a part of what fails', async () => {
    const faults = { before: breakAt(2) };
    await expectBroken(
      'balance rule 4',
      balanceTests(() => new Honest(), { faults }),
    );
    const sound = { before: breakAt(0) };
    expect(await failuresOf(balanceTests(() => new Honest(), { faults: sound }))).toEqual([]);
  });

  it('breaks balance rule 4: it applies what failed once more', async () => {
    const faults = { after: breakAt(Number.POSITIVE_INFINITY) };
    const forgetful = () =>
      Object.assign(new Honest(), {
        applied: new (class extends Map<string, BalanceResult> {
          override get(): undefined {
            return undefined;
          }
        })(),
      });
    await expectBroken('balance rule 4', balanceTests(forgetful, { faults }));
    expect(await failuresOf(balanceTests(() => new Honest(), { faults }))).toEqual([]);
  });

  it('works where it was made to fail passes no test of a fault', async () => {
    const faults = { before: () => () => undefined };
    await expectBroken(
      'balance rule 4',
      balanceTests(() => new Honest(), { faults }),
    );
  });

  it('is found by random changes is found by the same ones again', async () => {
    const isFound = async (seed: number): Promise<boolean> => {
      const create = () =>
        Object.assign(new Honest(), {
          refusalOf: (change: BalanceChange, balance: number) =>
            balance === 77 ? 'insufficient_funds' : honest.refusalOf(change, balance),
        } as Part);
      const tests = balanceTests(create, { seed }).filter(([name]) => name.includes('random'));
      return (await failuresOf(tests)).length > 0;
    };
    const seeds = Array.from({ length: 20 }, (_, seed) => seed);
    const found = await Promise.all(seeds.map(isFound));
    expect(found).toContain(true);
    expect(await Promise.all(seeds.map(isFound))).toEqual(found);
  });
});

/** A fault that strikes when so many changes of a call are applied. */
function breakAt(count: number) {
  return (storage: BalanceStorage) => {
    const { apply } = storage;
    storage.apply = (changes) => {
      apply.call(storage, changes.slice(0, count));
      throw new Error('Broken');
    };
    return () => {
      storage.apply = apply;
    };
  };
}
