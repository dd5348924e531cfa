import { METHODS } from 'node:http';
import type { Context, Hono } from 'hono';
import { HttpError } from '../server/http-error.ts';
import { answer as answerOf, problem } from './answers.ts';

/**
 * Makes an app answer every other method of its routes with 405 and `Allow`, `OPTIONS` with `Allow` alone.
 * Call it after all routes have been added.
 *
 * @param app - whose routes are read
 * @param answer - what a request of another method gets; a {@link problem} by default
 */
export function refuseOtherMethods(
  app: Hono,
  answer: (error: HttpError, request: Request) => Response = (error) => problem(error),
): void {
  refuseAllBut(app, methodsOf(app), (allow, { req }) => wrongMethod(allow, req.raw, answer));
}

/** The methods that an app's paths have. */
export function methodsOf(app: Hono): Map<string, Set<string>> {
  const methodsOf = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue;
    const methods = methodsOf.get(path) ?? new Set();
    // Hono answers HEAD by GET.
    if (method === 'GET') methods.add('HEAD');
    methodsOf.set(path, methods.add(method));
  }
  return methodsOf;
}

/** Answers the other methods of these paths. */
export function refuseAllBut(
  app: Hono,
  allowed: ReadonlyMap<string, ReadonlySet<string>>,
  answer: (allow: readonly string[], context: Context) => Response | Promise<Response>,
): void {
  for (const [path, methods] of allowed) {
    // Each method by its name, not `all`: a request that matches one route alone is faster.
    const others = METHODS.filter((method) => !methods.has(method));
    app.on(others, path, (context) => answer([...methods], context));
  }
}

/** Answers a request whose path does not have its method. */
export function wrongMethod(
  allowed: readonly string[],
  request: Request,
  answer: (error: HttpError, request: Request) => Response = (error) => problem(error),
): Response {
  const allow = allowed.toSorted().join(', ');
  const headers = { allow };
  if (request.method === 'OPTIONS') return answerOf(null, 204, headers);
  const message = `Expected one of the methods ${allow}`;
  return answer(new HttpError(405, 'method_not_allowed', message, { headers }), request);
}
