import type { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, outcomeNow, watch } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });
const nothing = { name: 'nothing', run() {} };
const ways: Fate[] = ['throws', 'rejects', 'fails late'];

function eventsOf(processor: OrderProcessor): string[] {
  const events: string[] = [];
  for (const name of ['error', 'interrupted'] as const) {
    processor.on(name, ({ code }) => events.push(`${name} ${code}`));
  }
  processor.on('restored', () => events.push('restored'));
  processor.on('failed', ({ orderId, code }) => events.push(`failed ${orderId} ${code}`));
  return events;
}

const failure = ['error storage_failed', 'interrupted storage_failed'];

describe.each(ways)('an `accept` that %s', (way) => {
  it('invariant 10: refuses its orders, and none of them is processed', async () => {
    const storage = new KeptStorage();
    const begun: string[] = [];
    const run = ({ id }: { id: string }) => void begun.push(id);
    const processor = await open(storage, { steps: [{ name: 'work', run }] });
    const events = eventsOf(processor);
    const refused: string[] = [];
    processor.on('refused', ({ orderId }) => refused.push(`${orderId}`));
    storage.fate = fatesOf('accept', way);
    const errors = [processor.enqueue(order('a')), processor.submit(order('b'))].map(errorOf);
    for (const error of await Promise.all(errors)) {
      expect(error).toMatchObject({ code: 'storage_failed', retryable: true, userId: 'u' });
    }
    expect(events).toEqual(failure);
    expect(refused).toEqual(['a', 'b']);
    expect(begun).toEqual([]);
    expect(processor.stats()).toMatchObject({
      ...{ accepted: 0, failed: 0, refused: 2, unsettled: 0, storage: 'failing' },
    });
    await clock.runAll();
    expect(events).toEqual([...failure, 'restored']);
    expect(await processor.submit(order('b'))).toMatchObject({ balance: 1 });
    expect(begun).toEqual(['b']);
    await processor.shutdown();
  });
});

describe.each(ways)('a `settle` that %s', (way) => {
  it('invariant 10: keeps what was accepted, and settles it once when the storage works', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const events = eventsOf(processor);
    storage.fate = fatesOf('settle', way);
    expect(await processor.enqueue(order('a'))).toMatchObject({ id: 'a' });
    const idle = watch(processor.onIdle());
    await clock.settle();
    expect(events).toEqual(failure);
    expect(processor.stats()).toMatchObject({ accepted: 1, unsettled: 1, failed: 0 });
    expect(idle.isSettled).toBe(false);
    await clock.runAll();
    expect(events).toEqual([...failure, 'restored']);
    expect(storage.log).toEqual(['accept a', 'settle a:completed', 'settle a:completed']);
    expect(storage.disk.find('a')).toMatchObject({ status: 'completed', balance: 1 });
    expect(storage.disk.get('u')).toBe(1);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, failed: 0, unsettled: 0 });
    expect(idle.isSettled).toBe(true);
    await processor.shutdown();
  });

  it('invariant 10: rejects its caller, since it is not settled yet; that is no outcome', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const events = eventsOf(processor);
    storage.fate = fatesOf('settle', way);
    expect(await outcomeNow(errorOf(processor.submit(order('a'))))).toMatchObject({
      ...{ code: 'storage_failed', retryable: true, orderId: 'a' },
    });
    expect(events).toEqual(failure);
    expect(processor.stats()).toMatchObject({ accepted: 1, failed: 0, unsettled: 1 });
    // Known still, so it is not refused but waited for.
    const again = processor.submit(order('a'));
    await clock.runAll();
    expect(await outcomeNow(again)).toMatchObject({ balance: 1 });
    expect(storage.log).toEqual(['accept a', 'settle a:completed', 'settle a:completed']);
    expect(events).toEqual([...failure, 'restored']);
    await processor.shutdown();
  });

  it('invariant 3: leaves an order that came with its settlement open until it works, and then gives its outcome', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    const events = eventsOf(processor);
    storage.fate = fatesOf('settle', way);
    expect(await codeOf(processor.submit(order('a')))).toBe('storage_failed');
    expect(events).toEqual(failure);
    expect(processor.stats()).toMatchObject({ accepted: 0, failed: 0, unsettled: 1 });
    await clock.runAll();
    expect(storage.log).toEqual(['settle a:completed', 'settle a:completed']);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
    expect(await processor.submit(order('a'))).toMatchObject({ balance: 1 });
    expect(storage.disk.get('u')).toBe(1);
    await processor.shutdown();
  });

  it('invariant 9: says of a cancellation what it comes to', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause();
    await processor.enqueue(order('a'));
    storage.fate = fatesOf('settle', way);
    const canceled = processor.cancel('a');
    await clock.runAll();
    expect(await outcomeNow(canceled)).toBe(true);
    expect(storage.disk.find('a')).toMatchObject({ status: 'canceled' });
    expect(storage.disk.get('u')).toBeUndefined();
    await processor.shutdown();
  });
});

it('invariant 2: a balance that cannot be read stops no other user, and the storage decides', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage, {
    minBalance: 0,
    concurrency: 1,
    steps: [{ name: 'work', run: () => {} }],
  });
  let asked = 0;
  storage.fate = (method) => {
    if (method !== 'get') return 'works';
    asked += 1;
    return 'rejects';
  };
  const poor = codeOf(processor.submit(order('a', 'poor', -1)));
  const rich = processor.submit(order('b', 'rich', 1));
  await clock.runAll();
  expect(await outcomeNow(poor)).toBe('insufficient_funds');
  expect(await outcomeNow(rich)).toMatchObject({ balance: 1 });
  expect(asked).toBe(4);
  await processor.shutdown();
});

it('invariant 9: notifies of no cancellation of an order that the storage never got', async () => {
  const disk = await (async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    await processor.submit(order('a'));
    storage.cut();
    return storage.disk;
  })();
  const storage = new KeptStorage(disk);
  const processor = await open(storage, { stalledAfterMs: 2 });
  storage.fate = (method) => (method === 'settle' ? clock.sleep(50).then(() => 'works') : 'works');
  const first = processor.submit(order('b', 'other'));
  await clock.settle();
  const again = codeOf(processor.submit(order('a')));
  const canceled = processor.cancel('a');
  await clock.runAll();
  await first;
  expect(await outcomeNow(again)).toBe('storage_failed');
  expect(await outcomeNow(canceled)).toBe(false);
  await processor.shutdown();
});
