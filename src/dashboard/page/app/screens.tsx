import type { ComponentChild } from 'preact';
import type { LiveTopic, SessionView } from '../../api.ts';
import { type Query, queryText, type Route, type ScreenName } from '../data/router.ts';
import { ActionsScreen } from '../screens/actions.tsx';
import { AttentionScreen } from '../screens/attention.tsx';
import { LanesScreen } from '../screens/lanes.tsx';
import { LiveScreen } from '../screens/live.tsx';
import { NotFound } from '../screens/not-found.tsx';
import { OrderScreen } from '../screens/order.tsx';
import { OrdersScreen } from '../screens/orders.tsx';
import { OverviewScreen } from '../screens/overview.tsx';
import { ProcessorsScreen } from '../screens/processors.tsx';
import { UserScreen } from '../screens/user.tsx';
import { UsersScreen } from '../screens/users.tsx';

const screens: Readonly<Record<ScreenName, (query: Route['query']) => ComponentChild>> = {
  attention: () => <AttentionScreen />,
  orders: (query) => <OrdersScreen query={query} />,
  order: ({ id = '' }) => <OrderScreen id={id} />,
  users: (query) => <UsersScreen query={query} />,
  user: ({ id = '' }) => <UserScreen id={id} />,
  lanes: () => <LanesScreen />,
  overview: () => <OverviewScreen />,
  live: (query) => <LiveScreen key={queryText(query)} query={query} />,
  processors: () => <ProcessorsScreen />,
  actions: () => <ActionsScreen />,
};

/** The screen that an address names. */
export function screenFor({ screen, query }: Route): ComponentChild {
  return screen === undefined ? <NotFound /> : screens[screen](query);
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
