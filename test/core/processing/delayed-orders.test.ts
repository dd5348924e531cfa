import { OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const epoch = 1_700_000_000_000;
const order = (id: string, afterMs?: number, userId = 'u') => ({
  ...{ id, userId, amount: 1 },
  notBefore: afterMs === undefined ? undefined : Date.now() + afterMs,
});

/** Notes when orders begin. */
function noting(log: string[]): Step {
  return { name: 'notes', run: ({ id }) => void log.push(`${id}@${clock.now}`) };
}

const kinds: [string, () => OrderProcessorOptions][] = [
  ['memory', () => ({})],
  ['a storage that keeps orders', () => ({ storage: new KeptStorage() })],
];

describe.each(kinds)('an order with `notBefore`, in %s', (_, options) => {
  it('begins when its time comes, and not before', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    const submitted = codeOf(processor.submit(order('a', 1_000)));
    await clock.advance(999);
    expect(log).toEqual([]);
    expect(processor.stats()).toMatchObject({ accepted: 1, scheduled: 1, unsettled: 0 });
    await clock.advance(1);
    expect(log).toEqual(['a@1000']);
    expect(await submitted).toBe('completed');
    expect(await processor.order('a')).toMatchObject({ notBefore: epoch + 1_000 });
    expect(processor.stats()).toMatchObject({ completed: 1, scheduled: 0 });
    await processor.shutdown();
    expect(clock.timers).toBe(0);
  });

  it('holds back no other order of its user', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    await processor.enqueue(order('a', 1_000));
    await processor.submit(order('b'));
    await clock.advance(500);
    await processor.submit(order('c'));
    await clock.advance(500);
    expect(log).toEqual(['b@0', 'c@500', 'a@1000']);
    await processor.shutdown();
  });

  it('waits behind the orders that are in its lane when its time comes', async () => {
    const log: string[] = [];
    const gate = deferred();
    const waits: Step = { name: 'waits', run: ({ id }) => (id === 'b' ? gate.promise : undefined) };
    const processor = new OrderProcessor({ ...options(), steps: [noting(log), waits] });
    await processor.enqueue(order('a', 10));
    await processor.enqueue(order('b'));
    await clock.advance(100);
    expect(log).toEqual(['b@0']);
    gate.resolve();
    await clock.advance(1);
    expect(log).toEqual(['b@0', 'a@100']);
    expect(await processor.outcome('a')).toMatchObject({ status: 'completed', waitMs: 90 });
    await processor.shutdown();
  });

  it('orders come by their times, those of one time in the order of acceptance', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    for (const [at, ms] of [30, 10, 20, 10, 30, 20, 10].entries()) {
      await processor.enqueue(order(`${at}`, ms));
    }
    await clock.advance(40);
    expect(log).toEqual(['1@10', '3@10', '6@10', '2@20', '5@20', '0@30', '4@30']);
    await processor.shutdown();
  });

  it('can be canceled, whether a caller waits for it or not', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    const submitted = codeOf(processor.submit(order('a', 1_000)));
    await clock.settle();
    await processor.enqueue(order('b', 1_000));
    expect(await processor.cancel('a')).toBe(true);
    expect(await processor.cancel('b')).toBe(true);
    expect(await processor.cancel('b')).toBe(false);
    expect(await submitted).toBe('canceled');
    expect(await processor.order('b')).toMatchObject({ status: 'canceled', startedAt: undefined });
    expect(processor.stats()).toMatchObject({ canceled: 2, scheduled: 0, unsettled: 0 });
    await clock.advance(2_000);
    expect(log).toEqual([]);
    await processor.shutdown();
  });

  it('is canceled by its signal', async () => {
    const processor = new OrderProcessor(options());
    const abort = new AbortController();
    const submitted = codeOf(processor.submit(order('a', 1_000), { signal: abort.signal }));
    await clock.settle();
    abort.abort();
    await clock.settle();
    expect(await submitted).toBe('canceled');
    expect(processor.stats()).toMatchObject({ scheduled: 0, unsettled: 0 });
    await processor.shutdown();
  });

  it('is known and listed as pending, and its outcome can be awaited', async () => {
    const processor = new OrderProcessor(options());
    await processor.enqueue(order('a', 1_000));
    await processor.enqueue(order('b'));
    await clock.advance(1);
    expect(await processor.order('a')).toMatchObject({ status: 'pending', startedAt: undefined });
    const { orders } = await processor.orders({ status: 'pending' });
    expect(orders).toMatchObject([{ id: 'a', notBefore: epoch + 1_000 }]);
    const outcome = processor.outcome('a');
    await clock.advance(990);
    expect(await outcomeNow(outcome)).toBe('pending');
    await clock.advance(20);
    expect(await outcome).toMatchObject({ status: 'completed', orderId: 'a' });
    await processor.shutdown();
  });

  it('invariant 5: is the same order when it comes again, with another time or none', async () => {
    const processor = new OrderProcessor(options());
    await processor.enqueue(order('a', 1_000));
    const second = codeOf(processor.submit(order('a', 5)));
    const third = codeOf(processor.submit(order('a')));
    await clock.advance(900);
    expect(await outcomeNow(Promise.race([second, third]))).toBe('pending');
    expect(await codeOf(processor.submit({ ...order('a'), amount: 2 }))).toBe('order_conflict');
    await clock.advance(101);
    expect([await second, await third]).toEqual(['completed', 'completed']);
    expect(await processor.balance('u')).toBe(1);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, duplicates: 2 });
    await processor.shutdown();
  });

  it('is not waited for by `onIdle`', async () => {
    const processor = new OrderProcessor(options());
    await processor.enqueue(order('a', 1_000));
    await clock.settle();
    expect(await outcomeNow(processor.onIdle())).toBeUndefined();
    await processor.shutdown();
  });

  it('has no permit of `capacity` before its time, and waits for one then', async () => {
    const log: string[] = [];
    const gates = new Map(['b', 'c'].map((id) => [id, deferred()]));
    const waits: Step = { name: 'waits', run: ({ id }) => gates.get(id)?.promise };
    const processor = new OrderProcessor({
      ...options(),
      steps: [noting(log), waits],
      capacity: 2,
    });
    for (const at of [0, 1]) await processor.enqueue(order(`a-${at}`, 100, `v-${at}`));
    await processor.enqueue(order('b', undefined, 'b'));
    await processor.enqueue(order('c', undefined, 'c'));
    expect(await codeOf(processor.enqueue(order('d')))).toBe('queue_full');
    await clock.advance(200);
    expect(log).toEqual(['b@0', 'c@0']);
    expect(processor.stats()).toMatchObject({ unsettled: 2, scheduled: 2 });
    gates.get('b')?.resolve();
    await clock.advance(10);
    expect(log).toEqual(['b@0', 'c@0', 'a-0@200', 'a-1@200']);
    gates.get('c')?.resolve();
    await processor.onIdle();
    await processor.shutdown();
  });

  it('invariant 11: `oldestWaitMs` counts its waiting from its time on', async () => {
    const processor = new OrderProcessor(options());
    await processor.enqueue(order('a', 1_000));
    processor.pause();
    await clock.advance(1_500);
    expect(processor.stats()).toMatchObject({ queueLength: 1, oldestWaitMs: 500 });
    await processor.shutdown();
  });

  it('that comes when its time has come is as any other', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    for (const ms of [0, -5, -epoch]) await processor.submit(order(`${ms}`, ms));
    expect(log).toHaveLength(3);
    await processor.shutdown();
  });

  it('expires when it has not begun by its `expiresAt`', async () => {
    const processor = new OrderProcessor(options());
    const submitted = errorOf(processor.submit({ ...order('a', 100), expiresAt: epoch + 200 }));
    await processor.enqueue({ ...order('b', 100), expiresAt: epoch + 200 });
    processor.pause();
    await clock.advance(300);
    expect(await submitted).toMatchObject({ code: 'expired', outcome: 'canceled' });
    expect(await processor.order('b')).toMatchObject({ status: 'canceled', code: 'expired' });
    await processor.shutdown();
  });

  it('waits longer than a timer can, and by the clock of the machine', async () => {
    const log: string[] = [];
    const processor = new OrderProcessor({ ...options(), steps: [noting(log)] });
    const days = 24 * 3_600_000;
    await processor.enqueue(order('a', 30 * days));
    await clock.advance(20 * days);
    const realNow = Date.now;
    Date.now = () => realNow() - 5 * days;
    await clock.advance(14 * days);
    expect(log).toEqual([]);
    await clock.advance(days);
    expect(log).toEqual([`a@${35 * days}`]);
    await processor.shutdown();
  });

  it('raises `accepted` when it is accepted, and `started` when it begins', async () => {
    const processor = new OrderProcessor({ ...options(), steps: [noting([])] });
    const log = logOf(processor);
    await processor.enqueue(order('a', 100));
    expect(log.filter((line) => line !== 'idle')).toEqual(['accepted:a']);
    await clock.advance(101);
    expect(log.filter((line) => line !== 'idle')).toEqual([
      'accepted:a',
      'started:a',
      'completed:a',
    ]);
    await processor.shutdown();
  });

  it('can be given up to a hundred years ahead', async () => {
    const processor = new OrderProcessor(options());
    const years = 365.25 * 24 * 3_600_000;
    await processor.enqueue(order('a', 100 * years));
    expect(await codeOf(processor.enqueue(order('b', 100 * years + 1)))).toBe('invalid_order');
    await processor.shutdown();
  });

  it.each([-1, 0.5, Number.NaN, '5', null])(
    'is refused with a time that is none: %s',
    async (at) => {
      const processor = new OrderProcessor(options());
      const error = await errorOf(processor.submit({ ...order('a'), notBefore: at as number }));
      expect(error).toMatchObject({ code: 'invalid_order', orderId: 'a', userId: 'u' });
      expect(error.message).toContain('`notBefore`');
      await processor.shutdown();
    },
  );

  it('is refused if it expires before its time', async () => {
    const processor = new OrderProcessor(options());
    const expiresAt = Date.now() + 100;
    const error = await errorOf(processor.submit({ ...order('a', 100), expiresAt }));
    expect(error).toMatchObject({ code: 'invalid_order' });
    expect(error.message).toContain('later than `notBefore`');
    await processor.shutdown();
  });
});

