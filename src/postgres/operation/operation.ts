import type { RetainBounds } from '../../core/storage/history/retain-bounds.ts';
import type { QuerySessions } from '../sessions/query-sessions.ts';
import { ClusterView } from './cluster-view.ts';
import { type PostgresReport, reportOf } from './report.ts';
import { Retention } from './retention.ts';

/** What keeps a schema in order, and tells of it. */
export class Operation {
  /** What is known of all processors. */
  readonly view: ClusterView;
  readonly #sessions: QuerySessions;
  readonly #schema: string;
  #retention: Retention | undefined;

  constructor(sessions: QuerySessions, schema: string) {
    this.#sessions = sessions;
    this.#schema = schema;
    this.view = new ClusterView((work) => sessions.ask(work));
  }

  /** Begins to read what is known of all processors, and to delete what is not to be kept. */
  async begin(retain: RetainBounds | undefined): Promise<void> {
    await this.view.read();
    if (retain === undefined) return;
    this.#retention = new Retention(this.#sessions, this.#schema, retain);
  }

  report(): Promise<PostgresReport> {
    return this.#sessions.alone((session) => reportOf(session, this.#schema));
  }

  async close(): Promise<void> {
    this.view.close();
    await this.#retention?.close();
  }
}
