import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import type { Source } from '../file/opened-file.ts';
import { identityOf, lost } from '../file/orders-file.ts';
import { makePrivate } from '../file/private-file.ts';

/**
 * Copies a file of orders as it is now.
 *
 * @param to - where nothing may be
 */
export function backUp(source: Source, to: string): void {
  const { path } = source;
  // SQLite would read a log that is there as the copy's.
  for (const name of [to, `${to}-wal`, `${to}-journal`]) {
    if (existsSync(name)) throw new Error(`Could not back up ${path}: ${name} exists`);
  }
  // Under another name until it is complete: a part must not look like a copy.
  const partial = `${to}-partial-${process.pid}-${Date.now()}`;
  try {
    makePrivate(partial);
    withConnection(source, (db) => db.prepare('VACUUM INTO ?').run(partial));
    identify(partial);
    sync(partial, 'r+');
    // Fails if a file has come there meanwhile.
    closeSync(openSync(to, 'wx', 0o600));
    renameSync(partial, to);
    if (process.platform !== 'win32') sync(dirname(to), 'r');
  } finally {
    rmSync(partial, { force: true });
  }
}

/** What a copy settles from now on is its own: a reader of what the file settles must not take one for the other. */
function identify(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('UPDATE meta SET file_id = lower(hex(randomblob(16)))');
  db.close();
}

/** Writes a file to the disk: SQLite does not do so for copies. */
function sync(path: string, flags: 'r' | 'r+'): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Uses a connection of its own to the file of a storage. */
export function withConnection<T>({ path, identity }: Source, use: (db: DatabaseSync) => T): T {
  if (identityOf(path) !== identity) throw lost(path);
  const url = pathToFileURL(path);
  // Makes no file. Not `readOnly`: such a connection does not verify CHECK constraints.
  url.searchParams.set('mode', 'rw');
  const db = new DatabaseSync(url, { timeout: 5_000 });
  try {
    return use(db);
  } finally {
    db.close();
  }
}
