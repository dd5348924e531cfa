/** `npm run fuzz` goes on for longer. */
import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { seed as firstSeed } from '../../kit/seed.ts';
import { fuzzSockets } from './sockets.ts';

const connections = 1_200;

describe('bytes that may be HTTP', () => {
  it.each(range(3))(
    'are answered or cut, and break no other request, seed %i more than the first',
    async (n) => {
      const seed = firstSeed + n;
      const { faults, acknowledged, statuses } = await fuzzSockets(seed, connections);
      expect(faults, `seed ${seed}`).toEqual([]);
      expect(acknowledged, `seed ${seed}`).toBeGreaterThan(20);
      expect(statuses['400'], `seed ${seed}`).toBeGreaterThan(20);
    },
  );
});
