import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Row, readable, SEQ, selected } from './rows.ts';
import { blockBits } from './schema.ts';

/** How many rows one step reads, where not all rows of an index are wanted. */
export const mostRows = 4_096;

/** How many blocks one step reads the times of. */
export const mostBlocks = 1_000;

/** Each names its index: the planner's choice depends on its statistics. */
const sources = {
  all: { index: 'NOT INDEXED', where: '' },
  byUser: { index: 'INDEXED BY orders_by_user', where: 'AND user_id = :userId' },
  byUserUnfulfilled: {
    index: 'INDEXED BY orders_by_user_unfulfilled',
    where: "AND status IN ('failed', 'canceled') AND user_id = :userId AND status = :status",
  },
  byStatus: {
    index: 'INDEXED BY orders_by_status',
    where: "AND status <> 'completed' AND status = :status",
  },
} as const;

type Source = keyof typeof sources;

/** Where the step ends that looks at `mostRows` rows from the greatest `seq` on. */
function windowOf(source: Source): string {
  const { index, where } = sources[source];
  return `SELECT seq FROM orders ${index} WHERE seq >= :from AND seq < :before ${where}
    ORDER BY seq DESC LIMIT 1 OFFSET ${mostRows - 1}`;
}

function pageOf(source: Source): string {
  const { index, where } = sources[source];
  const user = source.startsWith('byUser') ? '' : 'AND (:userId IS NULL OR user_id = :userId)';
  const status = where.includes(':status') ? '' : 'AND (:status IS NULL OR status = :status)';
  return `SELECT ${selected} FROM orders ${index}
    WHERE seq >= :from AND seq < :before ${where} ${user} ${status}
    AND accepted_at BETWEEN :timeFrom AND :timeUpTo ORDER BY seq DESC LIMIT :limit`;
}

export const listQueries = {
  windowOfAll: windowOf('all'),
  windowOfUser: windowOf('byUser'),
  windowOfUserUnfulfilled: windowOf('byUserUnfulfilled'),
  windowOfStatus: windowOf('byStatus'),
  all: pageOf('all'),
  byUser: pageOf('byUser'),
  byUserUnfulfilled: pageOf('byUserUnfulfilled'),
  byStatus: pageOf('byStatus'),
  lastBefore: 'SELECT max(seq) FROM orders WHERE seq < :before',
  earliestOfBlock: `SELECT ${readable('accepted_at')} FROM orders INDEXED BY orders_by_block
    WHERE seq >> ${blockBits} = :block ORDER BY accepted_at LIMIT 1`,
  latestOfBlock: `SELECT ${readable('accepted_at')} FROM orders INDEXED BY orders_by_block
    WHERE seq >> ${blockBits} = :block ORDER BY accepted_at DESC LIMIT 1`,
} as const;

const windows = {
  all: 'windowOfAll',
  byUser: 'windowOfUser',
  byUserUnfulfilled: 'windowOfUserUnfulfilled',
  byStatus: 'windowOfStatus',
} as const satisfies Record<Source, keyof typeof listQueries>;

/** Which orders are to be listed, as the thread gets it. */
export interface ListedOrders {
  readonly userId: string | null;
  readonly status: string | null;
  /** Both are included, and may be infinite. */
  readonly timeFrom: number;
  readonly timeUpTo: number;
  /** Only smaller ones are wanted. */
  readonly before: number;
  readonly limit: number;
  readonly maxBytes: number;
}

/** Rows below `before` and from `from` on. */
interface Range {
  readonly from: number;
  readonly before: number;
}

/**
 * Reads pages of a list, by `seq`, the greatest first. The cost of a step is bounded for every file: it
 * looks at wanted rows, at no more than `mostRows` others and at the times of `mostBlocks` blocks.
 * Times need not follow the order of acceptance, so there is no index to go by; but each block of rows
 * knows its earliest and its latest time.
 */
export class Lists {
  readonly #statements: Readonly<Record<keyof typeof listQueries, StatementSync>>;

