import type { Verdict } from '../../order/decision.ts';
import type { AcceptedOrder } from '../../order/order.ts';
import { isOwnCode, OrderError } from '../../order/order-error.ts';
import { codeOf } from '../../runtime/thrown.ts';
import { stepChannel } from '../../tracing/channels.ts';
import type { OrderMessage, StepMessage } from '../../tracing/messages.ts';
import { Message, type TracedProcessor } from '../../tracing/operation.ts';
import type { ExecutionState } from './execution-state.ts';

/** Of which run and which order an attempt is. */
export interface TracedRun {
  readonly traced: TracedProcessor;
  readonly accepted: AcceptedOrder;
  readonly order: {
    readonly earlierAttempts: number;
    readonly trace?: { readonly processing: OrderMessage | undefined } | undefined;
  };
  /** Why the order does not complete, once that is decided. */
  readonly error: OrderError | undefined;
}

/** The execution that makes the attempt. */
interface Attempted {
  readonly step: { readonly name: string };
  /** Of a compensation: what it compensates. */
  readonly compensated: unknown;
  readonly attempts: number;
}

class Attempt extends Message implements StepMessage {
  readonly order: AcceptedOrder;
  readonly processing: OrderMessage | undefined;
  readonly step: string;
  readonly isCompensation: boolean;
  readonly attempt: number;
  readonly pausedMs: number | undefined;
  status: StepMessage['status'] = undefined;
  retryInMs: number | undefined = undefined;
  code: string | undefined = undefined;
  declare error?: unknown;
  declare result?: unknown;

  constructor(
    { traced, accepted, order }: TracedRun,
    { step, compensated, attempts }: Attempted,
    pausedMs: number | undefined,
  ) {
    super(traced);
    this.order = accepted;
    this.processing = order.trace?.processing;
    this.step = step.name;
    this.isCompensation = compensated !== undefined;
    this.attempt = order.earlierAttempts + attempts;
    this.pausedMs = pausedMs;
  }

  begin(work: () => unknown): unknown {
    return this.publishBegin(stepChannel, work);
  }

  end(): void {
    this.publishEnd(stepChannel);
  }
}

/** What is published of one attempt at a step or a compensation. */
export class TracedAttempt {
  readonly #run: TracedRun;
  readonly #message: Attempt;

  /** @param before - the attempt before it */
  constructor(run: TracedRun, execution: Attempted, before: TracedAttempt | undefined) {
    this.#run = run;
    this.#message = new Attempt(run, execution, before?.retryInMs);
  }

  get retryInMs(): number | undefined {
    return this.#message.retryInMs;
  }

  /** Calls the function of the step in the context that subscribers bind. */
  call(work: () => unknown): unknown {
    return this.#message.begin(work);
  }

  /**
   * The function has returned.
   *
   * @param overdue - the error of the attempt if its time was up
   * @param fault - why the step fails all the same
   */
  returned(
    result: unknown,
    state: ExecutionState,
    overdue: OrderError | undefined,
    fault: Verdict | undefined,
  ): void {
    this.#message.result = result;
    if (state !== 'abandoned') {
      if (fault === undefined) this.#end('ok');
      else this.#failed('error', fault.code, new OrderError(fault.code, fault.message));
    } else if (overdue === undefined) this.#end('canceled');
    else this.#failed('error', overdue.code, overdue);
  }

  /**
   * The function has thrown.
   *
   * @param retryInMs - how long the pause before the next attempt is, if there is one
   */
  threw(
    thrown: unknown,
    state: ExecutionState,
    overdue: OrderError | undefined,
    retryInMs: number | undefined,
  ): void {
    this.#message.retryInMs = retryInMs;
    const own = codeOf(thrown);
    const code = own === undefined || isOwnCode(own) ? 'internal' : own;
    if (overdue !== undefined) this.#failed('error', overdue.code, overdue);
    else if (state !== 'abandoned') this.#failed('error', code, thrown);
    else this.#failed('canceled', this.#run.error?.code ?? code, thrown);
  }

  /** The processor has shut down, and nothing waits for the end of the function. */
  left(): void {
    const { error } = this.#run;
    if (error === undefined) this.#end('left');
    else this.#failed('left', error.code, error);
  }

  #failed(status: StepMessage['status'], code: string, error: unknown): void {
    if (this.#message.status !== undefined) return;
    this.#message.code = code;
    this.#message.error = error;
    this.#end(status);
  }

  #end(status: StepMessage['status']): void {
    if (this.#message.status !== undefined) return;
    this.#message.status = status;
    this.#message.end();
  }
}
