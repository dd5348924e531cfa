import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { diskWith } from '../../kit/kept/recovering.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(100, signal) };
const order = (id: string, expiresInMs?: number, userId = 'u') => ({
  ...{ id, userId, amount: 1 },
  expiresAt: expiresInMs === undefined ? undefined : Date.now() + expiresInMs,
});

describe('an order that expires', () => {
  it('invariant 3: is canceled when its time comes and it has not begun', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const log = logOf(processor);
    const first = codeOf(processor.submit(order('a')));
    const second = errorOf(processor.submit(order('b', 50)));
    const third = codeOf(processor.submit(order('c')));
    await clock.advance(49);
    expect(await outcomeNow(second)).toBe('pending');
    expect(await processor.order('b')).toMatchObject({
      status: 'pending',
      expiresAt: Date.now() + 1,
    });
    await clock.advance(1);
    expect(await second).toMatchObject({
      ...{ code: 'expired', outcome: 'canceled', orderId: 'b', retryable: false, steps: [] },
      waitMs: undefined,
    });
    expect(await processor.order('b')).toMatchObject({
      ...{ status: 'canceled', code: 'expired', startedAt: undefined },
      expiresAt: Date.now(),
    });
    await clock.runAll();
    expect([await first, await third]).toEqual(['completed', 'completed']);
    expect(log).toContain('canceled:b:expired');
    expect(log).not.toContain('started:b');
    expect(processor.stats()).toMatchObject({ canceled: 1, completed: 2, unsettled: 0 });
    await processor.shutdown();
  });

  it('goes on once it has begun', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const submitted = codeOf(processor.submit(order('a', 50)));
    await clock.runAll();
    expect(await submitted).toBe('completed');
    expect(await processor.order('a')).toMatchObject({ expiresAt: 1_700_000_000_050 });
    await processor.shutdown();
    expect(clock.timers).toBe(0);
  });

  it('never begins when its time has come, although no timer has ended yet', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const submitted = errorOf(processor.submit(order('a', 50)));
    const other = codeOf(processor.submit(order('b')));
    // The host holds the event loop.
    clock.now += 50;
    processor.resume();
    await clock.settle();
    expect(await submitted).toMatchObject({ code: 'expired', outcome: 'canceled' });
    expect(await other).toBe('completed');
    expect(await processor.balance('u')).toBe(1);
    await processor.shutdown();
  });

  it('invariant 6: leaves no timer and takes no memory when it has begun or ended', async () => {
    const processor = new OrderProcessor();
    await Promise.all(range(1_000).map((at) => processor.submit(order(`a-${at}`, 3_600_000))));
    expect(clock.timers).toBe(0);
    processor.pause();
    for (const at of range(1_000)) await processor.enqueue(order(`b-${at}`, 3_600_000 + at));
    expect(clock.timers).toBe(1);
    for (const at of range(1_000)) expect(await processor.cancel(`b-${at}`)).toBe(true);
    expect(clock.timers).toBe(0);
    await processor.shutdown();
  });

  it('expires in the order of the times, each at its own, with one timer', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const log: string[] = [];
    processor.on('canceled', ({ orderId }) => log.push(`${orderId}@${clock.now}`));
    for (const [at, ms] of [30, 10, 20, 10, 40].entries())
      await processor.enqueue(order(`${ms}-${at}`, ms));
    expect(clock.timers).toBe(1);
    await clock.advance(35);
    expect(log.map((line) => line.replace(/-\d/, ''))).toEqual([
      '10@10',
      '10@10',
      '20@20',
      '30@30',
    ]);
    await clock.advance(5);
    expect(processor.stats()).toMatchObject({ canceled: 5, unsettled: 0 });
    await processor.shutdown();
  });

  it('waits longer than a timer can', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const days = 24 * 3_600_000;
    await processor.enqueue(order('a', 30 * days));
    await clock.advance(30 * days - 1);
    expect(processor.stats().unsettled).toBe(1);
    await clock.advance(1);
    expect(processor.stats()).toMatchObject({ canceled: 1, unsettled: 0 });
    await processor.shutdown();
  });

  it.each([
    ['forward', 3_600_000, 10_000],
    ['back', -3_600_000, 3_600_000 + 60_000],
  ])('goes by the clock of the machine when that is set %s', async (_, stepMs, mostMs) => {
    const processor = new OrderProcessor();
    processor.pause();
    const realNow = Date.now;
    await processor.enqueue(order('a', 60_000));
    const expiresAt = realNow() + 60_000;
    Date.now = () => realNow() + stepMs;
    let canceledAt = 0;
    processor.on('canceled', () => {
      canceledAt = Date.now();
    });
    await clock.advance(mostMs);
    expect(canceledAt).toBeGreaterThanOrEqual(expiresAt);
    expect(clock.now).toBeLessThanOrEqual(mostMs);
    await processor.shutdown();
  });

  it('is refused when its time has passed, unless its id is known', async () => {
    const processor = new OrderProcessor();
    await processor.submit(order('a', 10));
    clock.now += 10;
    expect(await codeOf(processor.submit({ ...order('a'), expiresAt: Date.now() }))).toBe(
      'completed',
    );
    expect(await errorOf(processor.enqueue(order('b', 0)))).toMatchObject({
      ...{ code: 'expired', outcome: 'refused', orderId: 'b' },
    });
    expect(processor.stats()).toMatchObject({ accepted: 1, refused: 1, duplicates: 1 });
    await processor.shutdown();
  });

  it('is refused when its time passes while it waits for room', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 1, overflow: 'wait' });
    const first = codeOf(processor.submit(order('a')));
    const second = errorOf(processor.submit(order('b', 50)));
    await clock.runAll();
    expect(await first).toBe('completed');
    expect(await second).toMatchObject({ code: 'expired', outcome: 'refused' });
    await processor.shutdown();
  });

  it('is no other order if it comes with another time', async () => {
    const processor = new OrderProcessor();
    await processor.submit(order('a', 1_000));
    expect(await codeOf(processor.submit(order('a', 2_000)))).toBe('completed');
    expect(await codeOf(processor.submit(order('a')))).toBe('completed');
    await processor.shutdown();
  });

  it.each([
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '5',
    null,
    new Date(),
    () => Date.now() + 101 * 365 * 24 * 3_600_000,
  ])('is refused with a time that is none: %s', async (value) => {
    const processor = new OrderProcessor();
    const expiresAt = typeof value === 'function' ? value() : value;
    const bad = { id: 'a', userId: 'u', amount: 1, expiresAt } as never;
    const error = await errorOf(processor.submit(bad));
    expect(error).toMatchObject({ code: 'invalid_order', orderId: 'a', userId: 'u' });
    expect(error.message).toContain('`expiresAt`');
    await processor.shutdown();
  });
});

