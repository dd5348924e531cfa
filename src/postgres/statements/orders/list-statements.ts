import type { Statement, Value } from '../../sessions/session.ts';
import { bounded, selectedSize } from '../../values/pages.ts';
import { partOfUser } from '../../values/partition.ts';
import { besideOrder, orderColumns, statuses } from '../../values/rows.ts';

/** At how many rows one step looks, where not all rows of an index are wanted. */
export const mostRows = 4_096;

/** How many blocks of orders one step passes over. */
export const mostBlocks = 1_000;

/** How many of the last bits of `seq` are one block; see `orders_by_block`. */
export const blockBits = 12;

/** Where the rows of a list come from, in their order. */
interface Source {
  readonly table: 'orders' | 'outcomes' | 'pending';
  /** The columns of its index before `seq`, each with what it must be. */
  readonly lead: Readonly<Record<string, string>>;
  /** What else is wanted of an order, which not all rows of the index meet. */
  readonly filter?: string;
  /** Of which rows the index is. */
  readonly where?: string;
  /** Another index of the table, which has other rows. */
  readonly beside?: { readonly lead: Readonly<Record<string, string>>; readonly where: string };
}

/** `$7` and `$8` are the user and the status. */
const sources = {
  all: { table: 'orders', lead: {} },
  completed: { table: 'orders', lead: {}, filter: 's.status = 1' },
  ofUser: { table: 'orders', lead: { user_id: '$7::text' } },
  completedOfUser: { table: 'orders', lead: { user_id: '$7::text' }, filter: 's.status = 1' },
  pending: { table: 'pending', lead: {} },
  pendingOfUser: {
    table: 'pending',
    lead: { part: partOfUser('$7::text') },
    filter: 'o.user_id = $7::text',
    where: 'not_before IS NULL',
    // Those that are not due.
    beside: { lead: { user_id: '$7::text' }, where: 'not_before IS NOT NULL' },
  },
  unfulfilled: { table: 'outcomes', lead: { status: '$7::smallint' } },
  unfulfilledOfUser: {
    table: 'outcomes',
    lead: { user_id: '$7::text', status: '$8::smallint' },
  },
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;

/** The rows of a source between two places, the last first; of two indexes as many of each as a step looks at. */
function rowsOf({ table, lead, where, beside }: Source, from: string, before: string): string {
  const columns = [...Object.keys(lead), 'seq'].join(', ');
  const select = `SELECT ${columns} FROM ${table}`;
  const isPartial = table === 'outcomes' ? 'status > 1' : where;
  const rows = `${select} ${rangeOf(lead, isPartial, from, before)}`;
  if (beside === undefined) return rows;
  const others = `${select} ${rangeOf(beside.lead, beside.where, from, before)}`;
  return `SELECT * FROM ((${rows} LIMIT ${mostRows}) UNION ALL (${others} LIMIT ${mostRows})) u
    ORDER BY seq DESC`;
}

/** Compared and ordered by all columns of an index, so that no other index can look cheaper. */
function rangeOf(
  lead: Readonly<Record<string, string>>,
  where: string | undefined,
  from: string,
  before: string,
): string {
  const columns = [...Object.keys(lead), 'seq'];
  const values = Object.values(lead).map((value) => `${value}, `);
  return `WHERE (${columns.join(', ')}) >= (${values.join('')}${from})
    AND (${columns.join(', ')}) < (${values.join('')}${before}) ${where === undefined ? '' : `AND ${where}`}
    ORDER BY ${columns.map((column) => `${column} DESC`).join(', ')}`;
}

/**
 * One step of a list. Each row has `low`: from where on it has looked at all.
 *
 * `$1` and `$2` are the places between which it looks, `$3` and `$4` the first and the last time, `$5` the limit and `$6` the bytes.
 */
function stepOf(name: SourceName, isCovered: boolean): Statement {
  const source: Source = sources[name];
  const places = [...Object.keys(source.lead), 'seq'].map((column) => `d.${column} DESC`);
  const low = isCovered
    ? '$1::bigint'
    : `coalesce((SELECT seq FROM (${rowsOf(source, '$1::bigint', '$2::bigint')}
        OFFSET ${mostRows - 1} LIMIT 1) d), $1::bigint)`;
  const page = `SELECT ${orderColumns}, ${selectedSize}
    FROM (${rowsOf(source, 'w.low', '$2::bigint')} OFFSET 0) d
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE seq = d.seq OFFSET 0) o ${besideOrder}
    WHERE o.accepted_at BETWEEN $3::bigint AND $4::bigint ${source.filter ? `AND ${source.filter}` : ''}
    ORDER BY ${places.join(', ')} LIMIT $5::int`;
  return {
    name: `list_${name}${isCovered ? '' : '_window'}`,
    text: `SELECT w.low, x.* FROM (SELECT ${low} AS low OFFSET 0) w
      LEFT JOIN LATERAL (${bounded(page, 'seq DESC', '$6::bigint')}) x ON true
      ORDER BY x.seq DESC`,
  };
}

const names = Object.keys(sources) as SourceName[];

/** Where each row of an index is wanted. */
export const coveredSteps = Object.fromEntries(
  names.filter((name) => !('filter' in sources[name])).map((name) => [name, stepOf(name, true)]),
) as Readonly<Partial<Record<SourceName, Statement>>>;

/** The same with at most {@link mostRows} rows to look at. */
export const windowSteps = Object.fromEntries(
  names.map((name) => [name, stepOf(name, false)]),
) as Readonly<Record<SourceName, Statement>>;

/**
 * The blocks below a place that have orders of the wanted times, the last first: `$4` at most, of the last {@link
 * mostBlocks}. Each row has `from`: from where on it has looked at all.
 */
export const blocks: Statement = {
  name: 'list_blocks',
  text: `SELECT w.low << ${blockBits} AS "from", x.block FROM (
      SELECT greatest(max(seq) >> ${blockBits}, 0) AS high,
        greatest((max(seq) >> ${blockBits}) - ${mostBlocks - 1}, 0) AS low
      FROM orders WHERE seq < $1::bigint OFFSET 0) w
    LEFT JOIN LATERAL (SELECT b.block FROM generate_series(w.high, w.low, -1) AS b (block)
      CROSS JOIN LATERAL (SELECT FROM orders WHERE seq >> ${blockBits} = b.block
        AND accepted_at BETWEEN $2::bigint AND $3::bigint LIMIT 1) found
      LIMIT $4::int) x ON true
    WHERE w.high IS NOT NULL ORDER BY x.block DESC`,
};

export interface ListedSource {
  readonly name: SourceName;
  readonly values: readonly Value[];
}

/** @param userId - as the database keeps it */
export function sourceOf(userId: string | undefined, status: string | undefined): ListedSource {
  const user = userId === undefined ? [] : [userId];
  const ofUser = userId !== undefined;
  if (status === undefined) return { name: ofUser ? 'ofUser' : 'all', values: user };
  if (status === 'pending') return { name: ofUser ? 'pendingOfUser' : 'pending', values: user };
  if (status === 'completed') {
    return { name: ofUser ? 'completedOfUser' : 'completed', values: user };
  }
  const place = statuses.indexOf(status as (typeof statuses)[number]);
  return { name: ofUser ? 'unfulfilledOfUser' : 'unfulfilled', values: [...user, place] };
}
