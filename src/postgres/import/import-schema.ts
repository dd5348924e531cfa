import { setTimeout as sleep } from 'node:timers/promises';
import { quote } from '../../core/runtime/thrown.ts';
import { Channels } from '../members/channels.ts';
import { setUpOf } from '../members/life.ts';
import type { CheckedOptions } from '../open-options.ts';
import { quoteName } from '../schema/names.ts';
import { Session } from '../sessions/session.ts';
import { checkSchema } from '../statements/check.ts';
import type { PostgresImport } from './import-options.ts';
import { UnusableSource } from './import-source.ts';
import { type ImportState, stateText } from './import-state.ts';

/** For how long a session of an import that was killed may keep its lock, in milliseconds, and how often it is tried. */
const lockWait = { forMs: 10_000, pauseMs: 100 } as const;

/** How many problems an error shows. */
const mostShown = 3;

/**
 * A session for an import, alone on its schema as long as it lasts: an import that has lost its session writes nothing.
 *
 * @throws (rejects) Error if the role does not own the schema, or another import goes on
 */
export async function openImportSession({ config, schema }: CheckedOptions): Promise<Session> {
  const named = { ...config, application_name: 'order-processor import' };
  const session = await Session.open(named, setUpOf('query', schema), () => {});
  try {
    await session.query("SET statement_timeout = 0; SET lock_timeout = '10s'");
    await checkRole(session, schema);
    await lockImports(session, schema);
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}

async function checkRole(session: Session, schema: string): Promise<void> {
  const [row] = await session.query<{ isOwner: boolean; pid: number }>(
    `SELECT pg_has_role(relowner, 'USAGE') AS "isOwner", pg_backend_pid() AS pid
     FROM pg_class WHERE oid = 'imports'::regclass`,
  );
  if (row?.isOwner !== true) {
    throw new Error(
      `An import needs a role that owns the schema ${quoteName(schema)}, as a migration does; the role of processors has fewer rights`,
    );
  }
  if (row.pid === session.pid) return;
  throw new Error(
    'An import needs a session of its own, found a pooler that gives one for each transaction: connect to PostgreSQL directly',
  );
}

async function lockImports(session: Session, schema: string): Promise<void> {
  const key = `order-processor import ${schema}`;
  for (const startedAt = performance.now(); ; await sleep(lockWait.pauseMs)) {
    const [row] = await session.query<{ isHeld: boolean }>(
      `SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS "isHeld"`,
      [key],
    );
    if (row?.isHeld === true) return;
    if (performance.now() - startedAt >= lockWait.forMs)
      throw await otherImport(session, schema, key);
  }
}

/** A program that is frozen keeps its session. Without that it writes nothing any more, also when it wakes. */
async function otherImport(session: Session, schema: string, key: string): Promise<Error> {
  const [row] = await session.query<{ pid: number }>(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0)`,
    [key],
  );
  const what = `Another import into the schema ${quoteName(schema)} goes on`;
  if (row === undefined) return new Error(what);
  return new Error(
    `${what}; if its program hangs, end its session by \`SELECT pg_terminate_backend(${row.pid})\` and begin again`,
  );
}

/**
 * Begins an import into a schema that has nothing. From then on no processor joins, until it has finished.
 *
 * @throws (rejects) Error if a processor runs on the schema, or it has orders or balances
 */
export async function beginImport(
  session: Session,
  schema: string,
  state: ImportState,
): Promise<void> {
  await session.transaction(async () => {
    // What is being written comes first, and is seen; later it sees the row.
    await session.query('LOCK TABLE orders, processors, imports IN SHARE ROW EXCLUSIVE MODE');
    await session.query(
      'DELETE FROM processors WHERE pg_try_advisory_xact_lock_shared($1::int, number)',
      [new Channels(schema).lockKey],
    );
    const [found] = await session.query<{ name: string | null; isEmpty: boolean }>(
      `SELECT (SELECT name FROM processors LIMIT 1) AS name,
        NOT EXISTS (SELECT FROM orders) AND NOT EXISTS (SELECT FROM balances)
        AND NOT EXISTS (SELECT FROM holds) AS "isEmpty"`,
    );
    const name = found?.name ?? undefined;
    if (name !== undefined) {
      throw new Error(
        `Expected no storage to be open on the schema ${quoteName(schema)}, found that of processor ${quote(name)}: close it first`,
      );
    }
    if (found?.isEmpty !== true) {
      throw new Error(
        `Expected the schema ${quoteName(schema)} to have no orders and no balances: an import takes over everything, or nothing`,
      );
    }
    // An order that a host's transaction tries to add meanwhile must not take the place of another one.
    const { id, newest } = state.mark;
    if (newest > 0) await session.query("SELECT setval('order_sequence', $1)", [newest]);
    await session.query('INSERT INTO imports (source, state) VALUES ($1, $2)', [
      id,
      stateText(state),
    ]);
  });
}

/**
 * Reads all that was written.
 *
 * @throws (rejects) UnusableSource if it is not what it must be
 */
export async function checkImport(session: Session, { counts }: ImportState): Promise<void> {
  await session.query('ANALYZE orders, pending, outcomes, credits, balances, openings, holds');
  const [found] = await session.query<Record<keyof PostgresImport, number>>(
    `SELECT (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM pending) AS unsettled,
      (SELECT count(*) FROM outcomes WHERE balance IS NOT NULL) + (SELECT count(*) FROM credits) AS movements,
      (SELECT count(*) FROM balances) AS balances, (SELECT count(*) FROM holds) AS holds`,
  );
  const names = Object.keys(counts) as (keyof PostgresImport)[];
  const problems = names
    .filter((name) => found?.[name] !== counts[name])
    .map((name) => `${counts[name]} ${name} were read, and ${found?.[name]} are there`);
  problems.push(...(await checkSchema(session)));
  if (problems.length === 0) return;
  const more = problems.length > mostShown ? `; and ${problems.length - mostShown} more` : '';
  throw new UnusableSource(
    `What was taken over is not right, and no processor joins: ${problems.slice(0, mostShown).join('; ')}${more}. Mend the source, drop the schema, and begin again`,
  );
}

/** From now on processors may join. What comes next has greater numbers than all that was taken over. */
export async function finishImport(session: Session, { mark }: ImportState): Promise<void> {
  const { id, last, forgotten } = mark;
  await session.transaction(async () => {
    // A call of `settle` draws one number for 1 024 settlements. The feed gives nothing before one was drawn.
    const drawn = Math.max(1, Math.floor(last / 1_024));
    if (last > 0) await session.query("SELECT setval('settlement_sequence', $1)", [drawn]);
    await session.query('UPDATE meta SET storage_id = $1, pruned = $2', [id, forgotten]);
    await session.query('UPDATE imports SET finished_at = clock_timestamp()');
  });
}
