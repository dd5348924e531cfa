import { unixTimeAt } from '../../core/runtime/clock.ts';
import { HttpError, notFound } from '../../server/http-error.ts';
import { act } from '../actions/act.ts';
import type { ActionList } from '../actions/action-list.ts';
import { preview } from '../actions/preview.ts';
import { mostTargets, readAction, readPreview } from '../actions/read-action.ts';
import { json, problem } from '../answers.ts';
import type { OrderFilter } from '../api.ts';
import type { LiveHub } from '../live/live-hub.ts';
import { defaultStep, steps } from '../live/live-query.ts';
import type { Sources } from '../sources.ts';
import { checkSees, checkSeesAll, type Viewer, viewerOf } from '../viewer.ts';
import { attentionView, lanePage } from '../views/attention.ts';
import { balancesView } from '../views/balances.ts';
import { orderView } from '../views/order.ts';
import { ordersPage, searchView, statuses } from '../views/orders.ts';
import { sessionView } from '../views/session.ts';
import { statementPage } from '../views/statement.ts';
import { overviewView, processorsView } from '../views/stats.ts';
import { userView } from '../views/user.ts';
import { jsonBody } from './json-body.ts';
import { checkOrigin } from './origin.ts';
import { pageAnswer, wantsPage } from './page.ts';
import { Query } from './query.ts';

type Handler = (request: Request, viewer: Viewer) => unknown;
type Handlers = Readonly<Record<string, Handler>>;

const dayMs = 86_400_000;

/** Answers the requests of a dashboard. */
export class Routes {
  readonly #sources: Sources;
  readonly #actions: ActionList;
  readonly #hub: LiveHub;
  readonly #gets: Handlers;
  readonly #posts: Handlers;

