import type { OrderProcessor, Receipt, ShutdownSummary, Step } from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { Payload, Scenario } from './plan.ts';

/** One order's steps, as the steps themselves see it. */
interface Activity {
  readonly userId: string;
  readonly signal: AbortSignal;
  running: number;
  isStalled: boolean;
}

/** Everything that can be seen of a processor from outside, and what must never be seen. */
export class Observer {
  readonly violations: string[] = [];
  /** Ids of orders, in the order of the events. */
  readonly accepted: string[] = [];
  readonly started: string[] = [];
  /** By id, in the order settled: the receipt or the code. */
  readonly settled = new Map<string, Receipt | string>();
  /** By id. */
  readonly userOf = new Map<string, string>();
  readonly running = new Map<string, Activity>();
  /** Ids that were canceled: a waiting order is on its way to its outcome, and needs no worker. */
  readonly givenUp = new Set<string>();
  /** Ids of orders that were refused because the storage failed. */
  readonly refusedByStorage = new Set<string>();
  /** How often the storage failed, or was slow. */
  storageErrors = 0;
  refused = 0;
  idles = 0;
  readonly shutdowns: ShutdownSummary[] = [];
  readonly #scenario: Scenario;
  readonly #clock: VirtualClock;

  constructor(scenario: Scenario, clock: VirtualClock) {
    this.#scenario = scenario;
    this.#clock = clock;
  }

  /** The scenario's steps; each does what its order's payload says. */
  steps(): Step<Payload>[] {
    return Array.from({ length: this.#scenario.stepCount }, (_, at) => ({
      name: `step-${at}`,
      run: (order, { signal }) => {
        const plan = order.payload[at];
        if (plan === undefined) throw new Error('A step without a plan');
        this.#stepBegins(order.id, order.userId, signal);
        const end = (): void => {
          this.#stepEnds(order.id);
          if (plan.ends === 'with a code') throw Object.assign(new Error(), { code: 'declined' });
          if (plan.ends === 'without a code') throw `thrown by step-${at}`;
        };
        if (plan.durationMs === 'never') return new Promise(() => {});
        if (plan.durationMs === 0) return end();
        const slept = this.#clock.sleep(plan.durationMs, plan.isDeaf ? undefined : signal);
        return slept.then(end, (reason) => {
          this.#stepEnds(order.id);
          throw reason;
        });
      },
    }));
  }

  listen(processor: OrderProcessor<Payload>): void {
    if (this.#scenario.isObserved) {
      processor.on('accepted', ({ id, userId }) => {
        if (this.isAccepted(id)) this.violations.push(`accepted twice: ${id}`);
        this.accepted.push(id);
        this.userOf.set(id, userId);
      });
      processor.on('started', ({ id }) => {
        if (!this.isAccepted(id)) this.violations.push(`started before it was accepted: ${id}`);
        this.started.push(id);
      });
    }
    processor.on('completed', (receipt) => {
      this.#settles(receipt.orderId, receipt.userId, receipt);
    });
    for (const name of ['failed', 'canceled'] as const) {
      processor.on(name, ({ orderId, userId, code }) => {
        if (orderId === undefined || userId === undefined)
          this.violations.push(`${name} without order`);
        else this.#settles(orderId, userId, code);
      });
    }
    processor.on('refused', ({ orderId, code }) => {
      this.refused += 1;
      if (code === 'storage_failed') this.refusedByStorage.add(orderId as string);
    });
    processor.on('error', ({ code }) => {
      if (code === 'storage_failed') this.storageErrors += 1;
    });
    processor.on('stalled', ({ orderId }) => {
      const activity = this.running.get(orderId);
      if (activity?.isStalled !== false) this.violations.push(`stalled again: ${orderId}`);
      else activity.isStalled = true;
    });
    processor.on('idle', () => {
      this.idles += 1;
      const { unsettled } = processor.stats();
      if (unsettled > 0) this.violations.push(`idle with ${unsettled} unsettled`);
    });
    processor.on('shutdown', (summary) => this.shutdowns.push(summary));
  }

  isAccepted(id: string): boolean {
    return this.accepted.includes(id);
  }

  /** Whether a caller of the order may hear that the storage failed: it refused the order, or keeps it open. */
  mayHearFailure(id: string): boolean {
    return this.refusedByStorage.has(id) || this.storageErrors > 0 || this.isUnknown(id);
  }

  /** Whether the storage was silent about the order when the processor shut down. */
  isUnknown(id: string): boolean {
    return this.shutdowns[0]?.unsettled.includes(id) === true;
  }

  /** How many orders hold a worker: their steps run, and they are not given up as stalled. */
  get holdingWorkers(): number {
    let holding = 0;
    for (const { isStalled, signal } of this.running.values()) {
      if (!(isStalled && signal.aborted)) holding += 1;
    }
    return holding;
  }

  /** Users with an order that has begun and whose steps or settlement have not ended. */
  get busyUsers(): Set<string> {
    const users = new Set([...this.running.values()].map(({ userId }) => userId));
    for (const id of this.started) {
      if (!this.settled.has(id)) users.add(this.userOf.get(id) as string);
    }
    return users;
  }

  /** Users with an accepted order whose processing has not begun. */
  get waitingUsers(): Set<string> {
    const started = new Set(this.started);
    const waiting = this.accepted.filter(
      (id) => !started.has(id) && !this.settled.has(id) && !this.givenUp.has(id),
    );
    return new Set(waiting.map((id) => this.userOf.get(id) as string));
  }

  #stepBegins(id: string, userId: string, signal: AbortSignal): void {
    const activity = this.running.get(id);
    if (activity !== undefined) {
      activity.running += 1;
      return;
    }
    for (const [other, { userId: otherUser }] of this.running) {
      if (otherUser === userId) this.violations.push(`invariant 1: ${id} runs beside ${other}`);
    }
    this.running.set(id, { userId, signal, running: 1, isStalled: false });
    const { concurrency } = this.#scenario;
    const { holdingWorkers } = this;
    if (holdingWorkers > concurrency) this.violations.push(`${holdingWorkers} workers at once`);
  }

  #stepEnds(id: string): void {
    const activity = this.running.get(id) as Activity;
    activity.running -= 1;
    if (activity.running === 0) this.running.delete(id);
  }

  #settles(id: string, userId: string, outcome: Receipt | string): void {
    if (this.settled.has(id)) this.violations.push(`invariant 3: two outcomes: ${id}`);
    if (this.#scenario.isObserved && !this.isAccepted(id)) {
      this.violations.push(`settled before it was accepted: ${id}`);
    }
    this.userOf.set(id, userId);
    this.settled.set(id, outcome);
  }
}
