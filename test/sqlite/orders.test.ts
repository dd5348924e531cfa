/** What is kept comes back (rules of OrderStorage), also where SQLite or JSON would have it otherwise. */
import { rmSync } from 'node:fs';
import { OrderError } from 'order-processor';
import type { SqliteStorage } from 'order-processor/sqlite';
import { describe, expect, it } from 'vitest';
import type { Settlement } from '../../src/core/storage/order-storage.ts';
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
const { MAX_SAFE_INTEGER: most, MIN_SAFE_INTEGER: least } = Number;

describe('rule 1: an order is kept as it came', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 0],
    ['an empty text', ''],
    ['a text with NUL, quotes and an emoji', 'a\0b\'"\u{1F600}'],
    ['false', false],
    ['a tree', { a: [1, null, { b: 'x' }], __proto_: 1 }],
    ['a long text', 'x'.repeat(100_000)],
  ])('with %s as its payload', async (_, payload) => {
    const storage = await folder.open();
    await storage.accept([newOrder('accepted', { payload })]);
    await storage.settle([settlement('settled', { payload })]);
    for (const id of ['accepted', 'settled']) {
      expect(await found(storage, id)).toMatchObject({ payload, content: payload });
    }
  });

  it.each([
    ['undefined', { made: 1 }, undefined],
    ['null', { made: 1 }, null],
    ['an object', { made: 1 }, { given: '1' }],
    ['something, and the payload undefined', undefined, 'given'],
  ])('with a content of its own: %s', async (_, payload, content) => {
    const storage = await folder.open();
    await storage.accept([newOrder('accepted', { payload, content })]);
    await storage.settle([settlement('settled', { payload, content })]);
    for (const id of ['accepted', 'settled']) {
      const order = await found(storage, id);
      expect([order.payload, order.content]).toEqual([payload, content]);
    }
  });

  it('with all of its fields', async () => {
    const storage = await folder.open();
    const fields = { priority: 'high', labels: ['a', 'b'], acceptedAt: 1_795_000_000_123 } as const;
    await storage.accept([newOrder('o-1', fields)]);
    expect(await found(storage, 'o-1')).toEqual({
      ...newOrder('o-1', fields),
      status: 'pending',
      startedAt: undefined,
      settledAt: undefined,
      balance: undefined,
      code: undefined,
      message: undefined,
      retryable: undefined,
      steps: [],
      results: {},
      remembered: [],
      orderedAmount: 1,
      attempt: 1,
      decided: undefined,
      sequence: 1,
    });
  });

  it.each([
    'a',
    "'; DROP TABLE orders; --",
    '\0',
    'a\0b',
    '\u{1F600}',
    '__proto__',
    'é',
    'e\u0301',
  ])('under the id and for the user %j', async (name) => {
    const storage = await folder.open();
    await storage.accept([newOrder(name, { userId: name }), newOrder(`${name}x`)]);
    await storage.settle([settlement(name, { userId: name, isAccepted: true, amount: 7 })]);
    const order = await found(storage, name);
    expect([order.id, order.userId, await storage.get(name)]).toEqual([name, name, 7]);
    expect((await storage.list({ userId: name, limit: 2 })).orders.map(({ id }) => id)).toEqual([
      name,
    ]);
  });
});

describe('rule 2: an id is taken once', () => {
  it('by the first of a call, and the others get its answer', async () => {
    const storage = await folder.open();
    const orders = [newOrder('a'), newOrder('b'), newOrder('a', { amount: 2 })];
    const answers = await storage.accept(orders);
    expect(answers.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'known']);
    expect(answers[2]).toMatchObject({ order: { id: 'a', amount: 1 } });
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
  });
});

