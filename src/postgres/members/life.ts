import { randomUUID } from 'node:crypto';
import type { ClientConfig } from 'pg';
import { quoteName } from '../schema/names.ts';
import { unfinishedImport } from '../schema/unfinished-import.ts';
import { explained, withoutPassword } from '../sessions/connection-error.ts';
import { type ServerClock, serverMs } from '../sessions/server-clock.ts';
import { type Role, Session } from '../sessions/session.ts';
import { plainArray } from '../values/literals.ts';
import type { Channels } from './channels.ts';
import { addStatement } from './statements.ts';

/** Which database a processor shares with others, and how its sessions reach it. */
export interface Place {
  readonly config: ClientConfig;
  readonly schema: string;
  /** How many partitions the schema has. */
  readonly partitions: number;
  /** The processor's name, for people. */
  readonly name: string;
}

export interface LifeOptions {
  readonly place: Place;
  readonly channels: Channels;
  readonly clock: ServerClock;
  /** Whether the processor is to own partitions. */
  readonly shares: boolean;
  /** The numbers of lives before it: outcomes that are awaited since then are noted to them. */
  readonly former: readonly number[];
}

/** What a life hears of. */
export interface LifeListener {
  /** A note has come. */
  heard(channel: string, payload: string): void;
  /** The life is over; called once, unless it ended by `close`. */
  ended(error: Error): void;
}

/** What the server says to a life that begins. */
interface Begun {
  readonly number: number;
  readonly serverAt: number;
}

/** For how long a note that was sent to itself is waited for. */
const probeMs = 2_000;

const roles: readonly Role[] = ['accept', 'settle', 'read', 'beat'];

/** Plans may turn when a table was nearly empty while its statistics were made: these leave none that could. */
const settings: Readonly<Record<Role, Readonly<Record<string, string>>>> = {
  accept: {
    ...{ enable_seqscan: 'off', enable_nestloop: 'off', plan_cache_mode: 'force_generic_plan' },
    ...{ statement_timeout: "'30s'", lock_timeout: "'100ms'" },
  },
  settle: {
    ...{ enable_seqscan: 'off', enable_bitmapscan: 'off', enable_hashjoin: 'off' },
    ...{ enable_mergejoin: 'off', plan_cache_mode: 'force_generic_plan' },
    statement_timeout: "'30s'",
  },
  read: {
    ...{ enable_seqscan: 'off', enable_bitmapscan: 'off', plan_cache_mode: 'force_generic_plan' },
    statement_timeout: "'60s'",
  },
  beat: { synchronous_commit: 'off', statement_timeout: "'30s'" },
  query: {
    ...{ enable_seqscan: 'off', enable_bitmapscan: 'off', plan_cache_mode: 'force_generic_plan' },
    statement_timeout: "'60s'",
  },
};

/**
 * A server that has lost its client ends the session, and with it the processor's lock, soon. It ends none for being
 * idle, which a processor without orders is.
 */
const keepAlive = `SET idle_session_timeout = 0; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 10000;
DO $$ BEGIN SET client_connection_check_interval = 1000; EXCEPTION WHEN OTHERS THEN NULL; END $$`;

/** The settings of a session of the processor. */
export function settingsOf(role: Role, schema: string): ReadonlyMap<string, string> {
  // Temporary tables, of what a host calls, stand for none of the schema.
  const own = { search_path: `${quoteName(schema)}, pg_temp`, jit: 'off', ...settings[role] };
  const isolation = ['default_transaction_isolation', "'read committed'"] as const;
  return new Map([isolation, ...Object.entries(own)]);
}

/** What sets up a session of the processor. */
export function setUpOf(role: Role, schema: string): string {
  const set = [...settingsOf(role, schema)].map(([name, value]) => `SET ${name} = ${value}`);
  return [...set, keepAlive].join('; ');
}

/**
 * One time of a processor at the database: its four sessions, its number and its token. It ends as a whole, and another
 * one begins: nothing of one goes on in the next.
 */
export class Life {
  readonly accept: Session;
  readonly settle: Session;
  readonly read: Session;
  readonly beat: Session;
  /** Never given again. */
  readonly token: string;
  #number = 0;
  #isOver = false;
  #hasBegun = false;
  readonly #options: LifeOptions;
  readonly #listener: LifeListener;

  private constructor(
    sessions: readonly Session[],
    token: string,
    options: LifeOptions,
    listener: LifeListener,
  ) {
    const [accept, settle, read, beat] = sessions as [Session, Session, Session, Session];
    this.accept = accept;
    this.settle = settle;
    this.read = read;
    this.beat = beat;
    this.token = token;
    this.#options = options;
    this.#listener = listener;
  }

