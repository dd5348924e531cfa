/**
 * Kills processes in the middle of their work, many times, and checks that nothing is lost.
 *
 * ```sh
 * npm run crash                # 100 kills, and one at each of the first writes into a file
 * npm run crash -- 1000        # more
 * npm run crash -- 8 42 steps  # one file, again with the seed that failed
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAfterFirstStarts } from './first-starts.ts';
import { type Kind, killAgainAndAgain, killInCheckpoint } from './killed-processes.ts';
import { canTrace } from './strace.ts';

const killsPerFile = 8;
const kinds: readonly Kind[] = ['plain', 'steps', 'bank'];
const [, , kills = '100', seed, kind] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'orders-'));
let total = 0;
for (let at = 0; at * killsPerFile < Number(kills); at += 1) {
  const file = join(folder, `${at}.db`);
  const ownSeed = seed === undefined ? Date.now() : Number(seed) + at;
  const ownKind = (kind ?? kinds[at % kinds.length]) as Kind;
  const { faults, acknowledged, recovered } = await killAgainAndAgain(
    file,
    ownKind,
    ownSeed,
    killsPerFile,
  );
  total += acknowledged;
  console.log(
    `${ownKind}, seed ${ownSeed}: ${acknowledged} acknowledged, ${recovered} taken up again, ${faults.length} faults`,
  );
  for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);
  if (faults.length > 0) {
    console.log(`  kept: ${file}`);
    process.exit(1);
  }
  rmSync(file, { force: true });
}
if (!canTrace) console.log('Without strace, no process is killed at a given write');
else if (seed === undefined) {
  for (const fault of await openAfterFirstStarts(join(folder, 'first.db'))) fail(fault);
  console.log('killed at each write of the first start: opens again');
  for (let write = 1; write <= 60; write += 1) {
    const file = join(folder, `write-${write}.db`);
    const verdict = await killInCheckpoint(file, write % 2 === 0 ? 'plain' : 'steps', write);
    total += verdict.acknowledged;
    for (const fault of verdict.faults.slice(0, 20))
      fail(`${file}, killed at write ${write}: ${fault}`);
    rmSync(file, { force: true });
  }
  console.log('killed at each of the first 60 writes of a checkpoint: nothing lost');
}
if (process.exitCode === 1) process.exit();
rmSync(folder, { recursive: true, force: true });
console.log(`${total} acknowledgements, none broken`);

function fail(fault: string): void {
  console.log(`  ${fault}`);
  process.exitCode = 1;
}
