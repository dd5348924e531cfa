/** Guarantees 3, 4 and 10: a reader of outcomes gets each once, in the order in which they were settled. */
import {
  type BalanceStorage,
  MemoryStorage,
  OrderProcessor,
  type SettledOutcome,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { randomFrom } from '../../kit/random.ts';

const storages: [string, () => BalanceStorage][] = [
  ['memory', () => new MemoryStorage()],
  ['a storage that keeps orders', () => new KeptStorage()],
  [
    'a storage of balances',
    () => {
      const inner = new MemoryStorage();
      return { get: (userId) => inner.get(userId), apply: (changes) => inner.apply(changes) };
    },
  ],
];

/** Takes so many outcomes. */
async function take(
  outcomes: AsyncIterable<SettledOutcome>,
  count: number,
): Promise<SettledOutcome[]> {
  const taken: SettledOutcome[] = [];
  for await (const outcome of outcomes) if (taken.push(outcome) === count) break;
  return taken;
}

describe.each(storages)('with %s', (_, create) => {
  it('invariant 3: gives what was settled, and then what is settled, once and in order', async () => {
    await using processor = new OrderProcessor({ storage: create(), minBalance: 0 });
    await processor.submit({ id: 'a', userId: 'u', amount: 5 });
    expect(await codeOf(processor.submit({ id: 'b', userId: 'u', amount: -9 }))).toBe(
      'insufficient_funds',
    );
    const reading = take(processor.outcomes(), 4);
    await new Promise(setImmediate);
    await processor.submit({ id: 'c', userId: 'v', amount: 1 });
    processor.pause('w');
    await processor.enqueue({ id: 'd', userId: 'w', amount: 1 });
    await processor.cancel('d');
    const outcomes = await reading;
    expect(outcomes.map(({ sequence, order }) => [sequence, order.id, order.status])).toEqual([
      [1, 'a', 'completed'],
      [2, 'b', 'failed'],
      [3, 'c', 'completed'],
      [4, 'd', 'canceled'],
    ]);
    expect(outcomes[0]?.order).toEqual(await processor.order('a'));
    const rest = await take(processor.outcomes({ after: outcomes[1]?.cursor }), 2);
    expect(rest.map(({ order }) => order.id)).toEqual(['c', 'd']);
  });

  it('invariant 3: a consumer that dies at random deals with each outcome once', async () => {
    const random = randomFrom(42);
    await using processor = new OrderProcessor({ storage: create() });
    const count = 600;
    const submitting = processor.submitMany(
      range(count).map((at) => ({ id: `o-${at}`, userId: `u-${at % 5}`, amount: 1 })),
    );
    // What the consumer's own transaction holds.
    const table = { ids: [] as string[], cursor: undefined as string | undefined };
    while (table.ids.length < count) {
      for await (const { cursor, order } of processor.outcomes({ after: table.cursor })) {
        if (random() < 0.05) break;
        table.ids.push(order.id);
        table.cursor = cursor;
        if (table.ids.length === count || random() < 0.02) break;
        if (random() < 0.05) await new Promise(setImmediate);
      }
    }
    await submitting;
    expect(new Set(table.ids).size).toBe(count);
    const sequences = await Promise.all(
      range(5).map((at) => processor.movements(`u-${at}`, { limit: 1_000 })),
    );
    const inOrder = sequences
      .flatMap(({ movements }) => movements)
      .sort((one, other) => one.sequence - other.sequence);
    expect(table.ids).toEqual(inOrder.map(({ orderId }) => orderId));
  });

  it('invariant 4: ends when its signal aborts, and when the processor has shut down', async () => {
    const processor = new OrderProcessor({ storage: create() });
    const controller = new AbortController();
    const aborted = take(
      processor.outcomes({ signal: controller.signal }),
      Number.POSITIVE_INFINITY,
    );
    const ended = take(processor.outcomes(), Number.POSITIVE_INFINITY);
    await new Promise(setImmediate);
    controller.abort();
    expect(await aborted).toEqual([]);
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await processor.shutdown();
    expect((await ended).map(({ order }) => order.id)).toEqual(['a']);
  });

  it('invariant 4: ends when its signal aborts at any moment, also while the storage is asked', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    for (const turns of range(40)) {
      const controller = new AbortController();
      const outcomes = processor.outcomes({ signal: controller.signal });
      const aborted = take(outcomes, Number.POSITIVE_INFINITY);
      for (const _turn of range(turns)) await undefined;
      controller.abort();
      expect(await aborted).toEqual([]);
    }
  });

  it('a cursor of another storage, and a wrong option, are errors at once', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    await using other = new OrderProcessor({ storage: create() });
    await processor.submit({ userId: 'u', amount: 1 });
    await other.submit({ userId: 'u', amount: 1 });
    const [outcome] = await take(processor.outcomes(), 1);
    expect(() => other.outcomes({ after: outcome?.cursor })).toThrow(RangeError);
    for (const after of ['', 'x', 7, null]) {
      expect(() => processor.outcomes({ after } as never)).toThrow(RangeError);
    }
    expect(() => processor.outcomes({ signal: {} } as never)).toThrow(TypeError);
    expect(() => processor.outcomes({ from: 1 } as never)).toThrow(TypeError);
    const { cursor } = await processor.movements('u', { limit: 1 });
    expect(cursor).toBeUndefined();
  });
});

it('invariant 10: outcomes that were forgotten meanwhile are an error, and not left out', async () => {
  const storage = new MemoryStorage({ retainSettled: 10 });
  await using processor = new OrderProcessor({ storage });
  const submit = () => processor.submit({ userId: 'u', amount: 1 });
  await submit();
  const [first] = await take(processor.outcomes(), 1);
  for (const _ of range(10)) await submit();
  const [next] = await take(processor.outcomes({ after: first?.cursor }), 1);
  expect(next?.sequence).toBe(2);
  await submit();
  expect(await codeOf(take(processor.outcomes({ after: first?.cursor }), 1))).toBe(
    'history_forgotten',
  );
  expect((await take(processor.outcomes(), 1))[0]?.sequence).toBe(3);
});

it('invariant 10: a storage that fails ends the reading with an error', async () => {
  const storage = new KeptStorage();
  await using processor = new OrderProcessor({ storage });
  storage.settled = () => {
    throw new Error('The disk went away');
  };
  expect(await codeOf(take(processor.outcomes(), 1))).toBe('storage_failed');
  storage.movements = () => Promise.reject(new Error('The disk went away'));
  expect(await codeOf(processor.movements('u'))).toBe('storage_failed');
});
