import type { AcceptedOrder } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { CompensationContextBase, StepContext } from '../step.ts';
import type { PlannedStep } from '../step-plan.ts';

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
}

/** What the function of one attempt gets; each property is made when it is read. */
export class Context implements StepContext<never> {
  readonly #run: ContextRun;
  readonly #step: PlannedStep;
  readonly #attempt: number;
  #own: AbortController | undefined = undefined;

  constructor(run: ContextRun, step: PlannedStep, attempt: number) {
    this.#run = run;
    this.#step = step;
    this.#attempt = attempt;
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
    return this.#run.resultsBefore(this.#step);
  }

  get idempotencyKey(): string {
    return `${this.#run.accepted.id}:${this.#step.key}`;
  }

  /** @internal */
  abort(reason: OrderError): void {
    if (!this.hasOwnSignal) return;
    this.#own ??= new AbortController();
    this.#run.abort(this.#own, reason);
  }

  /** Aborts an attempt with a time limit while its order goes on. */
  protected get hasOwnSignal(): boolean {
    return this.#step.limits.timeoutMs !== undefined;
  }
}

/** What a compensation knows of the step that it compensates. */
interface CompensatedStep {
  readonly step: PlannedStep;
  readonly isFinished: boolean;
  readonly value: unknown;
}

export class ContextOfCompensation extends Context implements CompensationContextBase<never> {
  readonly isFinished: boolean;
  readonly result: unknown;
  readonly error: OrderError;

  constructor(run: ContextRun, { step, isFinished, value }: CompensatedStep, attempt: number) {
    super(run, step, attempt);
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
