import { setTimeout as sleep } from 'node:timers/promises';
import { sqlStateOf } from '../sessions/errors.ts';
import type { Session } from '../sessions/session.ts';
import { enqueueFunctions, traceOfOrders } from './enqueue.ts';
import { quoteName, quoteText } from './names.ts';
import { tables } from './tables.ts';

/** What leads from one version of the schema to the next. */
export interface Migration {
  readonly sql: string;
  /** The earliest version whose releases can go on with the schema from then on; they run while it is migrated. */
  readonly usableFrom: number;
}

/**
 * One that was released is never changed. A new one leaves what the version before it reads and writes, columns, functions
 * and rights included, for as long as it says that the version can be used.
 */
export const released: readonly Migration[] = [
  { sql: `${tables}\n${enqueueFunctions}`, usableFrom: 1 },
  { sql: traceOfOrders, usableFrom: 1 },
];

/** The version that this library reads and writes. */
export const schemaVersion = released.length;

/** What a schema says of itself. */
export interface SchemaVersion {
  /** 0 where there is none or it is empty. */
  readonly version: number;
  /** The earliest version whose releases can use it. */
  readonly usableFrom: number;
}

/** A migration waits for a statement that is under way, and all others wait for it: each try is short. */
const lockMs = 1_000;

/** For how long it is tried again, and how long each pause is. */
const tries = { forMs: 60_000, pauseMs: 250 } as const;

/** PostgreSQL's code for a lock that was not got in time. */
const lockNotAvailable = '55P03';

const lock = (schema: string): string =>
  `SELECT pg_advisory_xact_lock(hashtextextended(${quoteText(`order-processor ${schema}`)}, 0))`;

/** Kept as the schema's comment, so that it can be read before any table is. */
function versionText(migrations: readonly Migration[]): string {
  const { usableFrom = 0 } = migrations.at(-1) ?? {};
  const text = `order-processor ${migrations.length}`;
  return usableFrom < migrations.length ? `${text} from ${usableFrom}` : text;
}

/** The SQL that leads from a version to the newest, for a transaction. */
function migrationSql(
  schema: string,
  partitions: number,
  from: number,
  migrations: readonly Migration[],
): string {
  const name = quoteName(schema);
  // `IF NOT EXISTS` would ask for the right to make one even where there is one.
  const make = `BEGIN IF to_regnamespace(${quoteText(name)}) IS NULL THEN CREATE SCHEMA ${name}; END IF; END`;
  const fills = `INSERT INTO meta (partitions) VALUES (${partitions});
INSERT INTO partitions (part) SELECT generate_series(0, ${partitions - 1});`;
  return [
    ...(from === 0 ? [`DO ${quoteText(make)};`] : []),
    // Functions keep it, so that no temporary table of their callers stands for one of the schema.
    `SET LOCAL search_path = ${name}, pg_temp;`,
    ...migrations.slice(from).map(({ sql }) => sql),
    ...(from === 0 ? [fills] : []),
    `COMMENT ON SCHEMA ${name} IS ${quoteText(versionText(migrations))};`,
  ].join('\n');
}

/**
 * The same as a script, for those who run it by themselves: it changes nothing where the schema is of another version than
 * `from`.
 */
export function migrationScript(schema: string, partitions: number, from = 0): string {
  const found = `coalesce(substring(obj_description(to_regnamespace(${quoteText(quoteName(schema))})::oid, 'pg_namespace')
      FROM '^order-processor ([0-9]+)'), '0')`;
  const check = `BEGIN IF ${found} <> '${from}' THEN
    RAISE EXCEPTION 'Expected the schema to be of version ${from}, found %', ${found}; END IF; END`;
  return `BEGIN;
${lock(schema)};
DO ${quoteText(check)};
SET LOCAL lock_timeout = '${lockMs}ms';
${migrationSql(schema, partitions, from, released)}
COMMIT;
`;
}

/** @throws (rejects) Error if the schema is not empty and not ours */
async function versionOf(session: Session, schema: string): Promise<SchemaVersion> {
  const [row] = await session.query<{ version: string | null; isEmpty: boolean }>(
    `SELECT obj_description(n.oid, 'pg_namespace') AS version,
       NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS "isEmpty"
     FROM pg_namespace n WHERE n.nspname = $1`,
    [schema],
  );
  const [, version, from = version] =
    /^order-processor (\d+)(?: from (\d+))?$/.exec(row?.version ?? '') ?? [];
  if (version !== undefined) return { version: Number(version), usableFrom: Number(from) };
  if (row === undefined || row.isEmpty) return { version: 0, usableFrom: 0 };
  throw new Error(
    `Expected the schema ${quoteName(schema)} to be of order-processor or empty, found other tables in it`,
  );
}

/**
 * Brings a schema to the newest version in one transaction, while processors of versions before it go on. Two processes that
 * begin at once wait for each other.
 *
 * @throws (rejects) Error if the schema is of a newer version that this release cannot use
 */
export async function migrate(
  session: Session,
  schema: string,
  partitions: number,
  migrations: readonly Migration[] = released,
): Promise<void> {
  const newest = migrations.length;
  for (const startedAt = performance.now(); ; await sleep(tries.pauseMs)) {
    if ((await checkVersion(session, schema, newest)) >= newest) return;
    try {
      await session.transaction(async () => {
        await session.query(`SET LOCAL lock_timeout = ${lockMs}`);
        await session.query(lock(schema));
        const version = await checkVersion(session, schema, newest);
        if (version >= newest) return;
        await session.query(migrationSql(schema, partitions, version, migrations));
      });
      return;
    } catch (error) {
      const isLate = performance.now() - startedAt > tries.forMs;
      if (sqlStateOf(error) !== lockNotAvailable || isLate) throw error;
    }
  }
}

/**
 * The version of a schema; 0 where there is none or it is empty.
 *
 * @throws (rejects) Error if it is of a newer version that this release cannot use
 */
export async function checkVersion(
  session: Session,
  schema: string,
  newest = schemaVersion,
): Promise<number> {
  const { version, usableFrom } = await versionOf(session, schema);
  if (usableFrom <= newest) return version;
  throw new Error(
    `The schema ${quoteName(schema)} has version ${version}, and this release of order-processor knows ${newest}: install a newer release`,
  );
}
