import { expect, it } from 'vitest';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

it('lists page after page what is in flight and what is kept, none twice and none left out', async () => {
  const storage = new KeptStorage();
  const processor = await open(storage, {
    steps: [{ name: 'work', run: ({ id }) => (id < 'o-10' ? undefined : clock.sleep(1_000)) }],
  });
  for (let at = 0; at < 23; at += 1) {
    await processor.enqueue(order(`o-${String(at).padStart(2, '0')}`, `u-${at % 9}`));
    await clock.advance(1);
  }
  const listed = async (status?: 'pending' | 'processing' | 'completed'): Promise<string[]> => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await processor.orders({ status, limit: 4, cursor });
      ids.push(...page.orders.map(({ id }) => id));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return ids;
  };
  const all = await listed();
  expect(all).toEqual(all.toSorted().toReversed());
  expect(all).toHaveLength(23);
  const parts = [await listed('completed'), await listed('processing'), await listed('pending')];
  expect(parts.map(({ length }) => length)).toEqual([10, 9, 4]);
  expect(parts.flat().toSorted()).toEqual(all.toSorted());
  await clock.runAll();
  await processor.shutdown();
});
