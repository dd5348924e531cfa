import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Tally } from '../../../src/core/collections/tally.ts';
import { heapUsed, range } from '../../kit/helpers.ts';

it('counts as a map does, in random order of adding and removing', () => {
  const change = fc.tuple(fc.integer({ min: 0, max: 2_000 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(change, { maxLength: 5_000, size: 'max' }), (changes) => {
      const tally = new Tally();
      const counts = new Map<string, number>();
      for (const [number, isMore] of changes) {
        const key = `k-${number}`;
        const count = counts.get(key) ?? 0;
        if (!isMore && count === 0) continue;
        tally.add(key, isMore ? 1 : -1);
        counts.set(key, count + (isMore ? 1 : -1));
      }
      for (const [key, count] of counts) expect(tally.of(key)).toBe(count);
    }),
    { numRuns: 50 },
  );
});

it('invariant 6: forgets the keys that are at zero', () => {
  const tally = new Tally();
  const before = heapUsed();
  for (const number of range(500_000)) {
    tally.add(`key-${number}`, 1);
    tally.add(`key-${number}`, -1);
  }
  expect(heapUsed() - before).toBeLessThan(5_000_000);
  expect(tally.of('key-7')).toBe(0);
});
