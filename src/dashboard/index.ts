/**
 * A dashboard of an `OrderProcessor` in the browser: {@link createDashboard}. It requires no further package.
 *
 * @module order-processor/dashboard
 */

export { type Access, type Authenticate, bearer } from '../server/access.ts';
export { HttpError, type HttpErrorCode, type HttpErrorFacts } from '../server/http-error.ts';
export type { DashboardAction } from './actions/dashboard-action.ts';
export type { ActionFailure, ActionName } from './api.ts';
export { createDashboard, type Dashboard } from './create-dashboard.ts';
export type { CurrencyOptions, DashboardOptions } from './options.ts';
