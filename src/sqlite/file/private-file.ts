import { closeSync, openSync } from 'node:fs';

/**
 * Makes an empty file that its user alone may read and write, before SQLite makes one that everybody may read.
 * The log takes its mode from the file.
 *
 * @param path - one that is there stays as it is
 */
export function makePrivate(path: string): void {
  let file: number;
  try {
    // Never one that is there: to close a file drops all locks that this process has on it.
    file = openSync(path, 'wx', 0o600);
  } catch {
    // It is there, or SQLite says why it cannot be made.
    return;
  }
  closeSync(file);
}
