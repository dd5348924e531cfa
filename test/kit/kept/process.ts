import {
  isOrderError,
  type Order,
  type OrderOutcome,
  OrderProcessor,
  refuse,
  type ShutdownSummary,
} from 'order-processor';
import { KeptStorage } from '../kept-storage.ts';
import type { VirtualClock } from '../virtual-clock.ts';
import {
  type Answer,
  type Call,
  type Cancel,
  isGone,
  wrongOutcome,
  wrongPromise,
} from './claims.ts';
import type { Disk } from './disk.ts';
import { type OrderPlan, type ProcessPlan, type Scenario, users } from './plan.ts';
import { Witness } from './witness.ts';
import { type Provider, Work } from './work.ts';

/** What all processes have in common. */
export interface World {
  readonly scenario: Scenario;
  readonly clock: VirtualClock;
  readonly disk: Disk;
  readonly calls: Call[];
  readonly cancels: Cancel[];
  readonly provider: Provider;
  /** Ids that a failing call of `accept` has kept: the processor takes them to be lost. */
  readonly mislaid: Set<string>;
  readonly wrong: string[];
}

/** One processor over one opening of the storage, until its process is killed. */
export class Process {
  readonly processor: OrderProcessor<OrderPlan>;
  readonly storage: KeptStorage;
  readonly work: Work;
  /** Promises handed out and not settled. */
  readonly open = new Set<string>();
  /** Ids that were unsettled when it began. */
  readonly inherited: ReadonlySet<string>;
  summary: ShutdownSummary | undefined;
  hasShutDown = false;
  readonly #world: World;
  readonly #at: number;
  readonly #witness: Witness;
  #promises = 0;
  /** Some call is never answered. */
  #hangs = false;

