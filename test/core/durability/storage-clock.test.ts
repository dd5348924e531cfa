/** Processors whose clocks differ from that of the storage which they share. */
import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../kit/helpers.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const hourMs = 3_600_000;

/** Two processors; the first one owns all users. Its steps take 100 ms. */
function processors(aheadMs: number) {
  const database = new SharedDatabase(1, () => clock.sleep(1));
  database.aheadMs = aheadMs;
  const storages = [1, 2].map(() => new SharedStorage(database)) as [SharedStorage, SharedStorage];
  const steps = [{ name: 'work', run: () => clock.sleep(100) }];
  const all = storages.map((storage) => new OrderProcessor({ storage, steps }));
  const [owner, other] = all as [OrderProcessor, OrderProcessor];
  database.give(0, storages[0]);
  const end = async (): Promise<void> => {
    const over = Promise.all([owner.shutdown(), other.shutdown()]);
    await clock.runAll();
    await over;
  };
  return { database, owner, other, end };
}

const order = (id: string, expiresAt?: number) => ({ id, userId: 'u', amount: 1, expiresAt });

it.each([Number.NaN, Number.POSITIVE_INFINITY, '5'])(
  'a clock that is %s ahead throws',
  (aheadMs) => {
    const database = new SharedDatabase(1);
    database.aheadMs = aheadMs as number;
    const storage = new SharedStorage(database);
    const message = 'Expected `storage.shared.clockAheadMs` to be a finite number, got ';
    expect(() => new OrderProcessor({ storage })).toThrow(message);
  },
);

describe.each([
  ['behind', hourMs],
  ['ahead', -hourMs],
])('the clocks of the machines are an hour %s', (_, aheadMs) => {
  it('an order expires by the clock of the storage, wherever it is handed in', async () => {
    const { database, owner, other, end } = processors(aheadMs);
    const now = database.now();
    for (const processor of [owner, other]) {
      const late = codeOf(processor.submit(order('late', now)));
      await clock.advance(20);
      expect(await late).toBe('expired');
    }
    const runs = codeOf(other.submit(order('runs', now + 90)));
    await clock.advance(20);
    const waits = codeOf(other.submit(order('waits', now + 110)));
    await clock.advance(45);
    expect(database.find('waits')?.status).toBe('pending');
    await clock.advance(50);
    expect([await runs, await waits]).toEqual(['completed', 'expired']);
    await end();
  });

  it('an order waits for its time by that clock, in memory too', async () => {
    const { database, other, end } = processors(aheadMs);
    const notBefore = database.now() + 1_000;
    const submitted = other.submit({ ...order('later'), notBefore });
    await clock.advance(990);
    expect(other.stats()).toMatchObject({ scheduled: 1, unsettled: 0 });
    await clock.advance(30);
    expect(other.stats()).toMatchObject({ scheduled: 0, unsettled: 1 });
    await clock.advance(200);
    expect(await submitted).toMatchObject({ status: 'completed' });
    await end();
  });

  it('records have its times, also when it is set', async () => {
    const { database, owner, other, end } = processors(aheadMs);
    for (const [at, processor] of [owner, other].entries()) {
      database.aheadMs = aheadMs + at * 5_000;
      const begunAt = database.now();
      const submitted = processor.submit(order(`o-${at}`));
      await clock.advance(200);
      await submitted;
      const record = await owner.order(`o-${at}`);
      for (const time of [record?.acceptedAt, record?.startedAt, record?.settledAt]) {
        expect(time).toBeGreaterThanOrEqual(begunAt);
        expect(time).toBeLessThanOrEqual(database.now());
      }
    }
    await end();
  });
});