describe('delayed orders in memory', () => {
  it('invariant 6: are as many as `capacity`, beside the others', async () => {
    const processor = new OrderProcessor({ capacity: 2 });
    await processor.enqueue(order('a', 100));
    await processor.enqueue(order('b', 100));
    const error = await errorOf(processor.enqueue(order('c', 100)));
    expect(error).toMatchObject({ code: 'queue_full', outcome: 'refused' });
    expect(error.message).toContain('delayed');
    expect(await codeOf(processor.submit(order('d')))).toBe('completed');
    await clock.advance(100);
    expect(await codeOf(processor.enqueue(order('c', 100)))).toBe('completed');
    await processor.shutdown();
  });

  it('are canceled by `shutdown`, which does not wait for them', async () => {
    const processor = new OrderProcessor();
    const submitted = codeOf(processor.submit(order('a', 100_000)));
    const summary = await processor.shutdown();
    expect(summary).toMatchObject({ canceled: 1, kept: 0, timedOut: false });
    expect(await submitted).toBe('canceled');
  });
});

describe('delayed orders in a storage that keeps orders', () => {
  const works = (): Fate => 'works';

  it('invariant 6: are not in memory unless a caller waits, and are more than `capacity`', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { capacity: 10 });
    for (const at of range(100)) await processor.enqueue(order(`a-${at}`, 1_000, `u-${at % 7}`));
    expect(processor.stats()).toMatchObject({ scheduled: 100, unsettled: 0 });
    const waiting = range(10).map((at) => codeOf(processor.submit(order(`b-${at}`, 1_000))));
    await clock.settle();
    expect(await codeOf(processor.submit(order('c', 1_000)))).toBe('queue_full');
    expect(await codeOf(processor.enqueue(order('c', 1_000)))).toBe('completed');
    await clock.advance(1_000);
    await processor.onIdle();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['completed']));
    expect(processor.stats()).toMatchObject({ completed: 111, scheduled: 0, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariant 9: survive a restart, and come at their time, or at once if it came meanwhile', async () => {
    const storage = new KeptStorage();
    const first = await open(storage);
    for (const ms of [100, 5_000, 200, 400]) await first.enqueue(order(`${ms}`, ms));
    storage.cut();
    await clock.hold();
    clock.now += 300;
    const log: string[] = [];
    const processor = new OrderProcessor({
      ...{ storage: new KeptStorage(storage.disk), steps: [noting(log)] },
    });
    await processor.ready;
    expect(processor.recovered).toBe(2);
    await clock.advance(0);
    expect(processor.stats()).toMatchObject({ scheduled: 2 });
    await clock.advance(10_000);
    expect(log).toEqual(['100@300', '200@300', '400@400', '5000@5000']);
    expect(processor.stats()).toMatchObject({ scheduled: 0, completed: 4 });
    await processor.shutdown();
  });

  it('are left in the storage by `shutdown`, at once', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const submitted = errorOf(processor.submit(order('a', 1_000)));
    await processor.enqueue(order('b', 1_000));
    await clock.settle();
    const summary = await processor.shutdown();
    expect(summary).toMatchObject({ canceled: 0, kept: 1, timedOut: false, unsettled: [] });
    expect(await submitted).toMatchObject({ code: 'shut_down' });
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending' });
    expect(storage.disk.find('b')).toMatchObject({ status: 'pending' });
    expect(clock.timers).toBe(0);
  });

  it('can be canceled and awaited after a restart', async () => {
    const storage = new KeptStorage();
    const first = await open(storage);
    for (const id of ['a', 'b', 'c']) await first.enqueue(order(id, 1_000));
    await first.shutdown();
    const processor = await open(new KeptStorage(storage.disk));
    await clock.advance(1);
    const outcomes = ['a', 'b'].map((id) => processor.outcome(id));
    await clock.advance(1);
    expect(await processor.cancel('a')).toBe(true);
    expect(await processor.cancel('c')).toBe(true);
    expect(await outcomes[0]).toMatchObject({ status: 'canceled' });
    await clock.advance(2_000);
    expect(await outcomes[1]).toMatchObject({ status: 'completed' });
    expect(storage.disk.find('c')).toMatchObject({ status: 'canceled' });
    expect(processor.stats()).toMatchObject({ scheduled: 0, canceled: 2, completed: 1 });
    await processor.shutdown();
  });

  it('invariant 10: come when the storage works again that could not give them', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const failures: string[] = [];
    processor.on('error', ({ message }) => failures.push(message));
    for (const at of range(3)) await processor.enqueue(order(`a-${at}`, 100 * (at + 1)));
    storage.fate = (method) => (method === 'due' || method === 'accept' ? 'rejects' : 'works');
    await clock.advance(150);
    expect(failures).toContain('The delayed orders could not be read');
    expect(storage.disk.find('a-0')).toMatchObject({ status: 'pending' });
    storage.fate = works;
    await clock.advance(20_000);
    expect(processor.stats()).toMatchObject({ completed: 3, scheduled: 0 });
    await processor.shutdown();
  });

  it('none is lost that is accepted while others are read', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    await processor.enqueue(order('a', 100));
    const gate = deferred<Fate>();
    storage.fate = (method) => (method === 'due' ? gate.promise : 'works');
    await clock.advance(100);
    for (const ms of [1, 2, 50]) await processor.enqueue(order(`b-${ms}`, ms));
    await clock.advance(10);
    storage.fate = works;
    gate.resolve('works');
    await clock.advance(100);
    expect(processor.stats()).toMatchObject({ completed: 4, scheduled: 0 });
    await processor.shutdown();
  });

  it('none begins that is canceled while it is read', async () => {
    const storage = new KeptStorage();
    const log: string[] = [];
    const processor = await open(storage, { steps: [noting(log)] });
    const submitted = codeOf(processor.submit(order('a', 100)));
    await clock.advance(1);
    const answer = deferred<Fate>();
    const due = storage.due.bind(storage);
    storage.due = async (query) => {
      const page = await due(query);
      await answer.promise;
      return page;
    };
    await clock.advance(100);
    expect(await processor.cancel('a')).toBe(true);
    answer.resolve('works');
    await clock.advance(100);
    expect(await submitted).toBe('canceled');
    expect(log).toEqual([]);
    expect(processor.stats()).toMatchObject({ scheduled: 0, unsettled: 0 });
    await processor.shutdown();
  });

  describe.each([
    ['with steps', [noting([])]],
    ['without steps', []],
  ])(
    'an order %s that comes again before its time, and reaches the storage after it',
    (_, steps) => {
      /** Its second call of `accept` or `settle` ends after its time. */
      async function comesAgain(second: object, fate: Fate, isLast = false) {
        const storage = new KeptStorage();
        const processor = await open(storage, { steps });
        const log = logOf(processor);
        await processor.enqueue(order('a', 100));
        if (!isLast) await processor.enqueue(order('later', 1_000));
        await clock.advance(99);
        storage.fate = (method) =>
          method === 'accept' || method === 'settle' ? clock.sleep(10).then(() => fate) : 'works';
        const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1, ...second }));
        await clock.advance(5);
        storage.fate = works;
        await clock.advance(100);
        return {
          processor,
          code: await code,
          accepted: log.filter((line) => line === 'accepted:a'),
        };
      }

      it('invariants 3, 11: is accepted once', async () => {
        const { processor, code, accepted } = await comesAgain({ notBefore: epoch + 100 }, 'works');
        expect(code).toBe('completed');
        expect(accepted).toHaveLength(1);
        expect(processor.stats()).toMatchObject({
          accepted: 2,
          duplicates: 1,
          completed: 1,
          scheduled: 1,
        });
        await processor.shutdown();
      });

      it.each([
        ['is the same order', {}, 'works', 'completed'],
        ['has other content', { amount: 2 }, 'works', 'order_conflict'],
      ] as const)(
        'invariant 11: is `scheduled` no more, as the last one that was, if the second %s',
        async (__, second, fate, expected) => {
          const { processor, code } = await comesAgain(second, fate, true);
          expect(code).toBe(expected);
          await clock.advance(20_000);
          expect(await processor.order('a')).toMatchObject({ status: 'completed', amount: 1 });
          expect(processor.stats()).toMatchObject({ completed: 1, scheduled: 0 });
          await processor.shutdown();
        },
      );

      it.each([
        ['has other content', { amount: 2 }, 'works', 'order_conflict'],
        ['is not kept', {}, 'rejects', 'storage_failed'],
      ] as const)(
        'invariant 4: is not forgotten if the second %s',
        async (__, second, fate, expected) => {
          const { processor, code } = await comesAgain(second, fate);
          expect(code).toBe(expected);
          await clock.advance(20_000);
          expect(await processor.order('a')).toMatchObject({ status: 'completed', amount: 1 });
          expect(processor.stats()).toMatchObject({ accepted: 2, completed: 2, scheduled: 0 });
          await processor.shutdown();
        },
      );
    },
  );
});

