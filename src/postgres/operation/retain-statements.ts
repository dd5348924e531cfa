import type { Session, Statement } from '../sessions/session.ts';

/** How many orders one step looks at: some milliseconds. */
export const stepRows = 500;

/** So many orders at either end of a table are measured. */
const measured = 200;

/** The number that the newest settlement has drawn. */
export const drawn: Statement = {
  name: 'retain_drawn',
  text: 'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS drawn FROM settlement_sequence',
};

/** $1 and $2 the settlements between which to look, $3 for how many milliseconds orders are kept, by the server's clock. */
export const oldest: Statement = {
  name: 'retain_oldest',
  text: `SELECT s.seq, s.settlement, CASE WHEN s.balance IS NOT NULL THEN coalesce(s.postings, o.postings) END AS postings,
      extract(epoch FROM s.kept_at) < extract(epoch FROM clock_timestamp()) - $3::float8 / 1000 AS "isOld"
    FROM (SELECT seq, settlement, balance, postings, kept_at FROM outcomes
      WHERE settlement > $1::bigint AND settlement <= $2::bigint ORDER BY settlement LIMIT ${stepRows}) s
    LEFT JOIN LATERAL (SELECT postings FROM orders WHERE seq = s.seq OFFSET 0) o ON true
    ORDER BY s.settlement`,
};

/** A row of {@link oldest}. */
export interface SettledRow {
  readonly seq: number;
  readonly settlement: number;
  readonly postings: string | null;
  readonly isOld: boolean;
}

const ends = (table: string, ...key: readonly string[]): string => {
  const last = key.map((column) => `${column} DESC`).join(', ');
  return `SELECT avg(pg_column_size(t.*)) FROM (
    (SELECT * FROM ${table} ORDER BY ${key.join(', ')} LIMIT ${measured}) UNION ALL
    (SELECT * FROM ${table} ORDER BY ${last} LIMIT ${measured})) t`;
};

/**
 * What the live rows take, as they are estimated: how many there are, by the statistics of the server, times what some of
 * them take, with their part of the indexes. What is free in the files does not count, and is not known.
 */
const usage: Statement = {
  name: 'retain_usage',
  text: `SELECT coalesce(sum(live * (size + 8) * pg_total_relation_size(name) / greatest(pg_table_size(name), 1)), 0)::float8 AS bytes,
      coalesce(max(live) FILTER (WHERE name = 'outcomes'::regclass), 0)::float8 AS count
    FROM (SELECT name, pg_stat_get_live_tuples(name)::float8 AS live, size FROM (
      SELECT 'orders'::regclass AS name, (${ends('orders', 'seq')}) AS size
      UNION ALL SELECT 'outcomes'::regclass, (${ends('outcomes', 'seq')})
      UNION ALL SELECT 'credits'::regclass, (${ends('credits', 'user_id', 'settlement')})) sized) counted`,
};

/** What settled and unsettled orders take, in bytes, and how many are settled; both are estimates. */
export async function usageOf(
  session: Session,
): Promise<{ readonly bytes: number; readonly count: number }> {
  const [row] = await session.query<{ bytes: number; count: number }>(usage);
  return row ?? { bytes: 0, count: 0 };
}
