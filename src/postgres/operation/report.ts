import { checkVersion } from '../schema/migrate.ts';
import type { Session } from '../sessions/session.ts';

/** A partition, as {@link PostgresStorage.report} finds it. */
export interface PostgresPartitionReport {
  /** Which partition it is, from 0 up. */
  readonly number: number;
  /** The name of the processor that owns it; `undefined` for none: its orders wait. */
  readonly owner: string | undefined;
  /** How many of its orders are unsettled, without those whose `notBefore` has not come. */
  readonly backlog: number;
  /** How many of its orders have a `notBefore` that has not come. */
  readonly scheduled: number;
  /** How often it was lost by a processor, and not handed over. */
  readonly losses: number;
}

/** A processor, as {@link PostgresStorage.report} finds it. */
export interface PostgresProcessorReport {
  /** Its name; two may have one. */
  readonly name: string;
  /** Since when it is there, in Unix milliseconds by the server's clock. */
  readonly joinedAt: number;
  /** How old its last sign of life is, in milliseconds. */
  readonly beatAgeMs: number;
  /** How many partitions it owns. */
  readonly partitions: number;
}

/** A table, as {@link PostgresStorage.report} finds it. */
export interface PostgresTableReport {
  /** Its name, without the schema. */
  readonly name: string;
  /** How many rows it has, as the server estimates it. */
  readonly rows: number;
  /** How many old versions of rows it has that no vacuum has removed yet, as the server estimates it. */
  readonly deadRows: number;
  /** Its size with its indexes, in bytes. */
  readonly bytes: number;
  /** When it was last vacuumed, in Unix milliseconds; `undefined` if it never was. */
  readonly vacuumedAt: number | undefined;
}

/** What keeps vacuum from removing old versions of rows. */
export interface PostgresHolder {
  /** A session in a transaction, a prepared transaction, or a replication slot. */
  readonly kind: 'session' | 'prepared' | 'slot';
  /** Which one: application, process and state of a session; the name of any other. */
  readonly name: string;
  /** For how long it has been there, in milliseconds; `undefined` for a slot. */
  readonly ageMs: number | undefined;
  /** How many transactions were begun since. */
  readonly transactions: number;
}

/** What {@link PostgresStorage.report} answers, for operators. */
export interface PostgresReport {
  /** The server's version, as `18.4`. */
  readonly serverVersion: string;
  /** The version of the schema. */
  readonly schemaVersion: number;
  /** All processors, in the order in which they joined. */
  readonly processors: readonly PostgresProcessorReport[];
  /** All partitions, by number. */
  readonly partitions: readonly PostgresPartitionReport[];
  /** All tables of the schema, by name. */
  readonly tables: readonly PostgresTableReport[];
  /**
   * What keeps vacuum from removing old rows, the oldest first, five at most. One of minutes slows settlements down.
   * Sessions of other roles show to members of `pg_monitor` alone.
   */
  readonly holders: readonly PostgresHolder[];
  /** How much of the server's queue of notes is in use, from 0 to 1: a session that listens in a long transaction fills it. */
  readonly noteQueue: number;
}

const ms = (time: string): string => `round(extract(epoch FROM ${time}) * 1000)::float8`;

const processors = `SELECT p.name, ${ms('p.joined_at')} AS "joinedAt",
    greatest(0, ${ms('clock_timestamp() - p.beat_at')}) AS "beatAgeMs",
    (SELECT count(*)::int FROM partitions WHERE owner = p.number) AS partitions
  FROM processors p ORDER BY p.number`;

const partitions = `SELECT t.part::int AS number, p.name AS owner, coalesce(b.backlog, 0) AS backlog,
    coalesce(b.scheduled, 0) AS scheduled, t.epoch AS losses
  FROM partitions t LEFT JOIN processors p ON p.number = t.owner
  LEFT JOIN (SELECT part, count(*) FILTER (WHERE not_before IS NULL)::int AS backlog,
      count(not_before)::int AS scheduled FROM pending GROUP BY part) b ON b.part = t.part
  ORDER BY t.part`;

const tables = `SELECT relname AS name, n_live_tup AS rows, n_dead_tup AS "deadRows",
    pg_total_relation_size(relid) AS bytes, ${ms('greatest(last_vacuum, last_autovacuum)')} AS "vacuumedAt"
  FROM pg_stat_user_tables WHERE schemaname = $1 ORDER BY relname`;

const holders = `SELECT kind, name, "ageMs", transactions FROM (
    SELECT 'session' AS kind, concat_ws(', ', nullif(application_name, ''), 'process ' || pid, state) AS name,
      ${ms('clock_timestamp() - xact_start')} AS "ageMs",
      greatest(age(backend_xmin), age(backend_xid)) AS transactions
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    UNION ALL SELECT 'prepared', gid, ${ms('clock_timestamp() - prepared')}, age(transaction)
    FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL SELECT 'slot', slot_name, NULL, greatest(age(xmin), age(catalog_xmin))
    FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL) h
  ORDER BY transactions DESC, "ageMs" DESC LIMIT 5`;

const server = `SELECT current_setting('server_version') AS "serverVersion",
    pg_notification_queue_usage() AS "noteQueue"`;

/** What there is to know of a schema, for operators. It reads all unsettled orders. */
export async function reportOf(session: Session, schema: string): Promise<PostgresReport> {
  const rows = async <Row extends object>(text: string, values: readonly string[] = []) =>
    (await session.query(text, values)).map(withoutNulls) as unknown as readonly Row[];
  const schemaVersion = await checkVersion(session, schema);
  const [own] = await rows<{ serverVersion: string; noteQueue: number }>(server);
  return {
    ...{ serverVersion: own?.serverVersion ?? '', noteQueue: own?.noteQueue ?? 0, schemaVersion },
    processors: await rows<PostgresProcessorReport>(processors),
    partitions: await rows<PostgresPartitionReport>(partitions),
    tables: await rows<PostgresTableReport>(tables, [schema]),
    holders: await rows<PostgresHolder>(holders),
  };
}

function withoutNulls(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value === null ? undefined : value]),
  );
}
