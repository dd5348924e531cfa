import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { broken, keepFirst, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const nothing = { name: 'nothing', run() {} };
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const listening = {
  name: 'work',
  run: (_: unknown, { signal }: { signal: AbortSignal }) => clock.sleep(10_000, signal),
};

describe('a shutdown', () => {
  it('invariant 4: finishes what was accepted, what is on its way included', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [{ name: 'work', run: () => clock.sleep(5) }] });
    storage.fate = () => clock.sleep(3).then(() => 'works');
    const enqueued = processor.enqueue(order('a'));
    const submitted = processor.submit(order('b'));
    const closed = processor.shutdown();
    const refused = codeOf(processor.enqueue(order('c')));
    await clock.runAll();
    expect(await outcomeNow(refused)).toBe('shut_down');
    expect(await outcomeNow(enqueued)).toMatchObject({ id: 'a' });
    expect(await outcomeNow(submitted)).toMatchObject({ balance: 2 });
    expect(await outcomeNow(closed)).toMatchObject({ completed: 2, kept: 0, timedOut: false });
    expect(storage.isClosed).toBe(true);
  });

  it('invariant 9: leaves in the storage at its deadline what is kept and has not begun', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [listening] });
    const errors = ['a', 'b', 'c'].map((id) => errorOf(processor.submit(order(id))));
    const events: string[] = [];
    for (const name of ['failed', 'canceled'] as const) {
      processor.on(name, ({ orderId }) => events.push(`${name} ${orderId}`));
    }
    await clock.settle();
    const closed = processor.shutdown({ timeoutMs: 20 });
    await clock.runAll();
    const [first, ...rest] = await Promise.all(errors);
    expect(first).toMatchObject({ code: 'canceled', orderId: 'a' });
    for (const error of rest) expect(error).toMatchObject({ code: 'shut_down', retryable: true });
    expect(await outcomeNow(closed)).toMatchObject({
      ...{ completed: 0, failed: 0, canceled: 1, kept: 2, unsettled: [], running: [] },
      timedOut: true,
    });
    expect(events).toEqual(['canceled a']);
    expect(storage.log).toEqual(['accept a b c', 'settle a:canceled']);

    const next = await open(new KeptStorage(storage.disk));
    expect(next.recovered).toBe(2);
    expect(await next.submit(order('c'))).toMatchObject({ balance: 2 });
    await next.shutdown();
  });

  it('invariant 4: ends while the storage fails, and loses nothing that is kept', async () => {
    const storage = new KeptStorage();
    const gate = deferred();
    const processor = await open(storage, { steps: [{ name: 'work', run: () => gate.promise }] });
    await processor.enqueue(order('a'));
    await processor.enqueue(order('b'));
    const submitted = codeOf(processor.submit(order('a')));
    storage.fate = broken;
    gate.resolve();
    await clock.settle();
    expect(processor.stats()).toMatchObject({ storage: 'failing', unsettled: 2 });
    const closed = processor.shutdown({ timeoutMs: 20 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({
      ...{ kept: 1, unsettled: ['a'], failed: 0, timedOut: true },
    });
    expect(await outcomeNow(submitted)).toBe('storage_failed');
    expect(clock.timers).toBe(0);
    const next = await open(new KeptStorage(storage.disk), { steps: [] });
    await next.onIdle();
    expect(storage.disk.find('a')).toMatchObject({ status: 'completed', balance: 1 });
    expect(storage.disk.find('b')).toMatchObject({ status: 'completed', balance: 2 });
    await next.shutdown();
  });

  it('invariant 4: ends though the storage never answers, and so does all that was handed out', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = () => 'hangs';
    const promises = [
      keepFirst(processor, order('a')),
      processor.enqueue(order('a')),
      processor.submit(order('a')),
      processor.submit(order('b', 'v')),
      processor.enqueue(order('b', 'v')),
    ].map(codeOf);
    const others = [processor.cancel('a'), processor.cancel('b'), processor.order('z')];
    const settled = others.map((other) => codeOf(other));
    await clock.settle();
    const failed: string[] = [];
    processor.on('failed', ({ orderId }) => failed.push(`${orderId}`));
    const closed = processor.shutdown({ timeoutMs: 20 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ kept: 0, timedOut: true });
    for (const code of promises) expect(await outcomeNow(code)).toBe('storage_failed');
    for (const other of settled) expect(await outcomeNow(other)).not.toBe('pending');
    // `a` was never accepted.
    expect(failed).toEqual(['b']);
    expect(processor.stats()).toMatchObject({ accepted: 1, failed: 1, unsettled: 0 });
    expect(clock.timers).toBe(0);
  });

  it('invariant 9: ignores an `accept` that is answered after its end', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const late = deferred<Fate>();
    storage.fate = (method) => (method === 'accept' ? late.promise : 'works');
    const accepted: string[] = [];
    processor.on('accepted', ({ id }) => accepted.push(id));
    const enqueued = codeOf(processor.enqueue(order('a')));
    const closed = processor.shutdown({ timeoutMs: 5 });
    await clock.runAll();
    expect(await outcomeNow(enqueued)).toBe('storage_failed');
    expect(await outcomeNow(closed)).toMatchObject({ timedOut: true });
    // A storage may do what it was doing when it was closed.
    storage.isClosed = false;
    late.resolve('works');
    await clock.runAll();
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending' });
    expect(accepted).toEqual([]);
    expect(storage.log).toEqual(['accept a']);
    expect(processor.stats()).toMatchObject({ accepted: 0, unsettled: 0, queueLength: 0 });
  });

  it('invariant 9: raises `accepted` for an order that is acknowledged after its deadline, and leaves it', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [listening] });
    const accepts = deferred<Fate>();
    storage.fate = (method, size) => (method === 'accept' && size > 0 ? accepts.promise : 'works');
    const accepted: string[] = [];
    processor.on('accepted', ({ id, status }) => accepted.push(`${id} ${status}`));
    const submitted = codeOf(processor.submit(order('a')));
    const closed = processor.shutdown({ timeoutMs: 20 });
    await clock.advance(100);
    accepts.resolve('works');
    await clock.runAll();
    expect(await outcomeNow(submitted)).toBe('shut_down');
    expect(await outcomeNow(closed)).toMatchObject({ kept: 1, timedOut: true });
    expect(accepted).toEqual(['a pending']);
    expect(processor.stats()).toMatchObject({ accepted: 1, unsettled: 0 });
  });

  it('invariant 10: leaves a closed storage, and reports nothing that the storage has not answered', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    await processor.submit(order('a'));
    await processor.shutdown();
    expect(await codeOf(processor.order('a'))).toBe('storage_failed');
    expect(await codeOf(processor.balance('u'))).toBe('storage_failed');
    expect(await codeOf(processor.submit(order('a')))).toBe('shut_down');
    expect(await outcomeNow(processor.ready)).toBeUndefined();
  });

  it('invariants 1 and 9: settles nothing of a user past what it leaves in the storage', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { capacity: 5_000 });
    processor.pause();
    await Promise.all(
      Array.from({ length: 3_000 }, (_, at) => processor.enqueue(order(`o-${at}`))),
    );
    storage.fate = () => clock.sleep(5).then(() => 'works');
    const closed = processor.shutdown({ timeoutMs: 1 });
    await clock.runAll();
    const { kept, completed } = (await outcomeNow(closed)) as { kept: number; completed: number };
    expect(kept + completed).toBe(3_000);
    const statuses = Array.from({ length: 3_000 }, (_, at) => storage.disk.find(`o-${at}`)?.status);
    expect(statuses.lastIndexOf('completed')).toBe(completed - 1);
  });

  it('invariant 9: leaves an order in the storage that is only just kept', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [{ name: 'work', run: () => {} }] });
    storage.fate = (method) =>
      method === 'accept' ? clock.sleep(50).then(() => 'works') : 'works';
    const enqueued = processor.enqueue(order('a'));
    const closed = processor.shutdown({ timeoutMs: 1 });
    await clock.runAll();
    expect(await outcomeNow(enqueued)).toMatchObject({ id: 'a' });
    expect(await outcomeNow(closed)).toMatchObject({ kept: 1, canceled: 0 });
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending' });
  });

  it('invariant 4: ends an `enqueue` of a known order that comes while it gives up the orders', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    storage.fate = () => 'hangs';
    const errors = ['a', 'b'].map((id) => codeOf(processor.enqueue(order(id))));
    processor.once('refused', ({ orderId }) => {
      errors.push(codeOf(processor.enqueue(order(orderId === 'a' ? 'b' : 'a'))));
    });
    const closed = processor.shutdown({ timeoutMs: 1 });
    await clock.runAll();
    for (const error of errors) expect(await outcomeNow(error)).toBe('storage_failed');
    expect(errors).toHaveLength(3);
    expect(await outcomeNow(closed)).toMatchObject({ unsettled: [], timedOut: true });
  });

  it('invariants 3 and 9: leaves what it cannot compensate in time to the next process', async () => {
    const log: string[] = [];
    const steps = [
      { name: 'charge', run: () => clock.sleep(60_000), compensate: () => void log.push('refund') },
    ];
    const storage = new KeptStorage();
    const processor = await open(storage, { steps });
    await processor.enqueue(order('a'));
    const closed = processor.shutdown({ timeoutMs: 10 });
    await clock.advance(20_000);
    expect(await outcomeNow(closed)).toMatchObject({ kept: 1, running: ['a'] });
    expect(storage.disk.find('a')).toMatchObject({
      status: 'pending',
      decided: { outcome: 'canceled' },
    });
    expect(log).toEqual([]);

    const again = { ...steps[0], run: () => {}, name: 'charge' };
    const next = await open(new KeptStorage(storage.disk), { steps: [again] });
    await next.onIdle();
    expect(log).toEqual(['refund']);
    expect(await next.order('a')).toMatchObject({ status: 'canceled' });
    const ended = next.shutdown();
    await clock.runAll();
    await ended;
  });
});
