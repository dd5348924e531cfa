import {
  isOrderError,
  type Order,
  OrderError,
  OrderProcessor,
  type Receipt,
  type Step,
  type StepContext,
} from 'order-processor';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { Ledger } from './ledger.ts';
import { type Act, moneyOf, type OrderPlan, type Plan } from './plan.ts';

/** They say nothing of what becomes of an order. */
const promisesNothing: readonly string[] = ['storage_failed', 'shut_down'];

/** Plays a plan: one process after the other over one disk. */
export class Bank {
  readonly ledger = new Ledger();
  readonly #plan: Plan;
  readonly #clock: VirtualClock;
  readonly #dead: OrderProcessor<OrderPlan>[] = [];
  readonly #ids: string[] = [];
  /** Orders as they were handed in: a caller that comes again hands in the same. */
  readonly #orders = new Map<string, Order<OrderPlan>>();
  /** Ids whose acceptance a caller was notified of. */
  readonly #acknowledged = new Set<string>();
  /** What callers got: the balance or the code. */
  readonly #told = new Map<string, number | string>();
  /** By id: how often its charge is still to fail. */
  readonly #failures = new Map<string, number>();
  /** The process is killed in the call after so many. */
  #kill: { calls: number; readonly isDone: boolean } | undefined;
  #storage: KeptStorage;
  #processor: OrderProcessor<OrderPlan>;

  constructor(plan: Plan, clock: VirtualClock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#storage = new KeptStorage(this.ledger);
    this.#processor = this.#open();
  }

