import {
  type Context,
  context,
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import { codeOf } from '../../core/runtime/thrown.ts';
import type { OrderMessage, SubmitMessage } from '../../core/tracing/messages.ts';
import { attribute, ownAttribute } from '../conventions.ts';
import { KeptOnMessage } from '../kept-on-message.ts';
import { isMade, spanContextOf, traceContextOf } from '../trace-context.ts';
import { orderAttributes, setError } from './outcome.ts';
import { operationAttributes, type SpanSettings } from './span-settings.ts';

/** A span that has begun, and the context in which it is the active one. */
export interface Begun {
  readonly span: Span;
  readonly context: Context;
}

/** `send`, where an order is handed in, and `process`, where it runs. */
export class OrderSpans {
  readonly #settings: SpanSettings;
  readonly #sent = new KeptOnMessage<SubmitMessage, Span>();
  readonly #processed = new KeptOnMessage<OrderMessage, Begun>();
  readonly #send;
  readonly #process;

  constructor(settings: SpanSettings) {
    this.#settings = settings;
    const { destination, propagation } = settings;
    // The conventions: the producer is the span whose context the message carries.
    const kind = propagation ? SpanKind.PRODUCER : SpanKind.CLIENT;
    this.#send = {
      name: `send ${destination}`,
      options: { kind, attributes: operationAttributes(settings, 'send') },
    };
    this.#process = {
      name: `process ${destination}`,
      attributes: operationAttributes(settings, 'process'),
    };
  }

  /** The span of an operation that is under way, or was; `undefined` if it is not recorded. */
  of(message: OrderMessage): Begun | undefined {
    return this.#processed.get(message);
  }

  handedIn(message: SubmitMessage): void {
    const { tracer, propagation } = this.#settings;
    const { traceContext: given, retried } = message;
    const { name, options } = this.#send;
    const linked = propagation ? retried : given;
    const links = linked === undefined ? undefined : [{ context: spanContextOf(linked) }];
    // What comes again by `retry` has the context of the first order: that is no caller's.
    const callers = given?.traceparent === retried?.traceparent ? undefined : given;
    const span = tracer.startSpan(
      name,
      links === undefined ? options : { ...options, links },
      parentOf(callers && spanContextOf(callers)),
    );
    this.#sent.set(message, span);
    if (propagation) message.traceContext = traceContextOf(span.spanContext()) ?? given;
  }

  accepted(message: SubmitMessage): void {
    const span = this.#sent.get(message);
    if (span === undefined) return;
    if (span.isRecording()) {
      const { order, method, status, processorName, error } = message;
      span.setAttribute(ownAttribute.method, method);
      if (processorName !== undefined) span.setAttribute(attribute.clientId, processorName);
      if (status !== undefined) span.setAttribute(ownAttribute.submitStatus, status);
      if (order !== undefined) span.setAttributes(orderAttributes(order, this.#settings));
      if (error !== undefined) setError(span, codeOf(error), error, this.#settings);
    }
    span.end();
  }

  began(message: OrderMessage): Context {
    const { tracer, parent } = this.#settings;
    const active = context.active();
    const creation = this.#creationOf(message);
    const isChild = parent && creation !== undefined;
    const span = tracer.startSpan(
      this.#process.name,
      {
        kind: SpanKind.CONSUMER,
        attributes: this.#process.attributes,
        links: linksTo(creation),
        // A tracer copies the context of a root, also where there is no span to leave.
        root: !isChild && trace.getSpan(active) !== undefined,
      },
      isChild ? trace.setSpanContext(active, creation) : active,
    );
    // Bound even if it is sampled out: then what the steps begin is sampled out as well.
    const bound = trace.setSpan(active, span);
    if (span.isRecording()) this.#processed.set(message, { span, context: bound });
    return bound;
  }

  ended(message: OrderMessage): void {
    const span = this.#processed.get(message)?.span;
    if (span === undefined) return;
    const { order, status, attempt, waitMs, processorName, error } = message;
    const attributes = orderAttributes(order, this.#settings);
    if (status !== undefined) attributes[ownAttribute.orderStatus] = status;
    if (attempt > 1) attributes[ownAttribute.orderAttempt] = attempt;
    attributes[ownAttribute.orderWaitMs] = waitMs;
    if (processorName !== undefined) attributes[attribute.clientId] = processorName;
    span.setAttributes(attributes);
    if (error !== undefined) setError(span, codeOf(error), error, this.#settings);
    span.end();
  }

  /** The context that the order was handed in with. */
  #creationOf({ submit, traceContext }: OrderMessage): SpanContext | undefined {
    const sent = this.#settings.propagation && submit ? this.#sent.get(submit) : undefined;
    const context = sent?.spanContext();
    if (context !== undefined && isMade(context)) return context;
    return traceContext && spanContextOf(traceContext);
  }
}

/**
 * The active span, if it belongs to the trace that the caller gave: an instrumentation of the host's server has made it
 * for the same request. Else what the caller gave.
 */
function parentOf(given: SpanContext | undefined): Context {
  const active = context.active();
  if (given === undefined) return active;
  const span = trace.getSpanContext(active);
  return span?.traceId === given.traceId ? active : trace.setSpanContext(active, given);
}

function linksTo(context: SpanContext | undefined): Link[] {
  return context === undefined ? [] : [{ context }];
}
