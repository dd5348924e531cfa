/** The storage answers of an order in the same breath in which another caller hands it in, or waits for room. */
import { describe, expect, it } from 'vitest';
import { deferred, range, watch } from '../../kit/helpers.ts';
import { fatesOf, open } from '../../kit/kept/helpers.ts';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import { schemaOf } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 5, payload: 'p' };
const nothing = { name: 'nothing', run() {} };

describe.each([
  ['accept', { steps: [nothing] }],
  ['settle', {}],
] as const)(
  'an order whose id the storage knows from before, by a call of `%s`',
  (method, options) => {
    it('invariant 4: comes to an end for who enqueues it at that moment', async () => {
      const before = new KeptStorage();
      const first = await open(before);
      const receipt = await first.submit(order);
      await first.shutdown();
      const hanging: number[] = [];
      for (const breaths of range(40)) {
        const checks = [deferred(), deferred()];
        let checked = 0;
        const answer = deferred<Fate>();
        const storage = new KeptStorage(before.disk);
        storage.fate = fatesOf(method, answer.promise);
        const processor = await open(storage, {
          ...options,
          schema: schemaOf((value) => checks[checked++]?.promise.then(() => ({ value }))),
        });
        const submitted = processor.submit(order);
        const enqueued = processor.enqueue(order);
        const ends = [submitted, enqueued].map(watch);
        checks[0]?.resolve();
        await clock.settle();
        if (breaths % 2 === 0) answer.resolve('works');
        checks[1]?.resolve();
        for (const _ of range(breaths >> 1)) await undefined;
        if (breaths % 2 !== 0) answer.resolve('works');
        await clock.settle();
        if (ends.some(({ isSettled }) => !isSettled)) hanging.push(breaths);
        else {
          expect(await submitted).toEqual(receipt);
          expect(await enqueued).toMatchObject({ id: 'a', status: 'completed' });
        }
        const shut = processor.shutdown({ timeoutMs: 1 });
        await clock.advance(10_000);
        await shut;
      }
      expect(hanging).toEqual([]);
    });
  },
);

it('an order that waits for room is no duplicate of itself', async () => {
  const storage = new KeptStorage();
  const held = deferred();
  const processor = await open(storage, {
    steps: [{ name: 'waits', run: ({ id }) => (id === 'first' ? held.promise : undefined) }],
    capacity: 1,
    overflow: 'wait',
  });
  const found = deferred<Fate>();
  storage.fate = fatesOf('find', found.promise);
  const all = [processor.submit({ ...order, id: 'first' }), processor.submit(order)];
  await clock.advance(20);
  expect(storage.asked).toContain('find a');
  held.resolve();
  await Promise.all(all);
  found.resolve('works');
  await clock.settle();
  expect(processor.stats()).toMatchObject({ completed: 2, duplicates: 0 });
  await processor.shutdown();
});
