import type { CheckedOptions } from '../open-options.ts';
import { explained } from '../sessions/connection-error.ts';
import { Session } from '../sessions/session.ts';
import { checkVersion, migrate, schemaVersion } from './migrate.ts';
import { quoteName } from './names.ts';
import { isImporting, unfinishedImport } from './unfinished-import.ts';

/** The oldest major version of PostgreSQL that has all that the storage uses. */
const oldest = 14;

/** What a schema says of itself. */
export interface OpenedSchema {
  /** Identifies what it keeps. */
  readonly id: string;
  readonly partitions: number;
}

/**
 * Makes the schema, or brings it to this version, as far as `migrate` allows.
 *
 * @param isImport - whether it may have an import that is not finished
 * @throws (rejects) Error if the database cannot be reached, or the schema is of another version, is not ours, or has
 *    another number of partitions
 */
export async function openSchema(
  options: CheckedOptions,
  { isImport = false } = {},
): Promise<OpenedSchema> {
  const { config, schema, partitions } = options;
  const named = { ...config, application_name: `${options.name} open` };
  const session = await Session.open(named, 'SELECT 1', () => {});
  try {
    await requirePostgres(session);
    if (options.migrate) await migrate(session, schema, partitions ?? 64);
    else await requireVersion(session, schema);
    const name = quoteName(schema);
    const [meta] = await session.query<OpenedSchema & { readonly isImporting: boolean }>(
      `SELECT storage_id AS id, partitions, ${isImporting(`${name}.imports`)} AS "isImporting" FROM ${name}.meta`,
    );
    const found = meta as OpenedSchema & { readonly isImporting: boolean };
    if (found.isImporting && !isImport) throw unfinishedImport(schema);
    if (partitions === undefined || found.partitions === partitions) return found;
    throw new Error(
      `Expected the schema ${quoteName(schema)} to have ${partitions} partitions, found ${found.partitions}: they never change`,
    );
  } catch (error) {
    throw explained(error as Error);
  } finally {
    await session.end();
  }
}

/** @throws (rejects) Error if the server is too old for what the storage uses of it */
export async function requirePostgres(session: Pick<Session, 'query'>): Promise<void> {
  const [row] = await session.query<{ isOld: boolean; version: string }>(
    `SELECT current_setting('server_version_num')::int < ${oldest * 10_000} AS "isOld",
      current_setting('server_version') AS version`,
  );
  if (row?.isOld) throw new Error(`Expected PostgreSQL ${oldest} or newer, found ${row.version}`);
}

/** @throws (rejects) Error if the schema is of an earlier version */
async function requireVersion(session: Session, schema: string): Promise<void> {
  const version = await checkVersion(session, schema);
  if (version < schemaVersion) throw tooOld(schema, version);
}

function tooOld(schema: string, version: number): Error {
  return new Error(
    `The schema ${quoteName(schema)} has version ${version}, and this release of order-processor needs ${schemaVersion}: run what \`order-processor-postgres sql --from ${version}\` prints, or open it with \`migrate: true\``,
  );
}
