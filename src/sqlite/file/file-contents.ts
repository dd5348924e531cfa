import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { applicationId, pragma, schemaVersion, versionOf } from '../database/schema.ts';

/** The length of a log's header, in bytes. */
const LOG_HEADER = 32;

/** The tables of a file of orders in every version. */
const tables = ['orders', 'balances', 'meta'];

/**
 * Refuses a log that belongs to another file: SQLite would copy it into this one. Call it only while
 * holding the lock.
 *
 * @returns a descriptor to be kept open as long as the lock, if one was needed
 */
export function checkLog(path: string): number | undefined {
  const log = `${path}-wal`;
  const logSize = statSync(log, { throwIfNoEntry: false })?.size ?? 0;
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) {
    // SQLite would delete the log of a file that is not there.
    if (logSize === 0) return undefined;
    throw new Error(`Could not open ${path}: it is missing or empty, but ${log} is not`);
  }
  if (logSize <= LOG_HEADER) return undefined;
  const file = openSync(path, 'r');
  if (!usesLog(file)) {
    closeSync(file);
    throw new Error(
      `Could not open ${path}: it is a copy, and the log ${log} belongs to the file that was here before; move ${log} and ${path}-shm away to open the copy as it is`,
    );
  }
  return file;
}

/** Whether the header of a file says that it is used with a log. A copy by `backup` is not, until it is opened. */
function usesLog(file: number): boolean {
  const header = Buffer.alloc(20);
  return readSync(file, header, 0, 20, 0) === 20 && header[18] === 2 && header[19] === 2;
}

/** Refuses a database that is not a file of orders, or one of a later version. */
export function checkVersion(db: DatabaseSync, path: string): void {
  const id = pragma(db, 'application_id');
  const version = versionOf(db);
  const names = new Set(
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map(({ name }) => String(name)),
  );
  const missing = tables.filter((name) => !names.has(name));
  if (id === applicationId && version > schemaVersion) {
    throw new Error(
      `Could not open ${path}: its version is ${version}, and this library knows up to ${schemaVersion}`,
    );
  }
  const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  // Its process ended before it wrote anything.
  if (id === 0 && version === 0 && isEmpty) return;
  const isMarked = id === applicationId && version > 0;
  if (isMarked && missing.length === 0) return;
  if (!isMarked && missing.length > 0) {
    throw new Error(`Could not open ${path}: it is an SQLite database, but not one of orders`);
  }
  throw new Error(`Could not open ${path}: ${lackOf(id, version, missing)}`);
}

function lackOf(id: number, version: number, missing: readonly string[]): string {
  if (missing.length > 0) return `it has no table ${missing.join(', ')}`;
  const lacks = [
    ...(id === applicationId ? [] : [`its application_id is ${id} and not ${applicationId}`]),
    ...(version > 0 ? [] : [`its user_version is 0, which no file of orders has`]),
  ];
  return (
    `it has the tables of orders, but ${lacks.join(', and ')}, as in a copy by .dump or .clone; ` +
    `copy with \`backup\`, or set \`PRAGMA application_id = ${applicationId}\` and the \`PRAGMA user_version\` of the original (this library's is ${schemaVersion})`
  );
}
