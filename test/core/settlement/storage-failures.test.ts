import {
  type BalanceChange,
  type BalanceResult,
  type BalanceStorage,
  OrderProcessor,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import {
  codeOf,
  deferred,
  errorOf,
  logOf,
  outcomeNow,
  range,
  type Then,
  thenable,
  watch,
} from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

type Apply = BalanceStorage['apply'];

/** A storage that works, with answers put in front: one for each call, then it works. */
function storageThat(...answers: ((changes: readonly BalanceChange[]) => unknown)[]) {
  const balances = new Map<string, number>();
  const applied = new Map<string, number>();
  const works = (changes: readonly BalanceChange[]): readonly BalanceResult[] =>
    changes.map(({ orderId, userId, amount }) => {
      const known = applied.get(orderId);
      if (known !== undefined) return { balance: known };
      const balance = (balances.get(userId) ?? 0) + amount;
      balances.set(userId, balance);
      applied.set(orderId, balance);
      return { balance };
    });
  const apply: Apply = (changes) => {
    const answer = answers.shift();
    return answer === undefined ? works(changes) : (answer(changes) as ReturnType<Apply>);
  };
  return { get: (userId: string) => balances.get(userId), apply, works, applied };
}

const failure = new Error('Disk full');
const lie = (then: Then) => () => thenable(then);
const throwing = {
  get: () => {
    throw failure;
  },
};

/** Each is an answer that is no success. */
const failures: [name: string, answer: (changes: readonly BalanceChange[]) => unknown][] = [
  ['throws', throwing.get],
  [
    'throws undefined',
    () => {
      throw undefined;
    },
  ],
  ['rejects', () => Promise.reject(failure)],
  ['rejects with undefined', () => Promise.reject(undefined)],
  ['returns nothing', () => undefined],
  ['promises nothing', () => Promise.resolve(undefined)],
  ['returns too few results', () => []],
  ['promises too few results', async () => []],
  ['returns too many results', (changes) => [...changes, 1].map(() => ({ balance: 1 }))],
  ['returns an array with holes', (changes) => new Array(changes.length)],
  ['returns a string', () => 'ok'],
  ['returns results of null', (changes) => changes.map(() => null)],
  ['returns empty results', (changes) => changes.map(() => ({}))],
  ['returns fractions', (changes) => changes.map(() => ({ balance: 0.5 }))],
  ['returns NaN', (changes) => changes.map(() => ({ balance: Number.NaN }))],
  ['returns strings', (changes) => changes.map(() => ({ balance: '1' }))],
  ['returns bigints', (changes) => changes.map(() => ({ balance: 1n }))],
  ['returns unknown refusals', (changes) => changes.map(() => ({ refused: 'bad_weather' }))],
  [
    'returns results that throw',
    (changes) => changes.map(() => Object.defineProperty({}, 'balance', throwing)),
  ],
  [
    'returns a thenable that throws',
    lie(() => {
      throw failure;
    }),
  ],
  [
    'returns a thenable that rejects twice',
    lie((_, reject) => {
      reject(failure);
      reject(failure);
    }),
  ],
  ['returns one whose `then` cannot be read', () => Object.defineProperty({}, 'then', throwing)],
];

describe.each(failures)('a storage that %s', (_, answer) => {
  it('invariants 3 and 10: leaves the order open, and completes it once when it works again', async () => {
    const storage = storageThat(answer);
    const processor = new OrderProcessor({ storage });
    const events = logOf(processor);
    const order = { id: 'a', userId: 'u', amount: 3 };
    const failed = await outcomeNow(errorOf(processor.submit(order)));
    expect(failed).toMatchObject({ code: 'storage_failed', orderId: 'a', userId: 'u' });
    expect(storage.applied.size).toBe(0);
    expect(processor.stats()).toMatchObject({ storage: 'failing', unsettled: 1, failed: 0 });
    expect(await codeOf(processor.submit({ id: 'b', userId: 'v', amount: 1 }))).toBe(
      'storage_failed',
    );

    const again = processor.submit(order);
    await clock.advance(10);
    expect(await outcomeNow(again)).toMatchObject({ balance: 3 });
    expect(await outcomeNow(processor.submit(order))).toMatchObject({ balance: 3 });
    expect(await processor.balance('u')).toBe(3);
    expect(processor.stats()).toMatchObject({
      ...{ accepted: 1, failed: 0, completed: 1, refused: 1, duplicates: 2, unsettled: 0 },
      storage: 'ready',
    });
    expect(events).toEqual([
      ...['accepted:a', 'started:a', 'error:-:storage_failed', 'refused:b:storage_failed'],
      ...['completed:a', 'idle'],
    ]);
    await clock.settle();
    expect(clock.timers).toBe(0);
  });
});

it('invariant 10: a storage that keeps no orders counts as failing until a settlement has worked', async () => {
  const rejects = (): unknown => Promise.reject(failure);
  const { get, apply } = storageThat(rejects, rejects);
  const processor = new OrderProcessor({ storage: { get, apply } });
  expect(await codeOf(processor.submit({ userId: 'u', amount: 1 }))).toBe('storage_failed');
  const seen: string[] = [];
  for (const ms of [0, 10, 19, 1]) {
    await clock.advance(ms);
    seen.push(processor.stats().storage);
  }
  expect(seen).toEqual(['failing', 'failing', 'failing', 'ready']);
});

it('invariant 10: a storage counts as failing while it does not answer', async () => {
  const gate = deferred();
  const { get, works } = storageThat();
  const apply: Apply = (changes) => gate.promise.then(() => works(changes));
  const processor = new OrderProcessor({ storage: { get, apply }, stalledAfterMs: 10 });
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  await clock.advance(20);
  expect(processor.stats().storage).toBe('failing');
  gate.resolve();
  await submitted;
  await clock.runAll();
  expect(processor.stats().storage).toBe('ready');
});

/** Each is an odd answer that is a success all the same. */
const successes: [name: string, wrap: (results: readonly BalanceResult[]) => unknown][] = [
  ['a bare thenable', (results) => thenable((resolve) => resolve(results))],
  [
    'a callable thenable',
    (results) =>
      thenable(
        (resolve) => resolve(results),
        () => {},
      ),
  ],
  ['a late thenable', (results) => thenable((resolve) => setImmediate(resolve, results))],
  [
    'a thenable that fulfills twice',
    (results) =>
      thenable((resolve) => {
        resolve(results);
        resolve([]);
      }),
  ],
  [
    'a thenable that fulfills, then throws',
    (results) =>
      thenable((resolve) => {
        resolve(results);
        throw failure;
      }),
  ],
  [
    'a thenable of a promise',
    (results) => thenable((resolve) => resolve(Promise.resolve(results))),
  ],
];

it.each(successes)('invariant 10: %s is believed like a promise, by `get` too', async (_, wrap) => {
  const storage = storageThat();
  const odd = {
    apply: (changes: readonly BalanceChange[]) => wrap(storage.works(changes)),
    get: (userId: string) => wrap(storage.get(userId) as never),
  } as BalanceStorage;
  const processor = new OrderProcessor({ storage: odd });
  const submitted = range(3).map((index) =>
    processor.submit({ id: `o-${index}`, userId: 'u', amount: 1 }),
  );
  await clock.runAll();
  const receipts = await outcomeNow(Promise.all(submitted));
  expect(receipts).toMatchObject([{ balance: 1 }, { balance: 2 }, { balance: 3 }]);
  expect(processor.stats()).toMatchObject({ completed: 3, failed: 0, unsettled: 0 });
  const balance = processor.balance('u');
  await clock.settle();
  expect(await outcomeNow(balance)).toBe(3);
  for (const index of range(3)) {
    expect(await processor.order(`o-${index}`)).toMatchObject({
      status: 'completed',
      balance: index + 1,
    });
  }
});

it('invariant 10: an answer that was applied and then lost is applied once when it comes again', async () => {
  const storage = storageThat((changes) => {
    storage.works(changes);
    throw failure;
  });
  const processor = new OrderProcessor({ storage });
  const order = { id: 'a', userId: 'u', amount: 3 };
  const failed = await errorOf(processor.submit(order));
  expect(failed.cause).toBe(failure);
  const again = processor.submit(order);
  await clock.advance(10);
  expect((await outcomeNow(again)) as object).toMatchObject({ balance: 3 });
  expect(await processor.balance('u')).toBe(3);
});

describe.each(['throws', 'rejects', 'gives nonsense'])('`get` that %s', (how) => {
  it('invariant 10: rejects with `storage_failed`, and orders go on', async () => {
    const storage = storageThat();
    const get = (): number => {
      if (how === 'throws') throw failure;
      if (how === 'rejects') return Promise.reject(failure) as never;
      return '7' as never;
    };
    const processor = new OrderProcessor({ storage: { ...storage, get } });
    expect(await errorOf(processor.balance('u'))).toMatchObject({ code: 'storage_failed' });
    expect((await processor.submit({ userId: 'u', amount: 1 })).balance).toBe(1);
  });
});

describe('a storage that never answers', () => {
  it('invariant 4: every promise settles at the deadline of `shutdown`', async () => {
    let calls = 0;
    const apply = (): Promise<never> => {
      calls += 1;
      return new Promise(() => {});
    };
    const processor = new OrderProcessor({ storage: { get: () => 0, apply }, concurrency: 2 });
    const codes = range(5).map((index) =>
      codeOf(processor.submit({ id: `o-${index}`, userId: 'u', amount: 1 })),
    );
    await clock.settle();
    const late = codeOf(processor.submit({ id: 'late', userId: 'u', amount: 1 }));
    const canceled = processor.cancel('late');
    const idle = watch(processor.onIdle());
    const done = processor.shutdown({ timeoutMs: 100 });
    await clock.runAll();
    const summary = await outcomeNow(done);
    expect(summary).toMatchObject({ timedOut: true, completed: 0, running: [] });
    expect(await outcomeNow(Promise.all(codes))).toEqual(range(5).map(() => 'storage_failed'));
    expect(['canceled', 'storage_failed']).toContain(await outcomeNow(late));
    expect(await outcomeNow(canceled)).not.toBe('pending');
    expect(idle.isSettled).toBe(true);
    expect(calls).toBe(1);
    expect(processor.stats()).toMatchObject({ unsettled: 0, queueLength: 0, completed: 0 });
  });

  it('invariant 10: the steps that have ended are not named as running', async () => {
    const storage = { get: () => 0, apply: () => new Promise<never>(() => {}) };
    const steps = [{ name: 'quick', run: () => clock.sleep(1) }];
    const processor = new OrderProcessor({ storage, steps });
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(5);
    const done = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    expect(await outcomeNow(done)).toMatchObject({ unsettled: ['a'], running: [] });
    expect(await outcomeNow(code)).toBe('storage_failed');
  });

  it('invariant 3: what was not handed over before the deadline is not applied after it', async () => {
    const gate = deferred<readonly BalanceResult[]>();
    const storage = storageThat(() => gate.promise);
    const log: string[] = [];
    const apply: Apply = (changes) => {
      log.push(`apply ${changes.map(({ orderId }) => orderId)}`);
      return storage.apply(changes);
    };
    const steps = [{ name: 'quick', run: () => clock.sleep(1) }];
    const close = (): void => void log.push('close');
    const processor = new OrderProcessor({ storage: { ...storage, apply, close }, steps });
    const codes = ['a', 'b'].map((id) => codeOf(processor.submit({ id, userId: id, amount: 1 })));
    await clock.advance(5);
    const done = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    await done;
    expect(await Promise.all(codes)).toEqual(['storage_failed', 'storage_failed']);
    gate.resolve([{ balance: 1 }]);
    await clock.settle();
    expect(log).toEqual(['apply a', 'close']);
    expect(await processor.balance('b')).toBeUndefined();
  });

  it('invariant 3: an answer after the deadline notifies no caller a second time', async () => {
    const gate = deferred<readonly BalanceResult[]>();
    const processor = new OrderProcessor({ storage: storageThat(() => gate.promise) });
    const completed: string[] = [];
    processor.on('completed', ({ orderId }) => completed.push(orderId));
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.settle();
    const done = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    expect(await outcomeNow(done)).toMatchObject({ unsettled: ['a'], completed: 0 });
    expect(await code).toBe('storage_failed');
    gate.resolve([{ balance: 1 }]);
    await clock.settle();
    expect(completed).toEqual([]);
    expect(processor.stats()).toMatchObject({ completed: 0, unsettled: 0 });
  });

  it('invariant 4: the processor goes on once it answers after all', async () => {
    const gate = deferred<readonly BalanceResult[]>();
    const storage = storageThat(() => gate.promise);
    const processor = new OrderProcessor({ storage });
    const submitted = ['a', 'b', 'c'].map((id) => processor.submit({ id, userId: id, amount: 1 }));
    await clock.advance(100_000);
    expect(processor.stats()).toMatchObject({ unsettled: 3, completed: 0 });
    gate.resolve(range(3).map(() => ({ balance: 1 })));
    expect(await Promise.all(submitted)).toHaveLength(3);
  });
});
