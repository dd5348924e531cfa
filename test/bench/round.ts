/**
 * Runs one contender of one workload in a process of its own, so that none runs on what another left
 * in the heap or in the compiler, and prints the figures of its rounds as JSON. A first round, which
 * does not count, warms up.
 */
import { type WorkloadName, workloads } from './workloads.ts';

const [, , workloadName, contender, rounds] = process.argv;
const run = workloads[workloadName as WorkloadName].prepare(contender as string);
const figures: number[] = [];
for (let round = 0; round <= Number(rounds); round += 1) {
  globalThis.gc?.();
  const figure = await run();
  if (round > 0) figures.push(figure);
}
process.stdout.write(JSON.stringify(figures));
