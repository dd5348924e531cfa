import type { Context } from '@opentelemetry/api';
import type {
  OrderMessage,
  SettleMessage,
  StepMessage,
  SubmitMessage,
} from '../core/tracing/messages.ts';
import type { OperationMetrics } from './metrics/operation-metrics.ts';
import { OrderSpans } from './spans/order-spans.ts';
import { SettleSpans } from './spans/settle-spans.ts';
import type { SpanSettings } from './spans/span-settings.ts';
import { StepSpans } from './spans/step-spans.ts';

/** The spans of one processor. */
interface AllSpans {
  readonly orders: OrderSpans;
  readonly steps: StepSpans;
  readonly settlements: SettleSpans;
}

/**
 * What becomes of the operations of one processor. What begins an operation returns the context in which the rest of it
 * runs, if that is another one. A meter that throws leaves no span open.
 */
export class Operations {
  readonly #spans: AllSpans | undefined;
  readonly #metrics: OperationMetrics | undefined;

  constructor(spans: SpanSettings | undefined, metrics: OperationMetrics | undefined) {
    this.#metrics = metrics;
    if (spans === undefined) return;
    const orders = new OrderSpans(spans);
    this.#spans = {
      orders,
      steps: new StepSpans(spans, orders),
      settlements: new SettleSpans(spans, orders),
    };
  }

  submitBegan(message: SubmitMessage): undefined {
    this.#metrics?.began(message);
    this.#spans?.orders.handedIn(message);
  }

  submitEnded(message: SubmitMessage): void {
    try {
      this.#metrics?.handedIn(message);
    } finally {
      this.#spans?.orders.accepted(message);
    }
  }

  orderBegan(message: OrderMessage): Context | undefined {
    this.#metrics?.began(message);
    return this.#spans?.orders.began(message);
  }

  orderEnded(message: OrderMessage): void {
    try {
      this.#metrics?.processed(message);
    } finally {
      this.#spans?.orders.ended(message);
    }
  }

  stepBegan(message: StepMessage): Context | undefined {
    return this.#spans?.steps.began(message);
  }

  stepEnded(message: StepMessage): void {
    this.#spans?.steps.ended(message);
  }

  settleBegan(message: SettleMessage): Context | undefined {
    this.#metrics?.began(message);
    return this.#spans?.settlements.began(message);
  }

  settleEnded(message: SettleMessage): void {
    try {
      this.#metrics?.settled(message);
    } finally {
      this.#spans?.settlements.ended(message);
    }
  }
}
