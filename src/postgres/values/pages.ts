/** The texts of an order, as `orderColumns` selects it, that may be long. */
const sizes = {
  o: ['payload', 'content', 'labels', 'postings'],
  s: ['message', 'cause', 'steps', 'results', 'postings'],
} as const;

/** What a read selects to bound a page by: the bytes of an order's texts. PostgreSQL need not read them for that. */
export const selectedSize = `${sum('o', sizes.o)} + ${sum('s', sizes.s)} AS size`;

/** The same of an unsettled order. */
export const pendingSize = `${sum('o', sizes.o)} AS size`;

function sum(table: string, columns: readonly string[]): string {
  const each = columns.map((column) => `coalesce(octet_length(${table}.${column}), 0)::bigint`);
  return each.join(' + ');
}

/**
 * The rows of a read until the texts of those before have so many bytes, from 1 up. Each has `bytes`: of all up to
 * it.
 *
 * @param read - has a column `size`
 * @param order - what its rows are ordered by
 */
export function bounded(read: string, order: string, maxBytes: string): string {
  return `SELECT * FROM (SELECT page.*, (sum(page.size) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING))::bigint AS bytes
    FROM (${read}) page) sized WHERE bytes - size < ${maxBytes} ORDER BY ${order}`;
}

/** A row of {@link bounded}. */
export interface SizedRow {
  readonly bytes: number;
}

/** Whether a page has ended because of its bytes, as far as can be told. */
export function isCut(rows: readonly SizedRow[], maxBytes: number): boolean {
  const last = rows.at(-1);
  return last !== undefined && last.bytes >= maxBytes;
}
