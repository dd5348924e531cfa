import { useEffect } from 'preact/hooks';
import type { SessionView } from '../../api.ts';
import { connection, unwatch, watch } from '../data/live.ts';
import { reloadAll } from '../data/resource.ts';
import { goTo, type Route, route } from '../data/router.ts';
import { session } from '../data/session.ts';
import { useStore } from '../data/store.ts';
import { ActionDialog } from '../parts/acting/dialog.tsx';
import { Skeleton } from '../parts/feedback.tsx';
import { Toasts } from '../parts/toasts.tsx';
import { screenFor, topicsOf } from './screens.tsx';
import { Shell } from './shell.tsx';
import { SignIn, Unreachable } from './sign-in.tsx';

/** The page: who looks, what is shown, what is watched. */
export function App() {
  const current = useStore(session);
  if (current.state === 'loading') return <Skeleton />;
  if (current.state === 'unreachable') return <Unreachable message={current.message} />;
  if (current.state === 'signed out') return <SignIn session={current} />;
  return <SignedIn view={current.view} />;
}

function SignedIn({ view }: { readonly view: SessionView }) {
  const current = useStore(route);
  useWatched(view, current);
  useReturned();
  useFocusOnScreen(current);
  const home = homeOf(view);
  useEffect(() => {
    if (location.hash.length < 3) goTo(home);
  }, [home]);
  return (
    <>
      <Shell view={view}>{screenFor(current)}</Shell>
      <ActionDialog />
      <Toasts />
    </>
  );
}

const homeOf = ({ sees }: SessionView) => (sees === 'all' ? 'attention' : 'users');

function useWatched(view: SessionView, current: Route): void {
  useEffect(() => {
    const { topics, query } = topicsOf(current, view);
    if (topics.length === 0) unwatch();
    else watch(topics, query);
  }, [view, current]);
  useEffect(() => unwatch, []);
}

/** What was shown while there was no connection is asked for again. */
function useReturned(): void {
  const { state } = useStore(connection);
  useEffect(() => {
    if (state !== 'lost') return undefined;
    return connection.subscribe(() => {
      if (connection.value.state === 'live') reloadAll();
    });
  }, [state]);
}

/** As a browser does for a new page: the heading is read, and the next tab goes on from there. */
function useFocusOnScreen({ screen, query: { id } }: Route): void {
  useEffect(() => {
    const { activeElement } = document;
    if (activeElement !== document.body && activeElement?.closest('nav, main') === null) return;
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }, [screen, id]);
}
