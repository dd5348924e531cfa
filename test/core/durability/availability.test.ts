import type { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, outcomeNow, range } from '../../kit/helpers.ts';
import { broken, fatesOf, keepFirst, open, working } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const nothing = { name: 'nothing', run() {} };

function eventsOf(processor: OrderProcessor): string[] {
  const events: string[] = [];
  for (const name of ['error', 'interrupted'] as const) {
    processor.on(name, ({ code }) => events.push(`${name} ${code}`));
  }
  processor.on('restored', () => events.push('restored'));
  processor.on('failed', ({ orderId, code }) => events.push(`failed ${orderId} ${code}`));
  return events;
}

describe('while the storage fails', () => {
  /** One with two orders that are kept and wait when the storage begins to fail. */
  async function interrupted() {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause();
    await processor.enqueue(order('kept'));
    const waiting = codeOf(processor.submit(order('waiting')));
    await clock.settle();
    storage.fate = broken;
    expect(await codeOf(processor.enqueue(order('x', 'v')))).toBe('storage_failed');
    return { storage, processor, waiting };
  }

  it('invariant 10: what is kept waits, and nothing overtakes it', async () => {
    const { storage, processor, waiting } = await interrupted();
    expect(await outcomeNow(waiting)).toBe('pending');
    processor.resume();
    await clock.advance(1_000);
    expect(storage.log).toEqual(['accept kept', 'accept waiting', 'accept x']);
    expect(storage.disk.find('kept')).toMatchObject({ status: 'pending' });
    storage.fate = working;
    await clock.advance(5_000);
    expect(storage.log.slice(3)).toEqual(['settle kept:completed waiting:completed']);
    expect(await outcomeNow(waiting)).toBe('completed');
    await processor.shutdown();
  });

  it('invariant 10: what its settlement was to accept fails, in a call or before it', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = broken;
    // More than the calls under way and the next one have.
    const codes = range(3_000).map((at) => codeOf(processor.submit(order(`o-${at}`))));
    await clock.advance(1_000);
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['storage_failed']));
    expect(storage.disk.find('o-2999')).toBeUndefined();
    storage.fate = working;
    await clock.advance(5_000);
    expect(await codeOf(processor.submit(order('o-2999')))).toBe('completed');
    await processor.shutdown();
  });

  it('invariant 10: new orders are refused at once; what is known is not', async () => {
    const { storage, processor } = await interrupted();
    const calls = storage.log.length + storage.asked.length;
    const refused = [
      processor.submit(order('n')),
      processor.submit(order('n'), { signal: new AbortController().signal }),
      processor.enqueue(order('n')),
    ].map((handedIn) => outcomeNow(codeOf(handedIn)));
    expect(await Promise.all(refused)).toEqual(refused.map(() => 'storage_failed'));
    const outcomes = await processor.submitMany([order('m'), order('n')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['refused', 'refused']);
    const known = processor.submit(order('kept'));
    expect(await outcomeNow(processor.enqueue(order('kept')))).toMatchObject({ id: 'kept' });
    expect(storage.log.length + storage.asked.length).toBe(calls);
    expect(processor.stats()).toMatchObject({ storage: 'failing', unsettled: 2 });
    storage.fate = working;
    processor.resume();
    await clock.advance(5_000);
    expect(await outcomeNow(known)).toMatchObject({ balance: 1 });
    await processor.shutdown();
  });

  it('invariant 10: nothing begins, and what has begun goes on to its settlement', async () => {
    const storage = new KeptStorage();
    const [one, two] = [deferred(), deferred()];
    const begun: string[] = [];
    const steps = [
      {
        name: 'one',
        run({ id }: { id: string }) {
          begun.push(id);
          return one.promise;
        },
      },
      {
        name: 'two',
        after: ['one'],
        run() {
          begun.push('two');
          return two.promise;
        },
      },
    ];
    const processor = await open(storage, { steps, stalledAfterMs: 60_000, concurrency: 1 });
    await processor.enqueue(order('a'));
    await processor.enqueue(order('b', 'w'));
    storage.fate = broken;
    expect(await codeOf(processor.enqueue(order('c', 'v')))).toBe('storage_failed');
    one.resolve();
    await clock.settle();
    expect(begun).toEqual(['a', 'two']);
    two.resolve();
    await clock.advance(20_000);
    expect(begun).toEqual(['a', 'two']);
    expect(processor.stats()).toMatchObject({ unsettled: 2, queueLength: 1 });
    storage.fate = working;
    await clock.advance(5_000);
    expect(begun).toEqual(['a', 'two', 'b', 'two']);
    expect(storage.log.slice(-2)).toEqual(['settle a:completed', 'settle b:completed']);
    await processor.shutdown();
  });

  it('is asked after pauses that double, from 10 ms to 5 s, until it says that it works', async () => {
    const { storage, processor } = await interrupted();
    const events = eventsOf(processor);
    const asked: number[] = [];
    const from = clock.now;
    storage.fate = () => {
      asked.push(clock.now - from);
      return asked.length < 12 ? 'rejects' : 'works';
    };
    await clock.advance(60_000);
    const pauses = asked.map((at, index) => at - (asked[index - 1] ?? 0));
    expect(pauses.slice(0, 12)).toEqual([
      ...[10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000, 5_000],
    ]);
    expect(storage.asked.slice(1)).toEqual(asked.slice(0, 12).map(() => 'works?'));
    // A question that fails is no failure of its own.
    expect(events).toEqual(['restored']);
    expect(processor.stats().storage).toBe('ready');
    await processor.shutdown();
  });

  it('raises `interrupted` and `restored` once for each time, and `error` at each call that fails', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const events = eventsOf(processor);
    const fates = { accept: deferred<Fate>(), settle: deferred<Fate>() };
    await processor.enqueue(order('a'));
    storage.fate = (method, size) =>
      size > 0 && (method === 'accept' || method === 'settle') ? fates[method].promise : 'works';
    // Both under way when the first of them fails.
    const second = codeOf(processor.enqueue(order('b')));
    const third = codeOf(processor.submit(order('a')));
    await clock.settle();
    fates.accept.resolve('rejects');
    await clock.settle();
    fates.settle.resolve('rejects');
    await clock.settle();
    storage.fate = working;
    await clock.runAll();
    expect(events.filter((event) => event === 'interrupted storage_failed')).toHaveLength(1);
    expect(events.filter((event) => event === 'restored')).toHaveLength(1);
    expect(await second).toBe('storage_failed');
    expect(['completed', 'storage_failed']).toContain(await third);
    await processor.shutdown();
  });

  it('invariant 1: orders of one user that wait for their settlement keep their order', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause();
    for (const n of range(5)) await processor.enqueue(order(`o-${n}`));
    storage.fate = fatesOf('settle', 'rejects', 'fails late', 'rejects');
    processor.resume();
    await clock.runAll();
    const all = range(5).map((n) => `o-${n}:completed`);
    expect(storage.log.slice(5)).toEqual(range(4).map(() => `settle ${all.join(' ')}`));
    const balances = range(5).map((n) => storage.disk.find(`o-${n}`)?.balance);
    expect(balances).toEqual([1, 2, 3, 4, 5]);
    expect(storage.disk.get('u')).toBe(5);
    await processor.shutdown();
  });

  it('invariant 1: what was decided after a call that fails is settled after what was in it', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const fate = deferred<Fate>();
    storage.fate = fatesOf('settle', fate.promise);
    await keepFirst(processor, order('a'));
    await clock.settle();
    await keepFirst(processor, order('b'));
    await clock.settle();
    fate.resolve('rejects');
    await clock.runAll();
    expect(storage.log.filter((each) => each.startsWith('settle'))).toEqual([
      'settle a:completed',
      'settle a:completed b:completed',
    ]);
    await processor.shutdown();
  });

  it('invariant 9: no acknowledged order fails since its balance could not be read', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing], minBalance: 0 });
    await processor.submit(order('a', 'u', 10));
    storage.fate = fatesOf('get', 'rejects', 'throws');
    await processor.enqueue(order('b', 'u', -1));
    await clock.runAll();
    expect(storage.disk.find('b')).toMatchObject({ status: 'completed', balance: 9 });
    await processor.shutdown();
  });
});

describe('invariant 8: a storage that fails while the turn is spent', () => {
  it('leaves no rejection unhandled', async () => {
    const unhandled: unknown[] = [];
    const hear = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', hear);
    clock.msPerReading = 10;
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('accept', 'rejects');
    const codes = range(60).map((n) => codeOf(keepFirst(processor, order(`o-${n}`))));
    await clock.settle();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['storage_failed']));
    process.off('unhandledRejection', hear);
    expect(unhandled).toEqual([]);
    clock.msPerReading = 0;
    await processor.shutdown();
  });
});

it('invariant 10: a storage that leaves one call unanswered is failing, even if it answers others', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage, { stalledAfterMs: 100 });
  let answer = (): void => {};
  storage.fate = (method) =>
    method === 'settle' ? new Promise((resolve) => (answer = () => resolve('works'))) : 'works';
  const submitted = processor.submit(order('a'));
  await clock.advance(20_000);
  expect(processor.stats().storage).toBe('failing');
  storage.fate = () => 'works';
  answer();
  await clock.advance(20_000);
  expect(processor.stats().storage).toBe('ready');
  expect(await outcomeNow(submitted)).toMatchObject({ balance: 1 });
  await processor.shutdown();
});
