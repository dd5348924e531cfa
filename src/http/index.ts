/**
 * An `OrderProcessor` over HTTP, on Hono: {@link createOrderApp} and {@link serve}, and what a service with routes of
 * its own needs. It requires the packages `hono` and `zod`, and {@link serve} requires `@hono/node-server`.
 *
 * @module order-processor/http
 */

export { type Access, type Authenticate, bearer, mayActFor } from '../server/access.ts';
export type { EventsOptions } from '../server/events/event-feed-options.ts';
export { HttpError, type HttpErrorCode, type HttpErrorFacts } from '../server/http-error.ts';
export type { ListenOptions, OrderServer } from '../server/listening/listen.ts';
export { defaultStatuses, problem, type Statuses } from './answers.ts';
export { refuseOtherMethods } from './methods.ts';
export type {
  Metrics,
  OpenApiContact,
  OpenApiLicense,
  OpenApiOptions,
  OpenApiServer,
  OrderAppOptions,
} from './options.ts';
export { createOrderApp } from './order-app.ts';
export { toMinorUnits } from './request/minor-units.ts';
export { type ReadJsonOptions, readJson } from './request/request-body.ts';
export { type AnswerOrderOptions, answerOrder } from './routes/answer-order.ts';
export { type FetchApp, type ServeOptions, serve } from './serve.ts';
