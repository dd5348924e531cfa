import type { ComponentChild } from 'preact';
import type { LiveTopic, SessionView } from '../../api.ts';
import type { Query, Route, ScreenName } from '../data/router.ts';
import { AttentionScreen } from '../screens/attention.tsx';
import { NotFound } from '../screens/not-found.tsx';

/** The screen that an address names. */
export function screenFor({ screen }: Route): ComponentChild {
  switch (screen) {
    case 'attention':
      return <AttentionScreen />;
    default:
      return <NotFound address={screen ?? ''} />;
  }
}

/** What each screen is notified of, beside the numbers of the processor. */
const topics: Readonly<Partial<Record<ScreenName, LiveTopic>>> = {
  attention: 'attention',
  lanes: 'attention',
  order: 'order',
  user: 'user',
  overview: 'overview',
  live: 'events',
  processors: 'processors',
  actions: 'actions',
};

interface Watched {
  readonly topics: readonly LiveTopic[];
  readonly query: Query;
}

/** What the stream of the page is to have for a screen. */
export function topicsOf({ screen, query }: Route, { sees }: SessionView): Watched {
  const own = screen === undefined ? undefined : topics[screen];
  const all: readonly (LiveTopic | undefined)[] = [sees === 'all' ? 'stats' : undefined, own];
  return {
    topics: all.filter((topic) => topic !== undefined),
    query: queryOf(screen, query),
  };
}

function queryOf(screen: ScreenName | undefined, { id, userId, orderId }: Route['query']): Query {
  if (screen === 'user') return { userId: id };
  if (screen === 'order') return { orderId: id };
  if (screen === 'live') return { userId, orderId };
  return {};
}
