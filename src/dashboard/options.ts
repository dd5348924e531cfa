import { checkFunction, checkInteger, checkOptions, wrong } from '../core/runtime/checks.ts';
import { type Access, type Authenticate, checkAuthenticate } from '../server/access.ts';
import { guardedListener } from '../server/guarded-listener.ts';
import type { DashboardAction } from './actions/dashboard-action.ts';
import type { CurrencyView } from './api.ts';

/**
 * How amounts are shown.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createDashboard } from 'order-processor/dashboard';
 *
 * await using processor = new OrderProcessor();
 * // 123456 is shown as 1.234,56 €.
 * const dashboard = createDashboard(processor, { currency: { code: 'EUR', locale: 'de' } });
 * dashboard.stop();
 * ```
 */
export interface CurrencyOptions {
  /** The currency's code of ISO 4217, `'EUR'` for example; none by default. */
  readonly code?: string | undefined;
  /**
   * How many of an amount's digits stand behind the decimal point: an integer from 0 to 18. By default as many as the
   * currency has minor units, or 0 without a `code`.
   */
  readonly digits?: number | undefined;
  /** How numbers are written, as a language tag of BCP 47, `'de'` for example; as the browser does by default. */
  readonly locale?: string | undefined;
}

/**
 * What {@link createDashboard} takes beside the processor.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createDashboard, type DashboardAction } from 'order-processor/dashboard';
 * import { bearer } from 'order-processor/http';
 *
 * const audit: DashboardAction[] = [];
 * await using processor = new OrderProcessor();
 * const dashboard = createDashboard(processor, {
 *   authenticate: bearer({ 'an-operators-long-random-token': { users: 'all', client: 'ops' } }),
 *   onAction: (action) => void audit.push(action),
 * });
 * dashboard.stop();
 * ```
 */
export interface DashboardOptions {
  /**
   * Returns what the person behind a request may see and do; the `authenticate` of the HTTP face is one. Without it
   * every visitor sees everything, and none may do anything. It is asked again for a page that stays open, about once a
   * minute. The page itself needs no credentials: it has no data.
   */
  readonly authenticate?: Authenticate | undefined;
  /**
   * Where a person signs in, as an absolute URL or one relative to the page: the page links to it when a request is not
   * authenticated. Without it the page asks for a bearer token. None by default.
   */
  readonly signInUrl?: string | undefined;
  /** The title of the page, with which several dashboards are told apart. `'Orders'` by default. */
  readonly title?: string | undefined;
  /** How amounts are shown; as integers of minor units by default. */
  readonly currency?: CurrencyOptions | undefined;
  /**
   * Whether payloads of orders, and what steps have returned, are shown: to all, or to whom the function says. They may be
   * private, so `false` by default. Who has `seesResults: false` sees no results in any case.
   */
  readonly showPayloads?: boolean | ((access: Access) => boolean) | undefined;
  /**
   * Other origins from which actions are taken, `'https://ops.example.com'` for example: needed where a browser sends no
   * `Sec-Fetch-Site` and a proxy changes the `Host`. The dashboard's own origin alone by default.
   */
  readonly origins?: readonly string[] | undefined;
  /** How many pages may be open at once: an integer from 1 up, 1 000 by default. */
  readonly streams?: number | undefined;
  /**
   * Called after each action with who did what to which orders or users, for an audit log. What it throws is ignored.
   * None by default; the dashboard lists the last 500 actions in any case.
   */
  readonly onAction?: ((action: DashboardAction) => unknown) | undefined;
  /** Called with each error that a page sees as `internal` only. `console.error` by default. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/** The options, checked, with their defaults. */
export interface DashboardSettings {
  readonly authenticate: Authenticate | undefined;
  readonly signInUrl: string | undefined;
  readonly title: string;
  readonly currency: CurrencyView;
  readonly showPayloads: (access: Access) => boolean;
  readonly origins: readonly string[];
  readonly streams: number;
  readonly onAction: (action: DashboardAction) => void;
  readonly onError: (error: unknown, request: Request) => void;
}

const names = [
  'authenticate',
  'signInUrl',
  'title',
  'currency',
  'showPayloads',
  'origins',
  'streams',
  'onAction',
  'onError',
];

/** @throws TypeError or RangeError */
export function readOptions(options: DashboardOptions): DashboardSettings {
  checkOptions('createDashboard', options, names);
  const { authenticate, signInUrl, title = 'Orders', currency = {}, origins = [] } = options;
  const { showPayloads = false, streams = 1_000, onAction = () => {} } = options;
  const { onError = (error: unknown) => console.error(error) } = options;
  checkAuthenticate(authenticate);
  checkText('title', title);
  if (signInUrl !== undefined) checkSignInUrl(signInUrl);
  checkInteger('streams', streams, 1);
  checkFunction('onAction', onAction);
  checkFunction('onError', onError);
  if (typeof showPayloads !== 'boolean') checkFunction('showPayloads', showPayloads);
  return {
    ...{ authenticate, signInUrl, title, streams },
    currency: readCurrency(currency),
    showPayloads:
      typeof showPayloads === 'boolean'
        ? () => showPayloads
        : (access) => showPayloads(access) === true,
    origins: readOrigins(origins),
    onAction: guardedListener(onAction),
    onError: guardedListener(onError),
  };
}

function readCurrency(currency: CurrencyOptions): CurrencyView {
  checkOptions('currency', currency, ['code', 'digits', 'locale']);
  const { code, locale } = currency;
  if (code !== undefined && !/^[A-Z]{3}$/.test(code)) {
    throw wrong(TypeError, 'currency.code', 'three capital letters', code);
  }
  if (locale !== undefined && !isLocale(locale)) {
    throw wrong(TypeError, 'currency.locale', 'a language tag', locale);
  }
  const { digits = code === undefined ? 0 : minorDigits(code) } = currency;
  checkInteger('currency.digits', digits, 0);
  if (digits > 18) throw wrong(RangeError, 'currency.digits', 'an integer from 0 to 18', digits);
  return { digits, ...(code !== undefined && { code }), ...(locale !== undefined && { locale }) };
}

function minorDigits(currency: string): number {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.resolvedOptions().maximumFractionDigits ?? 2;
}

function isLocale(locale: unknown): boolean {
  try {
    return typeof locale === 'string' && Intl.getCanonicalLocales(locale).length === 1;
  } catch {
    return false;
  }
}

/** A link with `javascript:` would run in the page. */
function checkSignInUrl(url: unknown): void {
  checkText('signInUrl', url);
  const form = 'a URL of `http:` or `https:`, or a relative one';
  const { protocol = '' } = URL.parse(url as string, 'https://relative.invalid') ?? {};
  if (!/^https?:$/.test(protocol)) throw wrong(TypeError, 'signInUrl', form, url);
}

function readOrigins(origins: readonly string[]): readonly string[] {
  if (!Array.isArray(origins)) throw wrong(TypeError, 'origins', 'a list', origins);
  for (const [at, origin] of origins.entries()) {
    if (typeof origin === 'string' && URL.parse(origin)?.origin === origin) continue;
    throw wrong(TypeError, `origins[${at}]`, 'an origin as `https://example.com`', origin);
  }
  return [...origins];
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw wrong(TypeError, name, 'some text', value);
}
