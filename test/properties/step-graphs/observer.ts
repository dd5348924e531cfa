import {
  type AcceptedOrder,
  type CompensationContext,
  OrderError,
  type OrderProcessor,
  type Receipt,
  type ShutdownSummary,
  type Step,
  type StepContext,
  type SteppedOrder,
} from 'order-processor';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { checkBegin } from './begin.ts';
import { checkReport } from './claims.ts';
import { type Call, codeOfFailure, isDenial, type OrderLog, valueGiven } from './log.ts';
import {
  attemptPlan,
  finalAmount,
  graceMs,
  type Kind,
  limitsOf,
  type Meddling,
  type Payload,
  type Scenario,
} from './plan.ts';
import { checkSettlement, expectedSteps } from './settlement.ts';

/** Everything that can be seen of a processor from outside, checked as it happens. */
export class Observer {
  readonly violations: string[] = [];
  readonly logs = new Map<string, OrderLog>();
  /** Ids, in the order of the events. */
  readonly accepted: string[] = [];
  readonly started: string[] = [];
  readonly settled: string[] = [];
  readonly shutdowns: ShutdownSummary[] = [];
  /** Keys of what a provider has charged that cares for no signal, and has not refunded. */
  readonly charges = new Set<string>();
  /** Ids of orders that were refused because the storage failed. */
  readonly refusedByStorage = new Set<string>();
  /** How often the storage failed, or was slow. */
  storageErrors = 0;
  /** When the shutdown's deadline cancels what is left. */
  deadlineAt = Infinity;
  /** When the shutdown was over: after that no event of an order comes. */
  closedAt = Infinity;
  readonly plan: Scenario;
  readonly clock: VirtualClock;
  readonly #meddle: (action: Meddling['action'], id: string) => void;

  /** @param meddle - does something from inside a step of an order */
  constructor(
    plan: Scenario,
    clock: VirtualClock,
    meddle: (action: Meddling['action'], id: string) => void,
  ) {
    this.plan = plan;
    this.clock = clock;
    this.#meddle = meddle;
  }

  steps(): Step<Payload>[] {
    return this.plan.steps.map((spec, at) => ({
      name: spec.name,
      after: spec.after.map((other) => `s${other}`),
      ...(spec.hasWhen && { when: ({ payload }) => !payload.needless.includes(at) }),
      concurrency: spec.concurrency,
      timeoutMs: spec.timeoutMs,
      retry: spec.retry,
      compensation: spec.compensation,
      run: (order, context) => this.#call('run', at, order, context),
      ...(spec.canCompensate
        ? {
            compensate: (order: AcceptedOrder<Payload>, context: CompensationContext<Payload>) =>
              this.#call('compensate', at, order, context),
          }
        : {}),
    }));
  }

