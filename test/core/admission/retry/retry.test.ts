import {
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type OrderStorage,
  refuse,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, outcomeNow } from '../../../kit/helpers.ts';
import { fatesOf, open } from '../../../kit/kept/helpers.ts';
import { KeptStorage } from '../../../kit/kept-storage.ts';
import { SharedDatabase } from '../../../kit/shared-database.ts';
import { SharedStorage } from '../../../kit/shared-storage.ts';
import { useVirtualClock } from '../../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: -5 };

/** A step that fails while the set has the user, and what it was given. */
function vendor() {
  const failing = new Set(['u']);
  const keys: string[] = [];
  const step: Step = {
    name: 'vendor',
    run({ userId }, { idempotencyKey }) {
      keys.push(idempotencyKey);
      if (failing.has(userId)) throw new OrderError('closed', 'Closed');
    },
  };
  return { failing, keys, step };
}

describe.each([
  ['in memory', () => new MemoryStorage()],
  ['kept', () => new KeptStorage()],
  ['of balances alone', () => Object.assign(new Balances(), { appliesPostings: true })],
])('retry, %s', (_, storageOf) => {
  async function failed(id = 'a', steps: readonly Step[] = []) {
    const world = vendor();
    const storage = storageOf();
    const processor = new OrderProcessor({ storage, steps: [world.step, ...steps] });
    await processor.ready;
    const fields = {
      postings: [{ userId: 'v', amount: 3 }],
      priority: 'high',
      payload: [1],
    } as const;
    expect(await codeOf(processor.submit({ ...order, ...fields, id }))).toBe('closed');
    world.failing.clear();
    return { ...world, processor, storage };
  }

  it('invariant 3: hands a failed order in once more, and both records name each other', async () => {
    const { keys, processor } = await failed();
    const before = await processor.order('a');
    const record = await processor.retry('a');
    expect(record).toMatchObject({
      ...{ id: 'a~2', userId: 'u', amount: -5, status: 'pending', retryOf: 'a' },
      ...{ priority: 'high', payload: [1], postings: [{ userId: 'v', amount: 3 }] },
    });
    expect(await processor.outcome('a~2')).toMatchObject({ status: 'completed', balance: -5 });
    expect(await processor.order('a')).toEqual({ ...before, retriedAs: 'a~2' });
    expect(await processor.order('a~2')).toMatchObject({ status: 'completed', retryOf: 'a' });
    const { orders } = await processor.orders();
    expect(orders.map(({ id, retryOf, retriedAs }) => [id, retryOf, retriedAs])).toEqual([
      ['a~2', 'a', undefined],
      ['a', undefined, 'a~2'],
    ]);
    expect(keys).toEqual(['a:vendor', 'a~2:vendor']);
    expect([await processor.balance('u'), await processor.balance('v')]).toEqual([-5, 3]);
    await processor.shutdown();
  });

  it('invariant 5: gives one order, however often it is called, and the old outcome stands', async () => {
    const gate = deferred();
    const { processor } = await failed('a', [
      { name: 'slow', after: 'vendor', run: () => gate.promise },
    ]);
    const calls = await Promise.all([processor.retry('a'), processor.retry('a')]);
    expect(calls.map(({ id }) => id)).toEqual(['a~2', 'a~2']);
    // It names the new order while that is in flight, too.
    expect((await processor.order('a'))?.retriedAs).toBe('a~2');
    expect((await processor.orders({ status: 'failed' })).orders[0]?.retriedAs).toBe('a~2');
    expect((await processor.retry('a')).id).toBe('a~2');
    expect(
      await codeOf(
        processor.submit({ ...order, postings: [{ userId: 'v', amount: 3 }], payload: [1] }),
      ),
    ).toBe('closed');
    expect(await processor.cancel('a')).toBe(false);
    gate.resolve();
    await processor.outcome('a~2');
    expect(await processor.retry('a')).toMatchObject({ id: 'a~2', status: 'completed' });
    expect(await processor.outcome('a')).toMatchObject({
      status: 'failed',
      error: { code: 'closed' },
    });
    expect(processor.stats()).toMatchObject({ completed: 1, failed: 1 });
    await processor.shutdown();
  });

  it('survives retrying a retry, and ids of any length', async () => {
    for (const id of ['a', 'x'.repeat(256), '𝒳'.repeat(128), 'b~2']) {
      const { failing, processor } = await failed(id);
      failing.add('u');
      const second = await processor.retry(id);
      expect(second.id.length).toBeLessThanOrEqual(256);
      await processor.outcome(second.id);
      failing.clear();
      const third = await processor.retry(second.id);
      expect(third).toMatchObject({ retryOf: second.id, id: second.id.replace(/~2$/, '~3') });
      expect(await processor.outcome(third.id)).toMatchObject({ status: 'completed' });
      expect(await processor.order(second.id)).toMatchObject({ retryOf: id, retriedAs: third.id });
      await processor.shutdown();
    }
  });

  it('takes a canceled order too, and leaves its times behind', async () => {
    const { processor } = await failed();
    const expiresAt = Date.now() + 5_000;
    await processor.enqueue({ ...order, id: 'c', expiresAt, notBefore: expiresAt - 1 });
    expect(await processor.cancel('c')).toBe(true);
    const record = await processor.retry('c');
    expect(record).not.toHaveProperty('expiresAt');
    expect(record).not.toHaveProperty('notBefore');
    expect(await processor.outcome('c~2')).toMatchObject({ status: 'completed' });
    await processor.shutdown();
  });

  it('is a clear error for what cannot come again, and for an id that another order has', async () => {
    const gate = deferred();
    const { processor } = await failed('a', [
      { name: 'slow', after: 'vendor', run: () => gate.promise },
    ]);
    await expect(processor.retry('')).rejects.toBeInstanceOf(TypeError);
    await expect(processor.retry(7 as never)).rejects.toBeInstanceOf(TypeError);
    for (const wrong of [7, null, { trace: 'x' }, { signal: 'x' }, AbortSignal.abort()]) {
      await expect(processor.retry('o-1', wrong as never)).rejects.toBeInstanceOf(TypeError);
    }
    expect(await errorOf(processor.retry('none'))).toMatchObject({
      code: 'not_failed',
      orderId: 'none',
    });
    await processor.enqueue({ ...order, id: 'b' });
    const facts = { orderId: 'b', userId: 'u' };
    expect(await errorOf(processor.retry('b'))).toMatchObject({ code: 'not_failed', ...facts });
    gate.resolve();
    await processor.outcome('b');
    expect(await errorOf(processor.retry('b'))).toMatchObject({
      code: 'not_failed',
      message: 'The order has completed',
    });
    // The same content does not make it the same order.
    await processor.submit({
      ...order,
      id: 'a~2',
      postings: [{ userId: 'v', amount: 3 }],
      payload: [1],
    });
    const conflict = await errorOf(processor.retry('a'));
    expect(conflict).toMatchObject({ code: 'order_conflict', outcome: 'refused', orderId: 'a~2' });
    expect(await processor.order('a')).not.toHaveProperty('retriedAs');
    await processor.shutdown();
    expect(await codeOf(processor.retry('a'))).toMatch(
      /^(shut_down|storage_failed|order_conflict)$/,
    );
  });
});

