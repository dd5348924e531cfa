import { type Attributes, type Context, context, SpanKind, trace } from '@opentelemetry/api';
import type { StepMessage } from '../../core/tracing/messages.ts';
import { attribute, otherError, ownAttribute, pauseEvent } from '../conventions.ts';
import { KeptOnMessage } from '../kept-on-message.ts';
import type { Begun, OrderSpans } from './order-spans.ts';
import { messageIdOf, setError } from './outcome.ts';
import type { SpanSettings } from './span-settings.ts';

/**
 * One span for each attempt at a step or a compensation, and events for the pauses between them. Where the span of the
 * order is sampled out, there are none.
 */
export class StepSpans {
  readonly #settings: SpanSettings;
  readonly #orders: OrderSpans;
  readonly #attempts = new KeptOnMessage<StepMessage, Begun>();

  constructor(settings: SpanSettings, orders: OrderSpans) {
    this.#settings = settings;
    this.#orders = orders;
  }

  began(message: StepMessage): Context | undefined {
    const { order, processing, step, isCompensation, attempt } = message;
    // Without an order's operation, in `compensate`, it belongs to what the operator's call belongs to.
    const outer =
      processing === undefined ? context.active() : this.#orders.of(processing)?.context;
    if (outer === undefined) return undefined;
    const name = isCompensation ? `compensate ${step}` : step;
    const attributes: Attributes = {
      ...this.#settings.attributes,
      [attribute.messageId]: messageIdOf(order.id, this.#settings),
      [ownAttribute.stepName]: step,
      [ownAttribute.stepAttempt]: attempt,
    };
    if (isCompensation) attributes[ownAttribute.isCompensation] = true;
    const span = this.#settings.tracer.startSpan(
      name,
      { kind: SpanKind.INTERNAL, attributes },
      outer,
    );
    const begun = { span, context: trace.setSpan(outer, span) };
    this.#attempts.set(message, begun);
    return begun.context;
  }

  ended(message: StepMessage): void {
    const span = this.#attempts.get(message)?.span;
    if (span === undefined) return;
    this.#addPause(message);
    if (span.isRecording()) {
      const { status, code, error } = message;
      if (status !== undefined) span.setAttribute(ownAttribute.stepStatus, status);
      if (code !== undefined) setError(span, code, error, this.#settings);
    }
    span.end();
  }

  #addPause(message: StepMessage): void {
    const { processing, step, attempt, isCompensation, retryInMs, code } = message;
    if (retryInMs === undefined) return;
    const order = processing && this.#orders.of(processing)?.span;
    // A compensation may go on after the processing of its order has ended.
    const span = order?.isRecording() ? order : this.#attempts.get(message)?.span;
    if (!span?.isRecording()) return;
    span.addEvent(pauseEvent, {
      [ownAttribute.stepName]: step,
      [ownAttribute.stepAttempt]: attempt,
      ...(isCompensation && { [ownAttribute.isCompensation]: true }),
      [ownAttribute.pauseMs]: retryInMs,
      [attribute.errorType]: code ?? otherError,
    });
  }
}
