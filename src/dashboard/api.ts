/**
 * What the page and the server of a dashboard say to each other: every request, answer and event. Types alone.
 *
 * All URLs are relative to the page, which ends in `/`: `api/session` and so on. Ids stand in the query, since proxies
 * change what is encoded in a path. Answers are JSON, errors are {@link Problem}s. Amounts are decimal integers of
 * minor units as text, so that they are exact above 2^53 - 1; times are Unix milliseconds by the server's clock.
 * Fields without a value are absent. All ids, labels, messages and codes may have been written by strangers.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET api/session` | {@link SessionView} |
 * | `GET api/attention` | {@link AttentionView} |
 * | `GET api/overview?step=10` (seconds a point: 1, 5, 10, 30 or 60; 10 by default) | {@link OverviewView} |
 * | `GET api/lanes?cursor&limit` | {@link LanePage} |
 * | `GET api/user?id` | {@link UserView} |
 * | `GET api/balances?id&from&to` (the last day by default) | {@link BalancesView} |
 * | `GET api/statement?id&from&to&cursor&limit` | {@link StatementPage} |
 * | `GET api/order?id` | {@link OrderView} |
 * | `GET api/orders?` the fields of {@link OrderFilter}, `cursor&limit` | {@link OrderListPage} |
 * | `GET api/search?q` | {@link SearchView} |
 * | `GET api/processors` | {@link ProcessorsView} |
 * | `GET api/actions` | {@link ActionsView} |
 * | `POST api/preview` {@link PreviewRequest} | {@link PreviewView} |
 * | `POST api/act` {@link ActionRequest} | {@link ActionResult} |
 * | `GET api/live?` the fields of {@link LiveQuery} | a stream of {@link LiveMessages} |
 *
 * `from` and `to` are times, `to` is excluded; `limit` is an integer from 1 to 200, 50 by default.
 */
export type * from './api/actions.ts';
export type * from './api/attention.ts';
export type * from './api/live.ts';
export type * from './api/order.ts';
export type * from './api/orders.ts';
export type * from './api/overview.ts';
export type * from './api/session.ts';
export type * from './api/user.ts';
