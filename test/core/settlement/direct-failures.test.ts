/** Guarantees 4, 8 and 10: a memory that can take no more fails the order that it hits, and no other. */
import {
  type OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserBalances } from '../../../src/core/storage/memory/user-balances.ts';
import { codeOf, errorOf, range } from '../../kit/helpers.ts';

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on('unhandledRejection', hear));
afterEach(async () => {
  vi.restoreAllMocks();
  await new Promise((resolve) => setTimeout(resolve, 2));
  process.off('unhandledRejection', hear);
  expect(unhandled.splice(0)).toEqual([]);
});

/** No map takes this user, as none takes its 16 777 217th entry. */
function refuseUser(): void {
  const set = Map.prototype.set;
  vi.spyOn(Map.prototype, 'set').mockImplementation(function (this: Map<unknown, unknown>, ...of) {
    if (of[0] === 'one too many' && typeof of[1] === 'number') {
      throw new RangeError('Map maximum size exceeded');
    }
    return set.apply(this, of);
  });
}

const ways: [string, OrderProcessorOptions, boolean][] = [
  ['that goes at once', {}, false],
  ['that waits in the queue', {}, true],
  ['with steps that return at once', { steps: [{ name: 'work', run() {} }] }, false],
  ['with steps that take a turn', { steps: [{ name: 'work', run: async () => {} }] }, false],
  ['with steps that can be compensated', { steps: [{ name: 'work', run() {}, compensate() {} }] }, true],
]; // biome-ignore format: short

describe.each(ways)('an order %s', (_, options, isQueued) => {
  it('invariants 4, 8 and 10: fails alone with `storage_failed`, and may come again', async () => {
    const processor = new OrderProcessor(options);
    const errors: OrderError[] = [];
    processor.on('error', (error) => errors.push(error));
    refuseUser();
    if (isQueued) processor.pause();
    const failed = errorOf(processor.submit({ id: 'a', userId: 'one too many', amount: 1 }));
    const others = range(3).map((at) => processor.submit({ userId: `u-${at}`, amount: 1 }));
    const many = processor.submitMany([
      { userId: 'one too many', amount: 1 },
      { userId: 'u-0', amount: 1 },
    ]);
    processor.resume();
    expect(await failed).toMatchObject({ code: 'storage_failed', outcome: 'failed', orderId: 'a' });
    expect(await Promise.all(others)).toHaveLength(3);
    expect((await many).map(({ status }) => status)).toEqual(['failed', 'completed']);
    expect(errors[0]).toMatchObject({ code: 'storage_failed', cause: expect.any(RangeError) });
    vi.restoreAllMocks();
    const steps = (options.steps ?? []) as readonly Step[];
    if (steps[0]?.compensate === undefined) {
      expect(await codeOf(processor.submit({ id: 'a', userId: 'one too many', amount: 1 }))).toBe(
        'completed',
      );
    }
    await processor.onIdle();
    expect(await processor.shutdown()).toMatchObject({ timedOut: false });
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
  });
});

it('balances of more users than one map takes are kept', () => {
  const balances = new UserBalances(4);
  for (const at of range(30)) balances.set(`u-${at}`, at);
  for (const at of range(30)) balances.set(`u-${at}`, at * 2);
  expect(range(30).map((at) => balances.get(`u-${at}`))).toEqual(range(30).map((at) => at * 2));
  expect(balances.get('u-30')).toBe(undefined);
});
