import { checkFunction, checkInteger, checkOptions } from '../core/runtime/checks.ts';
import { type Authenticate, checkAuthenticate } from '../server/access.ts';
import {
  type EventBounds,
  type EventsOptions,
  readEventsOptions,
} from '../server/events/event-feed-options.ts';
import { guardedListener } from '../server/guarded-listener.ts';

/**
 * What {@link createOrderRoutes} takes beside the processor.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { bearer, createOrderRoutes } from 'order-processor/grpc';
 *
 * const processor = new OrderProcessor();
 * const authenticate = bearer({ 'token-of-ann': { users: ['ann'] } });
 * export const routes = createOrderRoutes(processor, { authenticate });
 * ```
 */
export interface OrderServiceOptions {
  /**
   * Returns what the client of a call may do: the same function as for `order-processor/http`, `bearer` included. It
   * gets a `Request` with the metadata of the call as its headers. Without it every client may do anything. The
   * health service needs no credentials.
   */
  readonly authenticate?: Authenticate | undefined;
  /** How long a message may be, in bytes: an integer from 1 up, 1 048 576 (1 MiB) by default. */
  readonly messageLimitBytes?: number | undefined;
  /** Of `WatchOrders`. */
  readonly events?: EventsOptions | undefined;
  /** Called with each error that the client sees as `internal` only. `console.error` by default. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The options, checked, with their defaults. */
export interface ServiceSettings {
  readonly authenticate: Authenticate | undefined;
  readonly messageLimitBytes: number;
  readonly events: EventBounds;
  readonly onError: (error: unknown) => void;
}

/** @throws TypeError or RangeError */
export function readOptions(options: OrderServiceOptions): ServiceSettings {
  const names = ['authenticate', 'messageLimitBytes', 'events', 'onError'];
  checkOptions('createOrderRoutes', options, names);
  const { authenticate, messageLimitBytes = 1_048_576, events } = options;
  const { onError = (error: unknown) => console.error(error) } = options;
  checkAuthenticate(authenticate);
  checkFunction('onError', onError);
  checkInteger('messageLimitBytes', messageLimitBytes, 1);
  return {
    authenticate,
    messageLimitBytes,
    events: readEventsOptions(events),
    onError: guardedListener(onError),
  };
}
