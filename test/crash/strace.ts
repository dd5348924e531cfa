import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** A process is killed as soon as it has made its nth call of a kind on one file. */
export interface Kill {
  readonly path: string;
  /** As strace names system calls, with commas between. */
  readonly calls: string;
  /** From 1 up; each thread counts its own. */
  readonly nth: number;
}

/** Whether this machine can kill a process at a given system call. */
export const canTrace =
  process.platform === 'linux' && spawnSync('strace', ['-qq', 'true']).status === 0;

/** The same command under strace. */
export function tracedBy({ path, calls, nth }: Kill, command: readonly string[]): string[] {
  const inject = `inject=${calls}:signal=SIGKILL:when=${nth}`;
  return [
    'strace',
    '-fqqq',
    '-o',
    '/dev/null',
    '-P',
    path,
    '-e',
    `trace=${calls}`,
    '-e',
    inject,
    ...command,
  ];
}

/**
 * Opens a new file in a process that is killed on the way.
 *
 * @returns whether it was; it opens the file, keeps one order and ends if there are not so many calls
 */
export function killInFirstStart(file: string, kill: Kill): boolean {
  const program = join(import.meta.dirname, 'first-start.ts');
  const [command = '', ...args] = tracedBy(kill, [process.execPath, program, file]);
  const { signal, status, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (signal === 'SIGKILL' || status === 128 + 9) return true;
  if (status !== 0) throw new Error(`The first start ended with ${status}: ${stderr}`);
  return false;
}
