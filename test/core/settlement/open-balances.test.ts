/** A settlement whose call has failed stays open in a storage of balances too, until the storage has answered for it. */
import {
  type BalanceChange,
  type BalanceStorage,
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, outcomeNow, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = id) => ({ id, userId, amount: 1 });
const isBad = ({ userId }: { userId: string }): boolean => userId.startsWith('bad');

/** A host's storage of balances that can fail. */
class Bank implements BalanceStorage {
  /** Its calls of `apply`: when, and with how many changes. */
  readonly calls: string[] = [];
  /** Says whether a call fails. */
  fails: (changes: readonly BalanceChange[]) => boolean = () => false;
  /** Whether a call that fails has done its work before. */
  isLate = false;
  readonly #memory = new MemoryStorage();

  get(userId: string) {
    return this.#memory.get(userId);
  }

  async apply(changes: readonly BalanceChange[]) {
    this.calls.push(`${clock.now}: ${changes.length}`);
    const fails = this.fails(changes);
    const results = !fails || this.isLate ? this.#memory.apply(changes) : [];
    if (fails) throw new Error('The connection broke');
    return results;
  }
}

function make(options: OrderProcessorOptions = {}) {
  const bank = new Bank();
  const processor = new OrderProcessor({ storage: bank, ...options });
  const log = logOf(processor);
  processor.on('interrupted', () => log.push('interrupted'));
  processor.on('restored', () => log.push('restored'));
  return { bank, processor, log };
}

/** A step of 5 ms that can be compensated; with a payload it fails at its end. */
function work(log: string[]): Step {
  return {
    name: 'work',
    async run({ id, payload }) {
      log.push(`run ${id}`);
      await clock.sleep(5);
      if (payload === 'declined') throw new OrderError('declined', 'No');
    },
    compensate: ({ id }) => void log.push(`undo ${id}`),
  };
}

it('invariant 3: it is tried again, with pauses that double, and no event says that its order failed', async () => {
  const { bank, processor, log } = make();
  let failures = 3;
  bank.fails = () => failures-- > 0;
  expect(await codeOf(processor.submit(order('a')))).toBe('storage_failed');
  expect(processor.stats()).toMatchObject({ unsettled: 1, failed: 0, storage: 'failing' });
  expect(await processor.order('a')).toMatchObject({ status: 'processing' });
  expect(await processor.cancel('a')).toBe(false);
  await clock.runAll();
  expect(bank.calls).toEqual(['0: 1', '10: 1', '30: 1', '70: 1']);
  expect(await processor.outcome('a')).toMatchObject({ status: 'completed', balance: 1 });
  expect(log).toEqual([
    ...['accepted:a', 'started:a', 'error:-:storage_failed', 'interrupted'],
    ...['error:-:storage_failed', 'error:-:storage_failed'],
    ...['completed:a', 'idle', 'restored'],
  ]);
  await processor.shutdown();
});

it('invariant 3: an order whose steps ran while the storage failed waits too, and is not compensated', async () => {
  const ran: string[] = [];
  const { bank, processor } = make({ steps: [work(ran)] });
  bank.fails = () => clock.now < 20;
  bank.isLate = true;
  const first = codeOf(processor.submit(order('a')));
  await clock.advance(2);
  const second = codeOf(processor.submit(order('b')));
  await clock.runAll();
  expect([await first, await second]).toEqual(['storage_failed', 'storage_failed']);
  expect(ran).toEqual(['run a', 'run b']);
  expect(await processor.order('b')).toMatchObject({ status: 'completed', balance: 1 });
  expect(processor.stats()).toMatchObject({ completed: 2, failed: 0, storage: 'ready' });
  await processor.shutdown();
});

it('invariant 1: later orders of its user begin after it, and of no user while the storage fails', async () => {
  const ran: string[] = [];
  const { bank, processor } = make({ steps: [work(ran)], concurrency: 2 });
  const users = ['u', 'v', 'u', 'w', 'x'];
  bank.fails = () => clock.now < 10;
  const codes = users.map((userId, at) => codeOf(processor.submit(order(`o-${at}`, userId))));
  await clock.advance(14);
  // The last one of them began before the call had failed; the second one's amount was in no call yet.
  expect(ran).toEqual(['run o-0', 'run o-1', 'run o-3']);
  await clock.runAll();
  expect(ran.slice(3).sort()).toEqual(['run o-2', 'run o-4']);
  expect(await Promise.all(codes)).toEqual([
    ...['storage_failed', 'completed', 'completed', 'completed', 'completed'],
  ]);
  expect(await processor.balance('u')).toBe(2);
  await processor.shutdown();
});

