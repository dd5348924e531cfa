import type { FinalMoney } from '../../order/decision.ts';
import type { AcceptedOrder } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { StepProgress } from '../../order/step-result.ts';
import { wrong } from '../../runtime/checks.ts';
import type {
  AttemptContext,
  CompensationContextBase,
  FinalAmountOptions,
  StepContext,
} from '../contexts.ts';
import type { RunOrder } from '../run/run-observer.ts';
import type { PlannedStep } from '../step-plan.ts';
import type { ExecutionFacts } from './execution-facts.ts';
import { readFinalMoney } from './final-money.ts';

/** The run of an order as the contexts of its steps see it. */
export interface ContextRun {
  readonly accepted: AcceptedOrder;
  readonly order: Pick<RunOrder, 'earlierAttempts' | 'tries' | 'remembered' | 'trace'>;
  /** The order's signal, made when it is first asked for. */
  readonly signal: AbortSignal;
  /** Why the order failed, once it has. */
  readonly error: OrderError | undefined;
  abort(controller: AbortController, reason: OrderError): void;
  resultsBefore(step: PlannedStep): Readonly<Record<string, unknown>>;
  progressed(progress: StepProgress): void;
  /** An attempt has said what is settled if it finishes. */
  setAmount(execution: ExecutionFacts, money: FinalMoney): void;
}

/** In UTF-16 code units. */
const longestLabel = 256;

/** What the function of one attempt gets; each property is made when it is read. */
abstract class ContextOfAttempt implements AttemptContext<never> {
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
    const { name, key } = this.#execution.step;
    const compensated = this.#run.order.tries?.compensations[name] ?? 0;
    // A provider that has refunded a charge would take the same key for a repetition of that charge.
    const again = compensated === 0 ? '' : `/${compensated + 1}`;
    return `${this.#run.accepted.id}:${key}${again}`;
  }

  /** Bound, because a step may take it by name. */
  get progress(): AttemptContext['progress'] {
    return (fraction, label) => this.#progress(fraction, label);
  }

  #progress(fraction: number, label: string | undefined): void {
    const { step, compensated, state } = this.#execution;
    if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
      const kind = typeof fraction === 'number' ? RangeError : TypeError;
      throw wrong(kind, 'fraction', 'a number from 0 to 1', fraction);
    }
    if (label !== undefined && (typeof label !== 'string' || label.length > longestLabel)) {
      const kind = typeof label === 'string' ? RangeError : TypeError;
      throw wrong(kind, 'label', `a string of up to ${longestLabel} characters`, label);
    }
    if (!this.#isCurrent || state !== 'running') return;
    const isCompensation = compensated !== undefined;
    this.#run.progressed({ step: step.name, isCompensation, fraction, label });
  }

  protected setFinalAmount(amount: number, options: FinalAmountOptions | undefined): void {
    const money = readFinalMoney(this.#run.accepted, amount, options);
    if (!this.#isCurrent) {
      throw new TypeError('Expected `setAmount` to be called before its attempt has ended');
    }
    this.#run.setAmount(this.#execution, money);
  }

  /** Whether the attempt has not ended. */
  get #isCurrent(): boolean {
    return this.#execution.isRunning && this.#execution.attempts === this.#attempt;
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

/** What a step's `run` gets. */
export class Context extends ContextOfAttempt implements StepContext<never> {
  /** Bound as `progress` is. */
  get setAmount(): StepContext['setAmount'] {
    return (amount, options) => this.setFinalAmount(amount, options);
  }
}

/** What a step's `compensate` gets. */
export class ContextOfCompensation
  extends ContextOfAttempt
  implements CompensationContextBase<never>
{
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