describe('rule 3: an order is settled at most once', () => {
  it.each([true, false])('when it comes again (accepted: %s)', async (isAccepted) => {
    const storage = await folder.open();
    if (isAccepted) await storage.accept([newOrder('a')]);
    const [first, second] = await storage.settle([
      settlement('a', { isAccepted }),
      settlement('a', { isAccepted, outcome: 'failed', error: new OrderError('late', 'Late') }),
    ]);
    expect(first).toEqual({ status: 'settled', balance: 1 });
    expect(second).toMatchObject({ status: 'known', order: { status: 'completed', balance: 1 } });
    expect(await storage.get('u-1')).toBe(1);
  });

  it('nor is one that waits settled by another with its id', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    const [answer] = await storage.settle([settlement('a')]);
    expect(answer).toMatchObject({ status: 'known', order: { status: 'pending' } });
    expect(await storage.get('u-1')).toBeUndefined();
  });

  it('and keeps its reason and its steps', async () => {
    const storage = await folder.open();
    const steps = [
      { name: 'pay', status: 'error', durationMs: 3, attempts: 2, code: 'no' },
    ] as const;
    const error = new OrderError('card_declined', 'No\0money', { retryable: false });
    await storage.accept([newOrder('a', { payload: [1] })]);
    await storage.settle([settlement('a', { isAccepted: true, outcome: 'failed', error, steps })]);
    const { code, message, retryable } = error;
    const kept = { code, message, retryable, steps, status: 'failed', payload: [1] };
    expect(await found(storage, 'a')).toMatchObject({
      ...kept,
      startedAt: 1_001,
      settledAt: 1_002,
    });
    const amended = [{ ...steps[0], durationMs: 9 }];
    await storage.amend('a', amended);
    expect((await found(storage, 'a')).steps).toEqual(amended);
  });

  /** Settles, but the call rejects: a log that is gone is noticed after the commit. */
  async function settleUnheard(
    storage: SqliteStorage,
    settlements: readonly Settlement[],
    beside: () => Promise<unknown> = async () => undefined,
  ): Promise<void> {
    rmSync(folder.path('orders.db-wal'));
    const lost = rejection(storage.settle(settlements));
    const other = beside().catch(() => undefined);
    expect((await lost).message).toMatch(/was deleted, moved or replaced/);
    await other;
  }

  const all = { settledBefore: most };

  it.each([true, false])(
    'nor again after a call that rejected: it is not pruned before (accepted: %s)',
    async (isAccepted) => {
      const storage = await folder.open();
      const ids = ['done', 'refused', 'nul\0'];
      if (isAccepted) await storage.accept(ids.map((id) => newOrder(id)));
      await storage.settle([settlement('old')]);
      const late = ids.map((id) =>
        settlement(id, { isAccepted, ...(id === 'refused' && { amount: -9, minBalance: 0 }) }),
      );
      await settleUnheard(storage, late);
      expect(await storage.prune(all)).toBe(1);
      expect(await storage.settle(late)).toMatchObject([
        { status: 'known', order: { status: 'completed', balance: 2 } },
        { status: 'known', order: { status: 'failed', code: 'insufficient_funds' } },
        { status: 'known', order: { id: 'nul\0', balance: 3 } },
      ]);
      expect(await storage.get('u-1')).toBe(3);
      // They were in `unsettled`, so they go like all others.
      expect(await storage.prune(all)).toBe(3);
      expect(await storage.check()).toEqual([]);
    },
  );

  it.each([
    ['in the same transaction', 0],
    ['right after it', 1],
  ])('nor when it is pruned %s', async (_, turns) => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    const late = [settlement('a', { isAccepted: true })];
    await settleUnheard(storage, late, async () => {
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      await storage.prune(all);
    });
    expect(await storage.settle(late)).toMatchObject([{ status: 'known', order: { balance: 1 } }]);
  });

  it.each([
    ['completed', 1],
    ['completed', -1],
    ['failed', 1],
  ] as const)('nor when it was deleted at a shell: %s, %i', async (outcome, amount) => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    tamper(folder.path(), 'DELETE FROM orders');
    const late = [settlement('a', { isAccepted: true, outcome, amount, minBalance: 0 })];
    expect(await storage.settle(late)).toEqual([{ status: 'settled', balance: 0 }]);
    expect([await storage.find('a'), await storage.get('u-1')]).toEqual([undefined, undefined]);
  });
});

