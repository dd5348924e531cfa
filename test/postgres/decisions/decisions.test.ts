import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Change, Decisions } from '../../../src/postgres/decisions/decisions.ts';
import { isFull } from '../../kit/full.ts';

const { MAX_SAFE_INTEGER: greatest, MIN_SAFE_INTEGER: least } = Number;
const users = ['a', 'b', 'c'];

type Openings = ReadonlyMap<string, bigint>;

/** What becomes of each change, by the words of the contract: the balances after it, or why it is refused. */
function naive(changes: readonly Change[], openings: Openings): (readonly bigint[] | string)[] {
  const balances = new Map(openings);
  const after = (userId: string, amount: number): bigint =>
    (balances.get(userId) ?? 0n) + BigInt(amount);
  const isSafe = (balance: bigint): boolean => Number.isSafeInteger(Number(balance));
  return changes.map(({ userId, amount, minBalance, postings }) => {
    const own = after(userId, amount);
    if (!isSafe(own)) return 'balance_overflow';
    if (amount < 0 && minBalance !== undefined && own < minBalance) return 'insufficient_funds';
    const credited = postings.map((posting) => after(posting.userId, posting.amount));
    if (!credited.every(isSafe)) return 'balance_overflow';
    balances.set(userId, own);
    for (const [at, posting] of postings.entries()) {
      balances.set(posting.userId, credited[at] as bigint);
    }
    return [own, ...credited];
  });
}

function decide(changes: readonly Change[], openings: Openings) {
  const opening = (userId: string): number | bigint => {
    const balance = openings.get(userId) ?? 0n;
    return Number.isSafeInteger(Number(balance)) ? Number(balance) : balance;
  };
  const decisions = new Decisions(opening);
  const results = changes.map((change) => {
    const decision = decisions.decide(change);
    if ('refusal' in decision) return decision.refusal;
    return [decision.move, ...decision.credits].map(({ balance }) => BigInt(balance));
  });
  return { decisions, results };
}

/** Which changes are applied, and why the others are not. */
function kinds(results: readonly (readonly bigint[] | string)[]): string[] {
  return results.map((result) => (typeof result === 'string' ? result : 'applied'));
}

const amount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -9, max: 9 }) },
  { weight: 1, arbitrary: fc.constantFrom(greatest, greatest - 1, least, least + 1, 2 ** 52) },
);
const opening = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: -20n, max: 20n }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      BigInt(greatest),
      BigInt(greatest) - 3n,
      BigInt(least),
      BigInt(least) + 3n,
    ),
  },
);
const change = fc
  .record({
    userId: fc.constantFrom(...users),
    amount,
    minBalance: fc.option(fc.integer({ min: -9, max: 9 }), { nil: undefined }),
    settledAt: fc.integer({ min: 1, max: 50 }),
    others: fc.subarray(users, { maxLength: 2 }),
    credit: fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 9 }) },
      { weight: 1, arbitrary: fc.constant(greatest) },
    ),
  })
  .map(({ others, credit, ...rest }): Change => {
    const postings = others
      .filter((userId) => userId !== rest.userId)
      .map((userId) => ({ userId, amount: credit }));
    return { ...rest, postings };
  });
const changesOf = fc.array(change, { minLength: 1, maxLength: 8 });
const openingsOf = fc
  .tuple(opening, opening, opening)
  .map(
    (balances): Openings => new Map(users.map((userId, at) => [userId, balances[at] as bigint])),
  );
const numRuns = isFull ? 20_000 : 1_500;

describe('decisions', () => {
  it('are those of the contract', () => {
    fc.assert(
      fc.property(changesOf, openingsOf, (changes, openings) => {
        expect(decide(changes, openings).results).toEqual(naive(changes, openings));
      }),
      { numRuns },
    );
  });

  it('are right for all openings of their intervals, with balances that are as much more', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        changesOf,
        openingsOf,
        fc.tuple(share, share, share),
        (changes, openings, shares) => {
          const { decisions, results } = decide(changes, openings);
          const other = new Map(openings);
          for (const [at, userId] of users.entries()) {
            const account = decisions.accounts.get(userId);
            if (!account?.isBound) continue;
            const [from, to] = [BigInt(account.least), BigInt(account.most)];
            const near =
              (openings.get(userId) as bigint) +
              BigInt(Math.round((shares[at] as number) * 20 - 10));
            const inside = near < from ? from : near > to ? to : near;
            // An end of the interval, or a place near the opening.
            other.set(
              userId,
              (shares[at] as number) < 0.2 ? from : (shares[at] as number) > 0.8 ? to : inside,
            );
          }
          const shift = (userId: string): bigint =>
            (other.get(userId) as bigint) - (openings.get(userId) as bigint);
          const expected = results.map((result, at) => {
            if (typeof result === 'string') return result;
            const { userId, postings } = changes[at] as Change;
            const moved = [userId, ...postings.map((posting) => posting.userId)];
            return result.map((balance, place) => balance + shift(moved[place] as string));
          });
          expect(naive(changes, other)).toEqual(expected);
        },
      ),
      { numRuns },
    );
  });

  it('are wrong right outside of each interval', () => {
    fc.assert(
      fc.property(changesOf, openingsOf, (changes, openings) => {
        const { decisions, results } = decide(changes, openings);
        // Another sum of the order may overflow instead: then the interval is narrower than it could be.
        const isAny = results.some(
          (result, at) => result === 'balance_overflow' && (changes[at]?.postings.length ?? 0) > 0,
        );
        if (isAny) return;
        for (const account of decisions.accounts.values()) {
          if (!account.isBound) continue;
          for (const outside of [BigInt(account.least) - 1n, BigInt(account.most) + 1n]) {
            // No balance, or farther away than a bound is exact.
            const distance = outside - BigInt(account.opening);
            if (!Number.isSafeInteger(Number(outside)) || !Number.isSafeInteger(Number(distance)))
              continue;
            const other = new Map(openings).set(account.userId, outside);
            expect(kinds(naive(changes, other))).not.toEqual(kinds(results));
          }
        }
      }),
      { numRuns },
    );
  });

  it('a balance that was set by hand beyond the safe integers is taken as it is, and no other is right', () => {
    const beyond = BigInt(greatest) + 9n;
    const openings = new Map([['a', beyond]]);
    const changes = [1, -3, -9].map(
      (amount): Change => ({ userId: 'a', amount, minBalance: 0, postings: [], settledAt: 1 }),
    );
    const { decisions, results } = decide(changes, openings);
    expect(results).toEqual(['balance_overflow', 'balance_overflow', [BigInt(greatest)]]);
    expect(results).toEqual(naive(changes, openings));
    const account = decisions.accounts.get('a');
    expect([account?.least, account?.most, account?.total]).toEqual([beyond, beyond, -9]);
  });
});
