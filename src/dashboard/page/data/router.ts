import { Store } from './store.ts';

/** The screens, as their links name them. */
export const screenNames = [
  'attention',
  'orders',
  'order',
  'users',
  'user',
  'lanes',
  'overview',
  'live',
  'processors',
  'actions',
] as const;

export type ScreenName = (typeof screenNames)[number];

/** What the address says. It stands behind `#`, so that links work under any path, and survive a sign-in page. */
export interface Route {
  /** `undefined` for an address that leads nowhere. */
  readonly screen: ScreenName | undefined;
  readonly query: Readonly<Record<string, string>>;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

/** The address of a screen, to be used as `href`. */
export function linkTo(screen: ScreenName, query: Query = {}): string {
  const text = queryText(query);
  return `#/${screen}${text === '' ? '' : `?${text}`}`;
}

/** Fields without a value are left out. */
export function queryText(query: Query): string {
  const fields = Object.entries(query)
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => [name, String(value)] as [string, string]);
  return new URLSearchParams(fields).toString();
}

export function readRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const name = path === '' ? 'attention' : path;
  const screen = screenNames.find((each) => each === name);
  return { screen, query: Object.fromEntries(new URLSearchParams(query)) };
}

export const route = new Store<Route>({ screen: undefined, query: {} });

/** Begins to follow the address. */
export function followAddress(): void {
  const read = (): void => route.set(readRoute(location.hash));
  addEventListener('hashchange', read);
  read();
}

/** Goes to a screen, as a link would. */
export function goTo(screen: ScreenName, query: Query = {}): void {
  location.hash = linkTo(screen, query);
}

/** Changes the address without an entry in the history, for filters while they are being changed. */
export function replaceRoute(screen: ScreenName, query: Query): void {
  history.replaceState(null, '', linkTo(screen, query));
  route.set(readRoute(location.hash));
}
