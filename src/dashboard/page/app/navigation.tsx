import { useState } from 'preact/hooks';
import type { SessionView } from '../../api.ts';
import { formatCount } from '../data/format/words.ts';
import { linkTo, route, type ScreenName } from '../data/router.ts';
import { stats } from '../data/stats.ts';
import { useStore } from '../data/store.ts';
import { Badge } from '../parts/badges.tsx';
import { Icon, type IconName, Logo } from '../parts/icons.tsx';

interface Entry {
  readonly screen: ScreenName;
  readonly name: string;
  readonly icon: IconName;
  /** Screens that this entry stands for too. */
  readonly also?: readonly ScreenName[];
  /** Whether it is about all users. */
  readonly isForAll?: boolean;
}

const entries: readonly Entry[] = [
  { screen: 'attention', name: 'Attention', icon: 'attention', isForAll: true },
  { screen: 'orders', name: 'Orders', icon: 'orders', also: ['order'] },
  { screen: 'users', name: 'Users', icon: 'users', also: ['user'] },
  { screen: 'lanes', name: 'Held lanes', icon: 'lanes', isForAll: true },
  { screen: 'overview', name: 'Overview', icon: 'overview', isForAll: true },
  { screen: 'live', name: 'Live events', icon: 'live' },
  { screen: 'processors', name: 'Processors', icon: 'processors', isForAll: true },
  { screen: 'actions', name: 'Actions', icon: 'actions', isForAll: true },
];

/** The title, and the way to each screen. On small screens a button opens it. */
export function Navigation({ view }: { readonly view: SessionView }) {
  const [isOpen, setOpen] = useState(false);
  const { screen } = useStore(route);
  const shown = entries.filter(({ isForAll }) => view.sees === 'all' || !isForAll);
  return (
    <>
      <div class="brand">
        <a href={linkTo(view.sees === 'all' ? 'attention' : 'users')}>
          <Logo />
          <bdi title={view.title}>{view.title}</bdi>
        </a>
        <button
          type="button"
          class="button menu-button"
          aria-expanded={isOpen}
          aria-controls="screens"
          onClick={() => setOpen(!isOpen)}
        >
          <Icon name={isOpen ? 'close' : 'menu'} />
          Menu
        </button>
      </div>
      <nav class={isOpen ? 'side is-open' : 'side'} id="screens" aria-label="Screens">
        <ul>
          {shown.map((entry) => {
            const isHere = entry.screen === screen || entry.also?.includes(screen as ScreenName);
            return (
              <li key={entry.screen}>
                <a
                  href={linkTo(entry.screen)}
                  aria-current={isHere ? 'page' : undefined}
                  onClick={() => setOpen(false)}
                >
                  <Icon name={entry.icon} />
                  {entry.name}
                  {entry.screen === 'lanes' && <HeldCount />}
                </a>
              </li>
            );
          })}
        </ul>
      </nav>
    </>
  );
}

function HeldCount() {
  const heldLanes = useStore(stats)?.heldLanes ?? 0;
  if (heldLanes === 0) return null;
  return (
    <span class="count">
      <Badge tone="bad">{formatCount(heldLanes)}</Badge>
    </span>
  );
}
