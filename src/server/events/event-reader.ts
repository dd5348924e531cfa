import type { EventRing } from './event-ring.ts';
import type { Encode } from './event-views.ts';

/** So many events are handed on at once at most, and no more when they have so many bytes. */
const mostEvents = 100;
const enoughBytes = 65_536;

/** Which events a reader gets. */
export interface Filter {
  /** The user whose events it gets; all users if `undefined`. */
  readonly userId: string | undefined;
  /** Whether it sees the ids that its user's own clients have. */
  readonly isScoped: boolean;
  /** Whether it gets the events that are for operators alone. */
  readonly isOperator: boolean;
}

/** Reads the events of one connection at its pace. */
export class EventReader<T> {
  readonly #ring: EventRing<T>;
  readonly #encode: Encode<T>;
  readonly #userId: string | undefined;
  readonly #isScoped: boolean;
  readonly #isOperator: boolean;
  readonly #left: (reader: EventReader<T>) => void;
  /** Events about the stream itself. */
  readonly #own: T[] = [];
  #isHeartbeatDue = false;
  /** The last event that it has seen. */
  #seq: number;
  #isOver = false;
  #wake = (): void => {};

  /**
   * @param seq - the last event that it has seen
   * @param left - called when its connection has gone
   */
  constructor(
    ring: EventRing<T>,
    encode: Encode<T>,
    { userId, isScoped, isOperator }: Filter,
    seq: number,
    left: (reader: EventReader<T>) => void,
  ) {
    this.#ring = ring;
    this.#encode = encode;
    this.#userId = userId;
    this.#isScoped = isScoped;
    this.#isOperator = isOperator;
    this.#seq = seq;
    this.#left = left;
  }

  /** Resolves with the next events, with none as a heartbeat, or with `undefined` at the end. */
  async next(): Promise<readonly T[] | undefined> {
    for (;;) {
      const events = [...this.#own.splice(0), ...this.#read()];
      if (events.length > 0 || this.#isHeartbeatDue) {
        this.#isHeartbeatDue = false;
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

  /** An event of this user was added. A reader of another user that has seen all before it counts it as seen. */
  added(userId: string | undefined): void {
    const isWanted = this.#userId === undefined || this.#userId === userId;
    if (!isWanted && this.#seq === this.#ring.seq - 1) this.#seq += 1;
    else this.#wake();
  }

  /** The id of the last event that it has seen, or that was of another user. */
  get lastEventId(): string {
    return this.#ring.idOf(this.#seq);
  }

  /** Adds an event about the stream itself. */
  add(name: 'missed' | 'dropped'): void {
    this.#own.push(this.#encode({ name, data: undefined }, ''));
    this.#wake();
  }

  /** Makes `next` resolve, without events if there are none. */
  beat(): void {
    this.#isHeartbeatDue = true;
    this.#wake();
  }

  /** Ends the stream after the events that have happened. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** The connection has gone. */
  leave(): void {
    this.end();
    this.#left(this);
  }

  #read(): T[] {
    if (this.#ring.isLost(this.#seq)) {
      this.#isOver = true;
      this.#seq = this.#ring.seq;
      return [this.#encode({ name: 'dropped', data: undefined }, '')];
    }
    const events: T[] = [];
    let sum = 0;
    while (this.#seq < this.#ring.seq && events.length < mostEvents && sum < enoughBytes) {
      this.#seq += 1;
      const { userId, event, scoped = event, isOperators, bytes } = this.#ring.at(this.#seq);
      if (this.#userId !== undefined && this.#userId !== userId) continue;
      if (isOperators && !this.#isOperator) continue;
      events.push(this.#isScoped ? scoped : event);
      sum += bytes;
    }
    return events;
  }
}
