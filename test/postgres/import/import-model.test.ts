/** Whatever a file keeps, a database tells the same; and a large file takes a bounded time and memory. */
import fc from 'fast-check';
import { MemoryStorage } from 'order-processor';
import { expect, it } from 'vitest';
import type { NewOrder } from '../../../src/core/order/stored-order.ts';
import type { OrderStorage, Settlement } from '../../../src/core/storage/order-storage.ts';
import { newOrder, settlementOf, start } from '../../../src/testing/orders.ts';
import { keptIn, SourceFile } from './kit.ts';
import { useTarget } from './target.ts';

const target = useTarget();

const users = ['u', 'v', '\uf8ff', 'a\0b', '\u{1f373}'];
const user = fc.constantFrom(...users);
const amount = fc.oneof(
  fc.integer({ min: -50, max: 50 }),
  fc.constantFrom(2 ** 53 - 1, 1 - 2 ** 53),
);
const at = fc.integer({ min: 0, max: 60 });

/** What is done with a storage. */
const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      user,
      amount,
      to: user,
      isDelayed: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      ...{ do: fc.constant('settle' as const), which: fc.nat(30), at },
      outcome: fc.constantFrom<Settlement['outcome']>(
        'completed',
        'completed',
        'failed',
        'canceled',
      ),
      isNoted: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold' as const), user, at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remember' as const), which: fc.nat(30) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** Does them one after the other. */
async function play(storage: OrderStorage, actions: readonly Action[]): Promise<void> {
  const orders: NewOrder[] = [];
  for (const each of actions) {
    const order = 'which' in each ? orders[each.which % Math.max(1, orders.length)] : undefined;
    if (each.do === 'accept') {
      const { user: userId, to } = each;
      const postings =
        to === userId ? [] : [{ userId: to, amount: 1 + Math.abs(each.amount % 50) }];
      const times = each.isDelayed ? { notBefore: start * 2 } : {};
      const retryOf = orders.length % 3 === 2 ? await failedOf(storage, orders) : undefined;
      const fields = { userId, amount: each.amount, postings, retryOf, ...times };
      orders.push(newOrder(`o-${orders.length}`, fields));
      await storage.accept(orders.slice(-1));
    } else if (each.do === 'hold') {
      await storage.hold({ userId: each.user, reason: '', heldAt: start + each.at });
    } else if (each.do === 'release') await storage.release(each.user);
    else if (order === undefined) continue;
    else if (each.do === 'remember') {
      const { sequence = 0 } = (await storage.find(order.id)) ?? {};
      const steps = [{ step: 'pay', result: each.which, amount: undefined }];
      await storage.remember([{ id: order.id, userId: order.userId, sequence, steps }]);
    } else {
      const isProvisional = each.isNoted && each.outcome !== 'completed';
      const fields = { outcome: each.outcome, isProvisional, settledAt: start + each.at };
      await storage.settle([settlementOf(order, { ...fields, minBalance: -60 })]);
    }
  }
}

/** An order that may come again. */
async function failedOf(
  storage: OrderStorage,
  orders: readonly NewOrder[],
): Promise<string | undefined> {
  for (const { id } of orders) {
    if ((await storage.find(id))?.status === 'failed') return id;
  }
  return undefined;
}

const times = [0, 15, 30, 45, 60, 90].map((ms) => start + ms);

it('a database tells what any file has told (model)', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      using file = new SourceFile();
      const source = await file.open();
      try {
        await play(source, actions);
        await target.importInto(source);
        const storage = await target.open();
        const moved = await keptIn(storage, times);
        await storage.close();
        expect(moved).toEqual(await keptIn(source, times));
      } finally {
        await source.close();
        await target.dropSchema();
      }
    }),
    { numRuns: 15, endOnFailure: true },
  );
}, 240_000);

it('a large memory is taken over in bounded time (invariant 6)', async () => {
  const count = 100_000;
  const source = new MemoryStorage({ retainSettled: count });
  for (let from = 0; from < count; from += 1_000) {
    source.settle(
      Array.from({ length: 1_000 }, (_, of) => {
        const order = newOrder(`an-order-${from + of}`, {
          ...{ userId: `user-${(from + of) % 5_000}`, amount: 7, payload: { items: [from, of] } },
          postings: [{ userId: 'fees', amount: 1 }],
        });
        return settlementOf(order, { isAccepted: false, settledAt: start + from });
      }),
    );
  }
  let most = 0;
  const onProgress = () => {
    most = Math.max(most, process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed);
  };
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  const report = await target.importInto(source, { onProgress });
  const ms = performance.now() - startedAt;
  expect(report).toMatchObject({ orders: count, movements: 2 * count, balances: 5_001 });
  expect(most - before).toBeLessThan(200 * 2 ** 20);
  expect(ms).toBeLessThan(count * 2);
}, 300_000);
