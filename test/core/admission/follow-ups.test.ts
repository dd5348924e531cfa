import { OrderError, OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, logOf, outcomeNow } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });
type Inside = (processor: OrderProcessor, id: string) => unknown;

/** A processor whose step does this. */
function make(
  inside: Inside,
  options: Omit<OrderProcessorOptions, 'steps'> = {},
  more?: Partial<Step>,
) {
  const processor: OrderProcessor = new OrderProcessor({
    ...options,
    steps: [{ name: 'work', run: ({ id }) => inside(processor, id), ...more }],
  });
  return { processor, events: logOf(processor) };
}

async function shutDown(processor: OrderProcessor, timeoutMs = 1_000) {
  const closed = processor.shutdown({ timeoutMs });
  await clock.runAll();
  return closed;
}

const storages = [
  ['memory', () => undefined],
  ['a storage that keeps orders', () => new KeptStorage()],
] as const;

describe.each(storages)('while a processor shuts down, with %s, a step', (_name, storage) => {
  it('invariant 3: may enqueue follow-ups, and theirs may too, before all is drained', async () => {
    const { processor } = make(
      async (inside, id) => {
        await clock.sleep(10);
        if (id.length < 4) await inside.enqueue(order(`${id}+`));
      },
      { storage: storage() },
    );
    const codes = codeOf(processor.submit(order('a')));
    await clock.advance(5);
    const summary = await shutDown(processor);
    expect(await codes).toBe('completed');
    expect(summary).toMatchObject({ completed: 4, failed: 0, timedOut: false, durationMs: 35 });
  });

  it('invariant 3: may await the order of another user', async () => {
    const { processor } = make(
      async (inside, id) => {
        await clock.sleep(10);
        if (id === 'a') await inside.submit(order('b', 'v'));
        if (id === 'b') await inside.submitMany([order('c', 'w'), order('d', 'w')]);
      },
      { storage: storage() },
    );
    const code = codeOf(processor.submit(order('a')));
    await clock.advance(5);
    expect(await shutDown(processor)).toMatchObject({ completed: 4, timedOut: false });
    expect(await code).toBe('completed');
  });

  it('invariant 3: may do so in its compensation', async () => {
    const more: Partial<Step> = {
      compensate: async () => void (await processor.enqueue(order('sorry'))),
    };
    const { processor, events } = make(
      async (_, id) => {
        await clock.sleep(10);
        if (id === 'a') throw new Error('Broken');
      },
      { storage: storage() },
      more,
    );
    void codeOf(processor.submit(order('a')));
    await clock.advance(5);
    expect(await shutDown(processor)).toMatchObject({ completed: 1, failed: 1, timedOut: false });
    expect(events).toContain('completed:sorry');
  });

  it('invariant 4: is refused from the deadline on', async () => {
    const codes: string[] = [];
    const { processor } = make(
      async (inside, id) => {
        await clock.sleep(10);
        if (id.length < 100) {
          codes.push(await codeOf(inside.enqueue(order(`${id}+`, `${id}+`))));
        }
      },
      { storage: storage() },
    );
    void codeOf(processor.submit(order('a')));
    await clock.advance(5);
    const summary = await shutDown(processor, 30);
    expect(summary.timedOut).toBe(true);
    expect(codes).toEqual(['completed', 'completed', 'completed', 'shut_down']);
  });

  it('invariant 4: is refused for what it has left behind, once it has ended', async () => {
    const left = deferred<string>();
    const { processor } = make(
      async (inside, id) => {
        if (id === 'b') return clock.sleep(100);
        void clock
          .sleep(20)
          .then(() => codeOf(inside.enqueue(order('late', 'v'))).then(left.resolve));
        return undefined;
      },
      { storage: storage() },
    );
    await processor.ready;
    void codeOf(processor.submit(order('a')));
    void codeOf(processor.submit(order('b', 'w')));
    await clock.settle();
    await shutDown(processor);
    expect(await left.promise).toBe('shut_down');
  });

  it('invariant 4: lets no listener in that is called from it', async () => {
    const codes: string[] = [];
    const { processor } = make(() => clock.sleep(50), { storage: storage() });
    processor.on('stepped', async ({ orderId }) => {
      if (orderId === 'a') codes.push(await codeOf(processor.enqueue(order('b', 'v'))));
    });
    const submitted = codeOf(processor.submit(order('a')));
    await clock.advance(10);
    await shutDown(processor);
    expect([await submitted, ...codes]).toEqual(['completed', 'shut_down']);
  });

  it('invariant 4: lets nothing else in', async () => {
    const { processor } = make(() => clock.sleep(50), { storage: storage() });
    const inside = codeOf(processor.submit(order('a')));
    await clock.advance(10);
    const closed = processor.shutdown();
    const outside = [
      codeOf(processor.submit(order('b'))),
      codeOf(processor.enqueue(order('c'))),
      codeOf(
        processor
          .submitMany([order('d')])
          .then(([outcome]) => Promise.reject(Object(outcome).error)),
      ),
    ];
    await clock.runAll();
    expect(await Promise.all(outside)).toEqual(['shut_down', 'shut_down', 'shut_down']);
    expect(await inside).toBe('completed');
    await closed;
  });
});

