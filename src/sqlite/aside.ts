import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { identityOf, lost } from './orders-file.ts';

/** What has a connection of its own, beside the one that writes, since it takes long. */

/** The file that a storage has open. */
export interface Source {
  readonly path: string;
  /** See `identityOf`. */
  readonly identity: string;
}

/** How many problems are told, of each kind. */
const MOST = 100;

/**
 * Copies a file of orders as it is now.
 *
 * @param to - where nothing may be
 */
export function backUp(source: Source, to: string): void {
  const { path } = source;
  // SQLite would take a log that lies there for the copy's.
  for (const name of [to, `${to}-wal`, `${to}-journal`]) {
    if (existsSync(name)) throw new Error(`Could not back up ${path}: ${name} exists`);
  }
  // Under another name before it is complete, since half a copy must not pass for one.
  const partial = `${to}-partial-${process.pid}-${Date.now()}`;
  try {
    withConnection(source, (db) => db.prepare('VACUUM INTO ?').run(partial));
    sync(partial, 'r+');
    // Fails if something has come there meanwhile.
    closeSync(openSync(to, 'wx'));
    renameSync(partial, to);
    if (process.platform !== 'win32') sync(dirname(to), 'r');
  } finally {
    rmSync(partial, { force: true });
  }
}

/** SQLite does not do so for copies. */
function sync(path: string, flags: 'r' | 'r+'): void {
  const file = openSync(path, flags);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

const contradictions = [
  {
    sql: `SELECT user_id AS name, balance AS has, total AS ought FROM (
      SELECT user_id, balance, pruned + coalesce(sum, 0) AS total FROM balances LEFT JOIN (
        SELECT user_id, sum(amount) AS sum FROM orders WHERE status = 'completed' GROUP BY user_id
      ) USING (user_id)) WHERE balance <> total`,
    tell: 'The balance of user',
    than: 'its orders sum up to',
  },
  {
    sql: `SELECT user_id AS name, 'none' AS has, sum(amount) AS ought FROM orders
      WHERE status = 'completed' AND user_id NOT IN (SELECT user_id FROM balances)
      GROUP BY user_id`,
    tell: 'The balance of user',
    than: 'its orders sum up to',
  },
  {
    sql: `SELECT id AS name, orders.life AS has, meta.life AS ought FROM orders, meta
      WHERE orders.life > meta.life`,
    tell: 'The life of order',
    than: 'the last one was',
  },
];

/** What is wrong with a file of orders: what SQLite finds, then what its own contents deny. */
export function check(source: Source): string[] {
  return withConnection(source, (db) => {
    const found = db.prepare(`PRAGMA integrity_check(${MOST})`).all();
    const problems = found.map((row) => String(Object.values(row)[0]));
    if (problems.length === 1 && problems[0] === 'ok') problems.pop();
    for (const { sql, tell, than } of contradictions) {
      const statement = db.prepare(`${sql} LIMIT ${MOST}`);
      statement.setReadBigInts(true);
      for (const { name, has, ought } of statement.all()) {
        problems.push(`${tell} ${JSON.stringify(name)} is ${has}, but ${than} ${ought}`);
      }
    }
    return problems;
  });
}

function withConnection<T>({ path, identity }: Source, use: (db: DatabaseSync) => T): T {
  if (identityOf(path) !== identity) throw lost(path);
  const url = pathToFileURL(path);
  // Makes no file. Not `readOnly`: such a connection does not look at CHECK constraints.
  url.searchParams.set('mode', 'rw');
  const db = new DatabaseSync(url, { timeout: 5_000 });
  try {
    return use(db);
  } finally {
    db.close();
  }
}
