import { METHODS } from 'node:http';
import type { Hono } from 'hono';
import { HttpError } from '../face/http-error.ts';
import { answer as answerOf, problem } from './answers.ts';

/**
 * Makes an app answer every other method of its routes with 405 and `Allow`, `OPTIONS` with `Allow` alone.
 * Call it when all routes are there.
 *
 * @param app - whose routes are read
 * @param answer - what a request of another method gets; a {@link problem} by default
 */
export function refuseOtherMethods(
  app: Hono,
  answer: (error: HttpError, request: Request) => Response = (error) => problem(error),
): void {
  const allowed = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue;
    const methods = allowed.get(path) ?? new Set();
    // Hono answers HEAD by GET.
    if (method === 'GET') methods.add('HEAD');
    allowed.set(path, methods.add(method));
  }
  for (const [path, methods] of allowed) {
    const allow = [...methods].sort().join(', ');
    // Each by its name, and not all that is left: a request that matches one route alone is quicker.
    const others = METHODS.filter((method) => !methods.has(method));
    app.on(others, path, ({ req }) => {
      const headers = { allow };
      if (req.method === 'OPTIONS') return answerOf(null, 204, headers);
      const message = `Expected one of the methods ${allow}`;
      return answer(new HttpError(405, 'method_not_allowed', message, { headers }), req.raw);
    });
  }
}
