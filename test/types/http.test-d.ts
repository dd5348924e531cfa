/** The public types of `order-processor/http`, as a host meets them. Nothing here runs. */
import type { Hono } from 'hono';
import { OrderProcessor, type ShutdownSummary } from 'order-processor';
import {
  type Access,
  type Authenticate,
  bearer,
  createOrderApp,
  defaultStatuses,
  HttpError,
  type HttpErrorCode,
  type OrderServer,
  problem,
  readJson,
  refuseOtherMethods,
  type Statuses,
  serve,
  toMinorUnits,
} from 'order-processor/http';
import { Registry } from 'prom-client';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

describe('createOrderApp', () => {
  it('takes a processor of any payload, and gives a Hono app', () => {
    expectTypeOf(createOrderApp(new OrderProcessor())).toEqualTypeOf<Hono>();
    void createOrderApp(new OrderProcessor<{ readonly dish: string }>());
    const schema = z.object({ quantity: z.string().transform(Number) });
    void createOrderApp(new OrderProcessor({ schema }));
  });

  it('takes a registry of prom-client for metrics', () => {
    void createOrderApp(new OrderProcessor(), { metrics: new Registry() });
  });

  it('takes no option that it does not have', () => {
    // @ts-expect-error misspelt
    void createOrderApp(new OrderProcessor(), { bodyLimit: 1 });
    // @ts-expect-error a status is a number
    void createOrderApp(new OrderProcessor(), { statuses: { queue_full: '503' } });
    // @ts-expect-error the processor must be there
    void createOrderApp();
  });

  it('takes each option as undefined', () => {
    void createOrderApp(new OrderProcessor(), {
      authenticate: undefined,
      cors: undefined,
      events: { buffer: undefined },
      openapi: { payload: undefined },
    });
  });
});

describe('access', () => {
  it('is for all, some, or those that a function knows', () => {
    const some: Access[] = [
      { users: 'all' },
      { users: ['u-1'] as const },
      { users: (userId) => userId === 'u-1', isOperator: true },
    ];
    expectTypeOf(some).toEqualTypeOf<Access[]>();
    // @ts-expect-error one user is a list of one
    const one: Access = { users: 'u-1' };
    void one;
  });

  it('comes at once or later', () => {
    const now: Authenticate = () => ({ users: 'all' });
    const later: Authenticate = async ({ headers }) =>
      headers.has('authorization') ? { users: [] } : undefined;
    expectTypeOf(bearer({ 'a-long-random-token': { users: 'all' } })).toEqualTypeOf<Authenticate>();
    void [now, later];
  });
});

describe('the parts for routes of a host’s own', () => {
  it('have their types', () => {
    expectTypeOf(problem(new Error('x'), { own: 400 })).toEqualTypeOf<Response>();
    expectTypeOf(readJson).returns.resolves.toBeUnknown();
    expectTypeOf(toMinorUnits('1.50', 2)).toBeNumber();
    expectTypeOf(defaultStatuses).toEqualTypeOf<Statuses>();
    expectTypeOf(refuseOtherMethods).parameter(0).toEqualTypeOf<Hono>();
    expectTypeOf<'queue_full'>().not.toExtend<HttpErrorCode>();
    const error = new HttpError(429, 'too_many', 'Slowly', { headers: { 'retry-after': '1' } });
    expectTypeOf(error.code).toBeString();
    // @ts-expect-error the status is a number
    void new HttpError('429', 'too_many', 'Slowly');
  });
});

describe('serve', () => {
  it('takes any object with fetch, and gives a server', async () => {
    const app = createOrderApp(new OrderProcessor());
    expectTypeOf(serve(app)).resolves.toEqualTypeOf<OrderServer>();
    expectTypeOf(serve({ fetch: () => new Response() })).resolves.toEqualTypeOf<OrderServer>();
    const server = await serve(app, {
      processor: new OrderProcessor<string>(),
      signals: ['SIGHUP'],
    });
    expectTypeOf(server.close()).resolves.toEqualTypeOf<ShutdownSummary | undefined>();
    // @ts-expect-error no signal
    void serve(app, { signals: ['TERM'] });
    // @ts-expect-error nothing that answers
    void serve({});
  });
});
