import type { AcceptedOrder } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { noSteps, type StepResult } from '../order/step-result.ts';
import { waitMsOf } from '../order/times/order-times.ts';
import { type TraceContext, traceTextOf } from '../order/trace/trace-context.ts';
import type { Clock } from '../runtime/clock.ts';
import { orderChannel, submitChannel } from './channels.ts';
import type { OrderMessage, SubmitMessage } from './messages.ts';
import { Message, type TracedProcessor } from './operation.ts';

/** An order whose operations are published. */
export interface TracedOrder {
  /** 0 before it is known. */
  readonly sequence: number;
  readonly acceptedAt: number;
  readonly earlierAttempts: number;
  readonly times?: { readonly notBefore?: number | undefined } | undefined;
  /** Its trace context, as text. */
  traceText?: string | undefined;
  /** The same, made when it is read. */
  readonly traceContext: TraceContext | undefined;
  /** The order as its steps see it. */
  toOrder(): AcceptedOrder;
  unixOf(reading: number, clock: Clock): number;
}

class Submit extends Message implements SubmitMessage {
  readonly method: SubmitMessage['method'];
  traceContext: TraceContext | undefined;
  readonly retried: TraceContext | undefined;
  status: SubmitMessage['status'] = undefined;
  sequence: number | undefined = undefined;
  declare error?: OrderError;
  readonly #source: TracedOrder | undefined;
  #order: AcceptedOrder | undefined = undefined;

  constructor(
    traced: TracedProcessor,
    method: SubmitMessage['method'],
    source: TracedOrder | undefined,
    retried: TraceContext | undefined,
  ) {
    super(traced);
    this.method = method;
    this.#source = source;
    this.traceContext = source?.traceContext;
    this.retried = retried;
  }

  /** Made when it is read: most subscribers read it of few orders. */
  get order(): AcceptedOrder | undefined {
    this.#order ??= this.#source?.toOrder();
    return this.#order;
  }

  begin<T>(work: () => T): T {
    return this.publishBegin(submitChannel, work);
  }

  end(): void {
    // By now it has its labels.
    this.#order = undefined;
    this.publishEnd(submitChannel);
  }
}

/** Fields that take time are made when they are read: most subscribers read them of few orders. */
class Processing extends Message implements OrderMessage {
  readonly submit: SubmitMessage | undefined;
  readonly attempt: number;
  readonly sequence: number | undefined;
  status: OrderMessage['status'] = undefined;
  steps: readonly StepResult[] = noSteps;
  declare error?: OrderError;
  readonly #source: TracedOrder;
  readonly #clock: Clock;
  readonly #startReading: number;
  readonly #acceptReading: number;
  #order: AcceptedOrder | undefined;
  #traceContext: TraceContext | undefined = undefined;

  constructor(
    traced: TracedProcessor,
    source: TracedOrder,
    { order, startReading, clock }: Beginning,
    submit: SubmitMessage | undefined,
  ) {
    super(traced);
    this.submit = submit;
    this.attempt = source.earlierAttempts + 1;
    this.sequence = source.sequence === 0 ? undefined : source.sequence;
    this.#source = source;
    this.#clock = clock;
    this.#startReading = startReading;
    this.#acceptReading = source.acceptedAt;
    this.#order = order;
  }

  get order(): AcceptedOrder {
    this.#order ??= this.#source.toOrder();
    return this.#order;
  }

  get traceContext(): TraceContext | undefined {
    this.#traceContext ??= this.#source.traceContext;
    return this.#traceContext;
  }

  get acceptedAt(): number {
    return this.#source.unixOf(this.#acceptReading, this.#clock);
  }

  get startedAt(): number {
    return this.#source.unixOf(this.#startReading, this.#clock);
  }

  get waitMs(): number {
    return waitMsOf(this.#source.times?.notBefore, this.acceptedAt, this.startedAt);
  }

  begin(work: () => void): void {
    this.publishBegin(orderChannel, work);
  }

  end(): void {
    this.publishEnd(orderChannel);
  }
}

/** The processing of an order, at its beginning. */
interface Beginning {
  /** The order, if its steps have it already. */
  readonly order: AcceptedOrder | undefined;
  /** When it begins, on the processor's clock. */
  readonly startReading: number;
  readonly clock: Clock;
}

/** What is published of one order; only of an order for which a channel has subscribers. */
export class OrderTrace {
  #submit: Submit | undefined = undefined;
  #processing: Processing | undefined = undefined;

  /** The processing that has begun last; functions of its steps may go on when it has ended. */
  get processing(): OrderMessage | undefined {
    return this.#processing;
  }

  /**
   * A call hands the order in.
   *
   * @param retried - the trace context of the order that comes again
   * @param work - admits it; by then the order has the trace context that it is to be kept with
   */
  submit<T>(
    traced: TracedProcessor,
    method: SubmitMessage['method'],
    order: TracedOrder,
    retried: TraceContext | undefined,
    work: () => T,
  ): T {
    const message = new Submit(traced, method, order, retried);
    this.#submit = message;
    const given = message.traceContext;
    return message.begin(() => {
      if (message.traceContext !== given) order.traceText = traceTextOf(message.traceContext);
      return work();
    });
  }

  /** It is certain what becomes of the call. */
  submitted(status: SubmitMessage['status'], order: TracedOrder, error?: OrderError): void {
    const message = this.#submit;
    if (message === undefined || message.status !== undefined) return;
    message.status = status;
    if (order.sequence !== 0) message.sequence = order.sequence;
    if (error !== undefined) message.error = error;
    message.end();
  }

  /**
   * Its processing begins.
   *
   * @param enter - is called in the context that subscribers bind
   */
  begin(traced: TracedProcessor, order: TracedOrder, facts: Beginning, enter: () => void): void {
    // Its settlement was to accept it, and the storage had it already: it begins again.
    this.ended('known');
    const message = new Processing(traced, order, facts, this.#submit);
    this.#processing = message;
    message.begin(enter);
  }

  /** Its processing has ended in this process. */
  ended(status: OrderMessage['status'], error?: OrderError, steps = noSteps): void {
    const message = this.#processing;
    if (message === undefined || message.status !== undefined) return;
    message.status = status;
    message.steps = steps;
    if (error !== undefined) message.error = error;
    message.end();
  }

  /** It is settled. */
  settled(outcome: OrderOutcome): void {
    if (outcome.status === 'completed') this.ended('completed', undefined, outcome.steps);
    else this.ended(outcome.status, outcome.error, outcome.error.steps);
  }

  /** It ends in this process without an outcome. */
  over(status: 'known' | 'refused' | 'unknown', order: TracedOrder, error?: OrderError): void {
    this.submitted(status, order, error);
    this.ended(status, error);
  }
}

/** A call hands in what cannot be read. */
export function unreadable(
  traced: TracedProcessor,
  method: SubmitMessage['method'],
  error: OrderError,
): void {
  const message = new Submit(traced, method, undefined, undefined);
  message.begin(() => {});
  message.status = 'refused';
  message.error = error;
  message.end();
}
