/** What runs, as `running()` shows it: asking changes nothing (invariant 11), and nothing that runs is missing. */
import { OrderProcessor, type RunningOrder } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../kit/helpers.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The steps as `name:state`, with an apostrophe for a compensation. */
const statesOf = (order: RunningOrder | undefined): string[] =>
  (order?.steps ?? []).map(
    ({ name, isCompensation, state }) => `${name}${isCompensation ? "'" : ''}:${state}`,
  );

describe('running', () => {
  it('gives the steps of an order as they are now', async () => {
    const [pay, undo] = [deferred(), deferred()];
    await using processor = new OrderProcessor({
      steps: [
        { name: 'reserve', run: () => 'table', compensate: () => undo.promise },
        { name: 'pay', after: 'reserve', run: () => pay.promise },
        { name: 'ship', after: 'pay', run: () => {} },
      ],
    });
    const order = processor.submit({ id: 'o-1', userId: 'ann', amount: 1 }).catch(() => {});
    const before = Date.now();
    await turn();
    expect(processor.running()).toHaveLength(1);
    const [first] = processor.running({ orderId: 'o-1' });
    expect(first).toMatchObject({ userId: 'ann', isStalled: false, isEnding: false });
    expect(statesOf(first)).toEqual(['reserve:ended', 'pay:running', 'ship:waiting']);
    expect(first?.steps[0]).toMatchObject({ attempts: 1, result: { status: 'ok' } });
    expect(Math.abs((first?.steps[1]?.startedAt ?? 0) - before)).toBeLessThan(1_000);
    expect(first?.steps[2]).toMatchObject({ startedAt: undefined, endedAt: undefined });

    pay.reject(new Error('declined'));
    await turn();
    const [second] = processor.running({ userId: 'ann' });
    expect(second?.isEnding).toBe(true);
    expect(statesOf(second).slice(0, 2)).toEqual(['reserve:ended', 'pay:ended']);
    expect(statesOf(second)).toContain("reserve':running");
    undo.resolve();
    await order;
    expect(processor.running()).toEqual([]);
  });

  it('gives a step between two attempts as paused, and orders that have stalled', async () => {
    const end = deferred();
    await using processor = new OrderProcessor({
      stalledAfterMs: 20,
      steps: [
        {
          name: 'pay',
          retry: { attempts: 2, delayMs: 60_000 },
          run: ({ userId }) => {
            if (userId === 'ann') throw new Error('not now');
            return end.promise;
          },
        },
      ],
    });
    processor.on('stalled', () => {});
    const orders = ['ann', 'bob'].map((userId) => processor.submit({ userId, amount: 1 }));
    const all = Promise.allSettled(orders);
    await turn();
    expect(statesOf(processor.running({ userId: 'ann' })[0])).toEqual(['pay:paused']);
    await new Promise((resolve) => processor.once('stalled', resolve));
    expect(processor.running({ isStalled: true }).map(({ userId }) => userId)).toEqual(['bob']);
    expect(processor.running({ limit: 1 }).map(({ userId }) => userId)).toEqual(['ann']);
    end.resolve();
    const [{ orderId = '' } = {}] = processor.running({ userId: 'ann' });
    await processor.cancel(orderId);
    await all;
  });

  it('invariant 1: gives what waits in a lane in the order in which it runs', async () => {
    const end = deferred();
    await using processor = new OrderProcessor({
      steps: [{ name: 'pay', run: () => end.promise }],
    });
    const priorities = ['low', 'high', 'medium', 'high'] as const;
    const orders = priorities.map((priority, at) =>
      processor.submit({ id: `o-${at}`, userId: 'ann', amount: at, priority }),
    );
    const others = processor.submit({ userId: 'bob', amount: 1 });
    await turn();
    expect(processor.waiting('ann').map(({ id, status }) => [id, status])).toEqual(
      [1, 2, 3].map((at) => [`o-${at}`, 'pending']),
    );
    expect(processor.waiting('ann', { limit: 1 }).map(({ id }) => id)).toEqual(['o-1']);
    expect(processor.waiting('cat')).toEqual([]);
    expect(() => processor.waiting('')).toThrow(TypeError);
    expect(() => processor.waiting('ann', { limit: 0 })).toThrow(RangeError);
    end.resolve();
    await Promise.all([...orders, others]);
  });

  it.each([{ limit: 0 }, { userId: '' }, { isStalled: 1 }, { status: 'x' }])(
    'refuses %j',
    async (query) => {
      await using processor = new OrderProcessor();
      expect(() => processor.running(query as never)).toThrow(/^Expected/);
    },
  );
});
