import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { ConnectionLost, errorOf, failureOf } from './failures.ts';
import { applicationId, pragma, schemaVersion, versionOf } from './schema.ts';

/** The path without links, so that one file has one name, one lock and one log. */
export function realPathOf(path: string): string {
  const absolute = resolve(path);
  if (existsSync(absolute)) return realpathSync(absolute);
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute));
  } catch (cause) {
    throw new Error(`Could not open ${absolute}: its folder does not exist or is not accessible`, {
      cause,
    });
  }
}

/** Whether there is nothing at this path yet: no file, or an empty one. */
export function isNew(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
}

/**
 * Refuses what is no file of orders, or one of a later version, without leaving a trace: neither in the
 * file nor beside it.
 */
export function inspect(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new Error(`Could not open ${path}: it is a folder`);
  }
  if (isNew(path)) {
    // SQLite would delete the log of a file that is not there.
    if (existsSync(`${path}-wal`)) {
      throw new Error(`Could not open ${path}: it is missing or empty, but ${path}-wal is not`);
    }
    return;
  }
  let db: DatabaseSync | undefined;
  try {
    const url = pathToFileURL(path);
    // Reads the file as it is, without locks, log and recovery. Not with `fs`: to close a file drops all
    // locks that this process has on it.
    url.searchParams.set('immutable', '1');
    db = new DatabaseSync(url, { readOnly: true });
    checkVersion(db, path);
  } catch (error) {
    throw errorOf(failureOf(error, 'open', path));
  } finally {
    db?.close();
  }
}

/** The same for an open database. */
export function checkVersion(db: DatabaseSync, path: string): void {
  if (pragma(db, 'application_id') !== applicationId) {
    // Whoever made it died before there was anything in it.
    const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
    if (isEmpty && versionOf(db) === 0 && pragma(db, 'application_id') === 0) return;
    throw new Error(`Could not open ${path}: it is an SQLite database, but not one of orders`);
  }
  const version = versionOf(db);
  if (version <= schemaVersion) return;
  throw new Error(
    `Could not open ${path}: its version is ${version}, and this library knows up to ${schemaVersion}`,
  );
}

/** Tells a file from another that has come to its path; `undefined` if none is there. */
export function identityOf(path: string): string | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}

export function lost(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} or its log was deleted, moved or replaced while it was open`,
  );
}

/** Without its lock a second storage could have the file open. */
export function lockLost(path: string): ConnectionLost {
  return new ConnectionLost(
    `The file ${path} is not safe to use: its lock ${lockPathOf(path)} was deleted, moved or replaced while it was open`,
  );
}

/** The file that stands for the lock on a file of orders. */
export function lockPathOf(path: string): string {
  return `${path}-lock`;
}
