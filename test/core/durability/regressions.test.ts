/** Faults that were found by reading and by trying, each with what it did. */
import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, outcomeNow } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

/** The disk of a process that was killed with so many orders accepted. */
async function diskWith(count: number): Promise<KeptStorage['disk']> {
  const storage = new KeptStorage();
  const processor = await open(storage);
  processor.pause();
  for (let at = 0; at < count; at += 1) await processor.enqueue(order(`left-${at}`));
  storage.cut();
  return storage.disk;
}

describe('a shutdown', () => {
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

  it('invariants 3 and 9: leaves what it can’t take back in time to the next life', async () => {
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

describe('while orders are taken up', () => {
  it('invariant 4: a step that hands in an order is not waited for by what waits for its room', async () => {
    const disk = await diskWith(4);
    const codes: string[] = [];
    const processor: OrderProcessor = new OrderProcessor({
      storage: new KeptStorage(disk),
      capacity: 2,
      steps: [
        {
          name: 'work',
          run: async ({ id }) => {
            if (!id.startsWith('left')) return;
            codes.push(await codeOf(processor.enqueue(order(`more-${id}`, 'other'))));
            codes.push(String(await processor.cancel('unknown')));
          },
        },
      ],
    });
    await clock.runAll();
    await processor.ready;
    expect(processor.recovered).toBe(4);
    expect(codes).toContain('queue_full');
    await processor.onIdle();
    await processor.shutdown();
  });

  it('back-pressure: who would rather be refused than wait is refused when that is over', async () => {
    const processor = new OrderProcessor({
      storage: new KeptStorage(),
      capacityPerUser: 1,
      steps: [{ name: 'slow', run: () => clock.sleep(1_000) }],
    });
    const codes = ['a', 'b', 'c'].map((id) => codeOf(processor.enqueue(order(id))));
    await clock.settle();
    expect(await Promise.all(codes)).toEqual(['completed', 'queue_full', 'queue_full']);
    await clock.runAll();
    await processor.shutdown();
  });

  it('invariant 3: `cancel` ends an order that is not taken up yet', async () => {
    const disk = await diskWith(3);
    const processor = new OrderProcessor({
      storage: new KeptStorage(disk),
      capacity: 1,
      steps: [{ name: 'work', run: () => clock.sleep(10) }],
    });
    const canceled = processor.cancel('left-2');
    await clock.runAll();
    expect(await outcomeNow(canceled)).toBe(true);
    expect(disk.find('left-2')).toMatchObject({ status: 'canceled' });
    await processor.shutdown();
  });
});

it('invariant 8: what becomes of a payload after `enqueue` is its owner’s alone', async () => {
  const storage = new KeptStorage(undefined, 'json');
  const seen: unknown[] = [];
  const processor = await open(storage, {
    steps: [{ name: 'work', run: ({ payload }) => void seen.push(payload) }],
  });
  const payload: Record<string, unknown> = { items: [1] };
  const enqueued = processor.enqueue({ ...order('a'), payload });
  payload.items = 1n;
  await enqueued;
  await processor.onIdle();
  expect(seen).toEqual([{ items: [1] }]);
  await processor.shutdown();
});

it('invariant 2: a balance that can’t be read stops nobody else, and the storage decides', async () => {
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

it('invariant 10: a storage that leaves one call unanswered is failing, whatever else it says', async () => {
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

it('refuses a storage that has a processor already, until that has shut down', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  expect(() => new OrderProcessor({ storage })).toThrow(TypeError);
  await processor.shutdown();
  // One that can be opened again.
  storage.isClosed = false;
  expect(() => new OrderProcessor({ storage })).not.toThrow();
});

it('lists page after page what is in flight and what is kept, none twice and none left out', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage, {
    steps: [{ name: 'work', run: ({ id }) => (id < 'o-10' ? undefined : clock.sleep(1_000)) }],
  });
  for (let at = 0; at < 23; at += 1) {
    await processor.enqueue(order(`o-${String(at).padStart(2, '0')}`, `u-${at % 9}`));
    await clock.advance(1);
  }
  const listed = async (status?: 'pending' | 'processing' | 'completed'): Promise<string[]> => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await processor.orders({ status, limit: 4, cursor });
      ids.push(...page.orders.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  };
  const all = await listed();
  expect(all).toEqual(all.toSorted().toReversed());
  expect(all).toHaveLength(23);
  const parts = [await listed('completed'), await listed('processing'), await listed('pending')];
  expect(parts.map(({ length }) => length)).toEqual([10, 9, 4]);
  expect(parts.flat().toSorted()).toEqual(all.toSorted());
  await clock.runAll();
  await processor.shutdown();
});

it('invariant 9: tells no cancellation of an order that the storage was never asked about', async () => {
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
