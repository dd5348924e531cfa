import type { OrderStorage } from '../../core/storage/order-storage.ts';
import { claim, giveBack } from '../../core/storage/storages-in-use.ts';
import { quoteName } from '../schema/names.ts';
import { openSchema } from '../schema/opened.ts';
import type { Session } from '../sessions/session.ts';
import {
  type CheckedImportOptions,
  checkedImportOptions,
  type PostgresImport,
  type PostgresImportOptions,
} from './import-options.ts';
import { ImportRun } from './import-run.ts';
import { beginImport, checkImport, finishImport, openImportSession } from './import-schema.ts';
import { ImportSource, type SourceMark, UnusableSource } from './import-source.ts';
import { type ImportState, keptImport } from './import-state.ts';

/** Takes over all that a storage keeps; see `PostgresStorage.importFrom`. */
export async function importFrom(
  source: OrderStorage,
  options: PostgresImportOptions,
): Promise<PostgresImport> {
  const checked = checkedImportOptions(options);
  const reader = new ImportSource(source);
  claim(source, 'source');
  try {
    checked.signal?.throwIfAborted();
    const { partitions } = await openSchema(checked.storage, { isImport: true });
    const session = await openImportSession(checked.storage);
    try {
      return await importWith(session, reader, partitions, checked);
    } finally {
      session.destroy();
    }
  } finally {
    giveBack(source);
  }
}

async function importWith(
  session: Session,
  source: ImportSource,
  partitions: number,
  options: CheckedImportOptions,
): Promise<PostgresImport> {
  const { schema } = options.storage;
  const kept = await keptImport(session);
  if (kept !== undefined) checkSame(schema, kept.source, await source.mark());
  if (kept?.isFinished) {
    await source.checkUnchanged(kept.state.mark);
    return kept.state.counts;
  }
  const state = kept?.state ?? (await begin(session, schema, source));
  await source.checkUnchanged(state.mark);
  const run = new ImportRun(source, session, partitions, options, state);
  try {
    await run.run();
    await source.checkUnchanged(state.mark);
    await checkImport(session, run.state);
    await finishImport(session, run.state);
    return run.state.counts;
  } catch (error) {
    options.signal?.throwIfAborted();
    throw stopped(run.state, error);
  }
}

async function begin(session: Session, schema: string, source: ImportSource): Promise<ImportState> {
  await source.check();
  const mark = await source.mark();
  const knownFrom = await source.knownFrom(mark);
  const counts = { orders: 0, unsettled: 0, movements: 0, balances: 0, holds: 0 };
  const state: ImportState = {
    mark,
    knownFrom,
    stage: 'settled',
    settledAt: knownFrom ?? 0,
    counts,
  };
  await beginImport(session, schema, state);
  return state;
}

function checkSame(schema: string, id: string, mark: SourceMark): void {
  if (id === mark.id) return;
  throw new Error(
    `The schema ${quoteName(schema)} has an import from another storage, with the id ${id}; that of \`source\` is ${mark.id}`,
  );
}

/** What another call would not change is as it is. */
function stopped({ counts }: ImportState, error: unknown): unknown {
  if (error instanceof UnusableSource) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new Error(
    `The import has stopped behind ${counts.orders} orders, and a later call goes on from there: ${reason}`,
    { cause: error },
  );
}
