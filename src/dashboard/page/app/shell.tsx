import type { ComponentChildren } from 'preact';
import type { SessionView } from '../../api.ts';
import { token } from '../data/requests.ts';
import { signOut } from '../data/session.ts';
import { useStore } from '../data/store.ts';
import { useReadOnlyReason } from '../parts/acting/action-button.tsx';
import { Badge } from '../parts/badges.tsx';
import { Icon } from '../parts/icons.tsx';
import { Banners, ConnectionState } from './connection-note.tsx';
import { Navigation } from './navigation.tsx';
import { Search } from './search.tsx';
import { ThemeSwitch, TimeSwitch } from './theme-switch.tsx';

interface ShellProps {
  readonly view: SessionView;
  readonly children: ComponentChildren;
}

/** What stands around each screen. */
export function Shell({ view, children }: ShellProps) {
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={skipToMain}>
        Skip to the content
      </button>
      <Navigation view={view} />
      <header class="top">
        <Search />
        <div class="top-tools">
          <ConnectionState />
          <TimeSwitch />
          <ThemeSwitch />
          <SignOut />
        </div>
      </header>
      <main class="main" id="main" tabIndex={-1}>
        <Banners />
        {children}
        <Foot view={view} />
      </main>
    </div>
  );
}

/** No link: the address names the screen, so that a link to a place on it would change it. */
function skipToMain(): void {
  document.getElementById('main')?.focus();
}

function SignOut() {
  const current = useStore(token);
  if (current === undefined) return null;
  return (
    <button
      type="button"
      class="button plain icon"
      aria-label="Sign out"
      title="Sign out"
      onClick={() => void signOut()}
    >
      <Icon name="leave" />
    </button>
  );
}

function Foot({ view }: { readonly view: SessionView }) {
  const reason = useReadOnlyReason();
  return (
    <footer class="foot">
      <span>order-processor {view.version}</span>
      {view.client !== undefined && (
        <span>
          Signed in as <bdi>{view.client}</bdi>
        </span>
      )}
      <span title={reason}>
        <Badge tone={reason === undefined ? 'accent' : 'calm'}>
          {reason === undefined ? 'May act' : 'Read only'}
        </Badge>{' '}
        {reason}
      </span>
    </footer>
  );
}
