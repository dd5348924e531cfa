import type { EventName, ProcessorEvents } from '../../core/lifecycle/events.ts';
import type { OrderError } from '../../core/order/order-error.ts';
import type { OrderRecord, Receipt } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { withClientId } from '../client-ids.ts';
import { draining } from '../listening/server-draining.ts';
import type { EventBounds } from './event-feed-options.ts';
import { type Reader, ReaderPermits } from './reader-permits.ts';

/** For how long events are kept for a reader that has gone and may come back, in milliseconds. */
const resumeMs = 60_000;
/** Something now and then: proxies end what is silent, and a reader that has gone is found out. */
const heartbeatMs = 15_000;
/** So many events are handed on at once at most, and no more when they have so many bytes. */
const handful = 100;
const handfulBytes = 65_536;

/** Without the payload, which may be long, and is not for everybody who watches; nor with a cause. */
export function withoutPayload<T extends OrderRecord | Receipt>(of: T): Omit<T, 'payload'> {
  const { payload: _payload, ...rest } = of;
  if ('cause' in rest) delete rest.cause;
  return rest;
}

/** What readers see of each event: no payload, and no cause. */
const views = {
  accepted: withoutPayload<OrderRecord>,
  refused: (error: OrderError) => error,
  started: withoutPayload<OrderRecord>,
  stepped: (stepped: ProcessorEvents['stepped']) => stepped,
  retried: ({ cause: _cause, ...retried }: ProcessorEvents['retried']) => retried,
  completed: withoutPayload<Receipt>,
  failed: (error: OrderError) => error,
  canceled: (error: OrderError) => error,
  stalled: (stalled: ProcessorEvents['stalled']) => stalled,
  interrupted: (error: OrderError) => error,
  restored: () => undefined,
  idle: () => undefined,
} satisfies { [E in EventName]?: (payload: never) => unknown };

type Views = typeof views;

/**
 * An event as readers see it. `missed`: those before it are gone. `dropped`: the reader was too slow, and gets
 * nothing more.
 */
export type SeenEvent =
  | { [E in keyof Views]: { readonly name: E; readonly data: ReturnType<Views[E]> } }[keyof Views]
  | { readonly name: 'missed' | 'dropped'; readonly data: undefined };

/** How a face sends an event; its id is empty if it is about the stream itself. */
export type Encode<T> = (event: SeenEvent, id: string) => T;

/** About how many bytes an encoded event keeps. */
export type SizeOf<T> = (event: T) => number;

/** What a reader wants. */
export interface Subscription {
  /** Whose events; everybody's if `undefined`. */
  readonly userId: string | undefined;
  /** The last event that it has, of an earlier connection. */
  readonly lastEventId: string | undefined;
  /** Who reads. */
  readonly reader: Reader;
  /** Whether it sees the ids that its user's own clients have. */
  readonly isScoped: boolean;
}

interface Entry<T> {
  readonly userId: string | undefined;
  readonly event: T;
  readonly bytes: number;
  /** The same for clients of the user itself, where they have another id for the order. */
  readonly scoped: T | undefined;
}

/**
 * The last events of a processor, for any number of readers at their own pace. They are kept once, in a
 * ring that is bounded in number and in bytes, as they will be sent: a reader that is overtaken by it is dropped, so a slow one costs no memory. It
 * listens only while somebody reads, or has a while ago: listening to `accepted` and `started` has its price.
 */
export class EventLog<T> {
  readonly encode: Encode<T>;
  readonly #processor: OrderProcessor;
  readonly #sizeOf: SizeOf<T>;
  readonly #ring: (Entry<T> | undefined)[];
  readonly #maxBytes: number;
  readonly #permits: ReaderPermits;
  /** Another one in each life, so that an id of an earlier one is known as such. */
  readonly #epoch = crypto.randomUUID().slice(0, 8);
  readonly #listeners = new Map<EventName, (payload: unknown) => void>();
  /** Each with what gives its permit back. */
  readonly #readers = new Map<EventReader<T>, () => void>();
  #seq = 0;
  /** The number of the first event that is kept, or of the next one. */
  #first = 1;
  /** Of all that are kept. */
  #bytes = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #leaving: NodeJS.Timeout | undefined;

