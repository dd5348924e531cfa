/** `npm test` has seconds of it, `npm run full` a minute, and `npm run chaos` goes on for as long as it is to. */
import { expect, it } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { seed } from '../../kit/seed.ts';
import { chaos } from './chaos.ts';

const size = isFull
  ? { forMs: 60_000, callers: 16, least: 3, most: 5, pairs: 1_000 }
  : { forMs: 3_000, callers: 8, least: 2, most: 3, pairs: 1 };

it('invariants 1, 3, 4, 5, 9 and 12 hold while processes die, stop and are cut off, and the server ends', {
  timeout: 900_000,
}, async () => {
  await using server = await PostgresServer.start();
  const { pairs, ...options } = size;
  const { problems, counts } = await chaos(server, { seed, ...options });
  expect(problems.slice(0, 10), `seed ${seed}`).toEqual([]);
  expect(counts.pairs).toBeGreaterThanOrEqual(pairs);
  if (isFull) expect(counts['steps begun again']).toBeGreaterThan(0);
});
