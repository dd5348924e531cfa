import type { Session } from '../sessions/session.ts';
import type { PostgresImport, PostgresImportProgress } from './import-options.ts';
import type { SourceMark } from './import-source.ts';

/** How far an import is. Kept with each page, in the same statement. */
export interface ImportState {
  readonly mark: SourceMark;
  /** See `ImportSource.knownFrom`. */
  readonly knownFrom?: number | undefined;
  readonly stage: PostgresImportProgress['stage'];
  /** Where the next page of the stage begins; the first page if there is none. */
  readonly place?: number | string | undefined;
  /** The greatest time of all settlements so far, in Unix milliseconds. */
  readonly settledAt: number;
  readonly counts: PostgresImport;
}

/** A row of `imports`. */
interface Row {
  readonly source: string;
  readonly state: string;
  readonly isFinished: boolean;
}

/** What the schema knows of an import. */
export interface KeptImport {
  readonly source: string;
  readonly state: ImportState;
  readonly isFinished: boolean;
}

export async function keptImport(session: Session): Promise<KeptImport | undefined> {
  const [row] = await session.query<Row & Record<string, unknown>>(
    'SELECT source, state, finished_at IS NOT NULL AS "isFinished" FROM imports',
  );
  return row && { ...row, state: JSON.parse(row.state) as ImportState };
}

/** The end of a statement that writes a page: with it comes how far the import is, $1. */
export const keepState = 'UPDATE imports SET state = $1::text WHERE finished_at IS NULL';

export function stateText(state: ImportState): string {
  return JSON.stringify(state);
}

export function progressOf({ stage, counts, mark, place }: ImportState): PostgresImportProgress {
  const fraction = stage === 'settled' ? Number(place ?? 0) / Math.max(1, mark.last) : 1;
  return { stage, ...counts, fraction };
}