describe('retry', () => {
  it('invariant 1: waits for the compensations of an order whose caller was notified', async () => {
    const gate = deferred();
    const { failing, step } = vendor();
    failing.clear();
    const pay: Step = { name: 'pay', run: () => {}, compensate: () => gate.promise };
    const slow: Step = {
      name: 'slow',
      after: 'pay',
      run: (_, { signal }) => clock.sleep(50, signal),
    };
    const processor = new OrderProcessor({ steps: [pay, slow, step], timeoutMs: 10 });
    const submitted = codeOf(processor.submit(order));
    await clock.advance(15);
    expect(await outcomeNow(submitted)).toBe('timeout');
    const retried = processor.retry('a');
    expect(await outcomeNow(retried)).toBe('pending');
    gate.resolve();
    expect((await retried).id).toBe('a~2');
    await clock.runAll();
    await processor.shutdown();
  });

  it('leaves an order that holds its lane to `release`', async () => {
    const { step } = vendor();
    const processor = new OrderProcessor({ steps: [step], onFailure: 'hold' });
    await processor.enqueue(order);
    await clock.settle();
    const error = await errorOf(processor.retry('a'));
    expect(error.code).toBe('not_failed');
    expect(error.message).toContain('release');
    await processor.release('u', 'skip');
    expect((await processor.retry('a')).id).toBe('a~2');
    await processor.shutdown();
  });

  it('checks what the schema was given, not what it made, and rules anew', async () => {
    const { failing, step } = vendor();
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) => ({ value: `${value}!` }),
      },
    } as never;
    let isOpen = true;
    const processor = new OrderProcessor({
      schema,
      steps: [step],
      rules: [() => !isOpen && refuse('not_now')],
    });
    expect(await codeOf(processor.submit({ ...order, payload: 'p' }))).toBe('closed');
    failing.clear();
    isOpen = false;
    expect(await errorOf(processor.retry('a'))).toMatchObject({ code: 'not_now', orderId: 'a~2' });
    expect(await processor.order('a')).not.toHaveProperty('retriedAs');
    isOpen = true;
    expect((await processor.retry('a')).payload).toBe('p!');
    await processor.shutdown();
  });

  it('is `history_forgotten` where the order that it came again as is gone', async () => {
    const { failing, step } = vendor();
    failing.clear();
    const storage = new MemoryStorage({ retainSettled: 10 });
    const processor = new OrderProcessor({ storage, steps: [step] });
    failing.add('u');
    expect(await codeOf(processor.submit(order))).toBe('closed');
    failing.clear();
    await processor.retry('a');
    await processor.outcome('a~2');
    storage.find = (
      (find) => (id) =>
        id === 'a~2' ? undefined : find(id)
    )(storage.find.bind(storage));
    expect(await codeOf(processor.retry('a'))).toBe('history_forgotten');
    await processor.shutdown();
  });

  it('is `history_forgotten` where the id that it came again as is another order by now', async () => {
    const { failing, step } = vendor();
    const storage = new MemoryStorage();
    const processor = new OrderProcessor({ storage, steps: [step] });
    expect(await codeOf(processor.submit(order))).toBe('closed');
    failing.clear();
    await processor.retry('a');
    await processor.outcome('a~2');
    const find = storage.find.bind(storage);
    storage.find = (id) => {
      const found = find(id);
      return id === 'a~2' && found !== undefined ? { ...found, retryOf: undefined } : found;
    };
    expect(await codeOf(processor.retry('a'))).toBe('history_forgotten');
    await processor.shutdown();
  });

  describe.each<[string, (disk: MemoryStorage) => OrderStorage]>([
    ['in memory', (disk) => disk],
    ['kept', (disk) => new KeptStorage(disk)],
  ])('of an order with the id of one that was retried and forgotten, %s', (_, storageOf) => {
    /** The order `a` is forgotten while `a~2`, as which it came again, waits for the gate. */
    async function forgotten() {
      const { failing, step } = vendor();
      const gate = deferred();
      const slow: Step = {
        name: 'slow',
        run: ({ id }) => (id === 'a~2' ? gate.promise : undefined),
      };
      const storage = storageOf(new MemoryStorage({ retainSettled: 2 }));
      const processor = new OrderProcessor({ storage, steps: [slow, { ...step, after: 'slow' }] });
      await processor.ready;
      expect(await codeOf(processor.submit(order))).toBe('closed');
      failing.clear();
      await processor.retry('a');
      for (const id of ['x', 'y', 'z']) await processor.submit({ id, userId: 'v', amount: 1 });
      expect(await processor.order('a')).toBeUndefined();
      return { failing, gate, processor };
    }

    it('invariant 3: is `order_conflict`, and no record names the wrong order', async () => {
      const { failing, gate, processor } = await forgotten();
      const links = async () => {
        const { orders } = await processor.orders({ userId: 'w' });
        return [await processor.order('a'), orders[0]].map((each) => each?.retriedAs);
      };
      failing.add('w');
      expect(await codeOf(processor.submit({ ...order, userId: 'w' }))).toBe('closed');
      expect(await links()).toEqual([undefined, undefined]);
      const error = await errorOf(processor.retry('a'));
      expect([error.code, error.message]).toEqual([
        'order_conflict',
        expect.stringContaining('an earlier order with that id'),
      ]);
      gate.resolve();
      expect(await processor.outcome('a~2')).toMatchObject({ status: 'completed' });
      expect(await links()).toEqual([undefined, undefined]);
      expect(await codeOf(processor.retry('a'))).toBe('order_conflict');
      await processor.shutdown();
    });

    it('invariant 3: is no success of the earlier one, with the same content either', async () => {
      const { failing, gate, processor } = await forgotten();
      processor.on('completed', () => failing.add('u'));
      const later = codeOf(processor.submit(order));
      await clock.settle();
      gate.resolve();
      expect(await later).toBe('closed');
      expect((await processor.order('a~2'))?.status).toBe('completed');
      expect(await codeOf(processor.retry('a'))).toBe('order_conflict');
      await processor.shutdown();
    });
  });

  it('invariant 5: two processors that share a storage make one order of it', async () => {
    const { failing, keys, step } = vendor();
    const database = new SharedDatabase(2, () => clock.sleep(1));
    const storages = [new SharedStorage(database), new SharedStorage(database)];
    const [a, b] = storages.map((storage) => new OrderProcessor({ storage, steps: [step] })) as [
      OrderProcessor,
      OrderProcessor,
    ];
    for (const partition of [0, 1]) database.give(partition, storages[0] as SharedStorage);
    const submitted = codeOf(b.submit(order));
    await clock.runAll();
    expect(await submitted).toBe('closed');
    failing.clear();
    const retries = Promise.all([a, b, b].map((each) => each.retry('a')));
    await clock.runAll();
    expect((await retries).map(({ id }) => id)).toEqual(['a~2', 'a~2', 'a~2']);
    expect(keys).toEqual(['a:vendor', 'a~2:vendor']);
    expect(database.disk.find('a')?.retriedAs).toBe('a~2');
    const outcome = b.outcome('a~2');
    await clock.runAll();
    expect(await outcome).toMatchObject({ status: 'completed' });
    const over = Promise.all([a.shutdown(), b.shutdown()]);
    await clock.runAll();
    await over;
  });

  it.each(['is killed before', 'is killed after', 'fails late'] as const)(
    'invariant 9: never one name without the other, if the call that keeps it %s',
    async (fate) => {
      const { failing, keys, step } = vendor();
      const storage = new KeptStorage();
      const processor = await open(storage, { steps: [step] });
      expect(await codeOf(processor.submit(order))).toBe('closed');
      failing.clear();
      storage.fate = fatesOf('accept', fate);
      const first = codeOf(processor.retry('a'));
      await clock.settle();
      const isKept = fate !== 'is killed before';
      expect(storage.disk.find('a')?.retriedAs).toBe(isKept ? 'a~2' : undefined);
      expect(storage.disk.find('a~2')?.retryOf).toBe(isKept ? 'a' : undefined);
      if (fate === 'fails late') expect(await first).toBe('storage_failed');
      storage.cut();
      const next = await open(new KeptStorage(storage.disk), { steps: [step] });
      expect((await next.retry('a')).id).toBe('a~2');
      expect(await next.outcome('a~2')).toMatchObject({ status: 'completed', balance: -5 });
      expect(keys).toEqual(['a:vendor', 'a~2:vendor']);
      await next.shutdown();
    },
  );

  it('is kept without steps too, in the one write of its settlement', async () => {
    const storage = new KeptStorage();
    const processor = await open(storage, { minBalance: 0 });
    expect(await codeOf(processor.submit(order))).toBe('insufficient_funds');
    await processor.submit({ id: 'top-up', userId: 'u', amount: 9 });
    await processor.retry('a');
    expect(await processor.order('a')).toMatchObject({ retriedAs: 'a~2', status: 'failed' });
    expect(await processor.order('a~2')).toMatchObject({ retryOf: 'a', balance: 4 });
    expect(storage.log.at(-1)).toContain('a~2');
    await processor.shutdown();
  });
});

/** A host's own storage. */
class Balances {
  readonly #balances = new MemoryStorage();
  get = (userId: string) => this.#balances.get(userId);
  apply = (changes: Parameters<MemoryStorage['apply']>[0]) => this.#balances.apply(changes);
}
