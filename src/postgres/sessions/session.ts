import {
  Client,
  type ClientConfig,
  type Notification,
  type QueryConfig,
  type QueryResult,
  type QueryResultRow,
  types,
} from 'pg';
import { connectionError, explained } from './connection-error.ts';

/** A statement that a session prepares when it first uses it. */
export interface Statement {
  /** At most 63 bytes; one name for one text. */
  readonly name: string;
  readonly text: string;
}

/** What a statement takes; arrays as their literals. */
export type Value = string | number | boolean | null;

/** What a session is for; its name shows in `pg_stat_activity`. */
export type Role = 'accept' | 'settle' | 'read' | 'beat' | 'query';

/** `bigint` in PostgreSQL. */
const bigintType = 20;

/** Beyond the safe integers a `bigint`: no sum takes it for a number, and the other rows can be read. */
function integerOf(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

const parsers = {
  getTypeParser: (type: number, format?: 'text' | 'binary') =>
    type === bigintType ? integerOf : types.getTypeParser(type, format as 'text'),
};

/**
 * One session of the database. It ends once and for all: whatever ends it ends the processor's time with all of its
 * sessions, and a new time has new ones.
 */
export class Session {
  readonly #client: Client;
  readonly #onEnd: (error: Error) => void;
  #isOver = false;
  #failure = new Error('The session of the database has ended');
  /** The end of what was begun alone; `undefined` if it has ended. */
  #turn: Promise<void> | undefined;

  private constructor(client: Client, onEnd: (error: Error) => void) {
    this.#client = client;
    this.#onEnd = onEnd;
    client.on('error', (error) => {
      this.#failure = error;
      this.destroy();
    });
    client.on('end', () => this.#end());
  }

  /**
   * @param config - how to connect
   * @param setUp - statements that set the session up
   * @param onEnd - called once, unless the session is ended by `end`
   * @throws (rejects) Error that says what was tried, without a password
   */
  static async open(
    config: ClientConfig,
    setUp: string,
    onEnd: (error: Error) => void,
  ): Promise<Session> {
    const given = { connectionTimeoutMillis: 10_000, ...config };
    const client = clientOf({ ...given, types: parsers, pipeline: true, keepAlive: true }, config);
    const session = new Session(client, onEnd);
    try {
      await client.connect();
      await client.query(setUp);
    } catch (error) {
      session.#isOver = true;
      client.connection.stream.destroy();
      throw connectionError(error, config, client);
    }
    return session;
  }

  /** The process of the server, as the server said it: behind a pooler it is another one's. */
  get pid(): number {
    // Not among the declared types, and documented nowhere: `pg` keeps it to cancel statements.
    return (this.#client as unknown as { readonly processID: number }).processID;
  }

  /**
   * Sends a statement at once, behind those that were sent; each one outside of a transaction is one of its own.
   *
   * @returns its rows
   * @throws (rejects) Error of the server that says what to do, where that is known
   */
  async query<Row extends QueryResultRow = QueryResultRow>(
    statement: Statement | string,
    values: readonly Value[] = [],
  ): Promise<Row[]> {
    const config =
      typeof statement === 'string' ? { text: statement, values } : { ...statement, values };
    try {
      const { rows } = await this.send<Row>({ ...config, values: [...values] });
      return rows;
    } catch (error) {
      throw explained(error as Error);
    }
  }

  /** The same for a statement as `pg` takes it, with the result as `pg` gives it. */
  async send<Row extends QueryResultRow>(query: QueryConfig): Promise<QueryResult<Row>> {
    if (this.#isOver) throw this.#failure;
    return this.#client.query<Row>(query);
  }

  /** Sends the statements that are sent in this call in one piece: the server need not wake for each. */
  together<T>(send: () => T): T {
    const { stream } = this.#client.connection;
    stream.cork();
    try {
      return send();
    } finally {
      stream.uncork();
    }
  }

  /** Whether a transaction is under way in which no statement has failed, as the last answer of the server says. */
  get isInTransaction(): boolean {
    return this.#client.getTransactionStatus() === 'T';
  }

  /** Runs a transaction behind those that were begun; no other statement of the session may come between. */
  transaction<T>(work: () => Promise<T>): Promise<T> {
    return this.alone(async () => {
      await this.query('BEGIN');
      try {
        const result = await work();
        const { command } = await this.send({ text: 'COMMIT' });
        // What the server says to it if a statement has failed.
        if (command === 'ROLLBACK') throw new Error('The transaction could not be committed');
        return result;
      } catch (error) {
        if (!this.#isOver) await this.query('ROLLBACK');
        throw error;
      }
    });
  }

  /**
   * Does something behind what was begun in this way before, so that no statement comes between its own. It begins in
   * this call if all that has ended: then the server works while the processor goes on with other things.
   */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn === undefined ? work() : this.#turn.then(work);
    const ended = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    const turn = result.then(ended, ended);
    this.#turn = turn;
    return result;
  }

  onNote(listener: (channel: string, payload: string) => void): void {
    this.#client.on('notification', ({ channel, payload = '' }: Notification) => {
      if (!this.#isOver) listener(channel, payload);
    });
  }

  /** Ends it without waiting for the server, which may not answer. */
  destroy(): void {
    this.#client.connection.stream.destroy();
    this.#end();
  }

  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#client.end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(this.#failure);
  }
}

function clientOf(options: ClientConfig, config: ClientConfig): Client {
  try {
    return new Client(options);
  } catch (error) {
    throw connectionError(error, config);
  }
}
