import type { Session, Statement } from '../sessions/session.ts';
import { textArray } from '../values/literals.ts';

/**
 * In a transaction that notifies: its commit waits for those of all others that do, and a host's may take long. On a
 * session that waits for other locks only for a moment that would fail.
 */
export const waitsToNotify = `set_config('lock_timeout', '30s', true)`;

/** In a transaction that does nothing but notify: it waits for no disk. */
export const inNote = `set_config('synchronous_commit', 'off', true), ${waitsToNotify}`;

/**
 * In a transaction of its own: a transaction that notifies holds back all others of the database that do, until it is
 * on the disk.
 */
const notify: Statement = {
  name: 'notify',
  text: `SELECT ${inNote}, pg_notify(x.channel, x.note)
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