  listen(processor: OrderProcessor<Payload>): void {
    if (this.plan.isObserved) {
      processor.on('accepted', ({ id }) => {
        if (this.log(id).isAccepted) this.wrong(`accepted twice: ${id}`);
        this.#accepts(this.log(id));
      });
      processor.on('started', ({ id }) => {
        if (this.log(id).startedAt !== undefined) this.wrong(`started twice: ${id}`);
        this.#starts(this.log(id));
      });
    }
    processor.on('stepped', (event) => this.#stepped(event));
    processor.on('retried', ({ orderId, step, isCompensation, attempt, delayMs }) => {
      const log = this.log(orderId);
      const at = Number(step.slice(1));
      const of = isCompensation ? 'compensate' : 'run';
      log.retried.push({ at, of, attempt, delayMs, saidAt: this.clock.now });
    });
    processor.on('stalled', ({ orderId, steps, runningMs }) => {
      const log = this.log(orderId);
      if (log.stalledAt !== undefined) this.wrong(`stalled twice: ${orderId}`);
      log.stalledAt = this.clock.now;
      const running = new Set(log.running.map(({ at }) => `s${at}`));
      const isUnended = (name: string): boolean =>
        running.has(name) || log.isUnended(Number(name.slice(1)));
      if (!steps.every(isUnended) || [...running].some((name) => !steps.includes(name))) {
        this.wrong(`${orderId} stalled in ${steps}, but what runs is ${[...running]}`);
      }
      const { startedAt } = log;
      if (this.plan.isObserved && runningMs !== this.clock.now - (startedAt as number)) {
        this.wrong(`${orderId} stalled after ${runningMs} ms`);
      }
    });
    processor.on('completed', (receipt) => this.#settles('completed', receipt));
    processor.on('failed', (error) => this.#settles('failed', error));
    processor.on('canceled', (error) => this.#settles('canceled', error));
    processor.on('error', ({ code, orderId, message }) => {
      if (code === 'storage_failed' && this.plan.storage !== 'memory') {
        this.storageErrors += 1;
        return;
      }
      const log = this.logs.get(orderId ?? '');
      if (code === 'compensation_failed' && log !== undefined) log.compensationErrors += 1;
      else this.wrong(`invariant 8: an error: ${code} ${message}`);
    });
    processor.on('refused', ({ orderId, code }) => {
      if (code === 'storage_failed') this.refusedByStorage.add(orderId as string);
    });
    processor.on('idle', () => {
      const { unsettled } = processor.stats();
      if (unsettled > 0) this.wrong(`idle with ${unsettled} unsettled`);
    });
    processor.on('shutdown', (summary) => {
      this.shutdowns.push(summary);
      this.closedAt = this.clock.now;
    });
  }

  /** Whether an order that fails now does so because the storage was silent until the end of the shutdown. */
  isLeftUnknown(code: string): boolean {
    return code === 'storage_failed' && this.clock.now >= this.deadlineAt + graceMs;
  }

  /** Whether a caller may hear that the storage failed: it refused the order, or has the question open. */
  mayHearFailure({ id, settled, calls }: OrderLog): boolean {
    if (this.refusedByStorage.has(id) || settled?.isUnknown) return true;
    const hasFinished = calls.every(({ endedAt }) => endedAt !== undefined);
    return hasFinished && this.storageErrors > 0;
  }

  wrong(what: string): void {
    this.violations.push(`${what} (at ${this.clock.now} ms)`);
  }

  log(id: string): OrderLog {
    return this.logs.get(id) as OrderLog;
  }

  #call(
    of: Kind,
    at: number,
    { id, amount, payload }: AcceptedOrder<Payload>,
    context: StepContext<Payload> | CompensationContext<Payload>,
  ): unknown {
    const log = this.log(id);
    if (!this.plan.isObserved && log.startedAt === undefined) this.#starts(log);
    const attempt = log.callsOf(at, of).length + 1;
    const plan = attemptPlan(payload, at, of, attempt);
    const call: Call = {
      at,
      of,
      attempt,
      plan,
      limits: limitsOf(this.plan, at, of),
      context,
      beganAt: this.clock.now,
      isListening: false,
      abortedAt: undefined,
      endedAt: undefined,
      ended: undefined,
    };
    checkBegin(this, log, call);
    // The request arrives at once, even if its answer is lost.
    if (of === 'run' && !isDenial(plan.ends)) this.charges.add(context.idempotencyKey);
    log.calls.push(call);
    const final = finalAmount(amount, plan);
    if (of === 'run' && final !== undefined) (context as StepContext).setAmount(final);
    if (plan.meddles !== undefined) this.#meddle(plan.meddles, id);
    return this.#perform(call, id);
  }

  #perform(call: Call, id: string): unknown {
    const { plan, context, at, attempt } = call;
    const { durationMs, ends, whenAborted } = plan;
    const finish = (ended: Exclude<Call['ended'], undefined>, reason?: unknown): unknown => {
      call.endedAt = this.clock.now;
      call.ended = ended;
      const code = codeOfFailure(ended);
      if (ended === 'well' && call.of === 'compensate') this.charges.delete(context.idempotencyKey);
      if (ended === 'well') return valueGiven(id, at, attempt);
      if (ended === 'aborted') throw reason;
      if (code === 'internal') throw `thrown by s${at}`;
      if (ended === 'with a code') throw new OrderError(code as string, 'Declined');
      throw Object.assign(new Error(), { code, ...(ended === 'for good' && { retryable: false }) });
    };
    if (durationMs === 0) return finish(ends);
    if (durationMs === 'soon') return Promise.resolve().then(() => finish(ends));
    if (whenAborted === 'goes on') {
      if (durationMs === 'never') return new Promise(() => {});
      return this.clock.sleep(durationMs).then(() => finish(ends));
    }
    const { signal } = context;
    call.isListening = true;
    const aborted = new Promise<void>((_, reject) => {
      const abort = (): void => {
        call.abortedAt ??= this.clock.now;
        reject(signal.reason);
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
    const over = durationMs === 'never' ? aborted : this.#sleep(durationMs, aborted, signal);
    return over.then(
      () => finish(ends),
      async (reason) => {
        if (whenAborted === 'ends well') return finish('well');
        if (whenAborted === 'cleans up') await this.clock.sleep(3);
        return finish('aborted', reason);
      },
    );
  }

  /** The signal may have aborted already, and takes the timer away. */
  #sleep(ms: number, aborted: Promise<void>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return aborted;
    aborted.catch(() => {});
    return this.clock.sleep(ms, signal);
  }

  #accepts(log: OrderLog): void {
    log.isAccepted = true;
    this.accepted.push(log.id);
  }

  #starts(log: OrderLog): void {
    const { id, userId } = log;
    if (!this.plan.isObserved) log.isAccepted = true;
    if (!log.isAccepted) this.wrong(`started before it was accepted: ${id}`);
    for (const other of this.logs.values()) {
      if (other.userId === userId && other.isBusy) {
        this.wrong(`invariant 1: ${id} started beside ${other.id}`);
      }
    }
    log.startedAt = this.clock.now;
    this.started.push(id);
  }

  #stepped({ orderId, step }: SteppedOrder): void {
    const log = this.log(orderId);
    const report = { at: Number(step.name.slice(1)), result: step, saidAt: this.clock.now };
    checkReport(this, log, report);
    log.reports.push(report);
  }

  #settles(status: 'completed' | 'failed' | 'canceled', outcome: Receipt | OrderError): void {
    const { orderId } = outcome;
    const log = this.log(orderId as string);
    if (!this.plan.isObserved) {
      log.isAccepted = true;
      // It may have failed before any of its steps began.
      if (log.startedAt === undefined && outcome.steps.length > 0) this.#starts(log);
    }
    if (log.settled !== undefined) this.wrong(`invariant 3: two outcomes: ${orderId}`);
    log.settled = {
      status,
      code: 'code' in outcome ? outcome.code : undefined,
      steps: outcome.steps,
      outcome,
      settledAt: this.clock.now,
      isUnknown: 'code' in outcome && this.isLeftUnknown(outcome.code),
      expected: expectedSteps(this, log),
    };
    this.settled.push(log.id);
    checkSettlement(this, log, log.settled);
  }
}