describe('an order that expires, in a storage that keeps orders', () => {
  it('invariant 9: expires after a restart too, and at once if its time passed meanwhile', async () => {
    const disk = await diskWith(order('a', 50), order('b', 500), order('c'));
    clock.now += 100;
    const ran: string[] = [];
    const works: Step = { name: 'works', run: ({ id }) => void ran.push(id) };
    const processor = new OrderProcessor({ storage: new KeptStorage(disk), steps: [works] });
    processor.pause();
    await processor.ready;
    await clock.advance(0);
    expect(disk.find('a')).toMatchObject({ status: 'pending' });
    await clock.advance(10);
    expect(disk.find('a')).toMatchObject({ status: 'canceled', code: 'expired' });
    expect(disk.find('b')).toMatchObject({ status: 'pending', expiresAt: 1_700_000_000_500 });
    processor.resume();
    await processor.onIdle();
    expect(ran).toEqual(['b', 'c']);
    await processor.shutdown();
  });

  it('expires while the journal keeps it', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [sleeps] });
    const gate = deferred();
    storage.fate = (method) => (method === 'accept' ? gate.promise.then(() => 'works') : 'works');
    const submitted = errorOf(processor.submit(order('a', 50)));
    await clock.advance(60);
    gate.resolve();
    await clock.advance(1);
    expect(await submitted).toMatchObject({ code: 'expired', outcome: 'canceled' });
    expect(storage.disk.find('a')).toMatchObject({ status: 'canceled', startedAt: undefined });
    await processor.shutdown();
  });

  it('is compensated in its turn if it may have begun before a restart', async () => {
    const disk = await diskWith(order('a', 50));
    clock.now += 100;
    const ran: string[] = [];
    const works: Step = {
      name: 'works',
      run: () => void ran.push('run'),
      compensate: () => void ran.push('compensate'),
    };
    const processor = new OrderProcessor({ storage: new KeptStorage(disk), steps: [works] });
    await clock.advance(20);
    expect(ran).toEqual(['compensate']);
    expect(disk.find('a')).toMatchObject({ status: 'canceled', code: 'expired' });
    await processor.shutdown();
  });
});
