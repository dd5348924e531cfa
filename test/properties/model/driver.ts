import { isOrderError, type OrderOutcome, OrderProcessor, type Receipt } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { HostStorage } from './host-storage.ts';
import { Observer } from './observer.ts';
import { type Command, type OrderPlan, type Payload, type Scenario, users } from './plan.ts';

/** One order as it was handed in, and what its caller got. */
export interface Call {
  readonly id: string;
  readonly plan: OrderPlan;
  readonly hasSignal: boolean;
  /** Whether the id was known then, with other content: it must be refused. */
  readonly isConflict: boolean;
  /** A receipt, a code, or `accepted` from `enqueue`. */
  answer: Receipt | string | undefined;
}

/** One call of `outcome`. */
export interface Ending {
  readonly id: string;
  readonly hasSignal: boolean;
  /** Whether the order was accepted before. */
  readonly isAccepted: boolean;
  /** A code if it rejected; `nothing` as long as it has not ended. */
  answer: OrderOutcome | string | undefined;
}

/** Carries out a scenario against a processor, and looks whether it is in order at every step. */
export class Driver {
  readonly observer: Observer;
  readonly processor: OrderProcessor<Payload>;
  readonly storage: HostStorage | undefined;
  readonly calls: Call[] = [];
  readonly endings: Ending[] = [];
  readonly cancels: { readonly id: string; isTrue: boolean }[] = [];
  /** Promises handed out and not settled. */
  readonly open = new Set<string>();
  unsettledAtShutdown: number | undefined;
  readonly #scenario: Scenario;
  readonly #clock: VirtualClock;
  readonly #pausedUsers = new Set<string>();
  #isPaused = false;
  #promises = 0;
  #isInListener = false;

  constructor(scenario: Scenario, clock: VirtualClock) {
    this.#scenario = scenario;
    this.#clock = clock;
    this.observer = new Observer(scenario, clock);
    const { concurrency, capacity, capacityPerUser, overflow, minBalance, timeoutMs } = scenario;
    const late = scenario.storage === 'async' ? clock : undefined;
    this.storage =
      scenario.storage === 'memory'
        ? undefined
        : new HostStorage(scenario.answers, scenario.latencyMs, late);
    this.processor = new OrderProcessor<Payload>({
      storage: this.storage,
      concurrency,
      capacity,
      capacityPerUser,
      overflow,
      minBalance,
      timeoutMs,
      stalledAfterMs: scenario.stalledAfterMs,
      steps: this.observer.steps(),
    });
    this.observer.listen(this.processor);
    for (const { event, nth, command } of scenario.meddling) {
      // A listener of these would make the short way impossible.
      if (!scenario.isObserved && (event === 'accepted' || event === 'started')) continue;
      let count = 0;
      this.processor.on(event, (payload) => {
        count += 1;
        if (count !== nth) return;
        if (command !== 'cancel it') this.#meddle(command);
        else this.#cancelId(idOf(payload));
      });
    }
  }

  async run(): Promise<void> {
    const { commands, lastTimeoutMs } = this.#scenario;
    for (const command of commands) {
      await this.#do(command);
      if (command.do === 'wait') this.#look();
    }
    this.processor.resume();
    for (let user = 0; user < users; user += 1) this.processor.resume(`u-${user}`);
    this.#isPaused = false;
    this.#pausedUsers.clear();
    await this.#clock.runAll();
    this.#look();
    this.#shutdown(lastTimeoutMs);
    await this.#clock.runAll();
  }

