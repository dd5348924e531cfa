import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SqliteStorage } from '../../src/sqlite/index.ts';
import { killInFirstStart } from './strace.ts';

/** More than the first start makes of any file. */
const MOST_WRITES = 60;

/**
 * Kills processes in their first start on a file, one at each write of each file that they make, and opens it
 * again.
 *
 * @param only - at these writes alone
 * @returns what is wrong
 */
export async function openAfterFirstStarts(
  file: string,
  ends: readonly string[] = ['', '-journal', '-wal', '-lock', '-owner'],
  only?: readonly number[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const end of ends) {
    for (let nth = 1; nth <= MOST_WRITES; nth += 1) {
      if (only !== undefined && !only.includes(nth)) continue;
      const isKilled = killInFirstStart(file, { path: file + end, calls: 'pwrite64,write', nth });
      const fault = await openAgain(file, isKilled);
      if (fault !== undefined) faults.push(`${end || 'file'}, write ${nth}: ${fault}`);
      remove(file);
      if (!isKilled) break;
    }
  }
  return faults;
}

async function openAgain(file: string, wasKilled: boolean): Promise<string | undefined> {
  try {
    const storage = await SqliteStorage.open(file);
    const balance = await storage.get('u-1');
    // The same id again, as a caller does that has had no answer.
    await storage.apply([{ orderId: 'first', userId: 'u-1', amount: 5, minBalance: undefined }]);
    const after = await storage.get('u-1');
    const problems = await storage.check();
    await storage.close();
    if (problems.length > 0) return problems.join();
    if (!wasKilled && balance !== 5) return `what was acknowledged is lost: ${balance}`;
    return after === 5 ? undefined : `the balance is ${after}`;
  } catch (error) {
    return String(error);
  }
}

/** All files that stand at one path. */
function remove(file: string): void {
  for (const name of readdirSync(dirname(file))) {
    if (name.startsWith(basename(file))) rmSync(join(dirname(file), name));
  }
}