describe('rule 4: balances are exact', () => {
  it('from the greatest to the least safe integer', async () => {
    const storage = await folder.open();
    const answers = await storage.settle([
      settlement('a', { amount: most }),
      settlement('b', { amount: 1 }),
      settlement('c', { amount: -most }),
      settlement('d', { amount: least }),
      settlement('e', { amount: -1 }),
    ]);
    expect(answers).toEqual([
      { status: 'settled', balance: most },
      { status: 'refused', code: 'balance_overflow' },
      { status: 'settled', balance: 0 },
      { status: 'settled', balance: least },
      { status: 'refused', code: 'balance_overflow' },
    ]);
    expect(await storage.get('u-1')).toBe(least);
    expect(await found(storage, 'a')).toMatchObject({ amount: most, balance: most });
    expect(await found(storage, 'd')).toMatchObject({ amount: least, balance: least });
  });

  it('a refused order has failed, without a message, which is not the storage’s to give', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a', { amount: -1 })]);
    const debit = settlement('a', { isAccepted: true, amount: -1, minBalance: 0 });
    expect(await storage.settle([debit])).toEqual([
      { status: 'refused', code: 'insufficient_funds' },
    ]);
    const order = await found(storage, 'a');
    expect(order).toMatchObject({ status: 'failed', code: 'insufficient_funds' });
    expect([order.message, order.retryable]).toEqual([undefined, undefined]);
    expect(await storage.get('u-1')).toBeUndefined();
    expect(await storage.settle([debit])).toMatchObject([{ status: 'known' }]);
  });

  it('a credit is applied however little it leaves', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { amount: -9 })]);
    const credit = settlement('b', { amount: 1, minBalance: 0 });
    expect(await storage.settle([credit])).toEqual([{ status: 'settled', balance: -8 }]);
  });

  it('a compensable order stays as it was', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a', { amount: -1 })]);
    const debit = { amount: -1, minBalance: 0, isCompensable: true };
    expect(
      await storage.settle([
        settlement('a', { ...debit, isAccepted: true }),
        settlement('b', debit),
      ]),
    ).toEqual([
      { status: 'refused', code: 'insufficient_funds' },
      { status: 'refused', code: 'insufficient_funds' },
    ]);
    expect(await unsettledOf(storage)).toEqual(['a']);
    expect(await storage.find('b')).toBeUndefined();
  });

  it('a refusal does not hide that a compensable order was settled before', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a')]);
    const debit = settlement('a', { amount: -9, minBalance: 0, isCompensable: true });
    expect(await storage.settle([debit])).toMatchObject([
      { status: 'known', order: { status: 'completed' } },
    ]);
  });
});

describe('rule 5: a provisional settlement is noted', () => {
  const note = { isProvisional: true, outcome: 'canceled' } as const;

  it('in place of an earlier one, and the order is unsettled until it comes again', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    const first = new OrderError('first', 'First', { retryable: false });
    const second = new OrderError('second', 'Second', { retryable: true });
    const fields = { ...note, isAccepted: true };
    await storage.settle([settlement('a', { ...fields, error: first })]);
    await storage.settle([settlement('a', { ...fields, error: second })]);
    expect(await found(storage, 'a')).toMatchObject({
      status: 'pending',
      decided: { outcome: 'canceled', code: 'second', message: 'Second', retryable: true },
    });
    await storage.settle([
      settlement('a', { isAccepted: true, outcome: 'canceled', error: second }),
    ]);
    expect(await found(storage, 'a')).toMatchObject({ status: 'canceled', decided: undefined });
    expect(await storage.settle([settlement('a', { ...fields, error: first })])).toMatchObject([
      { status: 'known' },
    ]);
  });

  it('and is no acceptance', async () => {
    const storage = await folder.open();
    const error = new OrderError('gone', 'Gone');
    const noted = await storage.settle([settlement('a', { ...note, error })]);
    expect([noted, await unsettledOf(storage)]).toEqual([[{ status: 'settled' }], []]);
    await storage.accept([newOrder('b')]);
    expect(await storage.settle([settlement('b', { ...note, error })])).toMatchObject([
      { status: 'known', order: { decided: undefined } },
    ]);
  });
});