describe('an order that a step hands in while the processor shuts down', () => {
  it('invariant 6: is refused beyond `capacity` as any other', async () => {
    const codes: string[] = [];
    const { processor } = make(
      async (inside, id) => {
        await clock.sleep(10);
        if (id !== 'a') return;
        for (const next of ['b', 'c']) codes.push(await codeOf(inside.enqueue(order(next))));
      },
      { capacity: 2 },
    );
    void codeOf(processor.submit(order('a')));
    await clock.advance(5);
    await shutDown(processor);
    expect(codes).toEqual(['completed', 'queue_full']);
  });

  it('invariant 6: waits for room where others do, and those that no step handed in are refused', async () => {
    const codes: Record<string, string> = {};
    const note = async (id: string, promise: Promise<unknown>): Promise<void> => {
      codes[id] = await codeOf(promise);
    };
    const { processor } = make(
      async (inside, id) => {
        if (id === 'a') await note('inside', inside.enqueue(order('c', 'w')));
        await clock.sleep(20);
      },
      { capacity: 2, overflow: 'wait' },
    );
    processor.pause();
    await processor.enqueue(order('b', 'v'));
    await processor.enqueue(order('a'));
    processor.resume();
    await clock.advance(5);
    void note('outside', processor.submit(order('d', 'x')));
    await clock.settle();
    expect(processor.stats().waitingCallers).toBe(2);
    const summary = await shutDown(processor);
    expect(codes).toEqual({ inside: 'completed', outside: 'shut_down' });
    expect(summary).toMatchObject({ completed: 3, timedOut: false });
  });

  it('invariant 4: is refused at the deadline if it waits for room', async () => {
    const codes: string[] = [];
    const { processor } = make(
      async (inside) => void codes.push(await codeOf(inside.enqueue(order('b')))),
      { capacity: 1, overflow: 'wait' },
    );
    void codeOf(processor.submit(order('a')));
    await clock.settle();
    const summary = await shutDown(processor, 50);
    expect(codes).toEqual(['shut_down']);
    expect(summary).toMatchObject({ timedOut: true, running: [] });
  });

  it('is checked by an asynchronous schema', async () => {
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => clock.sleep(10).then(() => ({ value })),
      },
    } as const;
    const codes: string[] = [];
    const { processor } = make(
      async (inside, id) => {
        if (id === 'a') codes.push(await codeOf(inside.enqueue(order('b', 'v'))));
      },
      { schema },
    );
    const submitted = codeOf(processor.submit(order('a')));
    await clock.advance(12);
    const outside = codeOf(processor.submit(order('c', 'w')));
    const summary = await shutDown(processor);
    expect(codes).toEqual(['completed']);
    expect([await submitted, await outside]).toEqual(['completed', 'shut_down']);
    expect(summary).toMatchObject({ completed: 2, timedOut: false });
  });

  it('is accepted from a step of another processor, where a step of this one awaits that', async () => {
    const outer: OrderProcessor = new OrderProcessor({
      steps: [
        {
          name: 'work',
          async run({ id }) {
            await clock.sleep(10);
            if (id === 'a') await inner.submit(order('x'));
          },
        },
      ],
    });
    const inner = new OrderProcessor({
      steps: [{ name: 'back', run: async () => void (await outer.enqueue(order('b', 'v'))) }],
    });
    const code = codeOf(outer.submit(order('a')));
    await clock.advance(5);
    expect(await shutDown(outer)).toMatchObject({ completed: 2, timedOut: false });
    expect(await code).toBe('completed');
    await shutDown(inner);
  });

  it('invariant 4: whose own id is known gets its outcome still', async () => {
    const { processor } = make(async (inside, id) => {
      await clock.sleep(10);
      if (id !== 'a') return;
      await inside.submit(order('b', 'v'));
      throw new OrderError('no', 'No');
    });
    const codes = ['a', 'a'].map((id) => codeOf(processor.submit(order(id))));
    await clock.advance(5);
    await shutDown(processor);
    expect(await Promise.all(codes.map((code) => outcomeNow(code)))).toEqual(['no', 'no']);
  });
});

it('invariant 6: an order that a step handed in waits for room in a shutdown too, though it began to between two attempts', async () => {
  const checked = deferred();
  const second = deferred();
  let handedIn: Promise<string> | undefined;
  const processor: OrderProcessor = new OrderProcessor({
    capacity: 1,
    overflow: 'wait',
    schema: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          value === 'slow' ? checked.promise.then(() => ({ value })) : { value },
      },
    },
    steps: [
      {
        name: 'work',
        retry: { attempts: 2, delayMs: 10, jitter: false },
        async run({ id }, { attempt }) {
          if (id !== 'a') return;
          if (attempt === 2) return void (await second.promise);
          handedIn = codeOf(
            processor.enqueue({ id: 'b', userId: 'v', amount: 1, payload: 'slow' }),
          );
          throw new Error('Try again');
        },
      },
    ],
  });
  const submitted = processor.submit({ id: 'a', userId: 'u', amount: 1 });
  await clock.settle();
  checked.resolve();
  await clock.settle();
  expect(processor.stats()).toMatchObject({ waitingCallers: 1, unsettled: 1 });
  await clock.advance(10);
  const down = processor.shutdown();
  await clock.settle();
  expect(processor.stats()).toMatchObject({ waitingCallers: 1, unsettled: 1 });
  second.resolve();
  await clock.runAll();
  await Promise.all([submitted, handedIn, down]);
});
