import { useState } from 'preact/hooks';
import type { OrderFilter } from '../../../api.ts';
import { goTo, linkTo } from '../../data/router.ts';
import { Icon } from '../../parts/icons.tsx';

const statuses = ['pending', 'processing', 'completed', 'failed', 'canceled'] as const;

const texts = [
  ['userId', 'User (whole id)'],
  ['code', 'Code'],
  ['label', 'Label'],
] as const;
const times = [
  ['acceptedFrom', 'Accepted from'],
  ['acceptedBefore', 'Accepted before'],
] as const;

type Fields = Readonly<Record<keyof OrderFilter, string>>;

/** Filters become the address. */
export function FilterForm({ filter }: { readonly filter: OrderFilter }) {
  const [fields, setFields] = useState<Fields>(() => fieldsOf(filter));
  const isFiltered = Object.keys(filter).length > 0;
  const show = (next: Fields): void => {
    goTo('orders', {
      ...next,
      acceptedFrom: timeOf(next.acceptedFrom),
      acceptedBefore: timeOf(next.acceptedBefore),
    });
  };
  const field = (name: keyof Fields) => ({
    id: `filter-${name}`,
    class: 'input',
    autocomplete: 'off',
    value: fields[name],
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) =>
      setFields({ ...fields, [name]: currentTarget.value }),
  });
  return (
    <form
      class="filters"
      aria-label="Filters"
      onSubmit={(event) => {
        event.preventDefault();
        show(fields);
      }}
    >
      <div class="field">
        <label for="filter-status">Status</label>
        <select
          id="filter-status"
          class="input"
          value={fields.status}
          onChange={({ currentTarget }) => show({ ...fields, status: currentTarget.value })}
        >
          <option value="">any</option>
          {statuses.map((status) => (
            <option key={status} value={status}>
              {status}
            </option>
          ))}
        </select>
      </div>
      {texts.map(([name, label]) => (
        <div class="field" key={name}>
          <label for={`filter-${name}`}>{label}</label>
          <input type="text" spellcheck={false} {...field(name)} />
        </div>
      ))}
      {times.map(([name, label]) => (
        <div class="field time-field" key={name}>
          <label for={`filter-${name}`}>{label}</label>
          <input type="datetime-local" step={1} {...field(name)} />
        </div>
      ))}
      <div class="filter-buttons">
        <button type="submit" class="button primary">
          Apply
        </button>
        {isFiltered && (
          <a class="button" href={linkTo('orders')}>
            <Icon name="close" />
            Clear
          </a>
        )}
      </div>
    </form>
  );
}

function fieldsOf({
  status,
  userId,
  code,
  label,
  acceptedFrom,
  acceptedBefore,
}: OrderFilter): Fields {
  return {
    status: status ?? '',
    userId: userId ?? '',
    code: code ?? '',
    label: label ?? '',
    acceptedFrom: localTime(acceptedFrom),
    acceptedBefore: localTime(acceptedBefore),
  };
}

/** As `datetime-local` has it: the reader's clock, without a zone. */
function localTime(time: number | undefined): string {
  if (time === undefined) return '';
  const date = new Date(time);
  return new Date(time - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function timeOf(text: string): number | undefined {
  const time = new Date(text).getTime();
  return Number.isNaN(time) ? undefined : time;
}
