import type { Session, Statement } from '../sessions/session.ts';
import { textArray } from '../values/literals.ts';

/**
 * In a transaction of its own that waits for no disk: a transaction that notifies holds back all others of the database
 * that do, until it is on the disk.
 */
const notify: Statement = {
  name: 'notify',
  text: `SELECT set_config('synchronous_commit', 'off', true), pg_notify(x.channel, x.note)
    FROM unnest($1::text[], $2::text[]) AS x (channel, note)`,
};

/** A note, and where it goes. */
export interface Note {
  readonly channel: string;
  readonly note: string;
}

/** Sends notes, behind what was sent on the session. */
export async function sendNotes(session: Session, notes: readonly Note[]): Promise<void> {
  if (notes.length === 0) return;
  const values = [
    textArray(notes.map(({ channel }) => channel)),
    textArray(notes.map(({ note }) => note)),
  ];
  await session.alone(() => session.query(notify, values));
}
