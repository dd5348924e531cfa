import { closeSync, openSync } from 'node:fs';

/**
 * Makes an empty file that its user alone may read and write, before SQLite makes one that all users may read. The log
 * gets the mode of the file.
 *
 * @param path - one that is there stays as it is
 */
export function makePrivate(path: string): void {
  let file: number;
  try {
    // Never an existing one: closing a file drops all locks that this process has on it.
    file = openSync(path, 'wx', 0o600);
  } catch {
    // It exists, or SQLite says why it cannot be made.
    return;
  }
  closeSync(file);
}
