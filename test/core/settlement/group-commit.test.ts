import {
  type BalanceChange,
  type BalanceStorage,
  OrderProcessor,
  type Step,
} from 'order-processor';
import { expect, it } from 'vitest';
import { type Deferred, deferred, range } from '../../kit/helpers.ts';
import { randomFrom } from '../../kit/random.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** A storage whose calls the test answers, and that keeps what each call was given. */
class GatedStorage implements BalanceStorage {
  readonly calls: (readonly BalanceChange[])[] = [];
  readonly balances = new Map<string, number>();
  mostAtOnce = 0;
  #gates: Deferred<void>[] = [];

  get(userId: string): number | undefined {
    return this.balances.get(userId);
  }

  async apply(changes: readonly BalanceChange[]) {
    this.calls.push(changes);
    const gate = deferred();
    this.#gates.push(gate);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#gates.length);
    await gate.promise;
    return changes.map(({ userId, amount }) => {
      const balance = (this.balances.get(userId) ?? 0) + amount;
      this.balances.set(userId, balance);
      return { balance };
    });
  }

  /** Answers the call under way, and lets everything happen that follows from it. */
  async answer(): Promise<void> {
    this.#gates.shift()?.resolve();
    await clock.settle();
  }

  get isUnderWay(): boolean {
    return this.#gates.length > 0;
  }
}

it.each([
  ['without steps', []],
  ['with a step', [{ name: 'turn', run: () => Promise.resolve() }]],
])(
  'invariant 2: all that comes while a call is under way goes into the next, %s',
  async (_, steps: Step[]) => {
    const storage = new GatedStorage();
    const processor = new OrderProcessor({ storage, steps, concurrency: 1_000 });
    const submit = (from: number, to: number) =>
      range(to - from).map((at) =>
        processor.submit({ id: `o-${from + at}`, userId: `u-${from + at}`, amount: 1 }),
      );
    const submitted = submit(0, 1);
    await clock.settle();
    expect(storage.calls.map(({ length }) => length)).toEqual([1]);
    submitted.push(...submit(1, 300));
    await clock.settle();
    submitted.push(...submit(300, 500));
    await clock.settle();
    expect(storage.calls).toHaveLength(1);
    await storage.answer();
    expect(storage.calls.map(({ length }) => length)).toEqual([1, 499]);
    await storage.answer();
    await Promise.all(submitted);
    expect(storage.mostAtOnce).toBe(1);
  },
);

it('invariant 1: calls never overlap, and keep the order of each user', async () => {
  const random = randomFrom(5);
  const storage = new GatedStorage();
  const steps: Step[] = [{ name: 'work', run: () => clock.sleep(random() * 10) }];
  const processor = new OrderProcessor({ storage, steps, concurrency: 8 });
  const orders = range(300).map((index) => ({
    id: `o-${index}`,
    userId: `u-${Math.floor(random() * 15)}`,
    amount: 1 + Math.floor(random() * 9),
  }));
  const submitted = orders.map((order) => processor.submit(order));
  while (processor.stats().unsettled > 0) {
    await clock.advance(random() * 8);
    await storage.answer();
  }
  const receipts = await Promise.all(submitted);
  expect(storage.mostAtOnce).toBe(1);
  const applied = storage.calls.flat();
  for (const user of range(15).map((index) => `u-${index}`)) {
    const own = orders.filter(({ userId }) => userId === user);
    const ids = applied.filter(({ userId }) => userId === user).map(({ orderId }) => orderId);
    expect(ids).toEqual(own.map(({ id }) => id));
    let sum = 0;
    for (const { id, amount } of own) {
      sum += amount;
      expect(receipts.find(({ orderId }) => orderId === id)?.balance).toBe(sum);
    }
  }
});

it('invariant 10: no receipt and no event comes before the storage has answered', async () => {
  const storage = new GatedStorage();
  const processor = new OrderProcessor({ storage });
  const log: string[] = [];
  processor.on('completed', ({ orderId }) => log.push(`event ${orderId}`));
  const submitted = processor
    .submit({ id: 'a', userId: 'u', amount: 1 })
    .then(({ orderId }) => log.push(`receipt ${orderId}`));
  await clock.advance(10_000);
  expect(log).toEqual([]);
  expect(await processor.order('a')).toMatchObject({ status: 'processing', balance: undefined });
  await storage.answer();
  await submitted;
  expect(log).toEqual(['event a', 'receipt a']);
});

it('invariant 1: orders of one user without steps share a call, in order', async () => {
  const storage = new GatedStorage();
  const processor = new OrderProcessor({ storage });
  const submitted = range(40).map((index) =>
    processor.submit({ id: `o-${index}`, userId: 'u', amount: 1 }),
  );
  await clock.settle();
  while (storage.isUnderWay) await storage.answer();
  expect((await Promise.all(submitted)).map(({ balance }) => balance)).toEqual(
    range(40).map((at) => at + 1),
  );
  expect(storage.calls.flat().map(({ orderId }) => orderId)).toEqual(
    range(40).map((at) => `o-${at}`),
  );
  expect(storage.calls.length).toBeLessThanOrEqual(2);
});

it('invariant 8: a storage that calls the processor inside its own call causes no deadlock', async () => {
  const storage = new GatedStorage();
  const inner: Promise<unknown>[] = [];
  const processor: OrderProcessor = new OrderProcessor({
    storage: {
      get: () => 0,
      apply(changes) {
        if (inner.length < 3) inner.push(processor.submit({ userId: 'u', amount: 1 }));
        return changes.map(({ amount }) => ({ balance: storage.balances.size + amount }));
      },
    },
  });
  await processor.submit({ userId: 'u', amount: 1 });
  await processor.onIdle();
  expect(inner).toHaveLength(3);
  expect(await Promise.all(inner)).toHaveLength(3);
});