  #meddle(command: Command): void {
    this.#isInListener = true;
    void this.#do(command);
    this.#isInListener = false;
  }

  async #do(command: Command): Promise<void> {
    switch (command.do) {
      case 'submit':
        return this.#submit(this.#newId(), command.order, command.abortMs);
      case 'enqueue':
        return this.#enqueue(this.#newId(), command.order, command.abortMs);
      case 'outcome':
        return this.#outcome(command.order, command.abortMs);
      case 'submitMany':
        return this.#submitMany(command.orders);
      case 'again':
        return this.#again(command.order, command.how, command.isOther);
      case 'cancel':
        return this.#cancel(command.order);
      case 'pause':
      case 'resume':
        return this.#pause(command.do, command.user);
      case 'onIdle':
        return this.#watch('onIdle', this.processor.onIdle());
      case 'wait':
        // A listener has no time to wait.
        if (this.#isInListener) return;
        return this.#clock.advance(command.ms);
      case 'shutdown':
        return this.#shutdown(command.timeoutMs);
    }
  }

  #newId(): string {
    return `o-${this.calls.length}`;
  }

  #call(id: string, plan: OrderPlan, hasSignal = false): Call {
    const first = this.calls.find((call) => call.id === id && call.plan.amount !== plan.amount);
    const isSettled = this.observer.settled.has(id);
    // Whose content the id has is only certain when its first caller alone can have been accepted.
    const isSole = new Set(this.calls.filter((call) => call.id === id).map(contentOf)).size === 1;
    const isKnown = isSettled || this.observer.isAccepted(id);
    const isOpen = this.unsettledAtShutdown === undefined;
    const isConflict = isOpen && isKnown && isSole && first !== undefined;
    const call: Call = { id, plan, hasSignal, isConflict, answer: undefined };
    this.calls.push(call);
    return call;
  }

  #submit(id: string, plan: OrderPlan, abortMs?: number): void {
    const call = this.#call(id, plan, abortMs !== undefined);
    const options = this.#abortAfter(abortMs, () => this.observer.givenUp.add(id));
    const submitted = this.processor.submit(orderOf(call), options);
    this.#watch(`submit ${id}`, submitted, (answer) => {
      call.answer = answer as Receipt | string;
    });
  }

  #enqueue(id: string, plan: OrderPlan, abortMs?: number): void {
    const call = this.#call(id, plan, abortMs !== undefined);
    const options = this.#abortAfter(abortMs);
    this.#watch(`enqueue ${id}`, this.processor.enqueue(orderOf(call), options), (answer) => {
      call.answer = typeof answer === 'string' ? answer : 'accepted';
    });
  }

  #outcome(index: number, abortMs?: number): void {
    const id = this.calls[index % this.calls.length]?.id;
    if (id === undefined) return;
    const hasSignal = abortMs !== undefined;
    const isAccepted = this.observer.isAccepted(id) || this.observer.settled.has(id);
    const ending: Ending = { id, hasSignal, isAccepted, answer: 'nothing' };
    this.endings.push(ending);
    const asked = this.processor.outcome(id, this.#abortAfter(abortMs));
    this.#watch(`outcome ${id}`, asked, (answer) => {
      ending.answer = answer as OrderOutcome | string | undefined;
    });
  }

  #abortAfter(ms: number | undefined, abort = () => {}): { signal: AbortSignal } | undefined {
    if (ms === undefined) return undefined;
    const controller = new AbortController();
    const end = (): void => {
      abort();
      controller.abort();
    };
    if (ms === 0) controller.abort();
    else setTimeout(end, ms);
    return { signal: controller.signal };
  }

  #submitMany(plans: readonly OrderPlan[]): void {
    const calls = plans.map((plan) => this.#call(this.#newId(), plan));
    const settled = this.processor.submitMany(calls.map(orderOf));
    this.#watch('submitMany', settled, (outcomes) => {
      calls.forEach((call, at) => {
        const outcome = (outcomes as OrderOutcome[])[at] as OrderOutcome;
        call.answer = outcome.status === 'completed' ? outcome : outcome.error.code;
      });
    });
  }

  #again(index: number, how: 'submit' | 'enqueue', isOther: boolean): void {
    const earlier = this.calls[index % this.calls.length];
    if (earlier === undefined) return;
    const { id, plan } = earlier;
    const again = isOther ? { ...plan, amount: plan.amount + 1 } : { ...plan };
    if (how === 'submit') this.#submit(id, again);
    else this.#enqueue(id, again);
  }

  #cancel(index: number): void {
    const earlier = this.calls[index % this.calls.length];
    if (earlier !== undefined) this.#cancelId(earlier.id);
  }

  #cancelId(id: string | undefined): void {
    if (id === undefined) return;
    const cancel = { id, isTrue: false };
    this.cancels.push(cancel);
    this.observer.givenUp.add(id);
    this.#watch(`cancel ${id}`, this.processor.cancel(id), (answer) => {
      cancel.isTrue = answer as boolean;
    });
  }

  #pause(how: 'pause' | 'resume', user: number | undefined): void {
    if (user === undefined) this.#isPaused = how === 'pause';
    else if (how === 'pause') this.#pausedUsers.add(`u-${user}`);
    else this.#pausedUsers.delete(`u-${user}`);
    this.processor[how](user === undefined ? undefined : `u-${user}`);
  }

  #shutdown(timeoutMs: number | undefined): void {
    this.unsettledAtShutdown ??= this.processor.stats().unsettled;
    this.#watch('shutdown', this.processor.shutdown({ timeoutMs }));
  }

  #watch(name: string, promise: Promise<unknown>, notify?: (answer: unknown) => void): void {
    this.#promises += 1;
    const key = `${name} (${this.#promises})`;
    this.open.add(key);
    const end = (answer: unknown): void => {
      this.open.delete(key);
      notify?.(answer);
    };
    promise.then(end, (error) => end(isOrderError(error) ? error.code : `not ours: ${error}`));
  }

  /** What must hold when nothing can happen before time passes or a call is made. */
  #look(): void {
    const { violations, holdingWorkers, busyUsers, waitingUsers } = this.observer;
    const { concurrency, capacity, capacityPerUser, stepCount } = this.#scenario;
    const stats = this.processor.stats();
    if (stats.unsettled > capacity) violations.push('invariant 6: beyond its capacity');
    if (stats.activeWorkers > concurrency) violations.push('invariant 2: beyond its concurrency');
    const isFull = stats.unsettled >= capacity;
    if (stats.waitingCallers > 0 && !isFull && capacityPerUser === undefined) {
      violations.push('invariant 6: callers wait beside free room');
    }
    if (stats.waitingCallers > 0 && stats.unsettled === 0 && busyUsers.size === 0) {
      violations.push('invariant 4: callers wait for nothing');
    }
    const isShut = this.unsettledAtShutdown !== undefined;
    // Nothing begins while the storage fails.
    if ((this.#isPaused && !isShut) || stats.storage !== 'ready') return;
    if (stats.queueLength === 0) return;
    const active = stepCount === 0 ? stats.activeWorkers : holdingWorkers;
    if (active >= (stepCount === 0 ? 1 : concurrency)) return;
    for (const user of waitingUsers) {
      if (busyUsers.has(user) || (this.#pausedUsers.has(user) && !isShut)) continue;
      violations.push(`invariant 2: ${user} waits beside a free worker`);
    }
  }
}

/** The order that an event is about. */
function idOf(payload: unknown): string | undefined {
  const { id, orderId } = Object(payload) as { id?: string; orderId?: string };
  return id ?? orderId;
}

function contentOf({ plan }: Call): string {
  return JSON.stringify([plan.user, plan.amount, plan.steps]);
}

function orderOf({ id, plan: { user, amount, priority, steps } }: Call) {
  return { id, userId: `u-${user}`, amount, priority, payload: steps };
}
