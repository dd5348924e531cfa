import { checkInteger, checkOptions } from '../../core/runtime/checks.ts';

/** How streams of events are bounded; `readers` and `operatorReaders` bound those of outcomes too, counted apart. */
export interface EventsOptions {
  /**
   * How many events are kept: for readers that come back, and those that are slow. One that is further
   * behind is dropped. An integer from 1 up, 10 000 by default.
   */
  readonly buffer?: number | undefined;
  /**
   * How many bytes they may have together, as they are sent: an integer from 1 up, 16 777 216 (16 MiB) by
   * default. The oldest make room; the last one is kept even if it is larger.
   */
  readonly bufferBytes?: number | undefined;
  /** How many clients that are no operators may read at once: an integer from 1 up, 100 by default. */
  readonly readers?: number | undefined;
  /**
   * How many of these may be of one client: an integer from 1 up, 10 by default. Clients are distinguished by
   * `authenticate`: see {@link Access.client}.
   */
  readonly readersPerClient?: number | undefined;
  /** How many operators may read at once, beside the clients: an integer from 1 up, 20 by default. */
  readonly operatorReaders?: number | undefined;
}

/** The same, checked and complete. */
export interface EventBounds {
  readonly buffer: number;
  readonly bufferBytes: number;
  readonly readers: number;
  readonly readersPerClient: number;
  readonly operatorReaders: number;
}

/** @throws TypeError or RangeError */
export function readEventsOptions(events: EventsOptions = {}): EventBounds {
  const own = ['buffer', 'bufferBytes', 'readers', 'readersPerClient', 'operatorReaders'];
  checkOptions('events', events, own);
  const { buffer = 10_000, bufferBytes = 16_777_216 } = events;
  const { readers = 100, readersPerClient = 10, operatorReaders = 20 } = events;
  const bounds = { buffer, bufferBytes, readers, readersPerClient, operatorReaders };
  for (const [name, value] of Object.entries(bounds)) checkInteger(`events.${name}`, value, 1);
  return bounds;
}
