/** One processor whose listeners, and maybe whose other host code, call it again at random. */
import { type EventName, OrderProcessor } from 'order-processor';
import { range } from '../../kit/helpers.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { type Dice, Host, type Traits } from './host.ts';

/** So many orders at most: listeners that submit would never end. */
const mostOrders = 400;

const priorities = ['low', 'medium', 'high'] as const;

export const names: readonly EventName[] = [
  ...(['accepted', 'refused', 'started', 'completed', 'failed', 'canceled', 'idle'] as const),
  ...(['stored', 'stalled', 'error', 'interrupted', 'restored'] as const),
];

/** A promise that the processor has given. */
export interface Promised {
  readonly what: string;
  isSettled: boolean;
}

export class Life {
  readonly host: Host;
  readonly processor: OrderProcessor;
  readonly promises: Promised[] = [];
  /** By user, in the order handed in: each id that is new, but those of streams. */
  readonly handedIn = new Map<string, string[]>();
  /** By id: the life-cycle events, in their order. */
  readonly events = new Map<string, string[]>();
  /** By user: ids in the order accepted. */
  readonly accepted = new Map<string, string[]>();
  /** By user: ids in the order completed. */
  readonly completed = new Map<string, string[]>();
  /** Whether `shutdown` may come at any moment. */
  readonly endsEarly: boolean;
  /** Whether ids come again, by other users and amounts too. */
  readonly repeats: boolean;
  readonly #dice: Dice;
  readonly #clock: VirtualClock;
  readonly #isReentrant: boolean;
  #lastId = 0;
  #isEnding = false;

  constructor(traits: Traits, dice: Dice, clock: VirtualClock) {
    this.#dice = dice;
    this.#clock = clock;
    this.endsEarly = dice.chance(0.3);
    this.repeats = dice.chance(0.6);
    this.#isReentrant = dice.chance(0.7);
    this.host = new Host(traits, dice, clock, {
      act: () => this.act(),
      handIn: () => this.#handIn(),
    });
    this.processor = new OrderProcessor(this.host.options());
    for (const name of names) this.#listen(name);
    this.host.isReady = true;
  }

  /** Does something with the processor at random. */
  act(): void {
    const { chance, pick } = this.#dice;
    const { processor } = this;
    const userId = this.#user();
    const kind = pick(20);
    if (kind < 11) this.#submit(userId);
    else if (kind < 13) this.#withId('cancel', (id) => processor.cancel(id));
    else if (kind < 15) {
      if (!this.#isEnding) processor.pause(chance(0.5) ? userId : undefined);
    } else if (kind < 18) this.resume(userId);
    else if (kind < 19) this.#withId('outcome', (id) => processor.outcome(id));
    else this.#actRarely(userId);
    if (this.endsEarly && chance(0.01)) this.end(1 + pick(60));
  }

  #actRarely(userId: string): void {
    const kind = this.#dice.pick(4);
    if (kind === 0) this.#track('onIdle', this.processor.onIdle());
    else if (kind === 1) this.#stream(userId);
    else {
      const signal = this.#signal(0.5);
      this.#withId('outcome with a signal', (id) => this.processor.outcome(id, { signal }));
    }
  }

  resume(userId: string): void {
    this.processor.resume(userId);
    this.processor.resume();
  }

  resumeAll(): void {
    this.#isEnding = true;
    for (const user of range(3)) this.resume(`u-${user}`);
  }

  end(timeoutMs: number): ReturnType<OrderProcessor['shutdown']> {
    this.#isEnding = true;
    return this.processor.shutdown({ timeoutMs });
  }

  #user(): string {
    return `u-${this.#dice.pick(3)}`;
  }

  #newId(): string {
    this.#lastId += 1;
    return `o-${this.#lastId}`;
  }

  #submit(userId: string): void {
    const { chance, pick } = this.#dice;
    if (this.#lastId > mostOrders) return;
    const isOld = this.repeats && this.#lastId > 0 && chance(0.2);
    const id = isOld ? `o-${1 + pick(this.#lastId)}` : this.#newId();
    if (!isOld) this.#note(userId, id);
    const priority = priorities[pick(3)];
    const order = { id, userId, amount: chance(0.2) ? -2 : 1, priority } as const;
    const way = pick(4);
    const { processor } = this;
    if (way === 0) this.#track(`enqueue ${id}`, processor.enqueue(order));
    else if (way === 1) {
      this.#track(`submit ${id}`, processor.submit(order, { signal: this.#signal(0.3) }));
    } else if (way === 2 && this.#clock.msPerReading === 0) {
      // Else a list waits for the next turn, and is overtaken by what comes meanwhile.
      this.#track(`submitMany ${id}`, processor.submitMany([order]));
    } else this.#track(`submit ${id}`, processor.submit(order));
  }

  #handIn(): Promise<unknown> | undefined {
    if (this.#lastId > mostOrders) return undefined;
    const order = { id: this.#newId(), userId: this.#user(), amount: 1 };
    this.#note(order.userId, order.id);
    const isAwaited = this.#dice.chance(0.5);
    const receipt = isAwaited ? this.processor.submit(order) : this.processor.enqueue(order);
    this.#track(`${order.id} of a step`, receipt);
    return receipt;
  }

  #stream(userId: string): void {
    const { chance, pick } = this.#dice;
    if (this.#lastId > mostOrders) return;
    const ids = range(1 + pick(6)).map(() => this.#newId());
    const stream = this.processor.submitStream(ids.map((id) => ({ id, userId, amount: 1 })));
    const read = async (): Promise<void> => {
      for await (const _ of stream) if (chance(0.1)) return;
    };
    this.#track(`submitStream ${ids}`, read());
  }

  #withId(what: string, call: (id: string) => Promise<unknown>): void {
    if (this.#lastId === 0) return;
    const id = `o-${1 + this.#dice.pick(this.#lastId)}`;
    this.#track(`${what} ${id}`, call(id));
  }

  #signal(share: number): AbortSignal {
    const controller = new AbortController();
    const { chance, pick } = this.#dice;
    if (chance(share)) setTimeout(() => controller.abort(), 1 + pick(10));
    return controller.signal;
  }

  #note(userId: string, id: string): void {
    listIn(this.handedIn, userId).push(id);
  }

  #track(what: string, promise: Promise<unknown>): void {
    const promised: Promised = { what, isSettled: false };
    this.promises.push(promised);
    const settle = (): void => {
      promised.isSettled = true;
    };
    promise.then(settle, settle);
  }

  #listen(name: EventName): void {
    this.processor.on(name, (...[about]: readonly unknown[]) => {
      const { id, orderId = id, userId } = (about ?? {}) as Record<string, string>;
      if (orderId !== undefined && name !== 'error') {
        listIn(this.events, orderId).push(name);
        if (name === 'accepted' || name === 'completed') {
          listIn(this[name], userId as string).push(orderId);
        }
      }
      if (this.#isReentrant && this.#dice.chance(0.3)) this.act();
    });
  }
}

export function listIn(lists: Map<string, string[]>, key: string): string[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}