  constructor(world: World, at: number, plan: ProcessPlan, isLast: boolean) {
    const { scenario, clock, disk } = world;
    this.#world = world;
    this.#at = at;
    const { orders: unsettled } = disk.list({ status: 'pending', limit: 1_000 });
    this.inherited = new Set(unsettled.map(({ id }) => id));
    const decided = unsettled.filter((order) => order.decided !== undefined).map(({ id }) => id);
    this.storage = new KeptStorage(disk, scenario.payloads);
    this.storage.pageSize = scenario.pageSize;
    this.#giveFates(plan);
    this.work = new Work(
      scenario.steps,
      clock,
      this.storage,
      new Set(decided),
      isLast,
      world.provider,
    );
    const { concurrency, capacityPerUser, overflow, minBalance } = scenario;
    const { timeoutMs, stalledAfterMs } = scenario;
    this.processor = new OrderProcessor<OrderPlan>({
      storage: this.storage,
      ...{ concurrency, capacityPerUser, overflow, minBalance, timeoutMs },
      capacity: plan.capacity,
      stalledAfterMs,
      steps: this.work.steps(scenario),
      rules: plan.isStrict
        ? [({ amount }) => (amount % 3 === 0 ? refuse('rule_refused', 'No thirds') : undefined)]
        : [],
    });
    this.#witness = new Witness(this.processor, this.storage, disk, {
      ...{ inherited: this.inherited, capacity: plan.capacity },
      isObserved: scenario.isObserved,
      wrong: (what) => this.#wrong(what),
    });
    this.#watch('ready', this.processor.ready);
  }

  get isKilled(): boolean {
    return this.storage.isCut;
  }

  submit(id: string, plan: OrderPlan, abortMs?: number): void {
    const failures = this.#witness.failuresBefore;
    const call = this.#call(id, plan, 'submit', abortMs);
    const submitted = this.processor.submit(orderOf(call), abortAfter(abortMs));
    this.#watch(`submit ${id}`, submitted, (answer) =>
      this.#answered(call, answer as Answer, failures),
    );
  }

  enqueue(id: string, plan: OrderPlan, abortMs?: number): void {
    const failures = this.#witness.failuresBefore;
    const call = this.#call(id, plan, 'enqueue', abortMs);
    const enqueued = this.processor.enqueue(orderOf(call), abortAfter(abortMs));
    this.#watch(`enqueue ${id}`, enqueued, (answer) => {
      this.#answered(call, isOrderError(answer) ? answer : 'kept', failures);
    });
  }

  submitMany(ids: readonly string[], plans: readonly OrderPlan[]): void {
    const failures = this.#witness.failuresBefore;
    const calls = ids.map((id, at) => this.#call(id, plans[at] as OrderPlan, 'one of many'));
    this.#watch('submitMany', this.processor.submitMany(calls.map(orderOf)), (outcomes) => {
      for (const [at, outcome] of (outcomes as OrderOutcome[]).entries()) {
        const answer = outcome.status === 'completed' ? outcome : outcome.error;
        this.#answered(calls[at] as Call, answer, failures);
      }
    });
  }

  cancel(id: string): void {
    const cancel: Cancel = { id, answer: undefined };
    this.#world.cancels.push(cancel);
    this.#watch(`cancel ${id}`, this.processor.cancel(id), (answer) => {
      cancel.answer = answer === true;
      const stored = this.#world.disk.find(id);
      if (answer !== true || stored?.status === 'canceled') return;
      if (stored?.decided?.outcome === 'canceled') return;
      if (isGone(this.#world.disk, id, 'canceled')) return;
      this.#wrong(`invariant 9: cancel of ${id} got true, the disk has ${stored?.status}`);
    });
  }

  order(id: string): void {
    this.#watch(`order ${id}`, this.processor.order(id), (answer) => {
      if (answer === undefined || isOrderError(answer)) return;
      const { status, balance } = answer as { status: string; balance: number | undefined };
      if (status === 'pending' || status === 'processing') return;
      const stored = this.#world.disk.find(id);
      if (stored?.status === status && stored.balance === balance) return;
      this.#wrong(`invariant 10: order ${id} is ${status}, the disk has ${stored?.status}`);
    });
  }

  outcome(id: string, abortMs?: number): void {
    const { disk, mislaid } = this.#world;
    const failures = this.#witness.failuresBefore;
    const wasKept = disk.find(id) !== undefined;
    const asked = this.processor.outcome(id, abortAfter(abortMs));
    this.#watch(`outcome ${id}`, asked, (answer) => {
      if (isOrderError(answer)) {
        if (answer.code === 'canceled' && abortMs !== undefined) return;
        const mayFail = failures !== this.#witness.failures || this.hasShutDown || mislaid.has(id);
        if (answer.code === 'storage_failed' && mayFail) return;
        this.#wrong(`outcome of ${id} rejected with ${answer.code}`);
      } else if (answer === undefined) {
        if (wasKept) this.#wrong(`invariant 9: outcome of ${id} undefined though it is kept`);
      } else {
        const wrong = wrongOutcome(id, answer as OrderOutcome, disk, this.hasShutDown);
        if (wrong !== undefined) this.#wrong(wrong);
      }
    });
  }

  balance(userId: string): void {
    this.#watch(`balance ${userId}`, this.processor.balance(userId));
  }

  onIdle(): void {
    this.#watch('onIdle', this.processor.onIdle());
  }

  shutdown(timeoutMs: number): void {
    this.hasShutDown = true;
    this.#watch('shutdown', this.processor.shutdown({ timeoutMs }), (summary) => {
      this.summary = summary as ShutdownSummary;
    });
  }

  look(): void {
    this.#witness.look(this.summary);
  }

  /** What must hold when time can change nothing more. */
  lookAtRest(): void {
    if (this.isKilled || this.#hangs || this.work.isEndless) return;
    const { storage, unsettled, waitingCallers } = this.processor.stats();
    if (storage !== 'ready') this.#wrong(`invariant 10: the storage is ${storage} for ever`);
    if (unsettled > 0) this.#wrong(`invariant 4: ${unsettled} are never settled`);
    if (waitingCallers > 0) this.#wrong(`invariant 4: ${waitingCallers} wait for ever`);
    for (const name of this.open) this.#wrong(`invariant 4: not settled at rest: ${name}`);
  }

  resumeAll(): void {
    this.processor.resume();
    for (let user = 0; user < users; user += 1) this.processor.resume(`u-${user}`);
  }

  #giveFates({ calls, isHardToRead }: ProcessPlan): void {
    let next = 0;
    this.storage.fate = (method, size) => {
      if (method === 'unsettled' && !isHardToRead) return 'works';
      const call = calls[next];
      next += 1;
      if (call === undefined) return 'works';
      if (call.fate === 'hangs') this.#hangs = true;
      // Only its caller is notified.
      if (call.fate !== 'works' && method === 'find') this.#witness.failures += 1;
      const { fate, latencyMs } = call;
      const ids = this.storage.log.at(-1)?.slice('accept '.length).split(' ') ?? [];
      if (method === 'accept' && size > 0 && fate === 'fails late') {
        for (const id of ids) this.#world.mislaid.add(id);
      }
      if (latencyMs === 0) return fate;
      return this.#world.clock.sleep(latencyMs).then(() => fate);
    };
  }

  #call(id: string, plan: OrderPlan, how: Call['how'], abortMs?: number): Call {
    const { disk, calls } = this.#world;
    const stored = disk.find(id);
    const others = calls.filter((call) => call.id === id);
    const isSettled = stored !== undefined && stored.status !== 'pending';
    const isFailing = this.#witness.isInterrupted && !this.hasShutDown;
    const call: Call = {
      ...{ id, plan, how },
      processAt: this.#at,
      hasSignal: abortMs !== undefined,
      known: isSettled ? (stored.amount === plan.amount ? 'same' : 'other') : undefined,
      isHopeless: isFailing && others.length === 0 && how !== 'one of many' && abortMs !== 0,
      answer: undefined,
    };
    calls.push(call);
    return call;
  }

  #answered(call: Call, answer: Answer, failures: number): void {
    call.answer = answer;
    const code = isOrderError(answer) ? answer.code : undefined;
    if (code === 'storage_failed' && failures === this.#witness.failures && !this.hasShutDown) {
      this.#wrong(`${call.how} of ${call.id} got storage_failed while the storage worked`);
    }
    if (code === 'shut_down' && !this.hasShutDown) this.#wrong(`${call.id} got shut_down`);
    for (const each of wrongPromise(call, this.#world.disk)) this.#wrong(each);
  }

  #watch(name: string, promise: Promise<unknown>, notify?: (answer: unknown) => void): void {
    this.#promises += 1;
    const key = `${name} (${this.#promises}) in process ${this.#at}`;
    this.open.add(key);
    const end = (answer: unknown): void => {
      this.open.delete(key);
      // The events of a killed process do not count.
      if (!this.isKilled) notify?.(answer);
    };
    promise.then(end, (error) => {
      if (!isOrderError(error)) this.#wrong(`${name} rejected with ${error}`);
      end(error);
    });
  }

  #wrong(what: string): void {
    if (!this.isKilled) this.#world.wrong.push(`process ${this.#at}: ${what}`);
  }
}

function abortAfter(ms: number | undefined): { signal: AbortSignal } | undefined {
  if (ms === undefined) return undefined;
  const controller = new AbortController();
  if (ms === 0) controller.abort();
  else setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal };
}

function orderOf({ id, plan }: Call): Order<OrderPlan> {
  const { user, amount, priority } = plan;
  // A copy, since what was kept comes back as one.
  return { id, userId: `u-${user}`, amount, priority, payload: structuredClone(plan) };
}
