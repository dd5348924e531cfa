import { type Attributes, type Context, context, SpanKind, trace } from '@opentelemetry/api';
import type { StepMessage } from '../../core/tracing/messages.ts';
import { attribute, otherError, ownAttribute, pauseEvent } from '../conventions.ts';
import type { Begun, OrderSpans } from './order-spans.ts';
import { setError } from './outcome.ts';
import type { SpanSettings } from './span-settings.ts';

/** One span for each attempt at a step or a compensation, and events for the pauses between them. */
export class StepSpans {
  readonly #settings: SpanSettings;
  readonly #orders: OrderSpans;
  readonly #attempts = new WeakMap<StepMessage, Begun>();

  constructor(settings: SpanSettings, orders: OrderSpans) {
    this.#settings = settings;
    this.#orders = orders;
  }

  began(message: StepMessage): Context {
    const { processing, step, isCompensation, attempt } = message;
    // Without an order's operation, in `compensate`, it belongs to what the operator's call belongs to.
    const outer = (processing && this.#orders.of(processing))?.context ?? context.active();
    const name = isCompensation ? `compensate ${step}` : step;
    const attributes: Attributes = {
      ...this.#settings.attributes,
      [ownAttribute.stepName]: step,
      [ownAttribute.stepAttempt]: attempt,
      [ownAttribute.isCompensation]: isCompensation,
    };
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
      const { order, status, code, error } = message;
      span.setAttribute(attribute.messageId, order.id);
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
      [ownAttribute.isCompensation]: isCompensation,
      [ownAttribute.pauseMs]: retryInMs,
      [attribute.errorType]: code ?? otherError,
    });
  }
}
