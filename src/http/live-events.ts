import type { OrderError } from '../errors.ts';
import type { EventName, ProcessorEvents } from '../events.ts';
import type { OrderProcessor } from '../order-processor.ts';
import { withoutPayload } from './answers.ts';
import { draining } from './draining.ts';
import { HttpError } from './http-error.ts';

/** For how long events are kept for a reader that has gone and may come back, in milliseconds. */
const resumeMs = 60_000;
/** A line of nothing now and then: proxies end what is silent, and a reader that has gone is found out. */
const heartbeatMs = 15_000;
/** About so much is sent at once. */
const pieceBytes = 16_384;

/** What readers see of each event: no payload, and no cause. */
const views: { [E in EventName]?: (payload: ProcessorEvents[E]) => object } = {
  accepted: withoutPayload,
  refused: (error) => error.toJSON(),
  started: withoutPayload,
  stepped: (stepped) => stepped,
  retried: ({ cause: _cause, ...retried }) => retried,
  completed: withoutPayload,
  failed: (error) => error.toJSON(),
  canceled: (error) => error.toJSON(),
  stalled: (stalled) => stalled,
  interrupted: ({ code, message }: OrderError) => ({ code, message }),
  restored: () => ({}),
  idle: () => ({}),
};

type View = (payload: never) => object;

interface Entry {
  readonly userId: string | undefined;
  readonly bytes: Uint8Array;
}

/** What a reader wants. */
export interface Subscription {
  /** Whose events; everybody's if `undefined`. */
  readonly userId: string | undefined;
  /** The last event that it has, of an earlier connection. */
  readonly lastEventId: string | undefined;
}

/**
 * The last events of a processor, for any number of readers at their own pace. They are kept once, in a
 * ring: a reader that is overtaken by it is dropped, so a slow one costs no memory. It listens only while
 * somebody reads, or has a while ago: listening to `accepted` and `started` has its price.
 */
export class LiveEvents {
  readonly #processor: OrderProcessor;
  readonly #ring: (Entry | undefined)[];
  readonly #maxReaders: number;
  /** Another one in each life, so that an id of an earlier one is known as such. */
  readonly #epoch = crypto.randomUUID().slice(0, 8);
  readonly #encoder = new TextEncoder();
  readonly #listeners = new Map<EventName, (payload: unknown) => void>();
  readonly #readers = new Set<Reader>();
  #seq = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #leaving: NodeJS.Timeout | undefined;

  constructor(processor: OrderProcessor, buffer: number, maxReaders: number) {
    this.#processor = processor;
    this.#ring = new Array(buffer).fill(undefined);
    this.#maxReaders = maxReaders;
    for (const [name, view] of Object.entries(views) as [EventName, View][]) {
      this.#listeners.set(name, (payload) => this.#add(name, view(payload as never)));
    }
    const { signal } = draining(processor);
    signal.addEventListener('abort', () => {
      for (const reader of this.#readers) reader.end();
    });
  }

  /** @throws HttpError `too_many_readers` */
  open({ userId, lastEventId }: Subscription): ReadableStream<Uint8Array> {
    if (this.#readers.size >= this.#maxReaders) {
      throw new HttpError(503, 'too_many_readers', 'Too many are reading events', {
        headers: { 'retry-after': '10' },
      });
    }
    this.#listen();
    const last = this.#seqOf(lastEventId);
    const reader = new Reader(this, userId, last ?? this.#seq);
    if (lastEventId !== undefined && last === undefined) reader.tell('missed');
    this.#readers.add(reader);
    // On a connection that was open already.
    if (draining(this.#processor).signal.aborted) reader.end();
    return reader.stream();
  }

  /** The last event's number; they begin with 1. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether the event after this one is gone. */
  isLost(seq: number): boolean {
    return this.#seq - seq > this.#ring.length;
  }

  at(seq: number): Entry {
    return this.#ring[seq % this.#ring.length] as Entry;
  }

  left(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    this.#leaving ??= setTimeout(() => this.#stop(), resumeMs).unref();
  }

  #listen(): void {
    this.#heartbeat ??= setInterval(() => {
      for (const reader of this.#readers) reader.beat();
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
    this.#seq += this.#ring.length + 1;
    this.#ring.fill(undefined);
  }

  #add(name: string, data: object): void {
    const { userId } = data as { userId?: string };
    this.#seq += 1;
    const text = `id: ${this.#epoch}-${this.#seq}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#ring[this.#seq % this.#ring.length] = { userId, bytes: this.#encoder.encode(text) };
    for (const reader of this.#readers) reader.wake();
  }

  #seqOf(id: string | undefined): number | undefined {
    const [, epoch, digits] = /^([0-9a-f]{8})-(\d{1,16})$/.exec(id ?? '') ?? [];
    const seq = Number(digits);
    const isKept = epoch === this.#epoch && seq <= this.#seq && !this.isLost(seq);
    return isKept ? seq : undefined;
  }
}

/** One connection. */
class Reader {
  readonly #events: LiveEvents;
  readonly #userId: string | undefined;
  readonly #encoder = new TextEncoder();
  /** What is not of the ring. */
  #own = 'retry: 1000\n\n';
  /** The last event that it has seen. */
  #seq: number;
  #isOver = false;
  #wake = (): void => {};

  constructor(events: LiveEvents, userId: string | undefined, seq: number) {
    this.#events = events;
    this.#userId = userId;
    this.#seq = seq;
  }

  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const bytes = await this.#next();
        if (bytes !== undefined) {
          controller.enqueue(bytes);
          return;
        }
        this.#events.left(this);
        controller.close();
      },
      cancel: () => {
        this.end();
        this.#events.left(this);
      },
    });
  }

  wake(): void {
    this.#wake();
  }

  /** Says something that is no event of the processor. */
  tell(name: string): void {
    this.#own += `event: ${name}\ndata: {}\n\n`;
    this.#wake();
  }

  beat(): void {
    // One that does not read has enough to read.
    if (this.#own === '') this.#own = ':\n\n';
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#own !== '') {
        const bytes = this.#encoder.encode(this.#own);
        this.#own = '';
        return bytes;
      }
      const piece = this.#piece();
      if (piece !== undefined) return piece;
      if (this.#isOver) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next events that it wants, if there are any. */
  #piece(): Uint8Array | undefined {
    if (this.#events.isLost(this.#seq)) {
      this.#isOver = true;
      this.#seq = this.#events.seq;
      return this.#encoder.encode('event: dropped\ndata: {}\n\n');
    }
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (this.#seq < this.#events.seq && length < pieceBytes) {
      this.#seq += 1;
      const { userId, bytes } = this.#events.at(this.#seq);
      if (this.#userId !== undefined && this.#userId !== userId) continue;
      pieces.push(bytes);
      length += bytes.byteLength;
    }
    return length === 0 ? undefined : Buffer.concat(pieces);
  }
}
