/** `npm run chaos` goes on for as long as it is to. */
import { expect, it } from 'vitest';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { seed } from '../../kit/seed.ts';
import { chaos } from './chaos.ts';

it('invariants 1, 3, 4, 5, 9 and 12 hold while processes die, stop and are cut off, and the server ends', {
  timeout: 900_000,
}, async () => {
  await using server = await PostgresServer.start();
  const options = { seed, forMs: 60_000, callers: 16, least: 3, most: 5 };
  const { problems, counts } = await chaos(server, options);
  expect(problems.slice(0, 10), `seed ${seed}`).toEqual([]);
  expect(counts.pairs).toBeGreaterThan(1_000);
  expect(counts['steps begun again']).toBeGreaterThan(0);
});
