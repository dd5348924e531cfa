import type { OrderProcessor } from '../core/order-processor.ts';
import { checkMethods } from '../core/runtime/checks.ts';
import { ActionList } from './actions/action-list.ts';
import { LiveHub } from './live/live-hub.ts';
import { Observer } from './observe/observer.ts';
import { type DashboardOptions, readOptions } from './options.ts';
import { Routes } from './requests/routes.ts';

/** A dashboard of a processor; see {@link createDashboard}. Its methods need no `this`. */
export interface Dashboard {
  /**
   * Answers a request; any `fetch` handler of the Web standard. It finds its routes by the end of the path, so it works
   * under every prefix.
   *
   * @param request - its URL as the browser has it, or without a prefix that a router has removed
   */
  readonly fetch: (request: Request) => Promise<Response>;
  /** Ends all open pages and removes the listeners. It happens by itself when the processor shuts down. */
  readonly stop: () => void;
}

/**
 * Creates a web page for the people who run a processor, and the API behind it, as one `fetch` handler: it goes into
 * `serve` of `order-processor/http`, mounts in any web framework, and answers without a socket in tests. Call it right
 * after making the processor: what it shows of the last hour begins then.
 *
 * It changes nothing of how orders are processed, and costs little: it reads `stats()` once a second, listens to
 * failures and retries, and to other events at a bounded rate while a page is open.
 *
 * @param processor - stays the caller's
 * @param options - each is checked
 * @throws TypeError or RangeError for an option that is unknown, of a wrong type or out of range
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createDashboard } from 'order-processor/dashboard';
 *
 * await using processor = new OrderProcessor();
 * const dashboard = createDashboard(processor, { title: 'Shop' });
 * const response = await dashboard.fetch(new Request('http://localhost/ops/api/session'));
 * const { title, role } = (await response.json()) as { title: string; role: string };
 * console.log(title, role); // prints: Shop read
 * dashboard.stop();
 * ```
 */
export function createDashboard<Payload = unknown, Input = Payload, Results = unknown>(
  processor: OrderProcessor<Payload, Input, Results>,
  options: DashboardOptions = {},
): Dashboard {
  checkMethods('processor', processor, ['stats', 'running', 'waiting', 'orders', 'on', 'off']);
  const settings = readOptions(options);
  // Payloads are shown as they are, whatever their type.
  const observed = processor as unknown as OrderProcessor;
  const observer = new Observer(observed);
  const sources = { processor: observed, observer, settings };
  const actions = new ActionList();
  const routes = new Routes(sources, actions, new LiveHub(sources, actions));
  return { fetch: (request) => routes.answer(request), stop: () => observer.stop() };
}
