import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import type { OwnerRequests } from '../../core/storage/requests/owner-requests.ts';
import type {
  SharedOrders,
  SharedPage,
  SharedStorageListener,
} from '../../core/storage/shared-storage.ts';
import { AwaitedOrders } from '../notes/awaited-orders.ts';
import { OrderReader } from '../notes/order-reader.ts';
import { OrderStream } from '../notes/order-stream.ts';
import type { AnsweredCall } from '../notes/own-calls.ts';
import { requestCancel, watchOrders } from '../notes/requests.ts';
import { Requests } from '../requests/requests.ts';
import { ServerClock } from '../sessions/server-clock.ts';
import { Channels } from './channels.ts';
import { evict } from './evict.ts';
import { farewell } from './farewell.ts';
import { Following } from './following.ts';
import { takeNote } from './heard-notes.ts';
import { Life } from './life.ts';
import type { MembershipOptions } from './membership-options.ts';
import { type ShareSettings, Shares } from './shares.ts';
import type { Peer } from './statements.ts';

/** How long a new time at the database waits after a failure: the pause doubles, in milliseconds. */
const pauseMs = { first: 50, most: 500 } as const;

/** Of how many lives before it a life hears the outcomes. */
const mostFormer = 8;

/** A processor among those that share the database: one life after the other, and what outlives them. */
export class Membership implements Omit<SharedOrders, 'cluster' | keyof OwnerRequests> {
  readonly #options: MembershipOptions & ShareSettings;
  readonly #channels: Channels;
  #life: Life | undefined;
  /** The one before it, while the table may still have it. */
  #former: Peer | undefined;
  /** The numbers of the newest lives whose outcomes may still be awaited. */
  #numbers: number[] = [];
  #shares: Shares | undefined;
  /** Why there is no life. */
  #failure = new Error('PostgreSQL is not connected yet');
  #listener: SharedStorageListener | undefined;
  #isLeaving = false;
  #isClosed = false;
  #hasShare = false;
  #reader: OrderReader | undefined;
  readonly #stream = new OrderStream(() => this.#hasShare);
  readonly #awaited: AwaitedOrders;
  readonly requests: Requests;
  readonly clock = new ServerClock();
  /** Who follows what is settled. */
  readonly following: Following;
  readonly #takeUnreadable: TakeUnreadable;
  #shareTimer: NodeJS.Timeout | undefined;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(options: MembershipOptions, takeUnreadable: TakeUnreadable) {
    this.#channels = new Channels(options.schema);
    this.#options = { ...options, channels: this.#channels, clock: this.clock };
    this.following = new Following(this.#channels, options.beatMs, () => this.#listener?.applied());
    this.#takeUnreadable = takeUnreadable;
    this.#awaited = new AwaitedOrders(
      () => this.#life,
      (order) => this.#listener?.settled(order),
      takeUnreadable,
    );
    this.requests = new Requests(this.#channels, () => this.#life, {
      asked: (request, partition) => this.#listener?.asked(request, partition),
      answered: (id, answer) => this.#listener?.answered(id, answer),
    });
  }

  get name(): string {
    return this.#options.name;
  }

  /**
   * Begins the first life.
   *
   * @throws an error that says what to do, and shows no password
   */
  async open(): Promise<void> {
    await this.#begin();
  }

  /** @throws Error while there is none: before a new one has begun, and after `close` */
  get life(): Life {
    if (this.#life !== undefined) return this.#life;
    throw this.#failure;
  }

  /** The names under which processors of this schema hear of each other. */
  get channels(): Channels {
    return this.#channels;
  }

  /**
   * The server has answered an own call of `accept`.
   *
   * @param call - without orders that are not due
   */
  accepted(life: Life, call: AnsweredCall): void {
    if (life === this.#life) this.#reader?.accepted(call);
  }

  /** The outcomes of these unsettled orders are awaited here. */
  awaits(orders: readonly Pick<StoredOrder, 'sequence'>[]): void {
    for (const { sequence } of orders) this.#awaited.add(sequence);
  }

  /**
   * Orders are settled, as the answer of `settle` says: by that call or before.
   *
   * @param parts - the partition of each
   */
  settled(life: Life, sequences: readonly number[], parts: readonly number[]): void {
    for (const [at, sequence] of sequences.entries()) {
      this.#awaited.delete(sequence);
      if (life === this.#life) this.#reader?.settled(sequence, parts[at] as number);
    }
  }

  /** A call was refused by the fence: all of these partitions count as lost. */
  lost(life: Life, parts: Iterable<number>): void {
    if (life === this.#life) this.#shares?.lost(parts);
  }

  join(listener: SharedStorageListener): void {
    this.#listener = listener;
    void this.#shares?.share(true);
    // What others run of its share may take long: then it is caught up with what it has.
    this.#shareTimer = setTimeout(() => this.#ownsShare(), this.#options.staleMs);
  }

  orders(): AsyncIterable<SharedPage> {
    return this.#stream.orders();
  }

  async watch(ids: readonly string[]): Promise<readonly (StoredOrder | undefined)[]> {
    const orders = await watchOrders(this.life, ids);
    const unsettled = orders.filter((each) => each !== undefined && each.settledAt === undefined);
    this.awaits(unsettled as StoredOrder[]);
    return orders;
  }

  async cancel(id: string): Promise<void> {
    await requestCancel(this.life, id, this.#channels);
  }

  follow(isFollowing: boolean): void {
    this.following.follow(isFollowing, this.#shares);
  }

  /** Without a life it owns nothing. */
  mayBegin(): boolean {
    return this.#shares?.mayBegin() ?? false;
  }

  leave(): void {
    this.#isLeaving = true;
    void this.#shares?.share(false);
  }

  /** Waits for what was sent, and leaves the other processors. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#shareTimer);
    this.#stream.close();
    this.#awaited.close();
    this.requests.close();
    const [life, shares] = [this.#life, this.#shares];
    this.#end(new Error('The storage is closed'));
    if (life === undefined || shares === undefined) return;
    await farewell(life, () => shares.remove());
  }

  async #begin(): Promise<void> {
    if (this.#awaited.size === 0) this.#numbers = [];
    const life = await Life.begin(
      {
        place: this.#options,
        clock: this.clock,
        channels: this.#channels,
        shares: this.#isSharing,
        former: this.#numbers,
      },
      {
        heard: (channel, payload) => this.#heard(channel, payload),
        ended: (error) => {
          if (this.#isClosed) return;
          this.#end(error);
          void this.#beginAgain();
        },
      },
    );
    if (this.#isClosed) return life.destroy();
    this.#life = life;
    this.#numbers = [...this.#numbers, life.number].slice(-mostFormer);
    await this.#endFormer(life);
    if (this.#isClosed || life.isOver) return;
    const reader = new OrderReader(
      life,
      {
        wake: this.#stream.wake,
        cancel: (id) => this.#listener?.cancel(id),
        takeUnreadable: this.#takeUnreadable,
      },
      this.#options.bounds,
    );
    this.#reader = reader;
    this.#stream.use(reader);
    this.#shares = this.#sharesOf(life, reader);
    this.#sweepTimer = setInterval(() => {
      reader.sweep();
      this.following.heard();
    }, this.#options.sweepMs ?? 5_000);
    this.following.begin(this.#shares);
    // What has changed while the life began.
    if (this.#isSharing) void this.#shares.share(true);
    this.#awaited.askAll();
    this.requests.askAll();
  }

  /** The sessions of the life before may still be there for the server: its partitions need not wait for that. */
  async #endFormer(life: Life): Promise<void> {
    const former = this.#former;
    if (former === undefined) return;
    await evict(life, former, this.#options, true).catch(() => {});
    this.#former = undefined;
  }

  #sharesOf(life: Life, reader: OrderReader): Shares {
    return new Shares(life, this.#options, {
      gained: (partition) => {
        this.#listener?.gained(partition);
        reader.gain(partition);
        this.requests.gain(partition);
      },
      released: async (partition) => {
        reader.drop(partition);
        this.requests.drop(partition);
        await this.#listener?.released(partition);
      },
      lost: (partition) => {
        reader.drop(partition);
        this.requests.drop(partition);
        this.#listener?.lost(partition);
      },
      sizeOf: (partition) => reader.sizeOf(partition),
      found: (peers) => this.following.found(life, peers),
      settled: () => this.#ownsShare(),
    });
  }

  /** Until there is a life again. */
  async #beginAgain(): Promise<void> {
    for (let ms: number = pauseMs.first; !this.#isClosed; ms = Math.min(ms * 2, pauseMs.most)) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (this.#isClosed) return;
      try {
        await this.#begin();
        return;
      } catch (error) {
        this.#failure = error as Error;
      }
    }
  }

  #end(error: Error): void {
    const shares = this.#shares;
    this.#failure = error;
    this.#former = this.#life ?? this.#former;
    this.#life = undefined;
    this.#shares = undefined;
    this.#reader = undefined;
    clearInterval(this.#sweepTimer);
    this.#stream.use(undefined);
    shares?.end();
  }

  get #isSharing(): boolean {
    return this.#listener !== undefined && !this.#isLeaving;
  }

  #ownsShare(): void {
    this.#hasShare = true;
    this.#stream.wake();
  }

  #heard(channel: string, payload: string): void {
    const [reader, shares, awaited] = [this.#reader, this.#shares, this.#awaited];
    const { following, requests } = this;
    takeNote(this.#channels, channel, payload, { reader, shares, awaited, following, requests });
  }
}
