import { useState } from 'preact/hooks';
import type { SearchView } from '../../api.ts';
import { recentUsers } from '../data/recent-users.ts';
import { useResource } from '../data/resource.ts';
import { goTo, type Query } from '../data/router.ts';
import { session } from '../data/session.ts';
import { useStore } from '../data/store.ts';
import { StatusBadge } from '../parts/badges.tsx';
import { Empty, Loaded } from '../parts/feedback.tsx';
import { Panel, Screen } from '../parts/panel.tsx';
import { Amount, Id } from '../parts/values.tsx';

/** Finds users, and whatever else has an id. */
export function UsersScreen({ query }: { readonly query: Query }) {
  const q = query.q === undefined ? '' : String(query.q);
  return (
    <Screen title="Users">
      <SearchForm key={q} q={q} />
      {q === '' ? <KnownUsers /> : <Found q={q} />}
    </Screen>
  );
}

function SearchForm({ q }: { readonly q: string }) {
  const [text, setText] = useState(q);
  return (
    <form
      class="filters"
      aria-label="Find a user"
      onSubmit={(event) => {
        event.preventDefault();
        goTo('users', { q: text.trim() });
      }}
    >
      <div class="field wide">
        <label for="user-id">User id, or order id</label>
        <input
          id="user-id"
          class="input"
          autocomplete="off"
          spellcheck={false}
          placeholder="The whole id"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </div>
      <div class="filter-buttons">
        <button type="submit" class="button primary">
          Find
        </button>
      </div>
    </form>
  );
}

function Found({ q }: { readonly q: string }) {
  const resource = useResource<SearchView>('search', { q });
  return (
    <div class="panel">
      <Loaded from={resource}>
        {({ order, user }) =>
          order === undefined && user === undefined ? (
            <Empty title="Nothing has this id">
              No order and no user is called <bdi class="mono">{q}</bdi>. Ids are compared letter by
              letter, and whole.
            </Empty>
          ) : (
            <ul class="hits">
              {user && (
                <li>
                  <span class="muted">User</span> <Id id={user.userId} of="user" />
                  <Amount amount={user.balance} />
                </li>
              )}
              {order && (
                <li>
                  <span class="muted">Order</span> <Id id={order.id} of="order" />
                  <StatusBadge status={order.status} />
                </li>
              )}
            </ul>
          )
        }
      </Loaded>
    </div>
  );
}

function KnownUsers() {
  const current = useStore(session);
  const own = current.state === 'ready' ? current.view.userIds : undefined;
  const [recent] = useState(recentUsers);
  const ids = own ?? recent;
  if (ids.length === 0) {
    return (
      <div class="panel">
        <Empty icon="users" title="Find a user by id">
          Enter the whole id of a user above. Users that you have looked at are listed here.
        </Empty>
      </div>
    );
  }
  return (
    <Panel title={own === undefined ? 'Looked at last' : 'Your users'}>
      <ul class="hits plain">
        {ids.map((id) => (
          <li key={id}>
            <Id id={id} of="user" />
          </li>
        ))}
      </ul>
    </Panel>
  );
}
