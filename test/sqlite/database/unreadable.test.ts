/** What cannot be read or treated is set apart, and everything else goes on (invariants 2 and 10). */
import { OrderProcessor } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newOrder, rejection, settlement, tamper, unsettledOf, useFolder } from '../helpers.ts';

const folder = useFolder();
const beyond = '9007199254740993';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a balance beyond the safe integers', () => {
  const bad = `UPDATE balances SET balance = ${beyond} WHERE user_id = 'bad'`;

  it('fails the orders of its user, which say so, and no others', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { userId: 'bad' }), settlement('b')]);
    tamper(folder.path(), bad);
    expect(
      await storage.settle([
        settlement('c', { userId: 'bad' }),
        settlement('d', { amount: 2 }),
        settlement('e', { userId: 'bad', amount: -9 }),
      ]),
    ).toEqual([
      { status: 'refused', code: 'balance_overflow' },
      { status: 'settled', balance: 3 },
      // What leads back is exact.
      { status: 'settled', balance: 9_007_199_254_740_984 },
    ]);
    expect(await storage.get('bad')).toBe(9_007_199_254_740_984);
  });

  it('is an error for a caller that asks for it, and for no other', async () => {
    const storage = await folder.open();
    await storage.settle([settlement('a', { userId: 'bad' }), settlement('b')]);
    tamper(folder.path(), bad);
    const [wrong, right] = [rejection(storage.get('bad')), storage.get('u-1')];
    expect((await wrong).message).toBe(
      `The balance of user "bad" cannot be read: ${beyond} is no safe integer`,
    );
    expect(await right).toBe(1);
    expect(await storage.check()).toContainEqual(
      `The balance of user "bad" is ${beyond}, but its orders sum up to 1`,
    );
  });

  it('holds up no order of a processor, over restarts', async () => {
    const first = await folder.open();
    await first.settle([settlement('a', { userId: 'bad' })]);
    tamper(folder.path(), bad);
    const steps = [{ name: 'nothing', run() {} }];
    const processor = new OrderProcessor({ storage: first, steps });
    processor.on('error', () => {});
    const failed = rejection(processor.submit({ userId: 'bad', amount: 1 }));
    const others = ['x', 'y'].map((userId) => processor.submit({ userId, amount: 1 }));
    expect(await Promise.all(others)).toMatchObject([{ balance: 1 }, { balance: 1 }]);
    expect(await failed).toMatchObject({ code: 'balance_overflow' });
    await processor.shutdown();
    const again = new OrderProcessor({ storage: await folder.open(), steps });
    await again.ready;
    expect(await again.submit({ userId: 'x', amount: 1 })).toMatchObject({ balance: 2 });
    await again.shutdown();
  });
});

