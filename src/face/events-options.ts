import { checkInteger, checkOptions } from '../checks.ts';

/** How a stream of events is bounded. */
export interface EventsOptions {
  /**
   * How many events are kept: for readers that come back, and those that are slow. One that is further
   * behind is dropped. An integer from 1 up, 10 000 by default.
   */
  readonly buffer?: number | undefined;
  /**
   * How many bytes they may have together, as they are sent: an integer from 1 up, 16 777 216 (16 MiB) by
   * default. The oldest make room; the last one is kept whatever its size.
   */
  readonly bufferBytes?: number | undefined;
  /** How many may read at once: an integer from 1 up, 100 by default. */
  readonly readers?: number | undefined;
}

/** The same, checked and complete. */
export interface EventBounds {
  readonly buffer: number;
  readonly bufferBytes: number;
  readonly readers: number;
}

/** @throws TypeError or RangeError */
export function readEventsOptions(events: EventsOptions = {}): EventBounds {
  checkOptions('events', events, ['buffer', 'bufferBytes', 'readers']);
  const { buffer = 10_000, bufferBytes = 16_777_216, readers = 100 } = events;
  checkInteger('events.buffer', buffer, 1);
  checkInteger('events.bufferBytes', bufferBytes, 1);
  checkInteger('events.readers', readers, 1);
  return { buffer, bufferBytes, readers };
}
