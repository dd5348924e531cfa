import { lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { lockPathOf } from './orders-file.ts';
import { closedFolder } from './permissions.ts';

/** How many links Linux follows on the way to a file. */
const MOST_LINKS = 40;

/**
 * The path without links, so that one file has one name, one lock and one log. A link that leads to nothing yet
 * is followed to where the file will be.
 */
export function realPathOf(path: string): string {
  const absolute = resolve(path);
  try {
    return followed(absolute, 0);
  } catch (cause) {
    const closed = closedFolder(absolute);
    const why = closed ?? 'its folder does not exist or is not accessible';
    throw new Error(`Could not open ${absolute}: ${why}`, { cause });
  }
}

function followed(path: string, links: number): string {
  try {
    // With the file system's spelling: some take two spellings for one name.
    return realpathSync.native(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || links > MOST_LINKS) throw error;
  }
  const folder = realpathSync.native(dirname(path));
  const name = join(folder, basename(path));
  const isLink = lstatSync(name, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return isLink ? followed(resolve(folder, readlinkSync(name)), links + 1) : name;
}

/**
 * Refuses a path that cannot have a lock and a log beside it. Opens nothing, and needs no lock.
 */
export function checkName(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) throw new Error(`Could not open ${path}: it is a folder`);
  if (stats !== undefined && stats.nlink > 1) {
    throw new Error(
      `Could not open ${path}: it has ${stats.nlink} names (hard links), and a log and a lock for each; delete the others`,
    );
  }
  const mounted = [path, `${path}-wal`, `${path}-shm`, lockPathOf(path)].find(isMountPoint);
  if (mounted === undefined) return;
  throw new Error(
    `Could not open ${path}: ${mounted} is mounted by itself, without what stands beside it; mount its folder`,
  );
}

/** Whether something is mounted at just this path; known on Linux only. */
function isMountPoint(path: string): boolean {
  if (process.platform !== 'linux') return false;
  let mounts: string;
  try {
    mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return false;
  }
  return mounts.split('\n').some((line) => unescaped(line.split(' ')[4] ?? '') === path);
}

/** Spaces and the like are octal there. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
