import { MemoryStorage, OrderProcessor, type OrderStorage, type Settlement } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

it('refuses a storage that has a processor already, until that has shut down', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage);
  expect(() => new OrderProcessor({ storage })).toThrow(TypeError);
  await processor.shutdown();
  // One that can be opened again.
  storage.isClosed = false;
  expect(() => new OrderProcessor({ storage })).not.toThrow();
});

const order = { id: 'a', userId: 'u', amount: 5 };

/** A wrapper as a host writes one, which names what it was called for. */
function wrapped(inner: MemoryStorage, calls: string[] = []) {
  return {
    isVolatile: true,
    get: (userId) => inner.get(userId),
    apply: (changes) => {
      calls.push('apply');
      return inner.apply(changes);
    },
    accept: (orders) => {
      calls.push('accept');
      return inner.accept(orders);
    },
    settle: (settlements): ReturnType<OrderStorage['settle']> => {
      calls.push(`settle ${settlements.map(({ id }) => id).join(' ')}`);
      return inner.settle(settlements);
    },
    remember: (orders) => inner.remember(orders),
    amend: (id, steps) => inner.amend(id, steps),
    find: (id): ReturnType<OrderStorage['find']> => inner.find(id),
    list: (query) => inner.list(query),
    hold: (hold) => inner.hold(hold),
    release: (userId, retried) => inner.release(userId, retried),
    holds: (query): ReturnType<OrderStorage['holds']> => inner.holds(query),
    unsettled: (upTo) => inner.unsettled(upTo),
    due: (query) => inner.due(query),
    delayed: (after) => inner.delayed(after),
    id: inner.id,
    settled: (query) => inner.settled(query),
    movements: (query) => inner.movements(query),
    balanceAt: (userId, time) => inner.balanceAt(userId, time),
    nextSequence: () => inner.nextSequence(),
  } satisfies OrderStorage;
}

describe('a storage that says that it is volatile', () => {
  it.each(['a subclass', 'a wrapper'])('is asked by `find` and `settle` alone: %s', async (how) => {
    const calls: string[] = [];
    class Own extends MemoryStorage {
      override apply(changes: Parameters<MemoryStorage['apply']>[0]) {
        calls.push('apply');
        return super.apply(changes);
      }
      override settle(settlements: readonly Settlement[]) {
        calls.push(`settle ${settlements.map(({ id }) => id).join(' ')}`);
        return super.settle(settlements);
      }
    }
    const storage = how === 'a subclass' ? new Own() : wrapped(new MemoryStorage(), calls);
    const processor = new OrderProcessor({ storage });
    for (const id of ['a', 'b', 'a']) await processor.submit({ ...order, id });
    expect(calls).toEqual(['settle a', 'settle b']);
    expect(storage.get('u')).toBe(10);
    expect((await processor.orders()).orders.map(({ id }) => id)).toEqual(['b', 'a']);
    await processor.shutdown();
  });

  it('is given the places of orders in the order of acceptance, though they are settled in another', async () => {
    const gates = new Map<string, () => void>();
    const steps = [
      {
        name: 'wait',
        run: ({ id }: { id: string }) => new Promise<void>((go) => gates.set(id, go)),
      },
    ];
    const storage = wrapped(new MemoryStorage());
    const processor = new OrderProcessor({ storage, steps });
    const first = processor.submit(order);
    const second = processor.submit({ ...order, id: 'b', userId: 'v' });
    while (!gates.has('b')) await new Promise(setImmediate);
    gates.get('b')?.();
    await second;
    expect((await processor.orders()).orders.map(({ id }) => id)).toEqual(['b', 'a']);
    gates.get('a')?.();
    await first;
    expect((await processor.orders()).orders.map(({ id }) => id)).toEqual(['b', 'a']);
    await processor.shutdown();
  });

  it('must give its holds at once', () => {
    const storage: OrderStorage = { ...wrapped(new MemoryStorage()), holds: async () => [] };
    expect(() => new OrderProcessor({ storage })).toThrow(/`holds` of a volatile storage/);
    // It has no processor then.
    expect(() => new OrderProcessor({ storage })).toThrow(/`holds` of a volatile storage/);
  });

  it('invariant 3: is believed by what it has of an id after its call threw', async () => {
    const inner = new MemoryStorage();
    const storage: OrderStorage = {
      ...wrapped(inner),
      settle(settlements) {
        inner.settle(settlements.filter(({ id }) => id === 'a'));
        throw new Error('After the work, or before it');
      },
    };
    const processor = new OrderProcessor({ storage });
    processor.on('error', () => {});
    expect(await processor.submit(order)).toMatchObject({ balance: 5 });
    expect(await codeOf(processor.submit({ ...order, id: 'b' }))).toBe('storage_failed');
    expect(processor.stats()).toMatchObject({ accepted: 2, completed: 1, failed: 1 });
    await processor.shutdown();
  });

  it('invariant 3: says what became of an order whose amount the host applied meanwhile', async () => {
    const storage = new MemoryStorage();
    const apply = (): void => {
      storage.apply([{ orderId: 'a', userId: 'u', amount: 5, minBalance: undefined }]);
    };
    const processor = new OrderProcessor({ storage, steps: [{ name: 'apply', run: apply }] });
    expect(await processor.submit(order)).toMatchObject({ balance: 5 });
    expect(storage.get('u')).toBe(5);
    await processor.shutdown();
  });

  it('must answer `find` at once, and have `nextSequence`', async () => {
    const { nextSequence: _, ...without } = wrapped(new MemoryStorage());
    expect(() => new OrderProcessor({ storage: without })).toThrow(TypeError);
    const late = { ...wrapped(new MemoryStorage()), find: async () => undefined };
    const processor = new OrderProcessor({ storage: late });
    const { cause } = await errorOf(processor.submit(order));
    expect(cause).toEqual(new TypeError('Expected `find` of a volatile storage to answer at once'));
    await processor.shutdown();
  });
});

it('a subclass of MemoryStorage that says that its orders outlive the process is given them when they are accepted', async () => {
  const accepted: string[] = [];
  class Own extends MemoryStorage {
    override readonly isVolatile = false;
    override accept(orders: Parameters<MemoryStorage['accept']>[0]) {
      accepted.push(...orders.map(({ id }) => id));
      return super.accept(orders);
    }
  }
  const processor = new OrderProcessor({
    storage: new Own(),
    steps: [{ name: 'nothing', run() {} }],
  });
  await processor.ready;
  await processor.submit(order);
  expect(accepted).toEqual(['a']);
  await processor.shutdown();
});