  constructor(sources: Sources, actions: ActionList, hub: LiveHub) {
    this.#sources = sources;
    this.#actions = actions;
    this.#hub = hub;
    this.#gets = this.#readers();
    this.#posts = {
      preview: async (request, viewer) =>
        preview(sources, viewer, readPreview(await jsonBody(request))),
      act: async (request, viewer) => {
        const wanted = readAction(await jsonBody(request));
        const onError = (error: unknown): void => sources.settings.onError(error, request);
        const result = await act(sources, actions, viewer, wanted, onError);
        const { action, by, done, targets, sample } = result;
        const message = `${by ?? 'An operator'}: ${action}, ${done} of ${targets}`;
        hub.events.add('acted', { message, ...(sample.length === 1 && target(action, sample[0])) });
        return result;
      },
    };
  }

  async answer(request: Request): Promise<Response> {
    const { settings } = this.#sources;
    try {
      const { pathname } = new URL(request.url);
      const name = /\/api\/([a-z]{1,20})$/.exec(pathname)?.[1];
      if (name === undefined || !this.#isRoute(name)) {
        // The prefix is not known, and may end in `/api/dashboard`: what a browser opens is the page.
        if (!wantsPage(request)) this.#checkIsPage(pathname);
        return pageAnswer(request);
      }
      const handler = this.#handlerOf(request, name);
      if (request.method === 'POST') checkOrigin(request, settings.origins);
      const viewer = await viewerOf(settings, request);
      const answer = await handler(request, viewer);
      return answer instanceof Response ? answer : json(answer);
    } catch (error) {
      const response = problem(error, settings.signInUrl);
      if (response.status === 500) settings.onError(error, request);
      return response;
    }
  }

  /** @throws HttpError `not_found` for what a program takes for a route */
  #checkIsPage(pathname: string): void {
    const [, name = '', rest] =
      /\/api\/([a-z]{1,20})(\/(?!(.*\/)?assets\/).*)?$/.exec(pathname) ?? [];
    const isUnder = rest === undefined ? name !== '' : this.#isRoute(name);
    if (isUnder) throw notFound('There is no such route');
  }

  #isRoute(name: string): boolean {
    return Object.hasOwn(this.#gets, name) || Object.hasOwn(this.#posts, name);
  }

  /**
   * @param name - that of a route
   * @throws HttpError `method_not_allowed`
   */
  #handlerOf({ method }: Request, name: string): Handler {
    const isGet = Object.hasOwn(this.#gets, name);
    if (isGet && method === 'GET') return this.#gets[name] as Handler;
    if (!isGet && method === 'POST') return this.#posts[name] as Handler;
    const headers = { allow: isGet ? 'GET' : 'POST' };
    throw new HttpError(405, 'method_not_allowed', 'Use another method', { headers });
  }

  #readers(): Handlers {
    const sources = this.#sources;
    const { processor } = sources;
    return {
      session: (request, viewer) => {
        new Query(request, []);
        return sessionView(sources, viewer, mostTargets);
      },
      attention: forAll([], () => attentionView(sources)),
      overview: forAll(['step'], (query) =>
        overviewView(sources, query.oneOf('step', steps) ?? defaultStep),
      ),
      lanes: forAll(['cursor', 'limit'], (query) =>
        lanePage(sources, query.text('cursor'), query.limit),
      ),
      processors: forAll([], () => processorsView(sources)),
      actions: forAll([], () => ({ actions: this.#actions.all })),
      user: ofUser([], (userId, _query, viewer) => userView(sources, viewer, userId)),
      balances: ofUser(['from', 'to'], (userId, query) => {
        // What has just been settled is in it.
        const to = query.time('to') ?? unixTimeAt(processor) + 1;
        const from = query.time('from') ?? Math.max(0, to - dayMs);
        return balancesView(processor, userId, Math.min(from, to), to);
      }),
      statement: ofUser(['from', 'to', 'cursor', 'limit'], (userId, query, viewer) =>
        statementPage(processor, viewer, userId, {
          ...{ from: query.time('from') ?? 0, to: query.time('to') },
          ...{ cursor: query.text('cursor'), limit: query.limit },
        }),
      ),
      order: (request, viewer) => orderView(sources, viewer, new Query(request, ['id']).id('id')),
      orders: (request, viewer) => this.#orders(request, viewer),
      search: (request, viewer) => searchView(sources, viewer, new Query(request, ['q']).id('q')),
      live: (request, viewer) => this.#hub.open(request, viewer),
    };
  }

  #orders(request: Request, viewer: Viewer): unknown {
    const fields = ['status', 'userId', 'code', 'label', 'acceptedFrom', 'acceptedBefore'];
    const query = new Query(request, [...fields, 'cursor', 'limit']);
    const userId = query.optionalId('userId');
    checkSees(viewer, userId);
    const filter = {
      ...{ status: query.oneOf('status', statuses), userId },
      ...{ code: query.text('code'), label: query.text('label') },
      acceptedFrom: query.time('acceptedFrom'),
      acceptedBefore: query.time('acceptedBefore'),
    };
    const page = { cursor: query.text('cursor'), limit: query.limit };
    return ordersPage(this.#sources, filter as OrderFilter, page);
  }
}

/** For who sees all users. */
function forAll(names: readonly string[], handle: (query: Query) => unknown): Handler {
  return (request, viewer) => {
    checkSeesAll(viewer);
    return handle(new Query(request, names));
  };
}

/** For who sees the user of the query. */
function ofUser(
  names: readonly string[],
  handle: (userId: string, query: Query, viewer: Viewer) => unknown,
): Handler {
  return (request, viewer) => {
    const query = new Query(request, ['id', ...names]);
    const userId = query.id('id');
    checkSees(viewer, userId);
    return handle(userId, query, viewer);
  };
}

function target(action: string, id: string | undefined): { userId?: string; orderId?: string } {
  if (id === undefined) return {};
  return action === 'hold' || action === 'release' ? { userId: id } : { orderId: id };
}