  constructor(
    processor: OrderProcessor,
    bounds: EventBounds,
    encode: Encode<T>,
    sizeOf: SizeOf<T>,
  ) {
    this.encode = encode;
    this.#sizeOf = sizeOf;
    this.#processor = processor;
    this.#ring = new Array(bounds.buffer).fill(undefined);
    this.#maxBytes = bounds.bufferBytes;
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
    const { userId, lastEventId, isScoped } = subscription;
    const giveBack = this.#permits.take(subscription.reader);
    this.#listen();
    const last = this.#seqOf(lastEventId);
    const reader = new EventReader(this, { userId, isScoped }, last ?? this.#seq);
    if (lastEventId !== undefined && last === undefined) reader.tell('missed');
    if (draining(this.#processor).signal.aborted) reader.end();
    this.#readers.set(reader, giveBack);
    return reader;
  }

  /** The last event's number; they begin with 1. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether the event after this one is gone. */
  isLost(seq: number): boolean {
    return seq + 1 < this.#first;
  }

  idOf(seq: number): string {
    return `${this.#epoch}-${seq}`;
  }

  at(seq: number): Entry<T> {
    return this.#ring[seq % this.#ring.length] as Entry<T>;
  }

  left(reader: EventReader<T>): void {
    this.#readers.get(reader)?.();
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#leaving ??= setTimeout(() => this.#stop(), resumeMs).unref();
  }

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

  /** Whoever comes back now has missed something. */
  #stop(): void {
    this.#leaving = undefined;
    for (const [name, listener] of this.#listeners) this.#processor.off(name, listener);
    this.#seq += 1;
    while (this.#first <= this.#seq) this.#drop();
  }

  #add(seen: SeenEvent, payload: unknown): void {
    const { userId } = (payload ?? {}) as { userId?: string };
    this.#seq += 1;
    if (this.#seq - this.#first === this.#ring.length) this.#drop();
    const event = this.encode(seen, this.idOf(this.#seq));
    const { data } = seen;
    const own = data === undefined ? data : withClientId(data);
    const scoped =
      own === data
        ? undefined
        : this.encode({ ...seen, data: own } as SeenEvent, this.idOf(this.#seq));
    const bytes = this.#sizeOf(event) + (scoped === undefined ? 0 : this.#sizeOf(scoped));
    this.#ring[this.#seq % this.#ring.length] = { userId, event, scoped, bytes };
    this.#bytes += bytes;
    // The last one stays, however long it is.
    while (this.#bytes > this.#maxBytes && this.#first < this.#seq) this.#drop();
    for (const reader of this.#readers.keys()) reader.added(userId);
  }

  /** The first one of those that are kept. */
  #drop(): void {
    const at = this.#first % this.#ring.length;
    this.#bytes -= this.#ring[at]?.bytes ?? 0;
    this.#ring[at] = undefined;
    this.#first += 1;
  }

  #seqOf(id: string | undefined): number | undefined {
    const [, epoch, digits] = /^([0-9a-f]{8})-(\d{1,16})$/.exec(id ?? '') ?? [];
    const seq = Number(digits);
    const isKept = epoch === this.#epoch && seq <= this.#seq && !this.isLost(seq);
    return isKept ? seq : undefined;
  }
}

/** One connection's place in a log. */
export class EventReader<T> {
  readonly #log: EventLog<T>;
  readonly #userId: string | undefined;
  readonly #isScoped: boolean;
  /** What is not of the ring. */
  readonly #own: T[] = [];
  #isBeaten = false;
  /** The last event that it has seen. */
  #seq: number;
  #isOver = false;
  #wake = (): void => {};

  constructor(
    log: EventLog<T>,
    { userId, isScoped }: Pick<Subscription, 'userId' | 'isScoped'>,
    seq: number,
  ) {
    this.#log = log;
    this.#userId = userId;
    this.#isScoped = isScoped;
    this.#seq = seq;
  }

  /** The next events, when there are some; none as a sign of life; `undefined` at the end. */
  async next(): Promise<readonly T[] | undefined> {
    for (;;) {
      const events = [...this.#own.splice(0), ...this.#read()];
      if (events.length > 0 || this.#isBeaten) {
        this.#isBeaten = false;
        return events;
      }
      if (this.#isOver) {
        this.leave();
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** An event has come, of this user. One that is nothing to a reader who has all others does not age it. */
  added(userId: string | undefined): void {
    const isWanted = this.#userId === undefined || this.#userId === userId;
    if (!isWanted && this.#seq === this.#log.seq - 1) this.#seq += 1;
    else this.#wake();
  }

  /** The id of the last event that it has seen, or that was nothing to it. */
  get lastEventId(): string {
    return this.#log.idOf(this.#seq);
  }

  /** Says something about the stream itself. */
  tell(name: 'missed' | 'dropped'): void {
    this.#own.push(this.#log.encode({ name, data: undefined }, ''));
    this.#wake();
  }

  beat(): void {
    this.#isBeaten = true;
    this.#wake();
  }

  /** What has happened is read to the end, and that is all. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Nobody reads any more. */
  leave(): void {
    this.end();
    this.#log.left(this);
  }

  #read(): T[] {
    if (this.#log.isLost(this.#seq)) {
      this.#isOver = true;
      this.#seq = this.#log.seq;
      return [this.#log.encode({ name: 'dropped', data: undefined }, '')];
    }
    const events: T[] = [];
    let sum = 0;
    while (this.#seq < this.#log.seq && events.length < handful && sum < handfulBytes) {
      this.#seq += 1;
      const { userId, event, scoped = event, bytes } = this.#log.at(this.#seq);
      if (this.#userId !== undefined && this.#userId !== userId) continue;
      events.push(this.#isScoped ? scoped : event);
      sum += bytes;
    }
    return events;
  }
}
