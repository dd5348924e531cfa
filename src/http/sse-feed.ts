import { isOrderError } from '../core/order/order-error.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { EventFeed, type Subscription } from '../server/events/event-feed.ts';
import type { EventBounds } from '../server/events/event-feed-options.ts';
import type { EventReader } from '../server/events/event-reader.ts';
import type { SeenEvent } from '../server/events/event-views.ts';

const encoder = new TextEncoder();
/** The first field: how soon a client comes back when its connection breaks, in milliseconds. */
const beginning = encoder.encode('retry: 1000\n\n');

/** The events of a processor as Server-Sent Events. */
export class SseFeed {
  readonly #feed: EventFeed<Uint8Array>;

  constructor(processor: OrderProcessor, bounds: EventBounds) {
    this.#feed = new EventFeed(processor, bounds, encode, ({ byteLength }) => byteLength);
  }

  /** @throws HttpError `too_many_readers` */
  open(subscription: Subscription): ReadableStream<Uint8Array> {
    const reader = this.#feed.open(subscription);
    return new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(beginning),
      pull: async (controller) => {
        const events = await reader.next();
        if (events === undefined) controller.close();
        else controller.enqueue(events.length === 0 ? heartbeat(reader) : Buffer.concat(events));
      },
      cancel: () => reader.leave(),
    });
  }
}

/** No event, but how far the reader has come: events of other users may push its last one out of the ring. */
function heartbeat({ lastEventId }: EventReader<Uint8Array>): Uint8Array {
  return encoder.encode(`id: ${lastEventId}\n\n`);
}

function encode({ name, data }: SeenEvent, id: string): Uint8Array {
  // Of an interruption only what clients may know.
  const view =
    name === 'interrupted' && isOrderError(data)
      ? { code: data.code, message: data.message }
      : (data ?? {});
  const field = id === '' ? '' : `id: ${id}\n`;
  return encoder.encode(`${field}event: ${name}\ndata: ${JSON.stringify(view)}\n\n`);
}
