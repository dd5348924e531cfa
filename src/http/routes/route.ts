import type { Access } from '../../server/access.ts';
import { checkOperator } from '../../server/access.ts';
import type { ClientIds } from '../../server/client-ids.ts';
import { notFound } from '../../server/http-error.ts';
import { name } from '../openapi/fields.ts';
import { noQuery } from '../openapi/input-schemas.ts';
import { query } from '../request/request.ts';

/** One request of a client. */
export interface ClientRequest {
  readonly request: Request;
  readonly access: Access;
  readonly ids: ClientIds;
}

/** One request to a route. */
export interface RouteRequest extends ClientRequest {
  /** A part of the path. */
  readonly param: (name: string) => string;
}

/** Answers a request. */
export type Handler = (of: RouteRequest) => Response | Promise<Response>;

/** What an app answers to a method of a path. */
export type Route = readonly [method: string, path: string, handler: Handler];

/** A route for operators, without a query. */
export function forOperators(handler: Handler): Handler {
  return (of) => {
    checkOperator(of.access);
    query(of.request, noQuery);
    return handler(of);
  };
}

/**
 * The user of a path.
 *
 * @throws HttpError `not_found` for a text that is the id of no user
 */
export function userOf({ param }: RouteRequest): string {
  const userId = param('userId');
  if (!name.safeParse(userId).success) throw notFound('There is no such user');
  return userId;
}
