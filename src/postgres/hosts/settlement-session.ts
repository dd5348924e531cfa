import { type QueryResult, type QueryResultRow, types } from 'pg';
import type { Session } from '../sessions/session.ts';
import type { SettlementClient, SettlementQuery } from './on-settle.ts';

const words = 'SELECT INSERT UPDATE DELETE MERGE WITH VALUES TABLE CALL LOCK NOTIFY'.split(' ');
/** Behind white space, comments and brackets. */
const first = /^(?:\s|\(|--[^\n]*(?:\n|$)|\/\*(?:[^*]|\*(?!\/))*\*\/)*([a-z]*)/i;

/** Lets the host query in a transaction of a session, until it is closed. */
export class SettlementSession implements SettlementClient {
  readonly #session: Session;
  readonly #sent: Promise<unknown>[] = [];
  #isClosed = false;

  constructor(session: Session) {
    this.#session = session;
  }

  query<Row extends QueryResultRow>(
    query: string | SettlementQuery,
    values?: readonly unknown[],
  ): Promise<QueryResult<Row>> {
    const result = this.#send<Row>(query, values);
    // The host may not await it.
    result.catch(() => {});
    this.#sent.push(result);
    return result;
  }

  /** Refuses all further queries. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when all queries are answered; rejects with the first error, also of one that the host has caught. */
  async whenAnswered(): Promise<void> {
    await Promise.all(this.#sent);
  }

  async #send<Row extends QueryResultRow>(
    query: string | SettlementQuery,
    given: readonly unknown[] = [],
  ): Promise<QueryResult<Row>> {
    if (this.#isClosed) throw new Error('Expected no query after the end of `onSettle`');
    const config: SettlementQuery = typeof query === 'string' ? { text: query } : query;
    const { text, values = given, rowMode } = config;
    checkWord(text);
    // Of the extended protocol, in which a text is one statement; without a name, since names are the session's.
    const extended = { text, values: [...values], rowMode, queryMode: 'extended' };
    return this.#session.send<Row>({ types, ...extended, ...typesOf(config) } as { text: string });
  }
}

function typesOf({ types: own }: SettlementQuery): { readonly types?: unknown } {
  return own === undefined ? {} : { types: own };
}

function checkWord(text: string): void {
  const word = first.exec(text)?.[1]?.toUpperCase() ?? '';
  if (words.includes(word)) return;
  throw new TypeError(
    `Expected a statement of \`onSettle\` to begin with ${words.slice(0, -1).join(', ')} or ${words.at(-1)}, got \`${word}\``,
  );
}
