import type { Value } from '../sessions/session.ts';
import { plainArray, textArray } from '../values/literals.ts';

/** One column: its name, its type, and what an item has there. */
type Column<Item> = readonly [
  name: string,
  ...(
    | [type: 'text', of: (item: Item) => string | null | undefined]
    | [type: 'bigint' | 'smallint' | 'int', of: (item: Item) => number | null | undefined]
    | [type: 'boolean', of: (item: Item) => boolean | null | undefined]
  ),
];

/** Items as the columns of a table: each column is one value of a statement, an array. */
export class PageColumns<Item> {
  readonly #columns: readonly Column<Item>[];
  /** The names of the columns, for a list. */
  readonly names: string;

  constructor(columns: readonly Column<Item>[]) {
    this.#columns = columns;
    this.names = columns.map(([name]) => name).join(', ');
  }

  get count(): number {
    return this.#columns.length;
  }

  /**
   * The rows in a statement, to be selected from.
   *
   * @param first - the place of the first column among the statement's values, from 1 up
   */
  rows(first: number): string {
    const arrays = this.#columns.map(([, type], at) => `$${first + at}::${type}[]`);
    return `unnest(${arrays.join(', ')}) AS x (${this.names})`;
  }

  values(items: readonly Item[]): Value[] {
    return this.#columns.map(([, type, of]) => {
      if (type === 'text') return textArray(items.map((item) => of(item) ?? null));
      return plainArray(items.map((item) => of(item) ?? null));
    });
  }
}
