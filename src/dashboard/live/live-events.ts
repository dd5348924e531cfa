import type { ProcessorEvents } from '../../core/lifecycle/processor-events.ts';
import type { OrderError } from '../../core/order/order-error.ts';
import type { OrderRecord, Receipt } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { LiveEvent, LiveEventName } from '../api.ts';
import { BoundedListener } from '../observe/bounded-listener.ts';
import { amount, defined } from '../views/amounts.ts';

/** So many are kept for all pages together. */
const mostEvents = 1_000;
/** So many of the frequent ones are looked at in a turn, and as many of the others. */
const mostInTurn = 100;
const longestMessage = 500;

type Fields = { [F in keyof Omit<LiveEvent, 'at' | 'name'>]?: LiveEvent[F] | undefined };
type Views = { [E in keyof ProcessorEvents]?: (payload: ProcessorEvents[E]) => Fields };

const record = ({ id: orderId, userId, status, labels, ...rest }: OrderRecord): Fields => ({
  ...{ orderId, userId, status, labels, amount: amount(rest.amount) },
});
const receipt = ({ orderId, userId, status, labels, durationMs, ...rest }: Receipt): Fields => ({
  ...{ orderId, userId, status, labels, durationMs, amount: amount(rest.amount) },
});
const failure = (error: OrderError): Fields => ({
  ...{ orderId: error.orderId, userId: error.userId, labels: error.labels },
  ...{ code: error.code, message: cut(error.message), durationMs: error.durationMs },
});
const hold = ({ userId, orderId, code, message, reason }: ProcessorEvents['held']): Fields => ({
  ...{ userId, orderId, code, message: cut(message ?? reason ?? '') },
});

const frequent: Views = {
  accepted: record,
  started: record,
  completed: receipt,
  failed: failure,
  canceled: failure,
  refused: failure,
  progress: ({ orderId, userId, labels, step, fraction, label = '' }) => ({
    ...{ orderId, userId, labels, step },
    message: cut(`${Math.round(fraction * 100)} % ${label}`.trim()),
  }),
  stepped: ({ orderId, userId, labels, step: { name, durationMs, attempts, code } }) => ({
    ...{ orderId, userId, labels, step: name, durationMs, attempt: attempts, code },
  }),
  retried: ({ orderId, userId, labels, step, attempt, code, message }) => ({
    ...{ orderId, userId, labels, step, attempt, code, message: cut(message) },
  }),
};

const rare: Views = {
  stalled: ({ orderId, userId, labels, runningMs, steps }) => ({
    ...{ orderId, userId, labels, durationMs: runningMs, message: cut(steps.join(', ')) },
  }),
  held: hold,
  released: hold,
  interrupted: failure,
  restored: () => ({}),
  error: failure,
};

/** The outcomes and the beginnings, which `stats()` counts. */
const counted: ReadonlySet<string> = new Set(['accepted', 'completed', 'failed', 'canceled']);

/** The last events of a processor for all pages. It listens while one of them wants events, at a bounded cost. */
export class LiveEvents {
  readonly #processor: OrderProcessor;
  readonly #listeners: readonly BoundedListener[];
  readonly #changed: (userId: string | undefined, orderId: string | undefined) => void;
  readonly #events: { readonly seq: number; readonly event: LiveEvent; skipped: number }[] = [];
  #seq = 0;
  #isListening = false;
  #counts = 0;
  /** How many of the counted events came in this turn. */
  #seen = 0;
  #skipped = 0;

  /** @param changed - called with the user and the order of each event */
  constructor(
    processor: OrderProcessor,
    changed: (userId: string | undefined, orderId: string | undefined) => void,
  ) {
    this.#processor = processor;
    this.#changed = changed;
    this.#listeners = [frequent, rare].map(
      (views) => new BoundedListener(processor, mostInTurn, this.#listenersOf(views)),
    );
  }

  /** The number of the last event. */
  get seq(): number {
    return this.#seq;
  }

  /** How many events there were that were not looked at. */
  get skipped(): number {
    return this.#skipped;
  }

  nextTurn(): void {
    const counts = this.#isListening ? this.#countsNow() : 0;
    if (this.#isListening && this.#listeners[0]?.isFull === true) {
      this.#skipped += Math.max(0, counts - this.#counts - this.#seen);
    }
    this.#counts = this.#isListening ? counts : this.#countsNow();
    this.#seen = 0;
    this.#isListening = true;
    for (const listener of this.#listeners) listener.nextTurn();
  }

  stop(): void {
    this.#isListening = false;
    for (const listener of this.#listeners) listener.stop();
  }

  add(name: LiveEventName, fields: Fields): void {
    this.#seq += 1;
    const event = { at: unixTimeAt(this.#processor), name, ...defined(fields) } as LiveEvent;
    this.#events.push({ seq: this.#seq, event, skipped: this.#skipped });
    if (this.#events.length > mostEvents) this.#events.shift();
  }

  /** Those after a number, the oldest first, at most so many of the last; and how many are left out. */
  after(seq: number, most: number): { events: readonly LiveEvent[]; skipped: number } {
    const first = this.#events.findIndex((each) => each.seq > seq);
    const found =
      first === -1 ? [] : this.#events.slice(Math.max(first, this.#events.length - most));
    const skipped = this.#seq - seq - found.length;
    return { events: found.map(({ event }) => event), skipped: Math.max(0, skipped) };
  }

  #countsNow(): number {
    const { accepted, completed, failed, canceled } = this.#processor.stats();
    return accepted + completed + failed + canceled;
  }

  #listenersOf(views: Views): Record<string, (payload: never) => void> {
    const entries = Object.entries(views).map(([name, view]) => [
      name,
      (payload: never): void => {
        const fields = (view as (payload: never) => Fields)(payload);
        if (counted.has(name)) this.#seen += 1;
        this.#changed(fields.userId, fields.orderId);
        this.add(name as LiveEventName, fields);
      },
    ]);
    return Object.fromEntries(entries);
  }
}

function cut(message: string): string {
  return message.length > longestMessage
    ? message.slice(0, longestMessage).toWellFormed()
    : message;
}
