import type { ClusterStats } from '../../core/storage/shared-storage.ts';
import type { Session, Statement } from '../sessions/session.ts';

/** Up to so many unsettled orders are counted; of more the server's statistics tell. */
const mostCounted = 100_000;

/** How long it is not read again: so many times as long as it took, and at least so many milliseconds. */
const pause = { factor: 50, leastMs: 2_000 } as const;

/** The time of the server, in Unix milliseconds. */
const now = 'extract(epoch FROM clock_timestamp()) * 1000';

const read: Statement = {
  name: 'cluster',
  text: `SELECT
    (SELECT json_agg(json_build_array(p.number, p.name, round(extract(epoch FROM p.joined_at) * 1000),
        round(${now} - extract(epoch FROM p.beat_at) * 1000),
        (SELECT count(*) FROM partitions WHERE owner = p.number)) ORDER BY p.number)::text
      FROM processors p) AS processors,
    (SELECT count(*)::int FROM partitions) AS partitions,
    (SELECT count(*)::int FROM partitions WHERE owner IS NULL) AS free,
    (SELECT count(*)::int FROM (SELECT FROM pending WHERE not_before IS NULL
      ORDER BY part, seq LIMIT ${mostCounted} + 1) counted) AS counted,
    pg_stat_get_live_tuples('pending'::regclass) AS estimated,
    (SELECT max(round(${now} - greatest(extract(epoch FROM p.kept_at) * 1000, o.not_before)))::float8
      FROM partitions t
      CROSS JOIN LATERAL (SELECT seq, kept_at FROM pending WHERE part = t.part AND not_before IS NULL
        ORDER BY part, seq LIMIT 1) p
      CROSS JOIN LATERAL (SELECT not_before FROM orders WHERE seq = p.seq OFFSET 0) o) AS "oldestWaitMs"`,
};

interface Row {
  /** Number, name, joined at, age of the beat, partitions; as JSON. `null` without any. */
  readonly processors: string | null;
  readonly partitions: number;
  readonly free: number;
  readonly counted: number;
  readonly estimated: number;
  readonly oldestWaitMs: number | null;
}

type Processor = readonly [
  number: number,
  name: string,
  joinedAt: number,
  beatAgeMs: number,
  partitions: number,
];

/** What was read, and when. */
interface Found {
  readonly row: Row;
  readonly processors: readonly Processor[];
  readonly readAt: number;
}

/** Asks something of the database. */
type Ask = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

/** What is known of all processors: read again and again, so that it can be told at once. */
export class ClusterView {
  readonly #ask: Ask;
  #found: Found | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Reads it now, and from now on again and again. Never rejects. */
  async read(): Promise<void> {
    const startedAt = performance.now();
    try {
      const [row] = await this.#ask((session) => session.query<Row>(read));
      const readAt = performance.now();
      const processors = JSON.parse(row?.processors ?? '[]') as readonly Processor[];
      this.#found = { row: row as Row, processors, readAt };
    } catch {
      // Its age tells.
    }
    if (this.#isClosed) return;
    const ms = Math.max(pause.leastMs, pause.factor * (performance.now() - startedAt));
    this.#timer = setTimeout(() => this.read(), ms);
    this.#timer.unref();
  }

  /** @param own - answers this processor's number; throws while it is none of them */
  stats(own: () => number): ClusterStats | undefined {
    if (this.#found === undefined) return undefined;
    const number = ownNumber(own);
    const { row, processors: all, readAt } = this.#found;
    const { partitions, free, counted, estimated, oldestWaitMs } = row;
    const self = all.find(([each]) => each === number);
    return {
      ageMs: performance.now() - readAt,
      isMember: number !== undefined,
      processors: all.map(([each, name, joinedAt, beatAgeMs, owned]) => ({
        ...{ name, isSelf: each === number, joinedAt },
        ...{ beatAgeMs: Math.max(0, beatAgeMs), partitions: owned },
      })),
      partitions,
      ownedPartitions: self?.[4] ?? 0,
      freePartitions: free,
      backlog: counted > mostCounted ? Math.max(counted, estimated) : counted,
      oldestWaitMs: Math.max(0, oldestWaitMs ?? 0),
    };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}

function ownNumber(own: () => number): number | undefined {
  try {
    return own();
  } catch {
    return undefined;
  }
}
