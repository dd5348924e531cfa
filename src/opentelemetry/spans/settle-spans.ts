import {
  type Attributes,
  type Context,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import { codeOf } from '../../core/runtime/thrown.ts';
import type { SettleMessage } from '../../core/tracing/messages.ts';
import { attribute } from '../conventions.ts';
import { KeptOnMessage } from '../kept-on-message.ts';
import type { Begun, OrderSpans } from './order-spans.ts';
import { messageIdOf, setError } from './outcome.ts';
import { operationAttributes, type SpanSettings } from './span-settings.ts';

/** Tracers keep so many links of a span by default. */
const mostLinks = 128;

/**
 * One span for each call of the storage that settles orders, with links to their `process` spans. A call with one order
 * is a child of its `process` span as well. Where all of them are sampled out, there is none.
 */
export class SettleSpans {
  readonly #settings: SpanSettings;
  readonly #orders: OrderSpans;
  readonly #calls = new KeptOnMessage<SettleMessage, Begun>();
  readonly #name: string;
  readonly #attributes: Attributes;

  constructor(settings: SpanSettings, orders: OrderSpans) {
    this.#settings = settings;
    this.#orders = orders;
    this.#name = `settle ${settings.destination}`;
    this.#attributes = operationAttributes(settings, 'settle');
  }

  began(message: SettleMessage): Context | undefined {
    const { processing } = message;
    const orders = processing
      .map((order) => this.#orders.of(order))
      .filter((order) => order !== undefined);
    if (orders.length === 0 && processing.length > 0) return undefined;
    const links: Link[] = orders
      .slice(0, mostLinks)
      .map(({ span }) => ({ context: span.spanContext() }));
    // A batch belongs to no single order, nor to the active context, which is that of its first order.
    const outer = message.size === 1 ? (orders[0]?.context ?? ROOT_CONTEXT) : ROOT_CONTEXT;
    const span = this.#settings.tracer.startSpan(
      this.#name,
      { kind: SpanKind.CLIENT, attributes: this.#attributes, links },
      outer,
    );
    const begun = { span, context: trace.setSpan(outer, span) };
    this.#calls.set(message, begun);
    return begun.context;
  }

  ended(message: SettleMessage): void {
    const span = this.#calls.get(message)?.span;
    if (span === undefined) return;
    if (span.isRecording()) {
      const { size, orderIds, processorName, error } = message;
      if (size === 1) {
        span.setAttribute(attribute.messageId, messageIdOf(orderIds[0] as string, this.#settings));
      } else span.setAttribute(attribute.messageCount, size);
      if (processorName !== undefined) span.setAttribute(attribute.clientId, processorName);
      if (error !== undefined) setError(span, codeOf(error), error, this.#settings);
    }
    span.end();
  }
}
