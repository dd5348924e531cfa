import { useEffect, useRef, useState } from 'preact/hooks';
import type { SearchView } from '../../api.ts';
import { get } from '../data/requests.ts';
import { goTo } from '../data/router.ts';
import { Icon } from '../parts/icons.tsx';

/** Finds an order or a user by id. `/` leads here from anywhere. */
export function Search() {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [note, setNote] = useState('');

  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const { target, key, ctrlKey, metaKey, altKey } = event;
      const isTyping =
        target instanceof HTMLElement && target.closest('input, select, textarea, dialog') !== null;
      if (key !== '/' || isTyping || ctrlKey || metaKey || altKey) return;
      event.preventDefault();
      input.current?.select();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);

  const find = async (event: Event): Promise<void> => {
    event.preventDefault();
    const q = text.trim();
    if (q === '') return;
    setNote('Searching…');
    try {
      const { order, user } = await get<SearchView>('search', { q });
      setNote('');
      // So that the heading of what was found is read next.
      input.current?.blur();
      if (order !== undefined && user !== undefined) goTo('users', { q });
      else if (order !== undefined) goTo('order', { id: order.id });
      else if (user !== undefined) goTo('user', { id: user.userId });
      else goTo('users', { q });
    } catch (error) {
      setNote((error as Error).message);
    }
  };

  return (
    <search class="search">
      <form onSubmit={(event) => void find(event)}>
        <input
          ref={input}
          type="search"
          enterkeyhint="search"
          aria-label="Find an order or a user by id"
          placeholder="Order or user id"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
        <Icon name="search" />
        <span class="key" aria-hidden="true">
          /
        </span>
      </form>
      <span class="hidden-text" role="status">
        {note}
      </span>
    </search>
  );
}