  /** @throws an error that says what to do, and shows no password */
  static async begin(options: LifeOptions, listener: LifeListener): Promise<Life> {
    const token = randomUUID();
    let life: Life | undefined;
    let failure: Error | undefined;
    const end = (error: Error): void => {
      failure ??= error;
      life?.end(error);
    };
    try {
      const sessions = await openAll(options.place, token, end);
      life = new Life(sessions, token, options, listener);
      if (failure !== undefined) throw failure;
      await life.#begin();
      if (failure !== undefined) throw failure;
      life.#hasBegun = true;
      return life;
    } catch (error) {
      const reason = failure ?? error;
      life?.destroy();
      throw explained(withoutPassword(reason, options.place.config));
    }
  }

  /** The processor's number. */
  get number(): number {
    return this.#number;
  }

  /** The server's processes of its sessions. */
  get pids(): readonly number[] {
    return this.#sessions.map(({ pid }) => pid);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends it at once, without a word to the server. */
  end(error: Error): void {
    if (this.#isOver) return;
    this.destroy();
    if (this.#hasBegun) this.#listener.ended(withoutPassword(error, this.#options.place.config));
  }

  /** The same, and no one is notified. */
  destroy(): void {
    this.#isOver = true;
    for (const session of this.#sessions) session.destroy();
  }

  /** Ends its sessions when what was sent is answered. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await Promise.allSettled(this.#sessions.map((session) => session.end()));
  }

  get #sessions(): readonly Session[] {
    return [this.accept, this.settle, this.read, this.beat];
  }

  async #begin(): Promise<void> {
    await this.#checkSession();
    const { channels, clock, shares } = this.#options;
    const askedAt = Date.now();
    const [{ number = 0, serverAt = askedAt } = {}] = await this.settle.query<Begun>(
      `SELECT nextval('processor_sequence')::int AS number, ${serverMs}::float8 AS "serverAt"`,
    );
    clock.answered(askedAt, serverAt);
    this.#number = number;
    // The lock comes before the row: so a row without it is a dead processor's.
    const [lock] = await this.settle.query<{ isHeld: boolean }>(
      `SELECT pg_try_advisory_lock($1, $2) AS "isHeld"`,
      [channels.lockKey, number],
    );
    if (lock?.isHeld !== true)
      throw new Error(`Expected the lock of processor ${number} to be free`);
    await this.#listen();
    const { name, schema } = this.#options.place;
    const values = [number, this.token, name, plainArray(this.pids), shares];
    const added = await this.settle.query(addStatement, values);
    if (added.length === 0) throw unfinishedImport(schema);
  }

  /** Sessions of a pooler that gives a connection for one transaction are another one's in the next. */
  async #checkSession(): Promise<void> {
    for (const session of this.#sessions) {
      const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      if (row?.pid !== session.pid) throw poolerFound();
    }
  }

  /** Listens to all channels, and to a note of its own: a pooler could swallow it. */
  async #listen(): Promise<void> {
    const { channels, former } = this.#options;
    const { promise: heard, resolve } = Promise.withResolvers<boolean>();
    this.read.onNote((channel, payload) => {
      if (payload === this.token) resolve(true);
      else if (!this.#isOver) this.#listener.heard(channel, payload);
    });
    const own = [this.#number, ...former].map((number) => channels.outcomes(number));
    const names = [channels.accepted, channels.control, ...own];
    await this.read.query(names.map((name) => `LISTEN ${quoteName(name)}`).join(';'));
    await this.beat.query('SELECT pg_notify($1, $2)', [
      channels.outcomes(this.#number),
      this.token,
    ]);
    const timer = setTimeout(resolve, probeMs, false);
    const isHeard = await heard;
    clearTimeout(timer);
    if (!isHeard) throw poolerFound();
  }
}

function poolerFound(): Error {
  return new Error(
    'Expected sessions of the storage’s own, found a pooler that gives one for each transaction: connect to PostgreSQL directly, or use a pool in session mode',
  );
}

/** A session for what a host asks. It may be replaced, and belongs to no life. */
export async function openQuerySession(
  { config, schema }: Pick<Place, 'config' | 'schema'>,
  onEnd: () => void,
): Promise<Session> {
  const named = { ...config, application_name: 'order-processor query' };
  return Session.open(named, setUpOf('query', schema), onEnd);
}

/** All sessions, or none. */
async function openAll(
  { config, schema }: Place,
  token: string,
  onEnd: (error: Error) => void,
): Promise<Session[]> {
  const opened = await Promise.allSettled(
    roles.map((role) =>
      Session.open(
        { ...config, application_name: applicationName(role, token) },
        setUpOf(role, schema),
        onEnd,
      ),
    ),
  );
  const failed = opened.find(({ status }) => status === 'rejected');
  const sessions = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  if (failed === undefined) return sessions;
  for (const session of sessions) session.destroy();
  throw (failed as PromiseRejectedResult).reason;
}

/** At most 63 bytes. */
function applicationName(role: Role, token: string): string {
  return `order-processor ${role} ${token}`;
}
