import type { ComponentChild, ComponentChildren } from 'preact';

/** One column: its name, and what it shows of a row. */
export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChild;
  /** `id`: cut if it is long. `text`: wraps. `amount`, `number`: at the end. `controls`: without a name. `head`: an id that names the row. */
  readonly kind?: 'head' | 'id' | 'text' | 'amount' | 'number' | 'controls';
}

interface TableProps<Row> {
  /** What the table has, for screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Distinguishes a row. */
  readonly keyOf: (row: Row) => string;
}

const styles = {
  head: 'cell-id',
  id: 'cell-id',
  text: 'cell-text',
  amount: 'amount',
  number: 'end number',
  controls: 'end',
} as const;

const isAtEnd = new Set<Column<never>['kind']>(['amount', 'number', 'controls']);

/** A table; where there is no room for one, a list of cards. */
export function Table<Row>({ label, columns, rows, keyOf }: TableProps<Row>) {
  return (
    <div class="table-frame">
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ name, kind }) => (
              <th key={name} scope="col" class={isAtEnd.has(kind) ? 'end' : undefined}>
                {kind === 'controls' ? <span class="hidden-text">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <Cell key={column.name} column={column} row={row} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell<Row>({ column, row }: { readonly column: Column<Row>; readonly row: Row }) {
  const { name, kind, cell } = column;
  const style = kind && styles[kind];
  if (kind === 'head') {
    return (
      <th scope="row" class={style} data-name={name}>
        {cell(row)}
      </th>
    );
  }
  return (
    <td class={style} data-name={kind === 'controls' ? '' : name}>
      {cell(row)}
    </td>
  );
}

interface PagerProps {
  readonly text: ComponentChildren;
  readonly previousName?: string;
  readonly nextName?: string;
  readonly previous: (() => void) | undefined;
  readonly next: (() => void) | undefined;
}

/** Pages by cursor: there is a next one, or there is none; nothing is counted. */
export function Pager({
  text,
  previous,
  next,
  previousName = 'Newer',
  nextName = 'Older',
}: PagerProps) {
  return (
    <nav class="pager" aria-label="Pages">
      <span class="muted small" role="status">
        {text}
      </span>
      <span class="screen-tools">
        <PageButton name={previousName} onClick={previous} />
        <PageButton name={nextName} onClick={next} />
      </span>
    </nav>
  );
}

function PageButton({ name, onClick }: { name: string; onClick: (() => void) | undefined }) {
  return (
    <button
      type="button"
      class="button"
      aria-disabled={onClick === undefined}
      onClick={() => onClick?.()}
    >
      {name}
    </button>
  );
}
