import {
  isOrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

type Inside = (processor: OrderProcessor, signal: AbortSignal) => unknown;

/** Orders whose step does what stands here under their id. */
function make(inside: Readonly<Record<string, Inside>>, options: OrderProcessorOptions = {}) {
  const codes: Record<string, string> = {};
  const processor: OrderProcessor = new OrderProcessor({
    ...options,
    steps: [
      {
        name: 'work',
        async run({ id }, { signal }) {
          try {
            await inside[id]?.(processor, signal);
            codes[id] = 'ok';
          } catch (error) {
            codes[id] = isOrderError(error) ? error.code : String(error);
            throw error;
          }
        },
      },
    ],
  });
  return { processor, codes };
}

const order = (id: string, userId: string) => ({ id, userId, amount: 1 });

const ways: [
  name: string,
  wait: (processor: OrderProcessor, id: string, userId: string) => unknown,
][] = [
  ['submit', (processor, id, userId) => processor.submit(order(id, userId))],
  [
    'submit with a signal',
    (processor, id, userId) =>
      processor.submit(order(id, userId), { signal: new AbortController().signal }),
  ],
  [
    'submitMany',
    async (processor, id, userId) => {
      const [outcome] = await processor.submitMany([order(id, userId)]);
      if (outcome !== undefined && 'error' in outcome) throw outcome.error;
    },
  ],
  [
    'submitStream',
    async (processor, id, userId) => {
      for await (const outcome of processor.submitStream([order(id, userId)])) {
        if ('error' in outcome) throw outcome.error;
      }
    },
  ],
  [
    'enqueue and outcome',
    async (processor, id, userId) => {
      await processor.enqueue(order(id, userId));
      await processor.outcome(id);
    },
  ],
];

describe.each(ways)('a step that awaits an order by %s', (name, wait) => {
  // A list or a stream is refused; of any other the waiting is.
  const isRefused = name === 'submitMany' || name === 'submitStream';

  it('invariant 4: of its own user is rejected with `deadlock` at once', async () => {
    const { processor, codes } = make({ a: (inside) => wait(inside, 'b', 'u') });
    const error = await errorOf(processor.submit(order('a', 'u')));
    expect(codes).toMatchObject({ a: 'deadlock' });
    expect(error).toMatchObject({ code: 'internal', cause: { code: 'deadlock', orderId: 'b' } });
    await clock.settle();
    expect((await processor.order('b'))?.status).toBe(isRefused ? undefined : 'completed');
    expect(processor.stats()).toMatchObject({ unsettled: 0, refused: isRefused ? 1 : 0 });
    await processor.shutdown();
  });

  it('invariant 4: of a user whose order awaits its own is rejected with `deadlock`, and the other one goes on', async () => {
    const go = deferred();
    const { processor, codes } = make({
      a: async (inside) => {
        await go.promise;
        await wait(inside, 'of-v', 'v');
      },
      b: async (inside) => {
        await go.promise;
        await clock.sleep(1);
        await wait(inside, 'of-u', 'u');
      },
    });
    const submitted = ['a', 'b'].map((id) =>
      codeOf(processor.submit(order(id, id === 'a' ? 'u' : 'v'))),
    );
    await clock.settle();
    expect(codes).toEqual({});
    go.resolve();
    await clock.runAll();
    expect(await Promise.all(submitted.map((each) => outcomeNow(each)))).toEqual([
      'completed',
      'internal',
    ]);
    expect(codes).toMatchObject({ a: 'ok', b: 'deadlock' });
    await processor.shutdown();
  });

  it('invariant 4: of another user gets its outcome', async () => {
    const { processor, codes } = make({
      a: async (inside) => {
        await wait(inside, 'b', 'v');
        await wait(inside, 'c', 'v');
      },
      b: (inside) => wait(inside, 'd', 'w'),
    });
    expect(await codeOf(processor.submit(order('a', 'u')))).toBe('completed');
    expect(codes).toMatchObject({ a: 'ok', b: 'ok' });
    await processor.shutdown();
  });
});

it('invariant 4: a circle of three users is found, with every storage, and named', async () => {
  for (const storage of [undefined, new KeptStorage()]) {
    const go = deferred();
    const after = (id: string, userId: string, wait = go.promise): Inside => {
      return (inside) => wait.then(() => inside.submit(order(id, userId)));
    };
    const last = go.promise.then(() => clock.sleep(1));
    const inside = { a: after('a2', 'v'), b: after('b2', 'w'), c: after('c2', 'u', last) };
    const { processor, codes } = make(inside, { storage });
    await processor.ready;
    const submitted = ['a', 'b', 'c'].map((id, at) =>
      processor.submit(order(id, 'uvw'[at] as string)).catch((error) => error),
    );
    await clock.settle();
    go.resolve();
    await clock.runAll();
    const outcomes = await Promise.all(submitted);
    expect(codes).toMatchObject({ a: 'ok', b: 'ok', c: 'deadlock' });
    expect(outcomes[2].cause.message).toBe(
      'The step would wait for itself, from user to user: "w" → "u" → "v" → "w"; use `enqueue`',
    );
    await processor.shutdown();
  }
});

it('invariant 8: what a step awaits no longer closes no circle', async () => {
  const go = deferred();
  const { processor, codes } = make({
    a: async (inside) => {
      const hangUp = new AbortController();
      const waiting = inside.submit(order('v1', 'v'), { signal: hangUp.signal }).catch(() => {});
      hangUp.abort();
      await waiting;
      await inside.submit(order('w1', 'w'));
      go.resolve();
      await clock.sleep(10);
    },
    b: async (inside) => {
      await go.promise;
      await inside.submit(order('u1', 'u'));
    },
  });
  const submitted = [
    codeOf(processor.submit(order('a', 'u'))),
    codeOf(processor.submit(order('b', 'v'))),
  ];
  await clock.runAll();
  expect(await Promise.all(submitted)).toEqual(['completed', 'completed']);
  expect(codes).toMatchObject({ a: 'ok', b: 'ok' });
  await processor.shutdown();
});

it('invariant 4: a follow-up that was enqueued may await an order of the user whose step enqueued it', async () => {
  const { processor, codes } = make({
    a: async (inside) => {
      await inside.enqueue(order('b', 'v'));
      await clock.sleep(10);
    },
    b: (inside) => inside.submit(order('c', 'u')),
  });
  const submitted = codeOf(processor.submit(order('a', 'u')));
  await clock.runAll();
  expect(await submitted).toBe('completed');
  expect(codes).toMatchObject({ a: 'ok', b: 'ok', c: 'ok' });
  await processor.shutdown();
});

it('invariant 4: a compensation that awaits an order of its own user is rejected with `deadlock`', async () => {
  const heard: string[] = [];
  const processor: OrderProcessor = new OrderProcessor({
    steps: [
      {
        name: 'pay',
        run: () => {},
        compensate: async ({ id }) => {
          if (id === 'a') heard.push(await codeOf(processor.submit(order('b', 'u'))));
        },
      },
      { name: 'fails', after: 'pay', run: () => Promise.reject(new Error('Broken')) },
    ],
  });
  expect(await codeOf(processor.submit(order('a', 'u')))).toBe('internal');
  expect(heard).toEqual(['deadlock']);
  await processor.shutdown();
});

it('invariant 8: code that has left its step gets no `deadlock`, and another processor gives none at all', async () => {
  const other = new OrderProcessor({ steps: [{ name: 'work', run: () => {} }] });
  const late = deferred<string>();
  const { processor, codes } = make({
    a: async (inside) => {
      void clock
        .sleep(10)
        .then(() => late.resolve(codeOf(inside.submit(order('b', 'u'))) as never));
      await other.submit(order('x', 'u'));
    },
  });
  const events = logOf(processor);
  expect(await codeOf(processor.submit(order('a', 'u')))).toBe('completed');
  await clock.runAll();
  expect(await late.promise).toBe('completed');
  expect(codes).toMatchObject({ a: 'ok', b: 'ok' });
  expect(events.filter((line) => line.startsWith('refused'))).toEqual([]);
  await Promise.all([processor.shutdown(), other.shutdown()]);
});

it('invariant 8: a step that does not await what it submits gets no `deadlock`', async () => {
  let inner: Promise<unknown> | undefined;
  const { processor, codes } = make({
    a: (inside) => {
      inner = inside.submit(order('b', 'u'));
      return clock.sleep(10);
    },
  });
  const outer = codeOf(processor.submit(order('a', 'u')));
  await clock.runAll();
  expect([await outer, await codeOf(inner as never)]).toEqual(['completed', 'completed']);
  expect(codes).toEqual({ a: 'ok', b: 'ok' });
  await processor.shutdown();
});

it('invariant 4: every use of the promise of a `submit` awaits it', async () => {
  const takers: ((promise: Promise<unknown>) => Promise<unknown>)[] = [
    (promise) => promise.then(() => {}),
    (promise) => promise.finally(() => {}),
    (promise) => Promise.all([promise]),
    (promise) => Promise.race([promise, clock.sleep(1_000)]),
    async (promise) => promise,
  ];
  for (const take of takers) {
    const { processor, codes } = make({ a: (inside) => take(inside.submit(order('b', 'u'))) });
    const outer = codeOf(processor.submit(order('a', 'u')));
    await clock.runAll();
    expect([await outer, codes.a]).toEqual(['internal', 'deadlock']);
    await processor.shutdown();
  }
});

it('invariant 11: a listener that awaits an order gets no `deadlock`, even if a step has led to its call', async () => {
  const heard: string[] = [];
  const processor: OrderProcessor = new OrderProcessor({
    steps: [
      { name: 'quick', run: () => {} },
      { name: 'slow', run: () => clock.sleep(10) },
    ],
  });
  processor.on('stepped', async ({ orderId, step }) => {
    if (orderId !== 'a' || step.name !== 'quick') return;
    heard.push(await codeOf(processor.submit(order('b', 'u'))));
  });
  const submitted = codeOf(processor.submit(order('a', 'u')));
  await clock.runAll();
  expect([await submitted, ...heard]).toEqual(['completed', 'completed']);
  await processor.shutdown();
});

it.each(ways)(
  'invariant 2: by %s, a step may await a user whose step has just been answered',
  async (_, wait) => {
    const answered = deferred();
    const { processor, codes } = make(
      {
        a: (inside) => inside.submit(order('b', 'v')),
        b: () => answered.promise,
        // Begins in the breath in which `b` ends, which `a` has awaited.
        c: (inside) => wait(inside, 'd', 'u'),
      },
      { concurrency: 2 },
    );
    const all = [processor.submit(order('a', 'u'))];
    await clock.settle();
    all.push(processor.submit(order('c', 'v')));
    answered.resolve();
    await Promise.allSettled(all);
    expect(codes).toEqual({ a: 'ok', b: 'ok', c: 'ok', d: 'ok' });
    await processor.shutdown();
  },
);

it('invariant 4: a listener of `idle` that is called from a step awaits orders as any other caller', async () => {
  const hangs: Step = { name: 'hangs', run: () => new Promise(() => {}) };
  const processor = new OrderProcessor({ steps: [hangs], stalledAfterMs: 1 });
  let code: Promise<string> | undefined;
  processor.once('idle', () => {
    code = codeOf(processor.submit({ id: 'b', userId: 'u', amount: 1 }));
  });
  const first = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
  await clock.advance(0);
  void processor.cancel('a');
  await clock.advance(10);
  expect(await first).toBe('canceled');
  const closed = processor.shutdown({ timeoutMs: 1 });
  await clock.runAll();
  await closed;
  // Behind the order that holds its user, and not behind itself.
  expect(await code).toBe('canceled');
});
