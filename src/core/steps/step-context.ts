import type { AcceptedOrder } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';
import type { RunObserver } from './run-observer.ts';
import type { CompensationContextBase, StepContext } from './step.ts';
import type { PlannedStep } from './step-plan.ts';

/** Whose step it is. */
export interface ContextOwner {
  readonly order: AcceptedOrder;
  /** How often the order may have been begun in earlier lives. */
  readonly earlierAttempts: number;
  /** The order's signal, made when somebody first asks for it, and why the order failed. */
  toRun(): {
    readonly signal: AbortSignal;
    readonly error: OrderError | undefined;
    readonly host: Pick<RunObserver, 'abort'>;
  };
  resultsBefore(step: PlannedStep): Readonly<Record<string, unknown>>;
}

/** What the function of one attempt is given; all of it is made when somebody looks at it. */
export class Context implements StepContext<never> {
  readonly #attempt: number;
  readonly #owner: ContextOwner;
  readonly #step: PlannedStep;
  #own: AbortController | undefined = undefined;

  constructor(owner: ContextOwner, step: PlannedStep, attempt: number) {
    this.#attempt = attempt;
    this.#owner = owner;
    this.#step = step;
  }

  get signal(): AbortSignal {
    if (!this.hasOwnSignal) return this.#owner.toRun().signal;
    this.#own ??= new AbortController();
    return this.#own.signal;
  }

  get attempt(): number {
    return this.#owner.earlierAttempts + this.#attempt;
  }

  get order(): AcceptedOrder<never> {
    return this.#owner.order as AcceptedOrder<never>;
  }

  get results(): Readonly<Record<string, unknown>> {
    return this.#owner.resultsBefore(this.#step);
  }

  get idempotencyKey(): string {
    return `${this.#owner.order.id}:${this.#step.key}`;
  }

  /** @internal */
  abort(reason: OrderError): void {
    if (!this.hasOwnSignal) return;
    this.#own ??= new AbortController();
    this.#owner.toRun().host.abort(this.#own, reason);
  }

  /** An attempt with a time limit is told to end while its order goes on. */
  protected get hasOwnSignal(): boolean {
    return this.#step.limits.timeoutMs !== undefined;
  }
}

/** What a compensation knows of the run that it compensates. */
interface CompensatedRun {
  readonly isFinished: boolean;
  readonly value: unknown;
}

export class ContextOfCompensation extends Context implements CompensationContextBase<never> {
  readonly isFinished: boolean;
  readonly result: unknown;
  readonly error: OrderError;

  constructor(owner: ContextOwner, step: PlannedStep, attempt: number, run: CompensatedRun) {
    super(owner, step, attempt);
    this.isFinished = run.isFinished;
    this.result = run.value;
    this.error = owner.toRun().error as OrderError;
  }

  /** It outlives the order's signal. */
  protected override get hasOwnSignal(): boolean {
    return true;
  }

  get compensationKey(): string {
    return `${this.idempotencyKey}/compensate`;
  }
}
