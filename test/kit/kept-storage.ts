import {
  type AcceptResult,
  type BalanceChange,
  type BalanceResult,
  type DuePage,
  type DueQuery,
  MemoryStorage,
  type NewOrder,
  type OrderStorage,
  type RememberedOrder,
  type RememberResult,
  type RetriedOrder,
  type Settlement,
  type SettlementResult,
  type StepResult,
  type StoredHold,
  type StoredHoldQuery,
  type StoredOrder,
  type StoredOrderPage,
  type StoredOrderQuery,
} from 'order-processor';

/** What becomes of one call. */
export type Fate =
  | 'works'
  /** It fails, and nothing is done; at once, if the fate is known at once. */
  | 'throws'
  /** The same, with a promise. */
  | 'rejects'
  /** It does its work, and then fails. */
  | 'fails late'
  /** It is never answered, and does nothing. */
  | 'hangs'
  /** The process is killed before it, or right after it has done its work. */
  | 'is killed before'
  | 'is killed after';

/** The methods that may fail, and whose calls are counted. */
export type Method =
  | 'accept'
  | 'settle'
  | 'remember'
  | 'amend'
  | 'find'
  | 'get'
  | 'unsettled'
  | 'due'
  | Holding;

/** Those of holds. */
type Holding = 'hold' | 'release' | 'holds';

/** Never settles. One for each call: a shared one would keep all its waiters in memory. */
export const never = (): Promise<never> => new Promise(() => {});

/**
 * An asynchronous storage that keeps orders, over a `MemoryStorage` that stands for the disk: give the same one to
 * another storage, and it has been opened again. The test says when a call is answered, and how.
 */
export class KeptStorage implements OrderStorage {
  readonly disk: MemoryStorage;
  readonly payloads: 'any' | 'json';
  /** The calls of `accept` and `settle`, as they were made. */
  readonly log: string[] = [];
  /** The calls that ask: `find a`, `unsettled`, and `works?` for an `accept` of nothing. */
  readonly asked: string[] = [];
  /** Calls that the contract does not allow. */
  readonly offences: string[] = [];
  /** Called at each call; it is done when that has resolved. */
  fate: (method: Method, size: number) => Fate | Promise<Fate> = () => 'works';
  /** How many unsettled orders come in one page. */
  pageSize = 500;
  isClosed = false;
  /** The process was killed: no call that is under way or comes later is done or answered. */
  isCut = false;
  #isAccepting = false;
  #isSettling = false;
  #isRemembering = false;

  constructor(disk = new MemoryStorage(), payloads: 'any' | 'json' = 'any') {
    this.disk = disk;
    this.payloads = payloads;
  }

  /** Whether orders are on their way. */
  get isAccepting(): boolean {
    return this.#isAccepting;
  }

  get(userId: string): Promise<number | undefined> {
    return this.#call('get', 1, () => this.disk.get(userId));
  }

  apply(changes: readonly BalanceChange[]): readonly BalanceResult[] {
    return this.disk.apply(changes);
  }

  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    if (orders.length === 0) {
      this.asked.push('works?');
      return this.#call('accept', 0, () => this.disk.accept(orders));
    }
    if (this.#isAccepting) this.offences.push('Two calls of accept at once');
    this.log.push(`accept ${orders.map(({ id }) => id).join(' ')}`);
    this.#isAccepting = true;
    const end = (): void => {
      this.#isAccepting = false;
    };
    return this.#call('accept', orders.length, () => this.disk.accept(orders), end);
  }

  settle(settlements: readonly Settlement[]): Promise<readonly SettlementResult[]> {
    if (this.#isSettling) this.offences.push('Two calls of settle at once');
    if (settlements.length === 0) this.offences.push('A call of settle for nothing');
    const shown = settlements.map(
      ({ id, outcome, isProvisional }) => `${id}:${isProvisional ? `(${outcome})` : outcome}`,
    );
    this.log.push(`settle ${shown.join(' ')}`);
    this.#isSettling = true;
    const end = (): void => {
      this.#isSettling = false;
    };
    return this.#call('settle', settlements.length, () => this.disk.settle(settlements), end);
  }

  remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    if (this.#isRemembering) this.offences.push('Two calls of remember at once');
    this.log.push(`remember ${orders.map(({ id, steps }) => `${id}:${steps.length}`).join(' ')}`);
    this.#isRemembering = true;
    const end = (): void => {
      this.#isRemembering = false;
    };
    return this.#call('remember', orders.length, () => this.disk.remember(orders), end);
  }

  amend(id: string, steps: readonly StepResult[]): Promise<void> {
    return this.#call('amend', 1, () => this.disk.amend(id, steps));
  }

  find(id: string): Promise<StoredOrder | undefined> {
    this.asked.push(`find ${id}`);
    return this.#call('find', 1, () => this.disk.find(id));
  }

  list(query: StoredOrderQuery): StoredOrderPage {
    return this.disk.list(query);
  }

  get id(): string {
    return this.disk.id;
  }

  settled: OrderStorage['settled'] = (query) => this.disk.settled(query);
  movements: OrderStorage['movements'] = (query) => this.disk.movements(query);
  balanceAt: OrderStorage['balanceAt'] = (userId, time) => this.disk.balanceAt(userId, time);

  due(query: DueQuery): Promise<DuePage> {
    return this.#call('due', query.limit, () => this.disk.due(query));
  }

  delayed(after: number): Promise<number> {
    return this.#call('due', 0, () => this.disk.delayed(after));
  }

  async *unsettled(upTo?: number): AsyncIterable<readonly StoredOrder[]> {
    this.asked.push('unsettled');
    const pages = await this.#call('unsettled', 0, () => this.disk.unsettled(upTo));
    for await (const whole of pages) {
      for (let at = 0; at < whole.length; at += this.pageSize) {
        const page = whole.slice(at, at + this.pageSize);
        yield await this.#call('unsettled', page.length, () => page);
      }
    }
  }

  hold(hold: StoredHold): Promise<void> {
    this.log.push(`hold ${hold.userId}`);
    return this.#call('hold', 1, () => this.disk.hold(hold));
  }

  release(userId: string, retried?: RetriedOrder): Promise<void> {
    this.log.push(`release ${userId}`);
    return this.#call('release', 1, () => this.disk.release(userId, retried));
  }

  holds(query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#call('holds', 0, () => this.disk.holds(query));
  }

  close(): Promise<void> | undefined {
    if (this.isCut) return never();
    this.isClosed = true;
    return undefined;
  }

  /** The process is killed. */
  cut(): void {
    this.isCut = true;
  }

  /** @param end - called when the call is answered, and before a failure of it is thrown */
  #call<T>(method: Method, size: number, act: () => T, end = (): void => {}): Promise<T> {
    if (this.isCut) return never();
    const fate = this.isClosed ? 'rejects' : this.fate(method, size);
    if (fate === 'throws') {
      end();
      throw new Error('The disk is full');
    }
    return this.#answer(fate, act).finally(end);
  }

  async #answer<T>(fateOrLater: Fate | Promise<Fate>, act: () => T): Promise<T> {
    const fate = await fateOrLater;
    if (this.isCut || fate === 'hangs') return never();
    if (fate === 'is killed before') {
      this.cut();
      return never();
    }
    if (this.isClosed) throw new Error('The storage is closed');
    if (fate === 'throws' || fate === 'rejects') throw new Error('The disk is full');
    const result = act();
    if (fate === 'fails late') throw new Error('The disk went away');
    if (fate !== 'is killed after') return result;
    this.cut();
    return never();
  }
}
