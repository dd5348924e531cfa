import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** Two processors of one database with a capacity of 2; the first one owns all users. */
function processors() {
  const database = new SharedDatabase(1, () => clock.sleep(1));
  const ran: string[] = [];
  const [one, other] = [0, 1].map((at) => {
    const storage = new SharedStorage(database);
    const steps = [{ name: 'work', run: ({ id }: { id: string }) => ran.push(`${id}@${at}`) }];
    return { storage, processor: new OrderProcessor({ storage, capacity: 2, steps }) };
  }) as [Side, Side];
  database.give(0, one.storage);
  const [a, b] = [one.processor, other.processor];
  const end = async (): Promise<void> => {
    const over = Promise.all([a, b].map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  };
  return { database, storages: [one.storage, other.storage], a, b, ran, end };
}

interface Side {
  readonly storage: SharedStorage;
  readonly processor: OrderProcessor;
}

const order = (id: string, inMs?: number) => {
  const notBefore = inMs === undefined ? undefined : Date.now() + inMs;
  return { id, userId: 'u', amount: 1, notBefore };
};

describe('delayed orders of a storage that several processors share', () => {
  it('invariant 6: take no room and no memory where no caller waits, and begin when they are due', async () => {
    const { a, b, ran, end } = processors();
    for (let at = 0; at < 9; at += 1) {
      const enqueued = b.enqueue(order(`o-${at}`, 60_000 + at));
      await clock.advance(20);
      await enqueued;
    }
    expect([a, b].map((each) => each.stats())).toMatchObject([
      { unsettled: 0, scheduled: 0 },
      { unsettled: 0, scheduled: 0 },
    ]);
    const now = a.submit(order('now'));
    await clock.advance(100);
    expect((await now).status).toBe('completed');
    await clock.advance(50_000);
    expect(ran).toEqual(['now@0']);
    await clock.advance(20_000);
    expect(ran).toEqual(['now@0', ...Array.from({ length: 9 }, (_, at) => `o-${at}@0`)]);
    await end();
  });

  it('invariant 6: of those that a caller awaits as many as `capacity` are in memory, beside orders that are due', async () => {
    const { a, b, ran, end } = processors();
    const later = ['p', 'q'].map((id) => b.submit(order(id, 1_000)));
    await clock.advance(50);
    expect(b.stats()).toMatchObject({ unsettled: 0, scheduled: 2 });
    const code = b.submit(order('r', 1_000)).catch((error) => error.code);
    const now = b.submit(order('now'));
    await clock.advance(50);
    expect([await code, (await now).status, ran]).toEqual(['queue_full', 'completed', ['now@0']]);
    await clock.advance(1_000);
    expect((await Promise.all(later)).map(({ status }) => status)).toEqual([
      'completed',
      'completed',
    ]);
    expect([a, b].map((each) => each.stats())).toMatchObject([
      { unsettled: 0, scheduled: 0 },
      { unsettled: 0, scheduled: 0 },
    ]);
    await end();
  });

  it.each([0, 1])(
    'are canceled by processor %i before they are due, and never begin',
    async (at) => {
      const { a, b, ran, end } = processors();
      const by = [a, b][at] as OrderProcessor;
      const code = b.submit(order('later', 10_000)).catch((error) => error.code);
      await clock.advance(50);
      const isCanceled = by.cancel('later');
      await clock.advance(100);
      expect([await isCanceled, await code, ran]).toEqual([true, 'canceled', []]);
      expect([a, b].map((each) => each.stats().unsettled)).toEqual([0, 0]);
      await end();
    },
  );

  it.each([0, 1])('are canceled at once by the signal of a caller of processor %i', async (at) => {
    const { database, a, b, ran, end } = processors();
    const by = [a, b][at] as OrderProcessor;
    const abort = new AbortController();
    const code = by
      .submit(order('later', 10_000), { signal: abort.signal })
      .catch((error) => error.code);
    await clock.advance(50);
    abort.abort();
    await clock.advance(100);
    expect([await code, database.find('later')?.status]).toEqual(['canceled', 'canceled']);
    expect(ran).toEqual([]);
    expect([a, b].map((each) => each.stats())).toMatchObject([
      { unsettled: 0, scheduled: 0 },
      { unsettled: 0, scheduled: 0 },
    ]);
    await end();
  });

  it('invariant 9: are canceled by the next owner where the one that was asked is gone', async () => {
    const { database, storages, b, ran, end } = processors();
    const code = b.submit(order('later', 10_000)).catch((error) => error.code);
    await clock.advance(50);
    database.take(0);
    const isCanceled = b.cancel('later');
    await clock.advance(50);
    database.give(0, storages[1] as SharedStorage);
    await clock.advance(100);
    expect([await isCanceled, await code, ran]).toEqual([true, 'canceled', []]);
    await end();
  });

  it('invariant 9: outlive their owner, and begin at the next one as if no one had begun them', async () => {
    const { database, storages, b, ran, end } = processors();
    const receipt = b.submit(order('later', 1_000));
    await clock.advance(50);
    database.take(0);
    database.give(0, storages[1] as SharedStorage);
    await clock.advance(2_000);
    expect((await receipt).status).toBe('completed');
    expect(ran).toEqual(['later@1']);
    expect(database.find('later')?.attempt).toBe(1);
    await end();
  });

  it('invariant 4: keep no shutdown waiting, and their callers are notified', async () => {
    const { b, end } = processors();
    const code = b.submit(order('later', 1_000_000)).catch((error) => error.code);
    const outcome = b.outcome('later').catch((error) => error.code);
    await clock.advance(50);
    const begun = Date.now();
    const over = b.shutdown();
    await clock.advance(100);
    await over;
    expect(Date.now() - begun).toBeLessThan(1_000);
    expect(await code).toBe('shut_down');
    await outcome;
    await end();
  });

  it('invariant 1: begin when the storage says so, whatever clock the processor has', async () => {
    const { database, a, ran, end } = processors();
    const { now } = Date;
    const receipt = a.submit(order('later', 1_000));
    await clock.advance(50);
    Date.now = () => now() - 3_600_000;
    // The clock of the storage.
    database.comesDue('later');
    await clock.advance(100);
    Date.now = now;
    expect((await receipt).status).toBe('completed');
    expect(ran).toEqual(['later@0']);
    await end();
  });
});
