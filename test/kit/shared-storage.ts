import type {
  AcceptResult,
  BalanceChange,
  BalanceResult,
  ClusterStats,
  FencedWrite,
  NewOrder,
  OrderStorage,
  OrderTransaction,
  OwnerRequest,
  RememberedOrder,
  RememberResult,
  RetriedOrder,
  Settlement,
  SettlementResult,
  SharedOrders,
  SharedPage,
  SharedStorageListener,
  StepResult,
  StoredHold,
  StoredHoldQuery,
  StoredOrder,
  StoredOrderPage,
  StoredOrderQuery,
  TransactionClient,
} from 'order-processor';
import { DoubleTransaction } from './double-transaction.ts';
import type { SharedDatabase, Tenure } from './shared-database.ts';

type Event = (listener: SharedStorageListener) => unknown;

/** One processor's storage object of a `SharedDatabase`. */
export class SharedStorage implements OrderStorage, SharedOrders {
  readonly database: SharedDatabase;
  readonly shared = this;
  isLeaving = false;
  isFollowing = false;
  /** The partitions that the processor owns, as far as it has been told. */
  readonly tenures = new Set<Tenure>();
  /** Whether a call fails: before it is done, or after it. */
  fate: () => 'works' | 'fails' | 'fails late' | 'never ends' = () => 'works';
  #listener: SharedStorageListener | undefined;
  readonly #events: (readonly [event: Event, most: number])[] = [];
  #isTelling = false;
  readonly #pages: { readonly partition: Tenure; readonly orders: StoredOrder[] }[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(database: SharedDatabase) {
    this.database = database;
    database.members.add(this);
  }

  get clockAheadMs(): number | undefined {
    return this.database.aheadMs;
  }

  get(userId: string): number | undefined {
    this.#checkOpen();
    return this.database.disk.get(userId);
  }

  apply(changes: readonly BalanceChange[]): readonly BalanceResult[] {
    this.#checkOpen();
    return this.database.disk.apply(changes);
  }

  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    return this.#call(() => {
      const results = this.database.disk.accept(orders);
      const accepted = orders.filter((_, at) => results[at]?.status === 'accepted');
      this.database.accepted(accepted.map(({ id }) => id));
      return orders.map(({ id, isAwaited }, at): AcceptResult => {
        const { sequence } = this.database.find(id) as StoredOrder;
        const isNew = results[at]?.status === 'accepted';
        if (isAwaited !== false || !isNew) this.database.watch(id, this);
        if (isNew) return { status: 'kept', sequence };
        return { status: 'known', order: this.database.find(id) as StoredOrder };
      });
    });
  }

  transaction(client: TransactionClient): OrderTransaction {
    if (client instanceof DoubleTransaction) return client;
    throw new TypeError('Expected `client` to be in a transaction');
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    return this.#call(() => {
      const isOwner = settlements.every(
        ({ userId }) => this.database.ownerOf(userId)?.storage === this,
      );
      if (!isOwner && !this.database.faults.hasNoFence) {
        for (const { userId } of settlements) this.database.regain(userId, this);
        return settlements.map(() => ({ status: 'lost' }));
      }
      const results = this.database.disk.settle(settlements);
      for (const [at, { id, isProvisional }] of settlements.entries()) {
        const isSettled = this.database.find(id)?.settledAt !== undefined;
        const isNew = results[at]?.status !== 'known';
        if (isSettled && isNew && !isProvisional) this.database.settled(id, this);
      }
      return results;
    });
  }

  remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    return this.#call(() => {
      const isOwner = orders.every(({ userId }) => this.database.ownerOf(userId)?.storage === this);
      if (isOwner || this.database.faults.hasNoFence) return this.database.disk.remember(orders);
      for (const { userId } of orders) this.database.regain(userId, this);
      return orders.map(() => ({ status: 'lost' }));
    });
  }

  amend(id: string, steps: readonly StepResult[]): FencedWrite {
    const userId = this.database.find(id)?.userId ?? '';
    return this.#fenced(userId, () => this.database.disk.amend(id, steps));
  }

  find(id: string): StoredOrder | undefined {
    this.#checkOpen();
    return this.database.find(id);
  }

  list(query: StoredOrderQuery): StoredOrderPage {
    this.#checkOpen();
    return this.database.disk.list(query);
  }

  get id(): string {
    return this.database.disk.id;
  }

  settled: OrderStorage['settled'] = (query) => this.database.disk.settled(query);
  movements: OrderStorage['movements'] = (query) => this.database.disk.movements(query);
  balanceAt: OrderStorage['balanceAt'] = (userId, time) =>
    this.database.disk.balanceAt(userId, time);

  balances: NonNullable<OrderStorage['balances']> = (query) => this.database.disk.balances(query);

  unsettled(): AsyncIterable<readonly StoredOrder[]> {
    this.#checkOpen();
    return this.database.disk.unsettled();
  }

  hold(hold: StoredHold): FencedWrite {
    return this.#fenced(hold.userId, () => this.database.disk.hold(hold));
  }

  release(userId: string, retried?: RetriedOrder): FencedWrite {
    return this.#fenced(userId, () => this.database.disk.release(userId, retried));
  }

  holds(query: StoredHoldQuery): readonly StoredHold[] {
    this.#checkOpen();
    return this.database.disk.holds(query);
  }

  request(request: OwnerRequest): Promise<void> {
    return this.#call(() => this.database.requests.keep(request, this));
  }

  begin({ id, userId }: OwnerRequest): FencedWrite {
    return this.#fenced(userId, () => this.database.requests.begin(id));
  }

  answer({ id, userId }: OwnerRequest, answer: string): FencedWrite {
    return this.#fenced(userId, () => this.database.requests.answer(id, answer));
  }

  holdsOf(partition: number, query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#call(() => this.database.holdsOf(partition, query));
  }

  holdOf(userId: string): Promise<StoredHold | undefined> {
    return this.#call(() => this.database.holdOf(userId));
  }

  due(): never {
    throw new Error('Not asked where several processors share the storage');
  }

  delayed(): never {
    return this.due();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake?.();
    this.database.close(this);
  }

  join(listener: SharedStorageListener): void {
    this.#listener = listener;
    void this.#tellAll();
  }

  follow(isFollowing: boolean): void {
    this.isFollowing = isFollowing;
  }

  leave(): void {
    this.isLeaving = true;
    this.database.leave(this);
  }

  async *orders(): AsyncIterable<SharedPage> {
    for (let isCaughtUp = false; !this.#isClosed; ) {
      const page = this.#pages.shift();
      if (page !== undefined) {
        await this.database.delay();
        const ids = page.orders.map(({ id }) => id);
        const toCancel = ids.filter((id) => this.database.isToCancel(id));
        yield { ...page, toCancel };
        for (const id of ids) this.database.given(page.partition, id, toCancel.includes(id));
      } else if (!isCaughtUp) {
        isCaughtUp = true;
        yield { orders: [], isCaughtUp };
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async watch(ids: readonly string[]): Promise<readonly (StoredOrder | undefined)[]> {
    await this.database.delay();
    this.#checkOpen();
    for (const id of ids) this.database.watch(id, this);
    const orders = ids.map((id) => this.database.find(id));
    await this.database.delay(12);
    return orders;
  }

  async cancel(id: string): Promise<void> {
    await this.database.delay();
    this.#checkOpen();
    this.database.cancel(id);
  }

  cluster(): ClusterStats {
    return this.database.clusterOf(this);
  }

  /** @param most - how long it may take at most, in milliseconds */
  tell(event: Event, most = 3): void {
    this.#events.push([event, most]);
    void this.#tellAll();
  }

  page(partition: Tenure, orders: StoredOrder[]): void {
    if (orders.length === 0) return;
    this.#pages.push({ partition, orders });
    this.#wake?.();
  }

  /** The tenure in which the processor, as far as it has been told, owns the orders of a user. */
  tenureOf(userId: string): Tenure | undefined {
    const partition = this.database.partitionOf(userId);
    return [...this.tenures].find(({ number }) => number === partition);
  }

  /** One event after the other. */
  async #tellAll(): Promise<void> {
    if (this.#isTelling || this.#listener === undefined) return;
    this.#isTelling = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      const [event, most] = next;
      await this.database.delay(most);
      if (!this.#isClosed) void event(this.#listener);
    }
    this.#isTelling = false;
  }

  /** A write that only the owner of the user's partition makes. */
  #fenced(userId: string, write: () => void): Promise<'lost' | undefined> {
    return this.#call(() => {
      const isOwner = this.database.ownerOf(userId)?.storage === this;
      if (isOwner || this.database.faults.hasNoFence) {
        write();
        return undefined;
      }
      this.database.regain(userId, this);
      return 'lost';
    });
  }

  async #call<T>(act: () => T): Promise<T> {
    const fate = this.fate();
    if (fate === 'never ends') return new Promise(() => {});
    await this.database.delay();
    this.#checkOpen();
    if (fate === 'fails') throw new Error('The connection is gone');
    const answer = act();
    // Events may come before it.
    await this.database.delay(12);
    if (fate === 'fails late') throw new Error('The answer is lost');
    return answer;
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new Error('The storage is closed');
  }
}
