/**
 * Runs one contender of one workload in a process of its own, so that none runs on what another left
 * in the heap or in the compiler, and prints the figures of its rounds as JSON. The first rounds, which
 * do not count, warm up.
 */
import type { Workload } from './workload.ts';
import { type WorkloadName, workloads } from './workloads.ts';

const [, , workloadName, contender, wanted] = process.argv;
const {
  prepare,
  isSteady = false,
  warmUps = 1,
}: Workload = workloads[workloadName as WorkloadName];
const run = prepare(contender as string);
// So long until the compiler and the young generation have come to rest.
const warmUpMs = isSteady ? 2_000 : 0;
const figures: number[] = [];
const startedAt = performance.now();
for (let rounds = 0; figures.length < Number(wanted); rounds += 1) {
  const isWarm = rounds >= warmUps && performance.now() - startedAt >= warmUpMs;
  // What lasts is collected as it goes: a full collection also takes the young generation's size and the
  // compiled code of functions that are not in use at that moment.
  if (!isSteady) globalThis.gc?.();
  const figure = await run();
  if (isWarm) figures.push(figure);
}
process.stdout.write(JSON.stringify(figures));
