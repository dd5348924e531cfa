import { type Order, type OrderOutcome, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, range } from '../../kit/helpers.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** A schema that takes as long as the payload says, and refuses what is negative. */
function timed() {
  const log: string[] = [];
  const seen = { now: 0, most: 0 };
  const schema = schemaOf(async (value) => {
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    log.push(`check ${value}`);
    await clock.sleep(Math.abs(Number(value)));
    log.push(`checked ${value}`);
    seen.now -= 1;
    return Number(value) < 0 ? { issues: [{ message: 'Negative' }] } : { value };
  });
  const steps: Step[] = [{ name: 'work', run: ({ payload }) => void log.push(`run ${payload}`) }];
  return { schema, steps, log, seen };
}

const order = (userId: string, payload: number): Order => {
  return { id: `${userId}${payload}`, userId, amount: 1, payload };
};

function said(outcomes: readonly OrderOutcome[]): string[] {
  return outcomes.map((outcome) =>
    outcome.status === 'completed' ? outcome.orderId : `${outcome.status} ${outcome.error.code}`,
  );
}

describe('a list with an asynchronous schema', () => {
  const mixed = [
    order('u', 30),
    order('v', 20),
    order('u', -10),
    order('u', 5),
    null as never,
    order('v', 10),
    order('u', 30),
    { ...order('u', 30), amount: 2 },
    order('w', 1),
  ];
  const expected = [
    'u30',
    'v20',
    'refused invalid_order',
    'u5',
    'refused invalid_order',
    'v10',
    'u30',
    'refused order_conflict',
    'w1',
  ];

  it.each(['reject', 'wait'] as const)(
    "invariant 1: is checked side by side, and each user's order is kept, with `overflow: %s`",
    async (overflow) => {
      const { schema, steps, log } = timed();
      const processor = new OrderProcessor({ schema, steps, overflow });
      const settled = processor.submitMany(mixed);
      await clock.runAll();
      // In their places, those that were refused too.
      expect(said(await settled)).toEqual(expected);
      const checks = log.filter((line) => line.startsWith('check'));
      expect(checks.slice(0, 8).every((line) => line.startsWith('check '))).toBe(true);
      // As long as the slowest.
      expect(clock.now).toBe(30);
      expect(log.filter((line) => line.startsWith('run'))).toEqual([
        'run 1',
        'run 20',
        'run 10',
        'run 30',
        'run 5',
      ]);
      const counts = { accepted: 5, completed: 5, refused: 3, duplicates: 1, unsettled: 0 };
      expect(processor.stats()).toMatchObject(counts);
    },
  );

  it('invariant 6: with `overflow: reject`, no more are checked than there may be', async () => {
    const { schema, steps, seen } = timed();
    const processor = new OrderProcessor({ schema, steps, capacity: 3 });
    const settled = processor.submitMany(range(5).map((at) => order(`u${at}`, 10 - at)));
    await clock.runAll();
    const full = 'refused queue_full';
    expect(said(await settled)).toEqual(['u010', 'u19', 'u28', full, full]);
    expect(processor.stats()).toMatchObject({ completed: 3, refused: 2, waitingCallers: 0 });
    // It still answers the checks whose results are not needed.
    expect(seen.now).toBe(0);
  });

  it('invariant 6: with `overflow: wait`, all are taken in, and none is overtaken', async () => {
    const { schema, log, seen } = timed();
    const slow: Step = {
      name: 'work',
      async run({ id }) {
        log.push(`run ${id}`);
        expect(processor.stats().unsettled).toBeLessThanOrEqual(2);
        await clock.sleep(3);
      },
    };
    const options = { schema, steps: [slow], capacity: 2, overflow: 'wait' } as const;
    const processor: OrderProcessor = new OrderProcessor(options);
    const orders = range(30).map((at) => order(at % 3 === 0 ? 'u' : 'v', (at * 7) % 31));
    const settled = processor.submitMany(orders);
    await clock.runAll();
    expect(said(await settled)).toEqual(orders.map(({ id }) => id));
    for (const userId of ['u', 'v']) {
      const own = orders.filter((each) => each.userId === userId).map(({ id }) => `run ${id}`);
      expect(log.filter((line) => line.startsWith(`run ${userId}`))).toEqual(own);
    }
    expect(seen).toEqual({ now: 0, most: 30 });
    expect(processor.stats()).toMatchObject({ completed: 30, waitingCallers: 0, unsettled: 0 });
  });

  it('invariant 6: is checked a thousand at a time, however long it is', async () => {
    const { schema, seen } = timed();
    let read = 0;
    function* source() {
      for (const at of range(2_500)) {
        read += 1;
        yield order(`u${at}-`, 10);
      }
    }
    const processor = new OrderProcessor({ schema, overflow: 'wait', capacity: 600 });
    processor.pause();
    const settled = processor.submitMany(source());
    await clock.settle();
    expect([seen.now, read]).toEqual([1_000, 1_000]);
    await clock.advance(10);
    // The rest waits in the list until these have been accepted.
    expect([seen.now, read]).toEqual([0, 1_000]);
    expect(processor.stats()).toMatchObject({ accepted: 600, waitingCallers: 400 });
    processor.resume();
    await clock.runAll();
    expect((await settled).filter(({ status }) => status === 'completed')).toHaveLength(2_500);
    expect(seen.most).toBe(1_000);
  });

  it('invariant 4: that throws rejects, and what was being checked goes on', async () => {
    const { schema } = timed();
    function* source() {
      yield order('u', 10);
      yield order('v', -10);
      throw new Error('The source broke');
    }
    const processor = new OrderProcessor({ schema });
    const failed = errorOf(processor.submitMany(source()));
    await clock.runAll();
    expect((await failed).code).toBe('invalid_order');
    expect(await processor.order('u10')).toMatchObject({ status: 'completed' });
    expect(processor.stats()).toMatchObject({ completed: 1, refused: 1, unsettled: 0 });
  });
});

it('invariant 5: an id that is checked at once does not come in beside the same id that is checked later', async () => {
  const schema = schemaOf((value) =>
    value === 'slow' ? clock.sleep(10).then(() => ({ value })) : { value },
  );
  const processor = new OrderProcessor({ schema });
  const accepted: string[] = [];
  processor.on('accepted', ({ userId }) => accepted.push(userId));
  const outcomes = processor.submitMany([
    { id: 'a', userId: 'u', amount: 1, payload: 'slow' },
    { id: 'a', userId: 'v', amount: 1, payload: 'quick' },
  ]);
  await clock.runAll();
  expect(said(await outcomes)).toEqual(['refused order_conflict', 'a']);
  expect(accepted).toEqual(['v']);
});
