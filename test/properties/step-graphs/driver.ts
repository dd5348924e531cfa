import {
  isOrderError,
  type OrderError,
  type OrderOutcome,
  OrderProcessor,
  type Receipt,
  type Step,
} from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { mayHold } from './begin.ts';
import { OrderLog } from './log.ts';
import { Observer } from './observer.ts';
import {
  type Command,
  type Meddling,
  type OrderPlan,
  type Payload,
  type Scenario,
  skippedIn,
  users,
} from './plan.ts';
import { AskedStorage } from './storage.ts';

/** One order as it was handed in, and what its caller got. */
export interface Caller {
  readonly id: string;
  readonly plan: OrderPlan;
  /** A receipt, an error, or `accepted` from `enqueue`. */
  answer: Receipt | OrderError | 'accepted' | undefined;
  readonly askedAt: number;
  answeredAt: number | undefined;
  /** It came from inside a step or a listener, and may be a step that would wait for itself. */
  readonly isMeddled: boolean;
  /** Its promise is one of many, and settles with the last of them. */
  readonly isOneOfMany: boolean;
}

/** So many orders come from inside steps and listeners. */
const mostMeddled = 5;

/** Carries out a scenario against a processor, and looks whether it is in order at every pause. */
export class Driver {
  readonly observer: Observer;
  readonly processor: OrderProcessor<Payload>;
  readonly storage: AskedStorage | undefined;
  readonly callers: Caller[] = [];
  readonly cancels: { readonly id: string; isTrue: boolean }[] = [];
  /** Promises handed out and not settled. */
  readonly open = new Set<string>();
  readonly #plan: Scenario;
  readonly #clock: VirtualClock;
  #promises = 0;
  #orders = 0;
  #meddled = 0;

  /** @param watch - wraps the steps */
  constructor(
    plan: Scenario,
    clock: VirtualClock,
    watch = (steps: Step<Payload>[]): Step<Payload>[] => steps,
  ) {
    this.#plan = plan;
    this.#clock = clock;
    this.observer = new Observer(plan, clock, (action, id) => this.#meddle(action, id));
    const { concurrency, timeoutMs, stalledAfterMs, minBalance, retry } = plan;
    this.storage = plan.storage === 'memory' ? undefined : new AskedStorage(plan, clock);
    this.processor = new OrderProcessor<Payload>({
      storage: this.storage,
      concurrency,
      timeoutMs,
      stalledAfterMs,
      minBalance,
      retry,
      steps: watch(this.observer.steps()),
    });
    this.observer.listen(this.processor);
    for (const { event, nth, action } of plan.meddling) {
      if (!plan.isObserved && (event === 'accepted' || event === 'started')) continue;
      let count = 0;
      this.processor.on(event, (payload) => {
        count += 1;
        const { id, orderId } = Object(payload) as { id?: string; orderId?: string };
        if (count === nth) this.#meddle(action, id ?? orderId);
      });
    }
  }

  async run(): Promise<void> {
    const { commands, isDrained, shutdownMs } = this.#plan;
    for (const command of commands) {
      this.#do(command);
      if (command.do !== 'wait') continue;
      await this.#clock.advance(command.ms);
      this.#look();
    }
    if (isDrained) {
      await this.#clock.runAll();
      this.#look();
      const isAtRest = [...this.observer.logs.values()].every(
        ({ running }) => running.length === 0,
      );
      const { unsettled } = this.processor.stats();
      if (isAtRest && unsettled > 0) this.observer.wrong(`invariant 4: ${unsettled} left behind`);
    }
    this.observer.deadlineAt = this.#clock.now + shutdownMs;
    this.#watch('shutdown', this.processor.shutdown({ timeoutMs: shutdownMs }));
    await this.#clock.runAll();
    this.#look();
  }

  #do(command: Command): void {
    switch (command.do) {
      case 'submit':
        this.#submit(command.order, command.abortMs);
        break;
      case 'enqueue':
        this.#enqueue(command.order);
        break;
      case 'submitMany':
        this.#submitMany(command.orders);
        break;
      case 'again':
        this.#again(command.order);
        break;
      case 'cancel':
        this.#cancel(this.callers[command.order % this.callers.length]?.id);
        break;
      case 'wait':
        break;
    }
  }

  /** From inside a step or a listener. */
  #meddle(action: Meddling['action'], id: string | undefined): void {
    if (action === 'cancel') this.#cancel(id);
    else if (this.#meddled < mostMeddled) {
      this.#meddled += 1;
      const plan = this.callers.find((caller) => caller.id === id)?.plan;
      const user = (plan?.user ?? 0) + (this.#meddled % 2);
      const payload = { durationsMs: [0, 0, 1, 0, 2], quirks: [], needless: [], percents: [] };
      const order = { user: user % users, amount: 1, priority: undefined, payload };
      this.#submit(order, undefined, true);
    }
  }

