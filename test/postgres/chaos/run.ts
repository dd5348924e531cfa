/**
 * Chaos on PostgreSQL, in rounds of a minute: each has a server, tables and a seed of its own.
 *
 * ```sh
 * npm run chaos                           # 10 minutes
 * MINUTES=60 npm run chaos
 * SEED=1234 MINUTES=1 npm run chaos       # the load and the faults of one round
 * ```
 */
import { PostgresServer } from '../../kit/postgres-server.ts';
import { chaos } from './chaos.ts';

const { MINUTES = '10', SEED = `${Date.now() % 2 ** 31}` } = process.env;
const end = performance.now() + Number(MINUTES) * 60_000;
let broken = 0;
for (let seed = Number(SEED); performance.now() < end; seed += 1) {
  await using server = await PostgresServer.start();
  const forMs = Math.min(60_000, Math.max(5_000, end - performance.now()));
  console.log(`seed ${seed}, ${Math.round(forMs / 1_000)} s`);
  const started = performance.now();
  const { problems, counts, faults } = await chaos(server, {
    ...{ seed, forMs, callers: 16 },
    ...{ least: 3, most: 5 },
  });
  console.log(`  ${Math.round((performance.now() - started) / 1_000)} s`, counts, faults);
  for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`);
  if (problems.length > 20) console.log(`  … ${problems.length} in all`);
  if (problems.length > 0) broken += 1;
}
if (broken > 0) {
  console.log(`${broken} rounds were broken`);
  process.exitCode = 1;
}
