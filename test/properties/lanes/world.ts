import {
  isOrderError,
  MemoryStorage,
  type Order,
  OrderProcessor,
  type ReleasedLane,
  type ShutdownSummary,
} from 'order-processor';
import { type Fate, KeptStorage } from '../../kit/kept-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { type Act, type OrderPlan, type Plan, users, type Works } from './plan.ts';
import { Steps } from './steps.ts';
import { judgeEnd, judgeStats } from './verdict.ts';
import { Witness } from './witness.ts';

/** Plays a plan: one process after the other over one storage. */
export class World {
  readonly #plan: Plan;
  readonly #clock: VirtualClock;
  readonly #disk = new MemoryStorage();
  readonly #witness: Witness;
  readonly #orders: Order<Works>[] = [];
  readonly #steps: Steps;
  /** Calls of the present process that have not ended. */
  readonly #calls = new Set<string>();
  /** By user: how many releases are under way. */
  readonly #releases = new Map<string, number>();
  readonly #dead: OrderProcessor<Works>[] = [];
  #storage: KeptStorage | undefined;
  #processor: OrderProcessor<Works>;
  #life = 0;
  #isStormy = false;
  #callCount = 0;

  constructor(plan: Plan, clock: VirtualClock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#witness = new Witness(plan.rate);
    this.#steps = new Steps(plan, this.#witness, clock);
    this.#processor = this.#open();
  }

  async run(): Promise<string[]> {
    await this.#clock.advance(10);
    for (const act of this.#plan.acts) await this.#do(act);
    await this.#finish();
    this.#checkCalls('when all is settled');
    judgeStats(this.#processor, this.#witness);
    await this.#shutDown();
    if (this.#witness.isInDoubt) await this.#takeUpTheRest();
    this.#witness.end(undefined);
    judgeEnd(this.#disk, this.#witness);
    this.#witness.wrong.push(...(this.#storage?.offences ?? []));
    await this.#bury();
    return this.#witness.wrong;
  }

  #open(): OrderProcessor<Works> {
    const { concurrency, capacity, overflow, minBalance, rate, onFailure } = this.#plan;
    this.#storage = this.#plan.isKept ? new KeptStorage(this.#disk) : undefined;
    if (this.#storage !== undefined) {
      this.#storage.pageSize = 2;
      this.#storage.fate = () => this.#fate();
    }
    const life = this.#life;
    const isAlive = (): boolean => life === this.#life;
    const processor = new OrderProcessor<Works>({
      ...{ storage: this.#storage ?? this.#disk, steps: this.#steps.of(isAlive) },
      ...{ concurrency, capacity, overflow, minBalance, rate, onFailure, stalledAfterMs: 200 },
    });
    this.#witness.watch(processor, isAlive);
    return processor;
  }

  #fate(): Fate | Promise<Fate> {
    const { fates, callMs } = this.#plan;
    this.#callCount += 1;
    const fate = this.#isStormy ? (fates[this.#callCount % fates.length] as Fate) : 'works';
    if (fate !== 'works') this.#witness.isInDoubt = true;
    const ms = callMs[this.#callCount % callMs.length] as number;
    return ms === 0 ? fate : this.#clock.sleep(ms).then(() => fate);
  }

  async #do(act: Act): Promise<void> {
    const { hasSteps, isKept } = this.#plan;
    switch (act.do) {
      case 'order':
        return this.#handIn(this.#newOrder(act.plan), act.plan.how);
      case 'hold':
        return this.#hold(act.userId);
      case 'release':
        return this.#release(act.userId, act.action, act.isNamed && hasSteps);
      case 'pause':
        return this.#processor.pause(act.userId);
      case 'resume':
        return this.#resume();
      case 'wait':
        return this.#clock.advance(act.ms);
      case 'settle':
        return this.#clock.settle();
      case 'turn the weather':
        this.#isStormy = !this.#isStormy;
        return;
      case 'shut down':
        await this.#shutDown();
        return this.#restart();
      case 'kill':
        return isKept ? this.#kill() : undefined;
      case 'again':
        return this.#again(this.#orders.at(-1 - act.ago), act);
      default:
        return this.#ask(act.do, this.#orders.at(-1 - act.ago)?.id);
    }
  }

  #newOrder(plan: OrderPlan): Order<Works> {
    const { userId, priority, works, isTransfer, notBeforeIn, expiresIn } = plan;
    const id = `o${this.#orders.length + 1}`;
    const now = Date.now();
    const to = users[(users.indexOf(userId) + 1) % users.length] as string;
    const debit = Math.min(plan.amount, -1);
    const order: Order<Works> = {
      ...{ id, userId, priority, payload: works },
      amount: isTransfer ? debit : plan.amount,
      ...(isTransfer && { postings: [{ userId: to, amount: -debit }] }),
      ...(notBeforeIn !== undefined && { notBefore: now + notBeforeIn }),
      ...(expiresIn !== undefined && {
        expiresAt: now + Math.max(notBeforeIn ?? 0, 0) + expiresIn,
      }),
    };
    this.#steps.expect(id, works);
    this.#orders.push(order);
    return order;
  }

  #handIn(order: Order<Works>, how: OrderPlan['how']): void {
    const giveUp = new AbortController();
    const options = how === 'submit and give up' ? { signal: giveUp.signal } : {};
    if (how === 'enqueue') this.#call(`enqueue ${order.id}`, this.#processor.enqueue(order));
    else this.#call(`submit ${order.id}`, this.#processor.submit(order, options));
    if (how === 'submit twice') this.#handIn(order, 'submit');
    if (how === 'submit and give up') this.#clock.sleep(15).then(() => giveUp.abort());
  }

  async #again(
    order: Order<Works> | undefined,
    { isInTime, hasOtherContent }: Extract<Act, { do: 'again' }>,
  ): Promise<void> {
    if (order?.payload === undefined) return;
    const { payload, notBefore = 0 } = order;
    if (isInTime && notBefore - 1 > Date.now())
      await this.#clock.advance(notBefore - 1 - Date.now());
    const mail = { ...payload.mail, ms: payload.mail.ms + 1 };
    this.#handIn(hasOtherContent ? { ...order, payload: { ...payload, mail } } : order, 'submit');
  }

