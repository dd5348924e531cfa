import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import type { PostgresStorageOptions } from '../../../src/postgres/open-options.ts';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { Member } from '../../../src/testing/shared/member.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';

let schemas = 0;

/** A schema of its own, a storage on it whose processor owns all partitions, and a session beside it. */
export class Trial implements AsyncDisposable {
  readonly schema: string;
  readonly storage: PostgresStorage;
  readonly member: Member;
  readonly admin: Client;
  readonly #options: PostgresStorageOptions;
  readonly #others: PostgresStorage[] = [];

  private constructor(
    schema: string,
    storage: PostgresStorage,
    admin: Client,
    options: PostgresStorageOptions,
  ) {
    this.schema = schema;
    this.storage = storage;
    this.member = new Member(storage);
    this.admin = admin;
    this.#options = options;
  }

  static async start(
    { url, port }: PostgresServer,
    { proxyPort = port, ...more }: Partial<PostgresStorageOptions> & { proxyPort?: number } = {},
  ): Promise<Trial> {
    schemas += 1;
    const schema = `w${schemas}`;
    const connectionString = url.replace(`:${port}`, `:${proxyPort}`);
    const options = { connectionString, schema, beatMs: 100, staleMs: 2_000, ...more };
    const admin = new Client({ connectionString: url });
    await admin.connect();
    const storage = await PostgresStorage.open(options);
    await admin.query(`SET search_path = ${schema}`);
    const trial = new Trial(schema, storage, admin, options);
    await trial.member.join();
    return trial;
  }

  async query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.admin.query<Row>(text, values)).rows;
  }

  /** Another processor of the same schema. */
  async beside(): Promise<Member> {
    const other = await PostgresStorage.open(this.#options);
    this.#others.push(other);
    return new Member(other).join();
  }

  /** Until a session of a storage waits for a lock; its process. */
  async waiting(role: string): Promise<number> {
    const text = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE $1`;
    for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 5) {
      const [row] = await this.query<{ pid: number }>(text, [`order-processor ${role} %`]);
      if (row !== undefined) return row.pid;
      await sleep(5);
    }
    throw new Error(`No session waits: ${role}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const storage of [...this.#others, this.storage]) await storage.close();
    await this.admin.query('ROLLBACK');
    await this.admin.query(`DROP SCHEMA ${this.schema} CASCADE`);
    await this.admin.end();
  }
}

/** Calls again until it is answered, as the core does. */
export async function again<T>(call: () => PromiseLike<T> | T): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (tries === 500) throw error;
      await sleep(10);
    }
  }
}
