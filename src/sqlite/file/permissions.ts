import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';

/** The files beside a file of orders that must be readable and writable too. */
const besides = ['', '-wal', '-shm', '-journal', '-lock', '-owner'];

/**
 * Which permission this process lacks on a file of orders, on what stands beside it, or on its folder, for
 * people; `undefined` if it lacks none.
 *
 * @param path - the file
 */
export function missingPermission(path: string): string | undefined {
  const folder = dirname(path);
  const { R_OK, W_OK, X_OK } = constants;
  const needs: (readonly [string, number, string])[] = [[folder, X_OK, 'enter']];
  for (const end of besides) {
    if (!existsSync(path + end)) continue;
    needs.push([path + end, R_OK, 'read'], [path + end, W_OK, 'write']);
  }
  needs.push([folder, W_OK, 'make files in']);
  for (const [name, mode, verb] of needs) {
    const code = refusalOf(name, mode);
    if (code === 'EROFS') return `${name} is on a file system that can only be read`;
    if (code !== undefined) return `the user ${userName()} may not ${verb} ${name}${modeOf(name)}`;
  }
  return undefined;
}

/** The outermost folder on the way to a path that this process may not enter, for people. */
export function closedFolder(path: string): string | undefined {
  const folder = dirname(path);
  const outer = folder === path ? undefined : closedFolder(folder);
  if (outer !== undefined || refusalOf(folder, constants.X_OK) === undefined) return outer;
  return `the user ${userName()} may not enter ${folder}${modeOf(folder)}`;
}

/** Asks the system without opening anything. */
function refusalOf(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? code : undefined;
  }
}

function userName(): string {
  const uid = process.getuid?.();
  try {
    const { username } = userInfo();
    return uid === undefined ? username : `${username} (${uid})`;
  } catch {
    // A container may have no name for it.
    return `${uid}`;
  }
}

function modeOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || process.platform === 'win32') return '';
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  return `, which is of user ${stats.uid} and group ${stats.gid} with mode ${mode}`;
}
