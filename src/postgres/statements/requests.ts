import type { KeptRequest, OwnerRequest } from '../../core/storage/requests/owner-requests.ts';
import type { Session, Statement } from '../sessions/session.ts';
import { fromKept, toKept } from '../values/kept-text.ts';
import { plainArray, textArray } from '../values/literals.ts';
import { partOfUser } from '../values/partition.ts';
import { fenceOf, fencing } from './fence.ts';
import { waitsToNotify } from './notify.ts';

/** $1 id, $2 user, $3 the request, $4 the channel for control. What was answered a day ago has no processor that asks. */
const keep: Statement = {
  name: 'request',
  text: `WITH r AS (
    INSERT INTO requests (id, part, user_id, request)
    SELECT $1, ${partOfUser('$2::text')}, $2::text, $3 ON CONFLICT (id) DO NOTHING RETURNING part),
  d AS (DELETE FROM requests WHERE answered_at < clock_timestamp() - interval '1 day')
  SELECT ${waitsToNotify}, pg_notify($4, 'asked ' || part) FROM r`,
};

/** Keeps a request, and notifies the owner of the user's partition. In no transaction of other calls, which may end in vain. */
export async function keepRequest(
  session: Session,
  { id, userId, request }: OwnerRequest,
  channel: string,
): Promise<void> {
  const values = [id, toKept(userId), request, channel];
  await session.alone(() => session.query(keep, values));
}

/** $4 id; see `fence.ts` for the others */
export const beginStatement: Statement = {
  name: 'request_begin',
  text: `WITH ${fencing}, u AS (UPDATE requests SET is_begun = true WHERE id = $4 RETURNING 1)
  SELECT ${fenceOf()}, (SELECT count(*) FROM u)`,
};

/** $4 id, $5 the answer, $6 the channel for control */
export const answerStatement: Statement = {
  name: 'request_answer',
  text: `WITH ${fencing}, u AS (
    UPDATE requests SET answer = $5, answered_at = clock_timestamp()
    WHERE id = $4 AND answer IS NULL RETURNING id)
  SELECT ${fenceOf()}, (SELECT pg_notify($6, 'answered ' || id) FROM u)::text`,
};

/** $1 partitions */
const unanswered: Statement = {
  name: 'requests_unanswered',
  text: `SELECT id, part, user_id, request, is_begun FROM requests
  WHERE part = ANY ($1::smallint[]) AND answer IS NULL ORDER BY number`,
};

interface RequestRow {
  readonly id: string;
  readonly part: number;
  readonly user_id: string;
  readonly request: string;
  readonly is_begun: boolean;
}

/** The requests of partitions that are not answered, each with its partition, in the order in which they were made. */
export async function unansweredRequests(
  session: Session,
  parts: readonly number[],
): Promise<(readonly [part: number, request: KeptRequest])[]> {
  const rows = await session.query<RequestRow>(unanswered, [plainArray(parts)]);
  return rows.map(({ id, part, user_id, request, is_begun }) => [
    part,
    { id, userId: fromKept(user_id), request, isBegun: is_begun },
  ]);
}

/** $1 ids */
const answered: Statement = {
  name: 'requests_answered',
  text: 'SELECT id, answer FROM requests WHERE id = ANY ($1::text[]) AND answer IS NOT NULL',
};

/** The answers that are there. */
export async function answersTo(
  session: Session,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly answer: string }[]> {
  return session.query<{ id: string; answer: string }>(answered, [textArray(ids)]);
}

/** $1 ids */
const forget: Statement = {
  name: 'requests_forget',
  text: 'DELETE FROM requests WHERE id = ANY ($1::text[]) AND answer IS NOT NULL',
};

/** Deletes requests whose answers have come where they were made. */
export async function forgetRequests(session: Session, ids: readonly string[]): Promise<void> {
  await session.query(forget, [textArray(ids)]);
}