  get #wrong(): string[] {
    return this.ledger.wrong;
  }

  async run(): Promise<string[]> {
    for (const act of this.#plan.acts) {
      if (this.#storage.isCut) await this.#restart();
      await this.#do(act);
    }
    await this.#restart();
    await this.#finish();
    await this.#judge();
    await this.#bury();
    return this.#wrong;
  }

  #open(): OrderProcessor<OrderPlan> {
    this.#storage = new KeptStorage(this.ledger);
    this.#storage.pageSize = 7;
    this.#storage.fate = (method) => (method === 'get' ? 'works' : this.#fate());
    const storage = this.#storage;
    const steps = this.#plan.hasSteps ? this.#steps(storage) : [];
    return new OrderProcessor<OrderPlan>({ storage, minBalance: 0, steps });
  }

  #fate(): Fate | Promise<Fate> {
    let fate: Fate = 'works';
    if (this.#kill !== undefined && --this.#kill.calls < 0) {
      fate = this.#kill.isDone ? 'is killed after' : 'is killed before';
      this.#kill = undefined;
    }
    const { storageMs } = this.#plan;
    return storageMs === 0 ? fate : this.#clock.sleep(storageMs).then(() => fate);
  }

  #steps(storage: KeptStorage): Step<OrderPlan>[] {
    const works = async (
      { payload }: { payload: OrderPlan },
      { signal }: StepContext<OrderPlan>,
    ) => {
      if (!storage.isCut && payload.stepMs > 0) await this.#clock.sleep(payload.stepMs, signal);
    };
    const charge: Omit<Step<OrderPlan>, 'name'> = {
      after: 'reserve',
      retry: { attempts: 2, delayMs: 2 },
      run: async (order, context) => {
        await works(order, context);
        const left = this.#failures.get(order.id) ?? 0;
        if (left === 0 || storage.isCut) return;
        this.#failures.set(order.id, left - 1);
        throw new OrderError('declined', 'Once more');
      },
      compensate() {},
    };
    return [
      { name: 'reserve', remember: true, run: works, compensate() {} },
      { name: 'charge', ...charge, when: ({ payload }) => !payload.holds },
      { name: 'freeze', ...charge, when: ({ payload }) => payload.holds, onFailure: 'hold' },
      {
        name: 'measure',
        after: ['charge', 'freeze'],
        remember: true,
        when: ({ payload }) => payload.percent !== undefined,
        run: async (order, context) => {
          await works(order, context);
          const { amount, postings } = moneyOf(order.payload);
          context.setAmount(amount, { postings });
        },
      },
    ];
  }

  async #do(act: Act): Promise<void> {
    switch (act.do) {
      case 'order':
        this.#handIn(this.#newOrder(act.plan), act.how);
        return;
      case 'again':
      case 'try again':
      case 'cancel': {
        const id = this.#ids[act.order % this.#ids.length];
        if (id === undefined) return;
        if (act.do === 'again') this.#handIn(this.#orders.get(id) as Order<OrderPlan>, 'submit');
        else if (act.do === 'try again') void this.#processor.retry(id).catch(ignoreRefusal);
        else {
          const canceled = this.#processor.cancel(id);
          canceled.then((is) => is && this.#tell(id, 'canceled'), ignoreRefusal);
        }
        return;
      }
      case 'hold':
        void this.#processor.hold(act.userId).catch(ignoreRefusal);
        return;
      case 'retry':
      case 'skip':
        await this.#release(act.userId, act.do);
        return;
      case 'wait':
        return this.#clock.advance(act.ms);
      case 'shut down': {
        void this.#processor.shutdown({ timeoutMs: 5 });
        await this.#clock.advance(5_000);
        return this.#restart();
      }
      case 'kill':
        this.#storage.cut();
        return;
      case 'kill in a call':
        this.#kill = { ...act };
    }
  }

  #newOrder(plan: OrderPlan): Order<OrderPlan> {
    const id = `o-${this.#ids.length + 1}`;
    const { userId, outside, payees, priority, delayMs } = plan;
    const amount = payees.reduce((rest, payee) => rest - payee.amount, outside);
    const notBefore = delayMs === undefined ? undefined : Date.now() + delayMs;
    const order = { id, userId, amount, postings: payees, priority, notBefore, payload: plan };
    this.#ids.push(id);
    this.#orders.set(id, order);
    this.ledger.plans.set(id, plan);
    this.#failures.set(id, plan.failures);
    return order;
  }

  #handIn(order: Order<OrderPlan>, how: 'submit' | 'enqueue'): void {
    const id = order.id as string;
    const failed = (error: unknown): void => {
      if (!isOrderError(error)) this.#wrong.push(`${id} got ${error}`);
      else if (!promisesNothing.includes(error.code)) this.#tell(id, error.code);
    };
    const { signal } = new AbortController();
    if (how === 'enqueue') {
      this.#processor
        .enqueue(order, { signal })
        .then(() => void this.#acknowledged.add(id), failed);
    } else {
      this.#processor.submit(order, { signal }).then((receipt) => this.#complete(receipt), failed);
    }
  }

  #complete({ orderId, amount, balance, postings }: Receipt): void {
    this.#tell(orderId, balance);
    const money = moneyOf(this.ledger.planOf(orderId));
    const moved = [amount, ...postings.map((posting) => posting.amount)].join();
    const ought = [money.amount, ...money.postings.map((posting) => posting.amount)].join();
    if (moved !== ought) this.#wrong.push(`invariant 3: ${orderId} moved ${moved}, not ${ought}`);
  }

  #tell(id: string, outcome: number | string): void {
    const before = this.#told.get(id) ?? outcome;
    if (before !== outcome) this.#wrong.push(`invariant 5: ${id} got ${before} and ${outcome}`);
    this.#told.set(id, outcome);
  }

  /** A lane that is held by an order needs an action, another takes none. */
  async #release(userId: string, action: 'retry' | 'skip'): Promise<void> {
    const { holds } = await this.#during(this.#processor.holds({ limit: 100 }), {
      holds: [],
      cursor: undefined,
    });
    const hold = holds.find((each) => each.userId === userId);
    if (hold === undefined) return;
    const isByOrder = hold.orderId !== undefined;
    void this.#processor.release(userId, isByOrder ? action : undefined).catch(ignoreRefusal);
  }

  /** What a promise gives in time; a killed process gives nothing. */
  async #during<T>(promise: Promise<T>, otherwise: T): Promise<T> {
    let value = otherwise;
    promise.then((given) => {
      value = given;
    }, ignoreRefusal);
    await this.#clock.advance(10);
    return value;
  }

  async #restart(): Promise<void> {
    this.#storage.cut();
    this.#kill = undefined;
    await this.#clock.hold();
    this.#dead.push(this.#processor);
    this.#processor = this.#open();
  }

  async #finish(): Promise<void> {
    for (let round = 0; round < 10; round += 1) {
      await this.#clock.advance(1_000);
      const { holds } = await this.#during(this.#processor.holds({ limit: 100 }), {
        holds: [],
        cursor: undefined,
      });
      if (holds.length === 0) break;
      for (const { userId } of holds) await this.#release(userId, 'retry');
    }
    await this.#clock.advance(1_000);
  }

  async #judge(): Promise<void> {
    this.ledger.audit('all');
    for (const problem of this.ledger.check()) this.#wrong.push(`check: ${problem}`);
    for (const userId of this.ledger.moves.keys()) await this.#judgeStatement(userId);
    for (const id of this.#ids) this.#judgeOrder(id);
    const { orders: unsettled } = this.ledger.list({ status: 'pending', limit: 1_000 });
    for (const { id } of unsettled) this.#wrong.push(`invariant 4: ${id} is unsettled`);
  }

  async #judgeStatement(userId: string): Promise<void> {
    const page = { movements: [], cursor: undefined };
    const { movements } = await this.#during(this.#processor.movements(userId), page);
    const count = this.ledger.moves.get(userId);
    if (movements.length !== count) {
      this.#wrong.push(`invariant 3: ${userId} has ${movements.length} movements, ought ${count}`);
    }
    let sum = 0;
    for (const { orderId, amount, balance } of movements) {
      sum += amount;
      if (balance !== sum) this.#wrong.push(`invariant 3: ${orderId} left ${userId} ${balance}`);
    }
    if (sum !== this.ledger.get(userId)) {
      this.#wrong.push(`invariant 3: the movements of ${userId} make ${sum}`);
    }
  }

  #judgeOrder(id: string): void {
    const { status, code, balance } = this.ledger.find(id) ?? {};
    const told = this.#told.get(id);
    if (status === 'pending') this.#wrong.push(`invariant 4: ${id} has no outcome`);
    if ((status === 'completed') !== this.ledger.completed.has(id)) {
      this.#wrong.push(`invariant 3: ${id} is ${status}`);
    }
    if (status === undefined && this.#acknowledged.has(id)) {
      this.#wrong.push(`invariant 9: ${id} was acknowledged, and is lost`);
    }
    // An order that was canceled before it was accepted is gone.
    const isGone = status === undefined && told === 'canceled';
    if (told !== undefined && told !== (balance ?? code) && !isGone) {
      this.#wrong.push(`invariant 9: ${id} is ${status} ${code ?? balance}, and was told ${told}`);
    }
  }

  /** The processors of killed processes leave no timers behind. */
  async #bury(): Promise<void> {
    const closed = [...this.#dead, this.#processor].map((each) => each.shutdown({ timeoutMs: 1 }));
    this.#clock.release();
    await this.#clock.runAll();
    await Promise.all(closed);
  }
}

/** The lane may have been held or released by then, or the processor is shutting down. */
function ignoreRefusal(error: unknown): void {
  const isExpected = error instanceof TypeError || isOrderError(error);
  if (!isExpected) throw error;
}
