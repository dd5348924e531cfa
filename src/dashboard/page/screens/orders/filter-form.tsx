import { useState } from 'preact/hooks';
import type { OrderFilter } from '../../../api.ts';
import { goTo, linkTo } from '../../data/router.ts';
import { Icon } from '../../parts/icons.tsx';
import { type Fields, fieldsOf, filterNames, filters, queryOf } from './filters.ts';

const statuses = ['pending', 'processing', 'completed', 'failed', 'canceled'] as const;

/** Filters become the address. */
export function FilterForm({ filter }: { readonly filter: OrderFilter }) {
  const [fields, setFields] = useState<Fields>(() => fieldsOf(filter));
  const isFiltered = Object.keys(filter).length > 0;
  const show = (next: Fields): void => goTo('orders', queryOf(next));
  const field = (name: keyof Fields) => ({
    id: `filter-${name}`,
    class: 'input',
    autocomplete: 'off',
    value: fields[name],
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) =>
      setFields({ ...fields, [name]: currentTarget.value }),
  });
  const inputOf = (name: keyof Fields) => {
    const { kind } = filters[name];
    if (kind === 'text') return <input type="text" spellcheck={false} {...field(name)} />;
    if (kind === 'time') return <input type="datetime-local" step={1} {...field(name)} />;
    return (
      <select
        id={`filter-${name}`}
        class="input"
        value={fields[name]}
        onChange={({ currentTarget }) => show({ ...fields, [name]: currentTarget.value })}
      >
        <option value="">any</option>
        {statuses.map((status) => (
          <option key={status} value={status}>
            {status}
          </option>
        ))}
      </select>
    );
  };
  return (
    <form
      class="filters"
      aria-label="Filters"
      onSubmit={(event) => {
        event.preventDefault();
        show(fields);
      }}
    >
      {filterNames.map((name) => (
        <div class={filters[name].kind === 'time' ? 'field time-field' : 'field'} key={name}>
          <label for={`filter-${name}`}>{filters[name].label}</label>
          {inputOf(name)}
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
