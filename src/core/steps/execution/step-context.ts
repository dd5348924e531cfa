import type { AcceptedOrder } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { StepProgress } from '../../order/step-result.ts';
import { wrong } from '../../runtime/checks.ts';
import type { CompensationContextBase, StepContext } from '../contexts.ts';
import type { PlannedStep } from '../step-plan.ts';
import type { ExecutionFacts } from './execution-facts.ts';

/** The run of an order as the contexts of its steps see it. */
export interface ContextRun {
  readonly accepted: AcceptedOrder;
  readonly order: { readonly earlierAttempts: number };
  /** The order's signal, made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Why the order failed, once it has. */
  readonly error: OrderError | undefined;
  abort(controller: AbortController, reason: OrderError): void;
  resultsBefore(step: PlannedStep): Readonly<Record<string, unknown>>;
  progressed(progress: StepProgress): void;
}

/** In UTF-16 code units. */
const longestLabel = 256;

/** What the function of one attempt gets; each property is made when it is read. */
export class Context implements StepContext<never> {
  readonly #run: ContextRun;
  readonly #execution: ExecutionFacts;
  readonly #attempt: number;
  #own: AbortController | undefined = undefined;

  constructor(run: ContextRun, execution: ExecutionFacts) {
    this.#run = run;
    this.#execution = execution;
    this.#attempt = execution.attempts;
  }

  get signal(): AbortSignal {
    if (!this.hasOwnSignal) return this.#run.signal;
    this.#own ??= new AbortController();
    return this.#own.signal;
  }

  get attempt(): number {
    return this.#run.order.earlierAttempts + this.#attempt;
  }

  get order(): AcceptedOrder<never> {
    return this.#run.accepted as AcceptedOrder<never>;
  }

  get results(): Readonly<Record<string, unknown>> {
    return this.#run.resultsBefore(this.#execution.step);
  }

  get idempotencyKey(): string {
    return `${this.#run.accepted.id}:${this.#execution.step.key}`;
  }

  progress(fraction: number, label?: string): void {
    const { step, compensated } = this.#execution;
    if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
      const kind = typeof fraction === 'number' ? RangeError : TypeError;
      throw wrong(kind, 'fraction', 'a number from 0 to 1', fraction);
    }
    if (label !== undefined && (typeof label !== 'string' || label.length > longestLabel)) {
      const kind = typeof label === 'string' ? RangeError : TypeError;
      throw wrong(kind, 'label', `a string of up to ${longestLabel} characters`, label);
    }
    if (!this.isUnderWay) return;
    const isCompensation = compensated !== undefined;
    this.#run.progressed({ step: step.name, isCompensation, fraction, label });
  }

  /** Whether what the attempt says and comes to counts. */
  protected get isUnderWay(): boolean {
    const { state, attempts } = this.#execution;
    return state === 'running' && attempts === this.#attempt;
  }

  /** @internal */
  abort(reason: OrderError): void {
    if (!this.hasOwnSignal) return;
    this.#own ??= new AbortController();
    this.#run.abort(this.#own, reason);
  }

  /** Aborts an attempt with a time limit while its order goes on. */
  protected get hasOwnSignal(): boolean {
    return this.#execution.step.limits.timeoutMs !== undefined;
  }
}

export class ContextOfCompensation extends Context implements CompensationContextBase<never> {
  readonly isFinished: boolean;
  readonly result: unknown;
  readonly error: OrderError;

  constructor(
    run: ContextRun,
    compensation: ExecutionFacts,
    { isFinished, value }: ExecutionFacts,
  ) {
    super(run, compensation);
    this.isFinished = isFinished;
    this.result = value;
    this.error = run.error as OrderError;
  }

  /** A compensation's signal, independent of the order's signal. */
  protected override get hasOwnSignal(): boolean {
    return true;
  }

  get compensationKey(): string {
    return `${this.idempotencyKey}/compensate`;
  }
}
