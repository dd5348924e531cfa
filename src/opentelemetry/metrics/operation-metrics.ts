import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import { codeOf } from '../../core/runtime/thrown.ts';
import type { OrderMessage, SettleMessage, SubmitMessage } from '../../core/tracing/messages.ts';
import { BoundedCodes } from '../../metrics/bounded-codes.ts';
import {
  attribute,
  durationBuckets,
  metric,
  type OperationType,
  otherError,
  systemName,
} from '../conventions.ts';
import { KeptOnMessage } from '../kept-on-message.ts';
import type { InstrumentSettings } from '../options.ts';

/** The metrics that the conventions of messaging have, filled by the operations of one processor. */
export class OperationMetrics {
  readonly #startedAt = new KeptOnMessage<object, number>();
  readonly #attributes: Attributes;
  /** By operation and code, since each recording needs one. */
  readonly #known = new Map<string, Attributes>();
  readonly #codes = new BoundedCodes(otherError);
  readonly #operations: Histogram;
  readonly #processes: Histogram;
  readonly #sent: Counter;
  readonly #consumed: Counter;

  constructor(meter: Meter, { attributes, destination }: InstrumentSettings) {
    this.#attributes = {
      ...attributes,
      [attribute.system]: systemName,
      [attribute.destination]: destination,
    };
    const advice = { explicitBucketBoundaries: [...durationBuckets] };
    const durations = { unit: 's', advice };
    this.#operations = meter.createHistogram(metric.operationDuration, {
      ...durations,
      description: 'Duration of messaging operation initiated by a producer or consumer client.',
    });
    this.#processes = meter.createHistogram(metric.processDuration, {
      ...durations,
      description: 'Duration of processing operation.',
    });
    this.#sent = meter.createCounter(metric.sentMessages, {
      unit: '{message}',
      description: 'Number of messages producer attempted to send to the broker.',
    });
    this.#consumed = meter.createCounter(metric.consumedMessages, {
      unit: '{message}',
      description: 'Number of messages that were delivered to the application.',
    });
  }

  began(message: object): void {
    this.#startedAt.set(message, performance.now());
  }

  handedIn(message: SubmitMessage): void {
    const seconds = this.#secondsOf(message);
    if (seconds === undefined) return;
    const attributes = this.#attributesOf('send', message.error);
    this.#sent.add(1, attributes);
    this.#operations.record(seconds, attributes);
  }

  processed(message: OrderMessage): void {
    const seconds = this.#secondsOf(message);
    if (seconds === undefined) return;
    const attributes = this.#attributesOf('process', message.error);
    this.#consumed.add(1, attributes);
    this.#processes.record(seconds, attributes);
  }

  settled(message: SettleMessage): void {
    const seconds = this.#secondsOf(message);
    if (seconds !== undefined) {
      this.#operations.record(seconds, this.#attributesOf('settle', message.error));
    }
  }

  /** `undefined` if the operation began before it was listened to. */
  #secondsOf(message: object): number | undefined {
    const startedAt = this.#startedAt.get(message);
    return startedAt === undefined ? undefined : (performance.now() - startedAt) / 1_000;
  }

  #attributesOf(operation: OperationType, error: unknown): Attributes {
    const code = error === undefined ? '' : this.#codes.labelOf(codeOf(error));
    const key = `${operation} ${code}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const attributes: Attributes = {
      ...this.#attributes,
      [attribute.operationName]: operation,
      [attribute.operationType]: operation,
      ...(code !== '' && { [attribute.errorType]: code }),
    };
    this.#known.set(key, attributes);
    return attributes;
  }
}
