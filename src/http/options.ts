import type { cors } from 'hono/cors';
import {
  checkFunction,
  checkInteger,
  checkOptions,
  checkTimeout,
  wrong,
} from '../core/runtime/checks.ts';
import { type Authenticate, checkAuthenticate } from '../server/access.ts';
import {
  type EventBounds,
  type EventsOptions,
  readEventsOptions,
} from '../server/events/event-feed-options.ts';
import { guardedListener } from '../server/guarded-listener.ts';
import { isErrorStatus, statusForm } from '../server/http-error.ts';
import type { Statuses } from './answers.ts';
import { defaultBodyLimitBytes, defaultReadTimeoutMs } from './request/request-body.ts';

/** What `/metrics` answers: `observe` of `order-processor/prometheus` gives one, and so is a `Registry`. */
export interface Metrics {
  /** The content type of the text. */
  readonly contentType: string;
  /** The text. */
  metrics(): Promise<string>;
}

/**
 * What {@link createOrderApp} takes beside the processor.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { bearer, createOrderApp } from 'order-processor/http';
 *
 * const processor = new OrderProcessor();
 * const authenticate = bearer({ 'token-of-ann': { users: ['ann'] } });
 * export const app = createOrderApp(processor, { authenticate });
 * ```
 */
export interface OrderAppOptions {
  /**
   * Returns what the client of a request may do; see {@link bearer}. Without it every client may do anything, which
   * may be right on 127.0.0.1 alone. `/health`, `/livez`, `/readyz` and `/openapi.json` need no credentials.
   */
  readonly authenticate?: Authenticate | undefined;
  /** What `/metrics` answers; nothing (404) by default. */
  readonly metrics?: Metrics | undefined;
  /** In place of some of the {@link defaultStatuses}, or for codes of rules and steps: from 400 to 599. */
  readonly statuses?: Statuses | undefined;
  /** How long a body, or a line of a batch, may be, in bytes: an integer from 1 up, 1 048 576 by default. */
  readonly bodyLimitBytes?: number | undefined;
  /**
   * How long a body, or the next line of a batch, may take to come, in milliseconds: an integer from 1 up,
   * 30 000 by default.
   */
  readonly readTimeoutMs?: number | undefined;
  /**
   * How long an order may wait to be accepted where the processor lets it wait (`overflow: 'wait'`),
   * before it is refused with `queue_full`, in milliseconds: an integer from 1 up, 10 000 by default.
   */
  readonly acceptTimeoutMs?: number | undefined;
  /** The most that `Prefer: wait` may ask for, in milliseconds: an integer from 1 up, 30 000 by default. */
  readonly maxWaitMs?: number | undefined;
  /** Of `/events`. */
  readonly events?: EventsOptions | undefined;
  /**
   * Which other origins' pages may call this, as `hono/cors` takes it. None by default. Those pages may read
   * `Location`, `Retry-After` and `Preference-Applied` beside the headers in `exposeHeaders`.
   */
  readonly cors?: Parameters<typeof cors>[0] | undefined;
  /** For `/openapi.json`. */
  readonly openapi?: OpenApiOptions | undefined;
  /**
   * Called with each error that the client sees as `internal` only. With the error of an order that failed once, for the
   * first request that gets it; the event `failed` has also those for which no request waits. `console.error` by default.
   */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/** What `/openapi.json` says beside the routes. */
export interface OpenApiOptions {
  /** The title of the API; `Orders` by default. */
  readonly title?: string | undefined;
  /** The version of the API; `1` by default. */
  readonly version?: string | undefined;
  /** What the API is, as CommonMark; a sentence on orders and balances by default. */
  readonly description?: string | undefined;
  /** Where the API is; by default where the document is, `[{ url: '.' }]`. */
  readonly servers?: readonly OpenApiServer[] | undefined;
  /** A contact for the API; none by default. */
  readonly contact?: OpenApiContact | undefined;
  /** The licence of the API; none by default. */
  readonly license?: OpenApiLicense | undefined;
  /**
   * With `authenticate`: the ways to authenticate, of which any one suffices, as Security Scheme Objects of
   * OpenAPI by name; `{ bearer: { type: 'http', scheme: 'bearer' } }` by default.
   */
  readonly securitySchemes?:
    | Readonly<Record<string, Readonly<Record<string, unknown>>>>
    | undefined;
  /** A JSON Schema of the orders' payload; anything by default. It only describes; the processor's `schema` checks. */
  readonly payload?: Readonly<Record<string, unknown>> | undefined;
}

/** Where an API is, for `/openapi.json`. */
export interface OpenApiServer {
  /** Relative to the document, or absolute; without a slash at its end. */
  readonly url: string;
  /** Its purpose. */
  readonly description?: string | undefined;
}

/** A contact for an API, for `/openapi.json`. */
export interface OpenApiContact {
  /** The name of a person or a team. */
  readonly name?: string | undefined;
  /** The URL of a page. */
  readonly url?: string | undefined;
  /** An e-mail address. */
  readonly email?: string | undefined;
}

/** The licence of an API, for `/openapi.json`. */
export interface OpenApiLicense {
  /** Its name. */
  readonly name: string;
  /** Its identifier in SPDX; in place of a `url`. */
  readonly identifier?: string | undefined;
  /** The URL of its text. */
  readonly url?: string | undefined;
}

/** The options, checked, with their defaults. */
export interface AppSettings {
  readonly authenticate: Authenticate | undefined;
  readonly metrics: Metrics | undefined;
  readonly statuses: Statuses;
  readonly bodyLimitBytes: number;
  readonly readTimeoutMs: number;
  readonly acceptTimeoutMs: number;
  readonly maxWaitMs: number;
  readonly events: EventBounds;
  readonly cors: Parameters<typeof cors>[0] | undefined;
  readonly openapi: OpenApiOptions;
  readonly onError: (error: unknown, request: Request) => void;
}

const defaultAcceptTimeoutMs = 10_000;
const defaultMaxWaitMs = 30_000;

const names = [
  'authenticate',
  'metrics',
  'statuses',
  'bodyLimitBytes',
  'readTimeoutMs',
  'acceptTimeoutMs',
  'maxWaitMs',
  'events',
  'cors',
  'openapi',
  'onError',
];

/** @throws TypeError or RangeError */
export function readOptions(options: OrderAppOptions): AppSettings {
  checkOptions('createOrderApp', options, names);
  const { authenticate, metrics, events, cors, openapi = {} } = options;
  const { bodyLimitBytes = defaultBodyLimitBytes, readTimeoutMs = defaultReadTimeoutMs } = options;
  checkAuthenticate(authenticate);
  if (metrics !== undefined) {
    checkFunction('metrics.metrics', Object(metrics).metrics);
    checkText('metrics.contentType', metrics.contentType);
  }
  checkInteger('bodyLimitBytes', bodyLimitBytes, 1);
  checkTimeout('readTimeoutMs', readTimeoutMs);
  checkOpenApi(openapi);
  if (cors !== undefined) checkOptions('cors', cors, Object.keys(Object(cors)));
  return {
    authenticate,
    metrics,
    bodyLimitBytes,
    readTimeoutMs,
    ...readAnswerOptions(options),
    events: readEventsOptions(events),
    cors,
    openapi,
  };
}

/** How the order of a request is answered, by an app and by a route of the host's own. */
export type AnswerSettings = Pick<
  AppSettings,
  'statuses' | 'acceptTimeoutMs' | 'maxWaitMs' | 'onError'
>;

/** @throws TypeError or RangeError */
export function readAnswerOptions(
  options: Pick<OrderAppOptions, keyof AnswerSettings>,
): AnswerSettings {
  const { statuses = {}, onError = (error: unknown) => console.error(error) } = options;
  const { acceptTimeoutMs = defaultAcceptTimeoutMs, maxWaitMs = defaultMaxWaitMs } = options;
  checkFunction('onError', onError);
  checkStatuses(statuses);
  checkTimeout('acceptTimeoutMs', acceptTimeoutMs);
  checkTimeout('maxWaitMs', maxWaitMs);
  return { statuses, acceptTimeoutMs, maxWaitMs, onError: guardedListener(onError) };
}

function checkOpenApi(openapi: OpenApiOptions): void {
  const parts = ['contact', 'license', 'securitySchemes'] as const;
  const texts = ['title', 'version', 'description'] as const;
  checkOptions('openapi', openapi, [...texts, 'servers', ...parts, 'payload']);
  for (const name of texts) {
    if (openapi[name] !== undefined) checkText(`openapi.${name}`, openapi[name]);
  }
  for (const name of parts) {
    const part = openapi[name];
    if (part !== undefined) checkOptions(`openapi.${name}`, part, Object.keys(Object(part)));
  }
  const { servers, license } = openapi;
  if (license !== undefined) checkText('openapi.license.name', license.name);
  if (servers === undefined) return;
  if (!Array.isArray(servers)) throw wrong(TypeError, 'openapi.servers', 'a list', servers);
  for (const [at, server] of servers.entries()) {
    checkText(`openapi.servers[${at}].url`, Object(server).url);
  }
}

/** @throws TypeError or RangeError */
function checkStatuses(statuses: Statuses): void {
  checkOptions('statuses', statuses, Object.keys(Object(statuses)));
  for (const [code, status] of Object.entries(statuses)) {
    if (!isErrorStatus(status)) throw wrong(RangeError, `statuses.${code}`, statusForm, status);
  }
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw wrong(TypeError, name, 'some text', value);
}