  constructor(db: DatabaseSync) {
    const prepared = Object.entries(listQueries).map(([name, sql]) => {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      // So that each statement can be given all names.
      statement.setAllowUnknownNamedParameters(true);
      return [name, statement] as const;
    });
    this.#statements = Object.fromEntries(prepared) as Record<
      keyof typeof listQueries,
      StatementSync
    >;
  }

  /**
   * One step.
   *
   * @param write - takes each order
   * @returns where to go on, if there may be more
   */
  page(query: ListedOrders, write: (row: Row) => void): number | undefined {
    const { before, limit, maxBytes } = query;
    const source = sourceOf(query);
    const range = this.#rangeOf(query, before, source);
    if (range === undefined) return undefined;
    const from = this.#windowIn(range, query, source);
    const named = { ...query, from, before: range.before, limit: limit + 1 };
    let last: number | undefined;
    let count = 0;
    let bytes = 0;
    for (const each of this.#statements[source].iterate(named) as Iterable<unknown>) {
      const row = each as Row;
      if (count === limit || bytes >= maxBytes) return last;
      write(row);
      last = row[SEQ];
      count += 1;
      bytes += sizeOf(row);
    }
    if (from > range.from) return from;
    return this.#rangeOf(query, range.from, source) && range.from;
  }

  /** The next rows below `before` that may be of the times that are asked for; `undefined` if there are none. */
  #rangeOf(query: ListedOrders, before: number, source: Source): Range | undefined {
    if (!hasTimes(query)) return before === 0 ? undefined : { from: 0, before };
    let range: Range | undefined;
    let below = before;
    for (let blocks = 0; blocks < mostBlocks; blocks += 1) {
      const last = this.#numberOf('lastBefore', { before: below });
      if (last === null) return range;
      const block = Math.floor(last / 2 ** blockBits);
      const from = block * 2 ** blockBits;
      if (this.#mayHave(block, query)) range = { from, before: range?.before ?? below };
      else if (range !== undefined) return range;
      // By an index, rows that are far apart cost no more than rows that are near.
      if (range !== undefined && source === 'all') return range;
      below = from;
    }
    // None found yet. The empty range says where to go on.
    return range ?? { from: below, before: below };
  }

  #mayHave(block: number, { timeFrom, timeUpTo }: ListedOrders): boolean {
    const earliest = this.#numberOf('earliestOfBlock', { block });
    const latest = this.#numberOf('latestOfBlock', { block });
    return earliest !== null && latest !== null && earliest <= timeUpTo && latest >= timeFrom;
  }

  /** Where the rows begin that one step may look at. */
  #windowIn({ from, before }: Range, query: ListedOrders, source: Source): number {
    if (isCovered(query, source)) return from;
    return this.#numberOf(windows[source], { ...query, from, before }) ?? from;
  }

  #numberOf(
    name: keyof typeof listQueries,
    named: Readonly<Record<string, number | string | null>>,
  ): number | null {
    const row = this.#statements[name].get(named) as unknown as
      | [number | string | null]
      | undefined;
    const value = row?.[0] ?? null;
    // A time beyond the safe integers, see `readable`: an approximate value suffices.
    return typeof value === 'string' ? Number(value) : value;
  }
}

function sourceOf({ userId, status }: ListedOrders): Source {
  const isUnfulfilled = status === 'failed' || status === 'canceled';
  if (status === 'pending' || (isUnfulfilled && userId === null)) return 'byStatus';
  if (isUnfulfilled) return 'byUserUnfulfilled';
  return userId === null ? 'all' : 'byUser';
}

function hasTimes({ timeFrom, timeUpTo }: ListedOrders): boolean {
  return timeFrom !== Number.NEGATIVE_INFINITY || timeUpTo !== Number.POSITIVE_INFINITY;
}

/** Whether each row of the source is wanted. */
function isCovered(query: ListedOrders, source: Source): boolean {
  if (hasTimes(query)) return false;
  if (source === 'byUserUnfulfilled') return true;
  if (source === 'byStatus') return query.userId === null;
  return query.status === null;
}

/** The texts of a row that may be long. */
function sizeOf(row: Row): number {
  let size = 0;
  for (const column of [12, 13, 14, 15, 16, 17, 18, 19, 20, 21] as const)
    size += row[column]?.length ?? 0;
  return size;
}
