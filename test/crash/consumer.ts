/**
 * A consumer of outcomes, to be killed: what it makes of them and its cursor are in a database of its own, in one
 * transaction. It writes a line when it has stored some.
 *
 * ```sh
 * node test/crash/consumer.ts FILE URL
 * ```
 */
import { DatabaseSync } from 'node:sqlite';

/** What a consumer gets. */
export interface Consumed {
  readonly cursor: string;
  readonly sequence: number;
  readonly order: { readonly id: string; readonly userId: string; readonly status: string };
}

/** The consumer's own database. */
export class ConsumerTable {
  readonly #db: DatabaseSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { timeout: 5_000 });
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
      CREATE TABLE IF NOT EXISTS made (at INTEGER PRIMARY KEY, sequence INTEGER, id TEXT, user_id TEXT, status TEXT);
      CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), cursor TEXT)`);
  }

  get cursor(): string | undefined {
    return this.#db.prepare('SELECT cursor FROM place').get()?.cursor as string | undefined;
  }

  get count(): number {
    return Number(this.#db.prepare('SELECT count(*) AS count FROM made').get()?.count);
  }

  /** In the order in which it was stored. */
  get rows(): readonly unknown[] {
    return this.#db
      .prepare('SELECT sequence, id, user_id AS userId, status FROM made ORDER BY at')
      .all();
  }

  /** Stores outcomes with the cursor of the last one; a kill may come before the end. */
  async store(outcomes: readonly Consumed[]): Promise<void> {
    const insert = this.#db.prepare(
      'INSERT INTO made (sequence, id, user_id, status) VALUES (?, ?, ?, ?)',
    );
    const move = this.#db.prepare('INSERT OR REPLACE INTO place VALUES (1, ?)');
    this.#db.exec('BEGIN IMMEDIATE');
    for (const { cursor, sequence, order } of outcomes) {
      insert.run(sequence, order.id, order.userId, order.status);
      if (Math.random() < 0.1) await new Promise(setImmediate);
      move.run(cursor);
    }
    this.#db.exec('COMMIT');
  }

  close(): void {
    this.#db.close();
  }
}

async function consume(path: string, url: string): Promise<void> {
  const table = new ConsumerTable(path);
  const { cursor } = table;
  const query = cursor === undefined ? '' : `?after=${encodeURIComponent(cursor)}`;
  const response = await fetch(`${url}/outcomes${query}`);
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
  let rest = '';
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    const lines = (rest + new TextDecoder().decode(chunk)).split('\n');
    rest = lines.pop() ?? '';
    const outcomes = lines
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Consumed);
    while (outcomes.length > 0) {
      await table.store(outcomes.splice(0, 1 + Math.floor(Math.random() * 4)));
      process.stdout.write('.');
    }
  }
}

const [, program, path = '', url = ''] = process.argv;
if (program === import.meta.filename) await consume(path, url);
