import type { EventName } from '../../core/lifecycle/processor-events.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { draining } from '../listening/server-draining.ts';
import type { EventBounds } from './event-feed-options.ts';
import { EventReader, type Filter } from './event-reader.ts';
import { EventRing } from './event-ring.ts';
import {
  type Encode,
  operatorEvents,
  ownView,
  type SeenEvent,
  type SizeOf,
  type Views,
  views,
} from './event-views.ts';
import { type Reader, ReaderPermits } from './reader-permits.ts';

/** For how long events are kept for a reader that has gone and may come back, in milliseconds. */
const resumeMs = 60_000;
/** Proxies end what is silent, and a write finds out that a reader has gone. */
const heartbeatMs = 15_000;

/** What a reader wants. */
export interface Subscription extends Filter {
  /** The last event that it has, of an earlier connection. */
  readonly lastEventId: string | undefined;
  /** Who reads. */
  readonly reader: Reader;
}

/**
 * The last events of a processor, for any number of readers at their own pace. They are kept once, as they will be
 * sent: a reader that is overtaken by the ring is dropped, so a slow one costs no memory. The feed listens only
 * while there are readers, and for a minute after the last.
 */
export class EventFeed<T> {
  readonly #processor: OrderProcessor;
  readonly #encode: Encode<T>;
  readonly #sizeOf: SizeOf<T>;
  readonly #ring: EventRing<T>;
  readonly #permits: ReaderPermits;
  readonly #listeners = new Map<EventName, (payload: unknown) => void>();
  /** Each with what gives its permit back. */
  readonly #readers = new Map<EventReader<T>, () => void>();
  #heartbeat: NodeJS.Timeout | undefined;
  #leaving: NodeJS.Timeout | undefined;

  constructor(
    processor: OrderProcessor,
    bounds: EventBounds,
    encode: Encode<T>,
    sizeOf: SizeOf<T>,
  ) {
    this.#processor = processor;
    this.#encode = encode;
    this.#sizeOf = sizeOf;
    this.#ring = new EventRing(bounds.buffer, bounds.bufferBytes);
    this.#permits = new ReaderPermits(bounds);
    for (const [name, view] of Object.entries(views) as [keyof Views, (of: never) => unknown][]) {
      this.#listeners.set(name, (payload) => {
        this.#add({ name, data: view(payload as never) } as SeenEvent, payload);
      });
    }
    draining(processor).signal.addEventListener('abort', () => {
      for (const reader of this.#readers.keys()) reader.end();
    });
  }

  /** @throws HttpError `too_many_readers` */
  open(subscription: Subscription): EventReader<T> {
    const { lastEventId } = subscription;
    const giveBack = this.#permits.take(subscription.reader);
    this.#listen();
    const last = this.#ring.seqOf(lastEventId);
    const seq = last ?? this.#ring.seq;
    const reader = new EventReader(this.#ring, this.#encode, subscription, seq, this.#left);
    if (lastEventId !== undefined && last === undefined) reader.add('missed');
    if (draining(this.#processor).signal.aborted) reader.end();
    this.#readers.set(reader, giveBack);
    return reader;
  }

  readonly #left = (reader: EventReader<T>): void => {
    this.#readers.get(reader)?.();
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#leaving ??= setTimeout(() => this.#stop(), resumeMs).unref();
  };

  #listen(): void {
    this.#heartbeat ??= setInterval(() => {
      for (const reader of this.#readers.keys()) reader.beat();
    }, heartbeatMs).unref();
    if (this.#leaving !== undefined) {
      clearTimeout(this.#leaving);
      this.#leaving = undefined;
    } else if (this.#readers.size === 0) {
      for (const [name, listener] of this.#listeners) this.#processor.on(name, listener);
    }
  }

  /** A reader that comes back after this has missed events. */
  #stop(): void {
    this.#leaving = undefined;
    for (const [name, listener] of this.#listeners) this.#processor.off(name, listener);
    this.#ring.clear();
  }

  #add(seen: SeenEvent, payload: unknown): void {
    const { userId } = (payload ?? {}) as { userId?: string };
    const id = this.#ring.nextId;
    const event = this.#encode(seen, id);
    const { data } = seen;
    const own = data === undefined ? data : ownView(data);
    const scoped = own === data ? undefined : this.#encode({ ...seen, data: own } as SeenEvent, id);
    const bytes = this.#sizeOf(event) + (scoped === undefined ? 0 : this.#sizeOf(scoped));
    this.#ring.add({ userId, event, scoped, isOperators: operatorEvents.has(seen.name), bytes });
    for (const reader of this.#readers.keys()) reader.added(userId);
  }
}
