/** What `rate` counts where several processors share a storage. */
import { OrderProcessor } from 'order-processor';
import { expect, it, vi } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const rate = { limit: 2, intervalMs: 1_000 };

/** Two processors of a database with one partition; the first one owns it. */
function processors() {
  const database = new SharedDatabase(1, () => clock.sleep(1));
  const storages = range(2).map(() => new SharedStorage(database)) as [
    SharedStorage,
    SharedStorage,
  ];
  const lists = storages.map((storage) => vi.spyOn(storage, 'list'));
  const begun: { userId: string; at: number; by: number }[] = [];
  const all = storages.map(
    (storage, by) =>
      new OrderProcessor({
        ...{ storage, rate },
        steps: [
          { name: 'work', run: ({ userId }) => void begun.push({ userId, at: clock.now, by }) },
        ],
      }),
  ) as [OrderProcessor, OrderProcessor];
  database.give(0, storages[0]);
  const give = (to: 0 | 1): void => {
    database.take(0);
    database.give(0, storages[to]);
  };
  const end = async (): Promise<void> => {
    const over = Promise.all(all.map((each) => each.shutdown()));
    await clock.runAll();
    await over;
  };
  return { all, begun, give, end, lists };
}

it('counts the orders of a user that began at earlier owners, over any number of moves', async () => {
  const { all, begun, give, end } = processors();
  const [a, b] = all;
  for (let at = 0; at < 12; at += 1) {
    void (at % 2 ? a : b).enqueue({ userId: 'u', amount: 1 });
  }
  for (let move = 0; begun.length < 12 && move < 200; move += 1) {
    await clock.advance(170);
    give(move % 2 === 0 ? 1 : 0);
  }
  await clock.advance(10);
  expect(begun).toHaveLength(12);
  for (const [at, { at: time }] of begun.entries()) {
    const twoBefore = begun[at - rate.limit];
    if (twoBefore !== undefined) expect(time - twoBefore.at).toBeGreaterThanOrEqual(1_000);
  }
  expect(new Set(begun.map(({ by }) => by)).size).toBe(2);
  await end();
});

it('asks the storage for them in the first `intervalMs` after a partition was gained, and never after that', async () => {
  const { all, begun, give, end, lists } = processors();
  const [a, b] = all;
  const hand = async (processor: OrderProcessor, userId: string): Promise<void> => {
    void processor.enqueue({ userId, amount: 1 });
    await clock.advance(50);
  };
  await hand(a, 'u');
  expect(lists[0]).toHaveBeenCalled();
  await clock.advance(2_000);
  lists[0]?.mockClear();
  for (let round = 0; round < 3; round += 1) {
    for (const userId of ['u', 'v', 'w']) await hand(b, userId);
    await clock.advance(2_000);
  }
  expect(lists[0]).not.toHaveBeenCalled();
  give(1);
  await hand(b, 'u');
  expect(lists[1]).toHaveBeenCalled();
  expect(begun).toHaveLength(11);
  await end();
});