describe('rule 9: unsettled orders', () => {
  it('come in the order of their acceptance even if the clock was set, and without orders that came later', async () => {
    const storage = await folder.open();
    const ids = Array.from({ length: 1_201 }, (_, index) => `o-${index}`);
    await storage.accept(ids.map((id, index) => newOrder(id, { acceptedAt: 5_000 - index })));
    const seen: string[] = [];
    for await (const page of storage.unsettled()) {
      expect(page.length).toBeLessThanOrEqual(500);
      await storage.accept([newOrder(`later-${seen.length}`)]);
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen).toEqual(ids);
  });

  it('with long payloads come in shorter pages, and none is missed', async () => {
    const storage = await folder.open();
    const payload = 'x'.repeat(1_500_000);
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    await storage.accept(ids.map((id) => newOrder(id, { payload })));
    const pages: string[][] = [];
    for await (const page of storage.unsettled()) pages.push(page.map(({ id }) => id));
    expect(pages.flat()).toEqual(ids);
    expect(Math.max(...pages.map(({ length }) => length))).toBe(3);
  });
});

describe('rule 9: the attempt', () => {
  it('is 1, and one more for each opening since the order was accepted', async () => {
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      const storage = await folder.open();
      await storage.accept([newOrder(id)]);
      const attempts = [];
      for await (const page of storage.unsettled()) attempts.push(...page.map((o) => o.attempt));
      expect(attempts).toEqual([3, 2, 1].slice(2 - index));
      await storage.close();
    }
  });
});

describe('rule 10: a list', () => {
  it('follows acceptance, and not times or ids, and pages neither repeat nor skip', async () => {
    const storage = await folder.open();
    const ids = ['\u{1F600}', 'z', 'a', 'é', '\uFFFD', 'B'];
    await storage.settle(ids.map((id) => settlement(id)));
    await storage.settle([settlement('last', { acceptedAt: 500 })]);
    const listed: string[] = [];
    let before: number | undefined;
    do {
      const { orders, next } = await storage.list({ limit: 2, before });
      listed.push(...orders.map(({ id }) => id));
      before = next;
    } while (before !== undefined);
    expect(listed).toEqual(['last', ...ids.toReversed()]);
  });
});

describe('rule 11: apply', () => {
  it('answers of an id again what it answered then', async () => {
    const storage = await folder.open();
    const change = (orderId: string, amount: number, minBalance?: number) => ({
      orderId,
      userId: 'u-1',
      amount,
      minBalance,
    });
    const first = [change('a', 5), change('b', -9, 0), change('c', most)];
    const answers = [
      { balance: 5 },
      { refused: 'insufficient_funds' },
      { refused: 'balance_overflow' },
    ];
    expect(await storage.apply(first)).toEqual(answers);
    await storage.apply([change('d', 10)]);
    expect(await storage.apply(first)).toEqual(answers);
    expect(await storage.get('u-1')).toBe(15);
  });

  it('rejects for an id that is an order’s which did not complete, and what no id can be', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    const change = { orderId: 'a', userId: 'u-1', amount: 1, minBalance: undefined };
    const error = await rejection(storage.apply([{ ...change, orderId: 'b' }, change]));
    expect(error.message).toBe('The order id "a" is taken by an order that did not complete');
    expect(await storage.find('b')).toBeUndefined();
    const malformed = await rejection(storage.apply([{ ...change, orderId: '\ud800' }]));
    expect(malformed.message).toMatch(/^Expected `orderId` to be a well-formed string/);
  });
});