it('invariant 1: none begins before the holds of an earlier process are read, though its caller asks for it', async () => {
  const log: string[] = [];
  const storage = new KeptStorage();
  const first = await open(storage, { steps: [noting(log)] });
  await first.enqueue(order('a', 5));
  await first.hold('u');
  storage.cut();
  await clock.hold();
  const again = new KeptStorage(storage.disk);
  again.fate = fatesOf('holds', 'rejects', 'rejects');
  const second = new OrderProcessor({ storage: again, steps: [noting(log)] });
  second.on('error', () => {});
  const outcome = codeOf(second.outcome('a'));
  await clock.advance(10_000);
  expect(log).toEqual([]);
  expect(second.stats()).toMatchObject({ scheduled: 0, heldLanes: 1, heldOrders: 1 });
  await second.release('u');
  await clock.settle();
  expect([log, await outcome]).toEqual([['a@10000'], 'completed']);
  await second.shutdown();
});

it('invariant 1: none overtakes an order that an earlier process has left, though the storage cannot give it at once', async () => {
  const log: string[] = [];
  const storage = new KeptStorage();
  const first = await open(storage, { steps: [noting(log)] });
  first.pause();
  await first.enqueue(order('b'));
  await first.enqueue(order('a', 5));
  storage.cut();
  await clock.hold();
  const again = new KeptStorage(storage.disk);
  again.fate = fatesOf('unsettled', 'rejects', 'rejects');
  const second = new OrderProcessor({ storage: again, steps: [noting(log)] });
  second.on('error', () => {});
  await clock.advance(10_000);
  expect(log.map((each) => each.split('@')[0])).toEqual(['b', 'a']);
  await second.shutdown();
});
