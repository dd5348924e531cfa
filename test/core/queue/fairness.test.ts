import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BalanceStorage,
  MemoryStorage,
  type Order,
  OrderProcessor,
  type OrderProcessorOptions,
} from 'order-processor';
import { SqliteStorage } from 'order-processor/sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

const folder = mkdtempSync(join(tmpdir(), 'fairness-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** So many orders are in one call of a storage at most. */
const call = 1_024;
const many = 4 * call;

const low = (): Order[] =>
  range(many).map((at) => ({ id: `low-${at}`, userId: 'many', amount: 1, priority: 'low' }));

const ways: Record<string, (processor: OrderProcessor) => unknown> = {
  submit: (processor) => Promise.allSettled(low().map((order) => processor.submit(order))),
  enqueue: (processor) => Promise.allSettled(low().map((order) => processor.enqueue(order))),
  submitMany: (processor) => processor.submitMany(low()),
  async submitStream(processor) {
    for await (const _ of processor.submitStream(low()));
  },
};

/** A host's storage of balances that answers later. */
function lateBalances(): BalanceStorage {
  const memory = new MemoryStorage();
  return {
    get: async (userId) => memory.get(userId),
    async apply(changes) {
      await new Promise((resolve) => setImmediate(resolve));
      return memory.apply(changes);
    },
  };
}

let files = 0;
/** Each with how many orders may go before an urgent one, beside its turn: in calls of the storage. */
const storages: Record<string, [() => Promise<BalanceStorage> | BalanceStorage, number]> = {
  memory: [() => new MemoryStorage(), 0],
  'balances of a host': [lateBalances, 2],
  'orders of a host': [() => new KeptStorage(), 2],
  'a file': [() => SqliteStorage.open(join(folder, `${++files}.db`)), 2],
};

const loads: Record<string, OrderProcessorOptions> = {
  'without steps': { capacity: 2 * many },
  'with a step': { capacity: 2 * many, steps: [{ name: 'work', run: async () => {} }] },
  'for room': { capacity: 100, overflow: 'wait' },
  'for room, with a step': {
    capacity: 100,
    overflow: 'wait',
    steps: [{ name: 'work', run: async () => {} }],
  },
};

const cases = Object.keys(storages).flatMap((storage) =>
  Object.keys(loads).flatMap((load, at) => {
    // The other two take the same stages as one of these.
    const some = at % 2 === 0 ? ['submit'] : ['submitMany'];
    return (isFull ? Object.keys(ways) : some).map((way) => [storage, load, way]);
  }),
) as [string, string, string][];

describe('invariant 7: an urgent order passes the orders of a user with many', () => {
  it.each(cases)('%s, %s, handed in by %s', async (storageName, load, way) => {
    const [open, calls] = storages[storageName] as (typeof storages)[string];
    const processor = new OrderProcessor({ ...loads[load], storage: await open() });
    await processor.ready;
    let settled = 0;
    const passed: number[] = [];
    const handedInAt = new Map<string, number>();
    processor.on('completed', ({ orderId }) => {
      const before = handedInAt.get(orderId);
      if (before === undefined) settled += 1;
      else passed.push(settled - before);
    });
    const done = ways[way]?.(processor);
    // In memory those without steps are settled in the call that hands them in.
    for (const at of range(3)) {
      if (settled === many) break;
      const id = `urgent-${at}`;
      handedInAt.set(id, settled);
      await processor.submit({ id, userId: id, amount: 1, priority: 'high' });
    }
    expect(passed.length > 0 || settled === many).toBe(true);
    await Promise.all([processor.shutdown({ timeoutMs: 1 }), done]);
    // Its turn comes within 16; and what is in a call already, and in the next, goes first.
    expect(Math.max(0, ...passed)).toBeLessThanOrEqual(16 + calls * call);
  });
});