describe('what changes no balance does not depend on the storage', () => {
  it.each(['fails', 'does not answer'])(
    'invariants 3 and 4: orders that decline or are canceled end while it %s',
    async (how) => {
      const ran: string[] = [];
      const { bank, processor, log } = make({ steps: [work(ran)], concurrency: 2 });
      const gate = deferred();
      if (how === 'fails') bank.fails = () => clock.now < 1_000;
      else bank.apply = () => gate.promise.then(() => [{ balance: 1 }]);
      const first = codeOf(processor.submit(order('a')));
      const declined = codeOf(processor.submit({ ...order('b'), payload: 'declined' }));
      const canceled = codeOf(processor.submit(order('c', 'a')));
      await clock.advance(5);
      expect(await outcomeNow(declined)).toBe('declined');
      expect(await processor.cancel('c')).toBe(true);
      expect(await outcomeNow(canceled)).toBe('canceled');
      expect(await processor.order('c')).toMatchObject({ status: 'canceled' });
      expect(processor.stats()).toMatchObject({ unsettled: 1, failed: 1, canceled: 1 });
      gate.resolve();
      await clock.runAll();
      expect(await first).toBe(how === 'fails' ? 'storage_failed' : 'completed');
      expect(log.filter((line) => line.endsWith(':a'))).toContain('completed:a');
      await processor.shutdown();
    },
  );
});

it('invariant 4: at the deadline of `shutdown` its outcome is unknown, and orders that wait are canceled', async () => {
  const { bank, processor, log } = make({ steps: [work([])], concurrency: 1 });
  bank.fails = () => true;
  const first = errorOf(processor.submit(order('a')));
  const second = codeOf(processor.submit(order('b', 'a')));
  await clock.advance(400);
  expect(await first).toMatchObject({ code: 'storage_failed', retryable: true });
  const outcome = processor.outcome('a');
  const closed = processor.shutdown({ timeoutMs: 50 });
  await clock.runAll();
  expect(await closed).toMatchObject({ timedOut: true, unsettled: ['a'], kept: 0, running: [] });
  expect(await second).toBe('canceled');
  expect(await outcome).toMatchObject({
    status: 'failed',
    error: { code: 'storage_failed', message: expect.stringContaining('unknown') },
  });
  expect(log.filter((line) => line.startsWith('failed'))).toEqual(['failed:a:storage_failed']);
  const { length } = bank.calls;
  await clock.advance(100_000);
  expect([bank.calls.length, clock.timers]).toEqual([length, 0]);
});

describe('an order that the storage can never settle', () => {
  it.each([1, 40])('invariant 2: waits alone, and holds up no other user of %d', async (count) => {
    const { bank, processor } = make({ concurrency: 1_000, steps: [work([])] });
    bank.fails = (changes) => changes.some(isBad);
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    const at = Math.floor(count / 2);
    const codes = range(count).map((n) =>
      codeOf(processor.submit(order(n === at ? 'bad' : `o-${n}`))),
    );
    await clock.advance(5_000);
    await Promise.all(codes);
    expect(processor.stats()).toMatchObject({
      ...{ completed: count - 1, failed: 0, unsettled: 1, storage: 'ready' },
    });
    const alone = errors.filter(({ orderId }) => orderId === 'bad');
    expect(alone).toMatchObject([{ message: expect.stringContaining('waits alone') }]);
    const later = processor.submit(order('later'));
    const behind = codeOf(processor.submit(order('behind', 'bad')));
    await clock.advance(10);
    expect(await outcomeNow(later)).toMatchObject({ balance: 1 });
    bank.fails = () => false;
    await clock.advance(60_000);
    expect(await behind).toBe('completed');
    expect(await processor.balance('bad')).toBe(2);
    expect(processor.stats()).toMatchObject({ completed: count + 2, unsettled: 0 });
    await processor.shutdown();
  });

  it('a storage that fails as a whole is not taken for many such orders', async () => {
    const { bank, processor } = make();
    bank.fails = () => clock.now < 60_000;
    const codes = range(100).map((n) => codeOf(processor.submit(order(`o-${n}`))));
    await clock.advance(59_000);
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['storage_failed']));
    expect(processor.stats()).toMatchObject({ storage: 'failing', unsettled: 100 });
    // The pauses grow to 5 seconds; the orders that were set apart are tried with the next one.
    expect(bank.calls.length).toBeLessThan(60);
    await clock.advance(10_000);
    expect(processor.stats()).toMatchObject({ completed: 100, storage: 'ready', unsettled: 0 });
    expect(processor.stats().failed).toBe(0);
    await processor.shutdown();
  });
});