describe('an order that cannot be read', () => {
  async function filled() {
    const storage = await folder.open();
    await storage.accept(
      ['a', 'b', 'c', 'd', 'e'].map((id, at) =>
        newOrder(id, { payload: { at }, labels: ['l'], acceptedAt: 1_000 + at }),
      ),
    );
    return storage;
  }

  const changes = [
    ['a number beyond', `amount = ${beyond}`, 'one of its numbers is beyond the safe integers'],
    ['another', `ordered_amount = ${beyond}`, 'one of its numbers is beyond the safe integers'],
    ['results that are no object', "results = '[1]'", 'its results is not what it must be'],
    ['a payload that is no JSON', "payload = '{'", 'its payload is no JSON'],
    ['labels that are none', "labels = '5'", 'its labels is not what it must be'],
    ['a priority that is none', "priority = 'now'", 'its priority is none'],
  ] as const;

  it.each(changes)(
    'because of %s: pages have the rest, and it is reported',
    async (_, set, why) => {
      const storage = await filled();
      tamper(folder.path(), `UPDATE orders SET ${set} WHERE id = 'c'`);
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      for (let n = 0; n < 2; n += 1) {
        const { orders } = await storage.list({ limit: 9 });
        expect(orders.map(({ id }) => id)).toEqual(['e', 'd', 'b', 'a']);
        expect(await unsettledOf(storage)).toEqual(['a', 'b', 'd', 'e']);
      }
      const message = `The order "c" cannot be read: ${why}`;
      expect(warn.mock.calls.map(([text]) => text)).toEqual([expect.stringContaining(message)]);
      expect((await rejection(storage.find('c'))).message).toBe(message);
      expect(await storage.find('b')).toMatchObject({ id: 'b', payload: { at: 1 } });
      expect(await storage.check()).toEqual([message]);
    },
  );

  it.each(changes)('because of %s: fails alone in a call', async (_, set, why) => {
    const storage = await filled();
    await storage.settle([settlement('c', { isAccepted: true })]);
    tamper(folder.path(), `UPDATE orders SET ${set} WHERE id = 'c'`);
    const failed = {
      status: 'failed',
      error: expect.objectContaining({ message: expect.stringContaining(why) }),
    };
    expect(await storage.accept([newOrder('c'), newOrder('new')])).toEqual([
      failed,
      expect.objectContaining({ status: 'accepted' }),
    ]);
    expect(
      await storage.settle([
        settlement('c', { isAccepted: true }),
        settlement('new', { isAccepted: true, userId: 'u-2' }),
      ]),
    ).toEqual([failed, { status: 'settled', balance: expect.any(Number) }]);
  });

  it('invariant 3: its failure takes no balance from another call of the same transaction', async () => {
    const storage = await filled();
    await storage.settle([settlement('c', { isAccepted: true })]);
    tamper(folder.path(), `UPDATE orders SET priority = 'now', amount = ${beyond} WHERE id = 'c'`);
    const opening = { orderId: 'opening', userId: 'u-9', amount: 100, minBalance: undefined };
    const [applied, settled] = await Promise.all([
      storage.apply([opening]),
      storage.settle([settlement('c', { isAccepted: true })]),
    ]);
    expect([applied, settled]).toMatchObject([[{ balance: 100 }], [{ status: 'failed' }]]);
    expect(await storage.get('u-9')).toBe(100);
  });

  it.each(['-9007199254740993', beyond])(
    'because of a time of %s: lists by time have the rest, and prune goes on',
    async (time) => {
      const storage = await filled();
      await storage.settle(['a', 'b', 'd'].map((id) => settlement(id, { isAccepted: true })));
      tamper(folder.path(), `UPDATE orders SET accepted_at = ${time} WHERE id = 'c'`);
      tamper(folder.path(), `UPDATE orders SET settled_at = ${beyond} WHERE id = 'b'`);
      vi.spyOn(process, 'emitWarning').mockReturnValue();
      const { orders } = await storage.list({
        limit: 9,
        acceptedFrom: 1_000,
        acceptedBefore: 9_000,
      });
      expect(orders.map(({ id }) => id)).toEqual(['e', 'd', 'a']);
      expect(await storage.prune({ settledBefore: 9_000 })).toBe(2);
    },
  );

  it('does not keep a page from going on', async () => {
    const storage = await filled();
    tamper(folder.path(), `UPDATE orders SET amount = ${beyond} WHERE id IN ('b', 'c', 'd')`);
    vi.spyOn(process, 'emitWarning').mockReturnValue();
    const ids: string[] = [];
    let before: number | undefined;
    do {
      const page = await storage.list({ limit: 1, before });
      ids.push(...page.orders.map(({ id }) => id));
      before = page.next;
    } while (before !== undefined);
    expect(ids).toEqual(['e', 'a']);
  });
});

it('an order that the file refuses fails alone, and later ones of its user with it', async () => {
  const storage = await folder.open();
  await storage.settle([settlement('a', { userId: 'bad' })]);
  tamper(
    folder.path(),
    `CREATE TRIGGER guard BEFORE UPDATE ON balances WHEN NEW.user_id = 'bad'
     BEGIN SELECT RAISE(ABORT, 'not this one'); END`,
  );
  const failed = (message: string) => ({
    status: 'failed',
    error: expect.objectContaining({ message }),
  });
  expect(
    await storage.settle([
      settlement('b'),
      settlement('c', { userId: 'bad' }),
      settlement('d', { userId: 'bad' }),
      settlement('e', { userId: 'u-2' }),
    ]),
  ).toEqual([
    { status: 'settled', balance: 1 },
    failed('not this one'),
    failed('An earlier order of its user has failed'),
    { status: 'settled', balance: 1 },
  ]);
  expect(await storage.find('c')).toBeUndefined();
  expect(await storage.check()).toEqual([]);
});

it('an order whose sum cannot be kept does not stop prune', async () => {
  const storage = await folder.open();
  await storage.settle(['a', 'b', 'c'].map((id) => settlement(id, { userId: `u-${id}` })));
  tamper(folder.path(), `UPDATE balances SET pruned = 9223372036854775807 WHERE user_id = 'u-b'`);
  expect(await storage.prune({ settledBefore: 2_000 })).toBe(2);
  expect((await storage.list({ limit: 9 })).orders.map(({ id }) => id)).toEqual(['b']);
});
