import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { EventFeed, type Subscription } from '../../server/events/event-feed.ts';
import type { EventBounds } from '../../server/events/event-feed-options.ts';
import type { SeenEvent } from '../../server/events/event-views.ts';
import { Notice, type WatchOrdersResponseSchema } from '../gen/orderprocessor/v1/orders_pb.js';
import {
  progressedMessage,
  retriedMessage,
  stalledMessage,
  steppedMessage,
} from '../messages/event-messages.ts';
import { holdMessage, releasedMessage } from '../messages/hold-messages.ts';
import { errorMessage, receiptMessage, recordMessage } from '../messages/messages.ts';

/** A message of `WatchOrders`. */
export type WatchMessage = MessageInitShape<typeof WatchOrdersResponseSchema>;

/** The events of a processor as messages. */
export class EventStream {
  readonly #feed: EventFeed<WatchMessage | undefined>;

  constructor(processor: OrderProcessor, bounds: EventBounds) {
    const encode = (event: SeenEvent, id: string) => ({ id, event: messageOf(event) });
    this.#feed = new EventFeed<WatchMessage | undefined>(processor, bounds, encode, sizeOf);
  }

  /** @throws HttpError `too_many_readers` */
  async *watch(subscription: Subscription, signal: AbortSignal): AsyncGenerator<WatchMessage> {
    const reader = this.#feed.open(subscription);
    const leave = (): void => reader.leave();
    signal.addEventListener('abort', leave);
    try {
      for (;;) {
        const events = await reader.next();
        if (events === undefined || signal.aborted) return;
        for (const event of events) if (event !== undefined) yield event;
      }
    } finally {
      signal.removeEventListener('abort', leave);
      leave();
    }
  }
}

function messageOf({ name, data }: SeenEvent): NonNullable<WatchMessage['event']> {
  switch (name) {
    case 'accepted':
    case 'started':
      return { case: name, value: recordMessage(data) };
    case 'completed':
      return { case: name, value: receiptMessage(data) };
    case 'refused':
    case 'failed':
    case 'canceled':
    case 'interrupted':
      return { case: name, value: errorMessage(data) };
    case 'progress':
      return { case: name, value: progressedMessage(data) };
    case 'held':
      return { case: name, value: holdMessage(data) };
    case 'released':
      return { case: name, value: releasedMessage(data) };
    case 'stepped':
      return { case: name, value: steppedMessage(data) };
    case 'retried':
      return { case: name, value: retriedMessage(data) };
    case 'stalled':
      return { case: name, value: stalledMessage(data) };
    default:
      return { case: 'notice', value: notices[name] };
  }
}

/** About how many bytes an object and each of its fields take beside texts. */
const overhead = 16;

/** About how many bytes a message takes. */
function sizeOf(message: unknown): number {
  if (typeof message === 'string') return message.length;
  if (typeof message !== 'object' || message === null) return 0;
  let bytes = overhead;
  for (const field of Object.values(message)) bytes += overhead + sizeOf(field);
  return bytes;
}

const notices = {
  idle: Notice.IDLE,
  restored: Notice.RESTORED,
  missed: Notice.MISSED,
  dropped: Notice.DROPPED,
} as const;
