import { OrderError } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../kit/helpers.ts';
import { fatesOf, keepFirst, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5, payload: { size: 'L' } };
const others = [
  { ...order, amount: 6 },
  { ...order, userId: 'v' },
  { ...order, payload: { size: 'M' } },
];
const nothing = { name: 'nothing', run() {} };

describe.each([
  ['without steps', {}],
  ['with steps', { steps: [nothing] }],
])('invariant 5: an order that an earlier process settled, %s', (_, options) => {
  it('gives the same receipt, is counted as a duplicate, and raises no second event', async () => {
    const before = new KeptStorage();
    const first = await open(before, options);
    const receipt = await first.submit(order);
    await first.shutdown();
    const storage = new KeptStorage(before.disk);
    const processor = await open(storage, options);
    const events: string[] = [];
    for (const name of ['completed', 'failed', 'canceled', 'refused'] as const) {
      processor.on(name, () => events.push(name));
    }
    expect(await processor.submit({ ...order, payload: { size: 'L' } })).toEqual(receipt);
    expect(await processor.submitMany([order])).toEqual([receipt]);
    expect(await processor.enqueue(order)).toMatchObject({ id: 'a', status: 'completed' });
    expect(events).toEqual([]);
    expect(processor.stats()).toMatchObject({
      ...{ accepted: 0, completed: 0, refused: 0, duplicates: 3, unsettled: 0 },
    });
    expect(storage.disk.get('u')).toBe(5);
    expect(receipt).toMatchObject({ balance: 5 });
    await processor.shutdown();
  });

  it('invariant 6: leaves no place of its user taken', async () => {
    const before = new KeptStorage();
    const first = await open(before, options);
    await first.submit(order);
    await first.shutdown();
    const processor = await open(new KeptStorage(before.disk), { ...options, capacityPerUser: 1 });
    for (const again of [order, order, { ...order, id: 'b' }]) {
      expect(await codeOf(processor.submit(again))).toBe('completed');
    }
    await processor.shutdown();
  });

  it('refuses other content as a conflict', async () => {
    const before = new KeptStorage();
    const first = await open(before, options);
    await first.submit(order);
    await first.shutdown();
    const processor = await open(new KeptStorage(before.disk), options);
    for (const other of others) {
      expect(await codeOf(processor.submit(other))).toBe('order_conflict');
      expect(await codeOf(processor.enqueue(other))).toBe('order_conflict');
      // The second waits for what becomes of the first.
      const [submitted, enqueued] = [codeOf(processor.submit(other)), processor.enqueue(other)];
      expect(await codeOf(enqueued)).toBe('order_conflict');
      expect(await submitted).toBe('order_conflict');
    }
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 9, unsettled: 0 });
    expect(await processor.balance('u')).toBe(5);
    expect(await processor.balance('v')).toBeUndefined();
    await processor.shutdown();
  });
});

describe('invariant 5: an order that failed in an earlier process', () => {
  it('fails again with the same code, message and steps, and its steps are not run', async () => {
    const before = new KeptStorage();
    let runs = 0;
    const run = (): void => {
      runs += 1;
      throw new OrderError('declined', 'No card');
    };
    const steps = [{ name: 'pay', run }];
    const first = await open(before, { steps });
    const error = await errorOf(first.submit(order));
    await first.shutdown();
    const processor = await open(new KeptStorage(before.disk), { steps });
    const again = await errorOf(processor.submit(order));
    expect(again.toJSON()).toEqual(error.toJSON());
    expect(again).toMatchObject({ code: 'declined', message: 'No card' });
    expect(runs).toBe(1);
    await processor.shutdown();
  });
});

describe('an order that an `accept` has kept before it failed', () => {
  it('invariant 5: is taken up when it comes again, and settled once', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    storage.fate = fatesOf('accept', 'fails late');
    expect(await codeOf(processor.enqueue(order))).toBe('storage_failed');
    expect(storage.disk.find('a')).toMatchObject({ status: 'pending' });
    await clock.runAll();
    expect(await codeOf(processor.enqueue({ ...order, amount: 1 }))).toBe('order_conflict');
    expect(await processor.enqueue(order)).toMatchObject({ id: 'a', status: 'pending' });
    await clock.runAll();
    expect(storage.log.slice(-2)).toEqual(['accept a', 'settle a:completed']);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariant 5: is taken up when it comes again without an entry', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage);
    storage.fate = fatesOf('accept', 'fails late');
    expect(await codeOf(keepFirst(processor, order))).toBe('storage_failed');
    await clock.runAll();
    expect(await codeOf(processor.submit({ ...order, amount: 1 }))).toBe('order_conflict');
    expect(await processor.submit(order)).toMatchObject({ balance: 5 });
    expect(storage.disk.get('u')).toBe(5);
    expect(processor.stats()).toMatchObject({ accepted: 1, completed: 1, unsettled: 0 });
    await processor.shutdown();
  });

  it('invariant 9: is settled by the next process, if it does not come again', async () => {
    const before = new KeptStorage();
    const first = await open(before);
    before.fate = fatesOf('accept', 'fails late');
    expect(await codeOf(keepFirst(first, order))).toBe('storage_failed');
    before.cut();
    const processor = await open(new KeptStorage(before.disk));
    await processor.onIdle();
    expect(await processor.order('a')).toMatchObject({ status: 'completed', balance: 5 });
    await processor.shutdown();
  });
});

describe('the same order in flight', () => {
  it('invariant 5: has one entry and one outcome, however often it is handed in', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { steps: [nothing] });
    const fate = deferred<Fate>();
    storage.fate = fatesOf('accept', fate.promise);
    const submitted = processor.submit(order);
    const enqueued = processor.enqueue(order);
    const again = processor.submit(order);
    expect(await codeOf(processor.submit({ ...order, amount: 1 }))).toBe('order_conflict');
    await clock.settle();
    expect(await outcomeNow(enqueued)).toBe('pending');
    fate.resolve('works');
    await clock.settle();
    expect(await outcomeNow(enqueued)).toMatchObject({ id: 'a', settledAt: undefined });
    expect(await outcomeNow(submitted)).toMatchObject({ balance: 5 });
    expect(await outcomeNow(again)).toBe(await submitted);
    expect(storage.log).toEqual(['accept a', 'settle a:completed']);
    await processor.shutdown();
  });
});
