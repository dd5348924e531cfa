import type { DatabaseSync } from 'node:sqlite';

/** Marks a file as one of orders, in `PRAGMA application_id`: the letters `ordp`. */
export const applicationId = 0x6f726470;

/** Rows whose `seq` differs in so many last bits alone are one block: an index knows the times in each. */
export const blockBits = 12;

/**
 * What leads from each version of the schema to the next: the first makes version 1 of an empty file.
 * One that was released is never changed.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    priority TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'canceled')),
    accepted_at INTEGER NOT NULL,
    started_at INTEGER,
    settled_at INTEGER CHECK ((settled_at IS NULL) = (status = 'pending')),
    balance INTEGER CHECK ((balance IS NULL) = (status <> 'completed')),
    code TEXT,
    message TEXT,
    retryable INTEGER,
    payload TEXT,
    content TEXT,
    labels TEXT,
    steps TEXT,
    cause TEXT,
    life INTEGER NOT NULL,
    decided TEXT,
    postings TEXT,
    settlement INTEGER,
    is_late INTEGER,
    expires_at INTEGER,
    results TEXT,
    remembered TEXT,
    ordered_amount INTEGER,
    not_before INTEGER,
    links TEXT
  ) STRICT;
  CREATE INDEX orders_by_user ON orders (user_id);
  CREATE INDEX orders_by_block ON orders (seq >> ${blockBits}, accepted_at);
  CREATE INDEX orders_by_status ON orders (status) WHERE status <> 'completed';
  CREATE INDEX orders_by_user_unfulfilled ON orders (user_id, status)
    WHERE status IN ('failed', 'canceled');
  CREATE INDEX orders_unsettled ON orders (seq, not_before) WHERE settled_at IS NULL;
  CREATE INDEX orders_due ON orders (not_before) WHERE not_before IS NOT NULL AND settled_at IS NULL;
  CREATE INDEX orders_late ON orders (user_id, settlement) WHERE is_late = 1;
  CREATE TABLE postings (
    user_id TEXT NOT NULL,
    settlement INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    balance INTEGER NOT NULL,
    PRIMARY KEY (user_id, settlement)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE settlements (
    first INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    orders BLOB NOT NULL
  ) STRICT;
  CREATE TABLE balances (
    user_id TEXT PRIMARY KEY,
    balance INTEGER NOT NULL,
    pruned INTEGER,
    last INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE holds (
    user_id TEXT PRIMARY KEY,
    reason TEXT,
    held_at INTEGER NOT NULL,
    order_id TEXT,
    code TEXT,
    message TEXT,
    compensated TEXT,
    failure TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (
    life INTEGER NOT NULL,
    file_id TEXT NOT NULL,
    pruned INTEGER NOT NULL DEFAULT 0,
    pruned_at INTEGER
  ) STRICT;
  INSERT INTO meta (life, file_id) VALUES (0, lower(hex(randomblob(16))));
  PRAGMA application_id = ${applicationId};
  `,
];

/** The version that this library reads and writes. */
export const schemaVersion = migrations.length;

/** The version of the schema that a file has; 0 for an empty one. */
export function versionOf(db: DatabaseSync): number {
  return pragma(db, 'user_version');
}

/** A pragma that is a number. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** Brings a file to the newest version, in one transaction. */
export function migrate(db: DatabaseSync): void {
  if (versionOf(db) === schemaVersion) return;
  // Not through the log, so that the version stands in the file itself, where others look for it.
  db.exec('PRAGMA journal_mode = DELETE');
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const migration of migrations.slice(versionOf(db))) db.exec(migration);
    db.exec(`PRAGMA user_version = ${schemaVersion}`);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
