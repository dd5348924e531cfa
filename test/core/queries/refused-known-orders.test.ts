import { type Order, type OrderOutcome, type OrderProcessor, refuse } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow, range } from '../../kit/helpers.ts';
import { fatesOf, open, working } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5, payload: { size: 'L' } };
const others = [
  { ...order, amount: 6 },
  { ...order, userId: 'v' },
  { ...order, payload: { size: 'M' } },
];

/** What each way of handing in an order comes to. */
async function everyWay(processor: OrderProcessor, given: Order): Promise<string[]> {
  const { signal } = new AbortController();
  const words = [
    codeOf(processor.submit(given)),
    codeOf(processor.submit(given, { signal })),
    codeOf(processor.enqueue(given)),
    codeOf(processor.enqueue(given, { signal })),
    processor.submitMany([given]).then(([outcome]) => wordOf(outcome)),
  ];
  return Promise.all(words);
}

function wordOf(outcome: OrderOutcome | undefined): string {
  return outcome?.status === 'completed' ? 'completed' : `${outcome?.error.code}`;
}
const all = (word: string): string[] => Array(5).fill(word);

/** A storage with one settled order, opened again. */
async function settledBefore(): Promise<KeptStorage> {
  const before = new KeptStorage();
  const first = await open(before);
  await first.submit(order);
  await first.shutdown();
  return new KeptStorage(before.disk);
}

describe('an order that is always refused', () => {
  const rules = [() => refuse('too_late', 'It is too late')];

  it('invariant 5: is not, if it was accepted once', async () => {
    const before = new KeptStorage();
    const first = await open(before);
    const receipt = await first.submit(order);
    await first.shutdown();
    const storage = new KeptStorage(before.disk);
    const processor = await open(storage, { rules });
    expect(await processor.submit(order)).toEqual(receipt);
    expect(await processor.enqueue(order)).toMatchObject({ status: 'completed' });
    expect(storage.asked.slice(1)).toEqual(['find a', 'find a']);
    expect(await codeOf(processor.submit({ ...order, amount: 1 }))).toBe('order_conflict');
    expect(await codeOf(processor.enqueue({ ...order, amount: 1 }))).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ duplicates: 2, refused: 2, accepted: 0 });
    await processor.shutdown();
  });

  it('invariant 5: is not, if it was accepted by an earlier process and is unsettled', async () => {
    const before = new KeptStorage();
    const first = await open(before);
    first.pause();
    await first.enqueue(order);
    before.cut();
    const storage = new KeptStorage(before.disk);
    const processor = await open(storage, { rules, timeoutMs: 1_000 });
    processor.pause();
    const submitted = processor.submit(order);
    processor.resume();
    expect(await submitted).toMatchObject({ balance: 5 });
    await processor.shutdown();
  });

  it('is refused after the storage was asked, if it is new', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { rules });
    expect(await codeOf(processor.submit(order))).toBe('too_late');
    expect(await codeOf(processor.enqueue(order))).toBe('too_late');
    expect(storage.asked.slice(1)).toEqual(['find a', 'find a']);
    expect(storage.log).toEqual([]);
    expect(processor.stats()).toMatchObject({ refused: 2, accepted: 0 });
    await processor.shutdown();
  });

  it('invariant 10: is refused with `storage_failed` while the storage cannot be asked', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { rules });
    storage.fate = fatesOf('find', 'rejects', 'throws');
    for (const how of ['submit', 'enqueue'] as const) {
      const error = await errorOf(processor[how](order));
      expect(error).toMatchObject({ code: 'storage_failed', retryable: true });
      await clock.runAll();
    }
    await processor.shutdown();
  });

  it('invariant 4: is refused at the end of the shutdown at last, if the storage never answers', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { rules });
    storage.fate = () => 'hangs';
    const refused = [processor.submit(order), processor.enqueue(order)].map(codeOf);
    const closed = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    expect(await outcomeNow(closed)).toMatchObject({ kept: 0, unsettled: [] });
    for (const code of refused) expect(await outcomeNow(code)).not.toBe('pending');
  });
});

