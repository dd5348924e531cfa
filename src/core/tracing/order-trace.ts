import type { AcceptedOrder } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { noSteps, type StepResult } from '../order/step-result.ts';
import { readTraceContext, type TraceContext } from '../order/trace/trace-context.ts';
import { orderChannel, submitChannel } from './channels.ts';
import type { OrderMessage, SubmitMessage } from './messages.ts';
import { Message, type TracedProcessor } from './operation.ts';

/** An order whose operations are published. */
export interface TracedOrder {
  /** 0 before it is known. */
  readonly sequence: number;
  readonly traceContext?: TraceContext | undefined;
  toOrder(): AcceptedOrder;
}

class Submit extends Message implements SubmitMessage {
  readonly method: SubmitMessage['method'];
  order: AcceptedOrder | undefined;
  traceContext: TraceContext | undefined;
  retried: TraceContext | undefined = undefined;
  status: SubmitMessage['status'] = undefined;
  sequence: number | undefined = undefined;
  declare error?: OrderError;

  constructor(
    traced: TracedProcessor,
    method: SubmitMessage['method'],
    order: TracedOrder | undefined,
  ) {
    super(traced);
    this.method = method;
    this.order = order?.toOrder();
    this.traceContext = order?.traceContext;
    if (method === 'retry') this.retried = order?.traceContext;
  }

  begin<T>(work: () => T): T {
    return this.publishBegin(submitChannel, work);
  }

  end(): void {
    this.publishEnd(submitChannel);
  }
}

/** What is known of the processing of an order at its beginning. */
type Beginning = Pick<OrderMessage, 'order' | 'attempt' | 'acceptedAt' | 'startedAt' | 'waitMs'>;

class Processing extends Message implements OrderMessage {
  readonly order: AcceptedOrder;
  readonly submit: SubmitMessage | undefined;
  readonly traceContext: TraceContext | undefined;
  readonly attempt: number;
  readonly acceptedAt: number;
  readonly startedAt: number;
  readonly waitMs: number;
  readonly sequence: number | undefined;
  status: OrderMessage['status'] = undefined;
  steps: readonly StepResult[] = noSteps;
  declare error?: OrderError;

  constructor(
    traced: TracedProcessor,
    { traceContext, sequence }: TracedOrder,
    { order, attempt, acceptedAt, startedAt, waitMs }: Beginning,
    submit: SubmitMessage | undefined,
  ) {
    super(traced);
    this.order = order;
    this.submit = submit;
    this.traceContext = traceContext;
    this.attempt = attempt;
    this.acceptedAt = acceptedAt;
    this.startedAt = startedAt;
    this.waitMs = waitMs;
    this.sequence = sequence === 0 ? undefined : sequence;
  }

  begin(work: () => void): void {
    this.publishBegin(orderChannel, work);
  }

  end(): void {
    this.publishEnd(orderChannel);
  }
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
   * @param work - admits it, with the trace context that it is to be kept with
   */
  submit<T>(
    traced: TracedProcessor,
    method: SubmitMessage['method'],
    order: TracedOrder,
    work: (context: TraceContext | undefined) => T,
  ): T {
    const message = new Submit(traced, method, order);
    this.#submit = message;
    const given = message.traceContext;
    return message.begin(() => {
      const context = message.traceContext;
      return work(context === given ? given : readContext(context));
    });
  }

  /** It is certain what becomes of the call. */
  submitted(status: SubmitMessage['status'], order: TracedOrder, error?: OrderError): void {
    const message = this.#submit;
    if (message === undefined || message.status !== undefined) return;
    message.status = status;
    message.order = order.toOrder();
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
  const message = new Submit(traced, method, undefined);
  message.begin(() => {});
  message.status = 'refused';
  message.error = error;
  message.end();
}

/** What a subscriber has set may throw when it is read. */
function readContext(value: unknown): TraceContext | undefined {
  try {
    return readTraceContext(value);
  } catch {
    return undefined;
  }
}
