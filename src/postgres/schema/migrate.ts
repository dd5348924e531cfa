import type { Session } from '../sessions/session.ts';
import { enqueueFunctions } from './enqueue.ts';
import { quoteName, quoteText } from './names.ts';
import { tables } from './tables.ts';

/** What leads from each version of the schema to the next. One that was released is never changed. */
const migrations: readonly string[] = [`${tables}\n${enqueueFunctions}`];

/** The version that this library reads and writes. */
export const schemaVersion = migrations.length;

/** The schema's version is kept as its comment, so that it can be read before any table is. */
const versionText = (version: number): string => `order-processor ${version}`;

/** The SQL that leads from a version to the newest, for those who run it by themselves. */
export function migrationSql(schema: string, partitions: number, from = 0): string {
  const name = quoteName(schema);
  const fills = `INSERT INTO meta (partitions) VALUES (${partitions});
INSERT INTO partitions (part) SELECT generate_series(0, ${partitions - 1});`;
  return [
    `CREATE SCHEMA IF NOT EXISTS ${name};`,
    // Functions keep it, so that no temporary table of their callers stands for one of the schema.
    `SET LOCAL search_path = ${name}, pg_temp;`,
    ...migrations.slice(from),
    ...(from === 0 ? [fills] : []),
    `COMMENT ON SCHEMA ${name} IS ${quoteText(versionText(schemaVersion))};`,
  ].join('\n');
}

/** The version of a schema; 0 where there is none or it is empty. */
export async function versionOf(session: Session, schema: string): Promise<number> {
  const [row] = await session.query<{ version: string | null; isEmpty: boolean }>(
    `SELECT obj_description(n.oid, 'pg_namespace') AS version,
       NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS "isEmpty"
     FROM pg_namespace n WHERE n.nspname = $1`,
    [schema],
  );
  if (row === undefined) return 0;
  const [, version] = /^order-processor (\d+)$/.exec(row.version ?? '') ?? [];
  if (version !== undefined) return Number(version);
  if (row.isEmpty) return 0;
  throw new Error(
    `Expected the schema ${quoteName(schema)} to be of order-processor or empty, found other tables in it`,
  );
}

/**
 * Brings a schema to the newest version in one transaction. Two processes that begin at once wait for each other.
 *
 * @throws if the schema is of a newer version
 */
export async function migrate(session: Session, schema: string, partitions: number): Promise<void> {
  if ((await checkVersion(session, schema)) === schemaVersion) return;
  await session.transaction(async () => {
    await session.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [
      `order-processor ${schema}`,
    ]);
    const version = await checkVersion(session, schema);
    if (version < schemaVersion) await session.query(migrationSql(schema, partitions, version));
  });
}

/** @throws if the schema is of a newer version */
export async function checkVersion(session: Session, schema: string): Promise<number> {
  const version = await versionOf(session, schema);
  if (version <= schemaVersion) return version;
  throw new Error(
    `The schema ${quoteName(schema)} has version ${version}, and this release of order-processor knows ${schemaVersion}: install a newer release`,
  );
}
