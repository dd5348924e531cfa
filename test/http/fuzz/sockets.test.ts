/** `npm run fuzz` goes on for longer. */
import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { fuzzSockets } from './sockets.ts';

const connections = 1_200;
const first = Date.now() % 2 ** 31;

describe('bytes that may be HTTP', () => {
  it.each(range(3))(
    'are answered or cut, and break no other request, seed %i more than now',
    async (n) => {
      const seed = first + n;
      const { faults, acknowledged, statuses } = await fuzzSockets(seed, connections);
      expect(faults, `seed ${seed}`).toEqual([]);
      expect(acknowledged, `seed ${seed}`).toBeGreaterThan(20);
      expect(statuses['400'], `seed ${seed}`).toBeGreaterThan(20);
    },
  );
});