describe('an order that is refused for the moment', () => {
  const filler = { ...order, id: 'filler' };

  it('invariant 5: is not while the queue is full, if it was accepted once', async () => {
    const storage = await settledBefore();
    const processor = await open(storage, { capacity: 1 });
    processor.pause();
    await processor.enqueue(filler);
    for (const _try of [1, 2]) {
      expect(await everyWay(processor, order)).toEqual(all('completed'));
      for (const other of others) {
        expect(await everyWay(processor, other)).toEqual(all('order_conflict'));
      }
      expect(await everyWay(processor, { ...order, id: 'new' })).toEqual(all('queue_full'));
    }
    expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 10, unsettled: 1 });
    processor.resume();
    await processor.shutdown();
  });

  it('invariant 5: is not while its user has no room, nor because it would wait for it', async () => {
    for (const overflow of ['reject', 'wait'] as const) {
      const processor = await open(await settledBefore(), { capacityPerUser: 1, overflow });
      processor.pause();
      await processor.enqueue(filler);
      const known = everyWay(processor, order);
      const others = everyWay(processor, { ...order, amount: 1 });
      await clock.advance(50);
      expect(await outcomeNow(known)).toEqual(all('completed'));
      expect(await outcomeNow(others)).toEqual(all('order_conflict'));
      expect(processor.stats().waitingCallers).toBe(0);
      processor.resume();
      await processor.shutdown();
    }
  });

  it('invariant 5: is not while the processor drains, which waits for the answer', async () => {
    const storage = await settledBefore();
    const processor = await open(storage);
    processor.pause();
    await processor.enqueue(filler);
    const fate = deferred<Fate>();
    storage.fate = fatesOf('settle', fate.promise);
    const closed = processor.shutdown();
    expect(await everyWay(processor, order)).toEqual(all('completed'));
    expect(await everyWay(processor, others[0] as Order)).toEqual(all('order_conflict'));
    expect(await everyWay(processor, { ...order, id: 'new' })).toEqual(all('shut_down'));
    const late = deferred<Fate>();
    storage.fate = fatesOf('find', late.promise);
    const last = codeOf(processor.submit(order));
    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(closed)).toBe('pending');
    late.resolve('works');
    await clock.settle();
    expect(await last).toBe('completed');
    await closed;
    const { length } = storage.asked;
    expect(await everyWay(processor, order)).toEqual(all('shut_down'));
    expect(storage.asked).toHaveLength(length);
  });

  it('invariant 4: still is if the storage does not answer', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { capacity: 1 });
    processor.pause();
    await processor.enqueue(filler);
    storage.fate = fatesOf('find', 'rejects', 'throws', 'hangs');
    expect(await codeOf(processor.submit(order))).toBe('queue_full');
    expect(await codeOf(processor.enqueue(order))).toBe('queue_full');
    const unanswered = codeOf(processor.submit(order));
    const closed = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    await closed;
    expect(await unanswered).toBe('queue_full');
  });

  it('invariant 6: costs no question without an id of its own, and in a list as many at once as may be', async () => {
    const storage = await settledBefore();
    const processor = await open(storage, { capacity: 2 });
    processor.pause();
    await processor.enqueue(filler);
    await processor.enqueue({ ...filler, id: 'filler 2' });
    const { id: _, ...nameless } = order;
    expect(await codeOf(processor.submit(nameless))).toBe('queue_full');
    expect(await codeOf(processor.enqueue(nameless))).toBe('queue_full');
    expect(storage.asked.filter((each) => each.startsWith('find'))).toEqual([]);
    let asked = 0;
    let most = 0;
    storage.fate = async (method): Promise<Fate> => {
      if (method !== 'find') return 'works';
      asked += 1;
      most = Math.max(most, asked);
      await clock.sleep(1);
      asked -= 1;
      return 'works';
    };
    const outcomes = processor.submitMany(range(2_500).map(() => order));
    await clock.advance(50);
    const words = (await outcomes).map(wordOf);
    expect(words.filter((word) => word === 'completed')).toHaveLength(2_500);
    expect(most).toBe(1_000);
    processor.resume();
    await processor.shutdown();
  });

  it('does not ask a storage that fails', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    processor.pause();
    await processor.enqueue({ ...order, id: 'b' });
    storage.fate = () => 'rejects';
    processor.resume();
    await clock.settle();
    expect(processor.stats().storage).toBe('failing');
    expect(await codeOf(processor.submit(order))).toBe('storage_failed');
    expect(await codeOf(processor.enqueue(order))).toBe('storage_failed');
    expect(storage.asked.filter((each) => each.startsWith('find'))).toEqual([]);
    storage.fate = working;
    await clock.runAll();
    await processor.shutdown();
  });
});
