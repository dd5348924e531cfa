import { plainArray } from '../values/literals.ts';
import type { BeatSettings } from './heartbeat.ts';
import type { Life } from './life.ts';
import {
  deadStatement,
  disownStatement,
  type Peer,
  removeStatement,
  terminateStatement,
} from './statements.ts';

/** PostgreSQL's code for a lock that was not got in time. */
const lockNotAvailable = '55P03';

/**
 * Ends a processor's time that is dead or silent: from then on its settlements are refused. One that is being written
 * is waited for. Its sessions are ended too, since one may be in a transaction, or hold the queue of notes.
 *
 * @param isOver - whether it is over in any case: it was this processor's own
 * @returns whether it has ended by this call
 */
export async function evict(
  { beat }: Life,
  { number, token, pids }: Peer,
  { channels, staleMs }: BeatSettings,
  isOver = false,
): Promise<boolean> {
  // Others take over from this processor if it waits for long.
  const lockMs = Math.max(1, Math.round(staleMs / 10));
  const remove = async (): Promise<boolean> => {
    await beat.query(`SET LOCAL lock_timeout = ${lockMs}`);
    const values = [number, token, staleMs, channels.lockKey, isOver];
    const dead = await beat.query(deadStatement, values);
    if (dead.length === 0) return false;
    await beat.query(disownStatement, [number]);
    await beat.query(removeStatement, [number, token, channels.control, `evicted ${number}`]);
    return true;
  };
  let isEvicted = false;
  try {
    isEvicted = await beat.transaction(remove);
    if (!isEvicted) return false;
  } catch (error) {
    if ((error as { code?: string }).code !== lockNotAvailable) throw error;
  }
  // Only its own role may end them. Its settlements are refused in any case.
  await beat.query(terminateStatement, [plainArray(pids), token]).catch(() => {});
  return isEvicted;
}