  #ask(what: 'cancel' | 'await', id: string | undefined): void {
    if (id === undefined) return;
    if (what === 'await') this.#call(`outcome ${id}`, this.#processor.outcome(id));
    else {
      const canceled = this.#processor.cancel(id);
      canceled.then((is) => is && this.#witness.canceled.add(id)).catch(() => {});
      this.#call(`cancel ${id}`, canceled);
    }
  }

  #hold(userId: string): void {
    const life = this.#life;
    const held = this.#processor.hold(userId);
    const freeze = (): void => {
      if (life !== this.#life || (this.#releases.get(userId) ?? 0) > 0) return;
      this.#witness.frozen.set(userId, Date.now());
    };
    held.then(freeze).catch(() => {});
    this.#call(`hold ${userId}`, held);
  }

  /** @param isNamed - the order that holds the lane is released alone, by a request that comes twice */
  #release(userId: string, action: 'retry' | 'skip' | undefined, isNamed: boolean): void {
    const orderId = isNamed ? this.#witness.holders.get(userId)?.id : undefined;
    this.#witness.frozen.delete(userId);
    for (let count = 0; count < (orderId === undefined ? 1 : 2); count += 1) {
      this.#releases.set(userId, (this.#releases.get(userId) ?? 0) + 1);
      const released = this.#processor.release(userId, action, { orderId });
      const end = (): void => {
        this.#releases.set(userId, (this.#releases.get(userId) ?? 1) - 1);
      };
      const check = (lane: ReleasedLane): void => {
        if (orderId === undefined || lane.orderId === orderId) return;
        this.#witness.wrong.push(`8: ${lane.orderId} was released, and not ${orderId}`);
      };
      released.then(check, () => {}).then(end);
      this.#call(`release ${userId}`, released);
    }
  }

  #resume(): void {
    this.#processor.resume();
    for (const userId of users) this.#processor.resume(userId);
  }

  /** A call must end, and with no error but those that it may reject with. */
  #call(name: string, promise: Promise<unknown>): void {
    const key = `${name} #${this.#calls.size} at ${this.#clock.now}`;
    this.#calls.add(key);
    const end = (): void => void this.#calls.delete(key);
    promise.then(end, (error: unknown) => {
      end();
      const isWrongAction = error instanceof TypeError && error.message.includes('Expected');
      if (isWrongAction || (isOrderError(error) && error.code !== 'internal')) return;
      this.#witness.wrong.push(`8: ${name}: ${error}`);
    });
  }

  #checkCalls(when: string): void {
    for (const call of this.#calls) this.#witness.wrong.push(`4: ${call} does not end ${when}`);
    this.#calls.clear();
  }

  async #shutDown(): Promise<void> {
    let summary: ShutdownSummary | undefined;
    this.#processor.shutdown().then((how) => {
      summary = how;
    });
    for (let count = 0; count < 60 && summary === undefined; count += 1) {
      await this.#clock.advance(1_000);
    }
    this.#witness.shutDown(summary);
    // A call of the closed storage would fail now.
    await this.#clock.advance(20);
    this.#checkCalls('with the shutdown');
  }

  async #kill(): Promise<void> {
    this.#storage?.cut();
    await this.#clock.hold();
    this.#calls.clear();
    this.#restart();
  }

  #restart(): void {
    this.#dead.push(this.#processor);
    this.#life += 1;
    this.#witness.end(this.#plan.isKept ? this.#disk : undefined);
    this.#releases.clear();
    this.#witness.restart();
    this.#processor = this.#open();
  }

  /** In good weather, every lane is released until all is settled. */
  async #finish(): Promise<void> {
    this.#isStormy = false;
    for (let round = 0; round < 100; round += 1) {
      this.#resume();
      await this.#clock.advance(500);
      const { unsettled, scheduled, heldLanes, waitingCallers, storage } = this.#processor.stats();
      const isReady = storage === 'ready';
      if (isReady && unsettled + scheduled + heldLanes + waitingCallers === 0) return;
      // A lane that no order holds any more takes no action.
      for (const userId of users) {
        this.#release(userId, round % 2 === 0 ? (round > 20 ? 'skip' : 'retry') : undefined, false);
      }
    }
  }

  /** What a call of the storage kept that then failed is processed after the next start. */
  async #takeUpTheRest(): Promise<void> {
    this.#restart();
    await this.#finish();
    await this.#shutDown();
  }

  /** The processors of earlier processes leave no timers behind. */
  async #bury(): Promise<void> {
    this.#life += 1;
    const closed = this.#dead.map((each) => each.shutdown({ timeoutMs: 1 }));
    this.#clock.release();
    await this.#clock.runAll();
    await Promise.all(closed);
  }
}
