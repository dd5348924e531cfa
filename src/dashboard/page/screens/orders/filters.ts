import type { OrderFilter } from '../../../api.ts';
import type { Query } from '../../data/router.ts';

interface Filter {
  readonly label: string;
  readonly kind: 'choice' | 'text' | 'time';
}

/** The filters, as a person sees them. */
export const filters: Readonly<Record<keyof OrderFilter, Filter>> = {
  status: { label: 'Status', kind: 'choice' },
  userId: { label: 'User (whole id)', kind: 'text' },
  code: { label: 'Code', kind: 'text' },
  label: { label: 'Label', kind: 'text' },
  acceptedFrom: { label: 'Accepted from', kind: 'time' },
  acceptedBefore: { label: 'Accepted before', kind: 'time' },
};

export const filterNames = Object.keys(filters) as (keyof OrderFilter)[];

/** What the fields of the form have; an empty one does not filter. */
export type Fields = Readonly<Record<keyof OrderFilter, string>>;

/** What the address says; it may have been written by hand. */
export function filterOf(query: Query): OrderFilter {
  const given = filterNames.map((name): [string, unknown] => {
    const value = query[name];
    if (value === undefined || value === '') return [name, undefined];
    return [name, filters[name].kind === 'time' ? safeInteger(value) : value];
  });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

export function fieldsOf(filter: OrderFilter): Fields {
  const texts = filterNames.map((name) => {
    const value = filter[name];
    return [name, typeof value === 'number' ? localTime(value) : (value ?? '')];
  });
  return Object.fromEntries(texts);
}

/** The address of what the form asks for. */
export function queryOf(fields: Fields): Query {
  const values = filterNames.map((name) => [
    name,
    filters[name].kind === 'time' ? timeOf(fields[name]) : fields[name],
  ]);
  return Object.fromEntries(values);
}

function safeInteger(value: string | number): number | undefined {
  return Number.isSafeInteger(Number(value)) ? Number(value) : undefined;
}

/** As `datetime-local` has it: the reader's clock, without a zone. */
function localTime(time: number): string {
  const date = new Date(time);
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function timeOf(text: string): number | undefined {
  const time = new Date(text).getTime();
  return Number.isNaN(time) ? undefined : time;
}
