import { checkInteger, checkOptions, wrong } from '../checks.ts';
import type { Authenticate } from '../face/access.ts';
import { contained } from '../face/contained.ts';

/** What {@link createOrderRoutes} takes beside the processor. */
export interface OrderServiceOptions {
  /**
   * Says what the client of a call may do: the same as that of `order-processor/http`, `bearer` included. It
   * gets a `Request` with the metadata of the call as its headers. Without it anybody may do anything. The
   * health service asks nobody.
   */
  readonly authenticate?: Authenticate | undefined;
  /** How long a message may be, in bytes: an integer from 1 up, 1 048 576 (1 MiB) by default. */
  readonly messageLimitBytes?: number | undefined;
  /** Of `WatchOrders`. */
  readonly events?: WatchOptions | undefined;
  /** Hears what a client is told of as `internal` only. `console.error` by default. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** How `WatchOrders` is bounded. */
export interface WatchOptions {
  /**
   * How many events are kept: for readers that come back, and those that are slow. One that is further
   * behind is dropped. An integer from 1 up, 10 000 by default.
   */
  readonly buffer?: number | undefined;
  /** How many may read at once: an integer from 1 up, 100 by default. */
  readonly readers?: number | undefined;
}

/** The same, checked and complete. */
export interface ServiceSettings {
  readonly authenticate: Authenticate | undefined;
  readonly messageLimitBytes: number;
  readonly events: { readonly buffer: number; readonly readers: number };
  readonly onError: (error: unknown) => void;
}

/** @throws TypeError or RangeError */
export function readOptions(options: OrderServiceOptions): ServiceSettings {
  const names = ['authenticate', 'messageLimitBytes', 'events', 'onError'];
  checkOptions('createOrderRoutes', options, names);
  const { authenticate, messageLimitBytes = 1_048_576, events = {} } = options;
  const { onError = (error: unknown) => console.error(error) } = options;
  if (authenticate !== undefined && typeof authenticate !== 'function') {
    throw wrong(TypeError, 'authenticate', 'a function', authenticate);
  }
  if (typeof onError !== 'function') throw wrong(TypeError, 'onError', 'a function', onError);
  checkInteger('messageLimitBytes', messageLimitBytes, 1);
  checkOptions('events', events, ['buffer', 'readers']);
  const { buffer = 10_000, readers = 100 } = events;
  checkInteger('events.buffer', buffer, 1);
  checkInteger('events.readers', readers, 1);
  return {
    authenticate,
    messageLimitBytes,
    events: { buffer, readers },
    onError: contained(onError),
  };
}
