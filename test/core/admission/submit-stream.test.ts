import { type Order, type OrderOutcome, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { deferred, outcomeNow, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: () => clock.sleep(10) };

/** A source that counts what is asked of it. */
function sourceOf(count: number) {
  const seen = { pulled: 0, isStopped: false };
  async function* generate(): AsyncGenerator<Order> {
    try {
      for (const index of range(count)) {
        seen.pulled += 1;
        yield { id: `o-${index}`, userId: `u-${index % 7}`, amount: 1 };
      }
    } finally {
      seen.isStopped = seen.pulled < count;
    }
  }
  return { seen, source: generate() };
}

/** Reads to the end; what is thrown comes last. */
async function readAll(outcomes: AsyncIterable<OrderOutcome>): Promise<string[]> {
  const read: string[] = [];
  try {
    for await (const outcome of outcomes) {
      read.push(outcome.status === 'completed' ? outcome.orderId : outcome.error.code);
    }
  } catch (error) {
    read.push(`threw ${error}`);
  }
  return read;
}

describe.each([[[]], [[sleeps]]])('with the steps %j', (steps) => {
  it('invariant 3: gives every outcome, in the order of the source', async () => {
    const processor = new OrderProcessor({ steps, capacity: 10 });
    const { source } = sourceOf(200);
    const read = readAll(processor.submitStream(source));
    await clock.runAll();
    expect(await outcomeNow(read)).toEqual(range(200).map((index) => `o-${index}`));
    expect(processor.stats()).toMatchObject({ completed: 200, refused: 0, waitingCallers: 0 });
  });

  it('invariant 6: pulls no further than its window when the reader stops', async () => {
    const processor = new OrderProcessor({ steps, capacity: 10 });
    const { source, seen } = sourceOf(200);
    const outcomes = processor.submitStream(source);
    const first = outcomes.next();
    await clock.runAll();
    expect((await first).value).toMatchObject({ orderId: 'o-0' });
    expect(seen.pulled).toBeLessThanOrEqual(12);
    await clock.runAll();
    expect(seen.pulled).toBeLessThanOrEqual(12);
    const rest = readAll(outcomes);
    await clock.runAll();
    expect(await outcomeNow(rest)).toHaveLength(199);
  });
});

it('invariant 6: the window is 1 000 outcomes where the capacity is more', async () => {
  const processor = new OrderProcessor();
  const { source, seen } = sourceOf(5_000);
  const outcomes = processor.submitStream(source);
  await outcomes.next();
  await clock.runAll();
  expect(seen.pulled).toBeGreaterThanOrEqual(1_000);
  expect(seen.pulled).toBeLessThanOrEqual(1_002);
  await outcomes.return?.();
});

it('invariant 6: pulls no faster than orders are accepted, with every `overflow`', async () => {
  const processor = new OrderProcessor({ steps: [sleeps], capacity: 3, concurrency: 1 });
  const { source, seen } = sourceOf(20);
  const read = readAll(processor.submitStream(source));
  await clock.settle();
  // Three are accepted; the fourth waits for room.
  expect(seen.pulled).toBeLessThanOrEqual(4);
  for (const ended of range(5)) {
    await clock.advance(10);
    expect(seen.pulled).toBeLessThanOrEqual(5 + ended);
  }
  await clock.runAll();
  expect(await outcomeNow(read)).toHaveLength(20);
  expect(processor.stats().refused).toBe(0);
});

it('invariant 4: the source is stopped when the reader leaves, and accepted orders go on', async () => {
  const processor = new OrderProcessor({ steps: [sleeps], capacity: 5, concurrency: 1 });
  const { source, seen } = sourceOf(200);
  const leaves = (async () => {
    for await (const outcome of processor.submitStream(source)) return outcome.status;
    return 'never';
  })();
  await clock.advance(10);
  expect(await outcomeNow(leaves)).toBe('completed');
  await clock.runAll();
  expect(seen.isStopped).toBe(true);
  expect(seen.pulled).toBeLessThanOrEqual(8);
  const { accepted, completed, unsettled, waitingCallers } = processor.stats();
  expect([completed, unsettled, waitingCallers]).toEqual([accepted, 0, 0]);
});

it('invariant 8: an error of the source comes after the outcomes before it', async () => {
  const processor = new OrderProcessor({ steps: [sleeps] });
  async function* source(): AsyncGenerator<Order> {
    yield { id: 'a', userId: 'u', amount: 1 };
    yield { id: 'b', userId: 'u', amount: 1 };
    throw 'the source broke';
  }
  const read = readAll(processor.submitStream(source()));
  await clock.runAll();
  expect(await outcomeNow(read)).toEqual(['a', 'b', 'threw the source broke']);
});

it('invariant 8: what is no order becomes a refused outcome', async () => {
  const processor = new OrderProcessor();
  const items = [
    null,
    5,
    {},
    { userId: 'u', amount: 1, id: 'a' },
    { userId: 'u', amount: Number.NaN },
  ];
  const invalid = 'invalid_order';
  const expected = [invalid, invalid, invalid, 'a', invalid];
  expect(await readAll(processor.submitStream(items as never))).toEqual(expected);
});

it('invariant 8: a source whose `next` or `return` fails breaks nothing else', async () => {
  const order = { id: 'a', userId: 'u', amount: 1 };
  const broken = (next: () => unknown, stop?: () => unknown) =>
    ({ [Symbol.asyncIterator]: () => ({ next, return: stop }) }) as never;
  const fails = (): never => {
    throw 'no';
  };
  const reads = (source: never) => readAll(new OrderProcessor().submitStream(source));
  expect(await reads(broken(fails))).toEqual(['threw no']);
  expect(await reads(broken(() => Promise.reject('no')))).toEqual(['threw no']);
  expect((await reads(broken(() => undefined)))[0]).toMatch(/^threw TypeError/);
  for (const stop of [fails, () => Promise.reject('no'), () => new Promise(() => {}), undefined]) {
    const processor = new OrderProcessor();
    let given = 0;
    const source = broken(() => ({ done: false, value: { ...order, id: `o-${given++}` } }), stop);
    for await (const outcome of processor.submitStream(source)) {
      expect(outcome.status).toBe('completed');
      break;
    }
    await clock.runAll();
    expect(processor.stats().unsettled).toBe(0);
  }
});

it('invariant 4: `shutdown` refuses the next order of the source, and that is the last', async () => {
  const processor = new OrderProcessor({ steps: [sleeps], capacity: 2, concurrency: 1 });
  const { source, seen } = sourceOf(8);
  const read = readAll(processor.submitStream(source));
  await clock.settle();
  const { accepted } = processor.stats();
  const done = processor.shutdown();
  await clock.runAll();
  const expected = [...range(accepted).map((index) => `o-${index}`), 'shut_down'];
  expect(await outcomeNow(read)).toEqual(expected);
  expect((await done).completed).toBe(accepted);
  expect(seen.isStopped).toBe(true);
});

it('invariant 4: a source that never ends is not emptied into refusals by `shutdown`', async () => {
  const processor = new OrderProcessor();
  await processor.shutdown();
  let given = 0;
  const endless = (function* () {
    for (;;) yield { id: `o-${given++}`, userId: 'u', amount: 1 };
  })();
  expect(await readAll(processor.submitStream(endless))).toEqual(['shut_down']);
  expect(given).toBe(1);
});

describe('invariant 4: a source that gives nothing', () => {
  const silent = () => {
    const stop = vi.fn(async () => ({ done: true as const, value: undefined }));
    const next = (): Promise<never> => new Promise(() => {});
    return { source: { [Symbol.asyncIterator]: () => ({ next, return: stop }) }, stop };
  };

  it('lets its reader leave', async () => {
    const processor = new OrderProcessor();
    const { source, stop } = silent();
    const stream = processor.submitStream(source);
    const reading = stream.next();
    await clock.settle();
    expect(await outcomeNow(stream.return?.() as Promise<unknown>)).toMatchObject({ done: true });
    expect(await outcomeNow(reading)).toMatchObject({ done: true });
    expect(stop).toHaveBeenCalledTimes(1);
  });

  it.each(['before', 'after'])(
    'lets its reader go when the processor has closed, read %s',
    async (when) => {
      const processor = new OrderProcessor();
      const { source, stop } = silent();
      const stream = processor.submitStream(source);
      if (when === 'after') await processor.shutdown();
      const reading = stream.next();
      await clock.settle();
      if (when === 'before') await processor.shutdown();
      await clock.runAll();
      expect(await outcomeNow(reading)).toMatchObject({ done: true });
      expect(stop).toHaveBeenCalledTimes(1);
      expect(await outcomeNow(stream.next())).toMatchObject({ done: true });
    },
  );
});

it.each([5, undefined, null, 'x'])(
  'invariant 8: a source whose `next` gives %s ends the stream',
  async (given) => {
    const source = { [Symbol.asyncIterator]: () => ({ next: () => given }) };
    const outcomes = await readAll(new OrderProcessor().submitStream(source as never));
    expect(outcomes).toEqual([expect.stringMatching(/^threw TypeError/)]);
  },
);

it('takes a source as `for await` does, whose async iterator is undefined', async () => {
  const source = {
    [Symbol.asyncIterator]: undefined,
    *[Symbol.iterator]() {
      yield { id: 'a', userId: 'u', amount: 1 };
    },
  };
  expect(await readAll(new OrderProcessor().submitStream(source as never))).toEqual(['a']);
});

it('invariant 8: refuses what throws when it is asked how to iterate over it', async () => {
  const processor = new OrderProcessor();
  const boom = {
    get [Symbol.iterator]() {
      throw new Error('boom');
    },
    get [Symbol.asyncIterator]() {
      throw new Error('boom');
    },
  } as never;
  await expect(processor.submitMany(boom)).rejects.toMatchObject({ code: 'invalid_order' });
  expect(() => processor.submitStream(boom)).toThrow(
    expect.objectContaining({ code: 'invalid_order' }),
  );
});

it('invariant 4: a reader that leaves before it reads, or while an order waits, is let go', async () => {
  const gate = deferred();
  const stuck: Step = { name: 'stuck', run: () => gate.promise };
  const processor = new OrderProcessor({ steps: [stuck], capacity: 1 });
  const unread = processor.submitStream(sourceOf(3).source);
  expect(await outcomeNow(Promise.resolve(unread.return?.()))).toMatchObject({ done: true });
  const { source, seen } = sourceOf(3);
  const outcomes = processor.submitStream(source);
  const first = outcomes.next();
  await clock.settle();
  const left = outcomes.return?.();
  gate.resolve();
  await clock.runAll();
  expect((await first).value).toMatchObject({ orderId: 'o-0' });
  expect(await outcomeNow(Promise.resolve(left))).toMatchObject({ done: true });
  expect(seen.isStopped).toBe(true);
  expect(processor.stats()).toMatchObject({ unsettled: 0, waitingCallers: 0 });
});
