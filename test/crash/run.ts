/**
 * Kills processes in the middle of their work, many times, and checks that nothing is lost.
 *
 * ```sh
 * npm run crash                # 100 kills
 * npm run crash -- 1000        # more
 * npm run crash -- 8 42 steps  # one file, again with the seed that failed
 * ```
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kind, liveAndDie } from './lives.ts';

const killsPerFile = 8;
const [, , kills = '100', seed, kind] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'orders-'));
let total = 0;
for (let at = 0; at * killsPerFile < Number(kills); at += 1) {
  const file = join(folder, `${at}.db`);
  const ownSeed = seed === undefined ? Date.now() : Number(seed) + at;
  const ownKind = (kind ?? (at % 2 === 0 ? 'plain' : 'steps')) as Kind;
  const { faults, acknowledged, recovered } = await liveAndDie(
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
rmSync(folder, { recursive: true, force: true });
console.log(`${total} acknowledgements, none broken`);