  #caller(plan: OrderPlan, isOneOfMany = false, isMeddled = false): Caller {
    const id = `o-${this.#orders}`;
    this.#orders += 1;
    const askedAt = this.#clock.now;
    const never = { answer: undefined, answeredAt: undefined };
    const caller: Caller = { id, plan, askedAt, ...never, isOneOfMany, isMeddled };
    this.callers.push(caller);
    const canCompensate = this.#plan.steps.map((step) => step.canCompensate);
    this.observer.logs.set(
      id,
      new OrderLog(id, `u-${plan.user}`, canCompensate, skippedIn(this.#plan, plan.payload)),
    );
    return caller;
  }

  #submit(plan: OrderPlan, abortMs: number | undefined, isMeddled = false): void {
    const caller = this.#caller(plan, false, isMeddled);
    const { id } = caller;
    let options: { signal: AbortSignal } | undefined;
    if (abortMs !== undefined) {
      const controller = new AbortController();
      options = { signal: controller.signal };
      if (abortMs === 0) controller.abort();
      else {
        setTimeout(() => {
          this.observer.logs.get(id)?.cancels.push(this.#clock.now);
          controller.abort();
        }, abortMs);
      }
    }
    this.#listen(caller, this.processor.submit(orderOf(caller), options));
  }

  #enqueue(plan: OrderPlan): void {
    const caller = this.#caller(plan);
    const accepted = this.processor.enqueue(orderOf(caller));
    this.#watch(`enqueue ${caller.id}`, accepted, (answer) => {
      caller.answer = isOrderError(answer) ? answer : 'accepted';
    });
  }

  #submitMany(plans: readonly OrderPlan[]): void {
    const callers = plans.map((plan) => this.#caller(plan, true));
    this.#watch('submitMany', this.processor.submitMany(callers.map(orderOf)), (answer) => {
      for (const [at, outcome] of (answer as OrderOutcome[]).entries()) {
        const caller = callers[at] as Caller;
        caller.answer = outcome.status === 'completed' ? outcome : outcome.error;
      }
    });
  }

  /** The same order from another caller, while the first one waits for it. */
  #again(index: number): void {
    const first = this.callers[index % this.callers.length];
    const log = first && this.observer.logs.get(first.id);
    if (first === undefined || log === undefined || log.settled !== undefined) return;
    if (!log.isAccepted) return;
    const askedAt = this.#clock.now;
    const caller = {
      ...first,
      askedAt,
      answer: undefined,
      answeredAt: undefined,
      isOneOfMany: false,
    };
    this.callers.push(caller);
    this.#listen(caller, this.processor.submit(orderOf(caller)));
  }

  #listen(caller: Caller, promise: Promise<unknown>): void {
    this.#watch(`submit ${caller.id}`, promise, (answer) => {
      caller.answer = answer as Receipt | OrderError;
      caller.answeredAt = this.#clock.now;
    });
  }

  #cancel(id: string | undefined): void {
    if (id === undefined) return;
    const cancel = { id, isTrue: false };
    this.cancels.push(cancel);
    this.observer.logs.get(id)?.cancels.push(this.#clock.now);
    this.#watch(`cancel ${id}`, this.processor.cancel(id), (answer) => {
      cancel.isTrue = answer === true;
    });
  }

  #watch(name: string, promise: Promise<unknown>, notify?: (answer: unknown) => void): void {
    this.#promises += 1;
    const key = `${name} (${this.#promises})`;
    this.open.add(key);
    const end = (answer: unknown): void => {
      this.open.delete(key);
      notify?.(answer);
    };
    promise.then(end, (error) => {
      if (!isOrderError(error)) this.observer.wrong(`${name} rejected with ${error}`);
      end(error);
    });
  }

  /** What must hold when nothing can happen before time passes or a call is made. */
  #look(): void {
    const { concurrency, steps } = this.#plan;
    const { observer } = this;
    const { activeWorkers } = this.processor.stats();
    const hasGates = steps.some((step) => step.concurrency !== undefined);
    const logs = [...observer.logs.values()];
    const holding = logs.filter((log) => mayHold(log, hasGates)).length;
    if (activeWorkers > concurrency) observer.wrong(`invariant 2: ${activeWorkers} workers`);
    // Else nothing is seen of an order that waits for its balance or for a place in one of its steps.
    if (activeWorkers > holding && this.#plan.isObserved) {
      observer.wrong(`invariant 2: ${activeWorkers} workers are busy with ${holding} orders`);
    }
    for (const log of logs) this.#lookForPlaces(log);
    // Nothing begins while the storage fails.
    if (holding >= concurrency || this.processor.stats().storage !== 'ready') return;
    const busy = new Set(logs.filter(({ isBusy }) => isBusy).map(({ userId }) => userId));
    for (const { id, userId, startedAt, settled, isAccepted, cancels } of logs) {
      // One that was canceled is on its way to its outcome, and no worker's.
      if (
        !isAccepted ||
        cancels.length > 0 ||
        startedAt !== undefined ||
        settled !== undefined ||
        busy.has(userId)
      )
        continue;
      observer.wrong(`invariant 2: ${id} waits beside a free worker`);
    }
  }

  /** A step that can begin does so, unless all of its places are taken. */
  #lookForPlaces(log: OrderLog): void {
    const { observer } = this;
    const { steps, timeoutMs = Infinity, isObserved } = this.#plan;
    // Else an order is seen to start with its first step, which may wait for its balance.
    const startedAt = (isObserved ? log.startedAt : undefined) ?? 0;
    const isLate = this.#clock.now >= Math.min(startedAt + timeoutMs, observer.deadlineAt);
    const isOver = log.settled !== undefined || log.failure !== undefined || log.cancels.length > 0;
    if (isOver || isLate || log.calls.length === 0) return;
    for (const [at, { after, concurrency = Infinity }] of steps.entries()) {
      const isOver = (other: number): boolean => {
        if (!log.skipped.includes(other)) return log.finishOf(other) !== undefined;
        return steps[other]?.after.every(isOver) === true;
      };
      const canBegin = after.every(isOver) && !log.skipped.includes(at);
      if (!canBegin || log.callsOf(at, 'run').length > 0) continue;
      const inside = [...observer.logs.values()].flatMap((other) =>
        other.running.filter((call) => call.of === 'run' && call.at === at),
      );
      if (inside.length < concurrency) observer.wrong(`${log.id} s${at} waits beside a free place`);
    }
  }
}

function orderOf({ id, plan: { user, amount, priority, payload } }: Caller) {
  return { id, userId: `u-${user}`, amount, priority, payload };
}
